//! How this application proves to a provider which client it is (RFC 6749 §2.3, RFC 7523 §2.2; OpenID Connect Core 1.0 §9).
//!
//! Refuses a key that cannot sign as configured when the configuration is read, not when the first person signs in, because nobody is
//! there to see it then. An assertion is for one call: it lives a minute and has an id of its own.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

use crate::clock::Timestamp;
use crate::config::connection::{ClientAuth, ClientKey as Typed, ClientKeyAlgorithm};
use crate::config::{Path as Place, Problems};
use crate::crypto::{Digest, Secret, random};

/// Why the client could not prove itself.
#[derive(Debug, thiserror::Error)]
pub enum Unproved {
    #[error(transparent)]
    Randomness(#[from] random::NoRandomness),
    #[error("the client's key does not sign")]
    Signing(#[from] jsonwebtoken::errors::Error),
    #[error("the signing was broken off")]
    BrokenOff(#[from] tokio::task::JoinError),
}

/// A client as a provider knows it. Its secret may be missing where the provider asks for none.
#[derive(Debug)]
pub struct Client {
    pub id: String,
    pub auth: ClientAuth,
    pub secret: Option<Secret>,
    /// Of `private_key_jwt`.
    pub key: Option<ClientKey>,
}

impl Client {
    /// Adds to `form` what proves the client to `audience`, the provider's token endpoint or name; or says the value of `Authorization` that does.
    ///
    /// # Errors
    /// As [`ClientKey::assertion`].
    pub async fn prove(
        &self,
        form: &mut Vec<(String, String)>,
        audience: &str,
        now: Timestamp,
    ) -> Result<Option<String>, Unproved> {
        let mut add = |name: &str, value: &str| form.push((name.to_owned(), value.to_owned()));
        match (self.auth, &self.secret, &self.key) {
            (ClientAuth::PrivateKeyJwt, _, Some(key)) => {
                add("client_id", &self.id);
                add("client_assertion_type", ASSERTION_TYPE);
                add("client_assertion", &key.assertion(&self.id, audience, now).await?);
            }
            (ClientAuth::ClientSecretBasic, Some(secret), _) => return Ok(Some(basic(&self.id, secret.expose()))),
            (_, secret, _) => {
                add("client_id", &self.id);
                if let Some(secret) = secret {
                    add("client_secret", secret.expose());
                }
            }
        }
        Ok(None)
    }
}

/// The client's id and secret, each form-encoded before they are joined (RFC 6749 §2.3.1).
#[must_use]
pub fn basic(id: &str, secret: &str) -> String {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret))))
}

/// What the form calls an assertion of this kind.
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Seconds an assertion is valid.
const LIFE: i64 = 60;

/// A private key and what is known of it. Clones share it.
#[derive(Clone)]
pub struct ClientKey(Arc<Inner>);

struct Inner {
    header: Header,
    signing: EncodingKey,
    public: Jwk,
    audience: Option<String>,
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientKey({:?})", self.0.header.kid)
    }
}

impl ClientKey {
    /// The key where the client proves itself by one, and that there is none where it does not. The outer `None`: a problem was added.
    /// `place`: the section that holds both.
    #[must_use]
    pub fn of(auth: ClientAuth, typed: Option<&Typed>, place: &Place, problems: &mut Problems) -> Option<Option<Self>> {
        match (auth, typed) {
            (ClientAuth::PrivateKeyJwt, Some(typed)) => Self::compile(typed, &place.key("client_key"), problems).map(Some),
            (ClientAuth::PrivateKeyJwt, None) => {
                problems.add(place.key("client_auth"), "`private_key_jwt` needs a key", "add `client_key: { pem: { file: … } }`");
                None
            }
            (ClientAuth::ClientSecretBasic | ClientAuth::ClientSecretPost, Some(_)) => {
                let what = "the key is not used, because the client proves itself by its secret";
                problems.add(place.key("client_key"), what, "set `client_auth: private_key_jwt`");
                None
            }
            (ClientAuth::ClientSecretBasic | ClientAuth::ClientSecretPost, None) => Some(None),
        }
    }

    /// `place`: where it stands in the configuration.
    fn compile(typed: &Typed, place: &Place, problems: &mut Problems) -> Option<Self> {
        let Some((signing, natural)) = read(typed.pem.expose()) else {
            let hint = "PKCS #8 in PEM, as of `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`";
            problems.add(place.key("pem"), "this is no private key that can sign", hint);
            return None;
        };
        let algorithm = typed.algorithm.map_or(natural, algorithm);
        // An RSA key may sign both ways, the others in one way only.
        if algorithm.family() != natural.family() || Inner::probe(&signing, algorithm).is_err() {
            problems.add(place.key("algorithm"), format!("the key cannot sign with {algorithm:?}"), "leave it out");
            return None;
        }
        let certificate = match typed.certificate.as_deref().map(thumbprint).transpose() {
            Ok(certificate) => certificate,
            Err(error) => {
                problems.add(place.key("certificate"), error.to_string(), "name a PEM file with the key's certificate");
                return None;
            }
        };
        let mut public = Jwk::from_encoding_key(&signing, algorithm).ok()?;
        let id = typed.id.clone().or_else(|| public.thumbprint(ThumbprintHash::SHA256).ok())?;
        public.common.key_id = Some(id.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        let header = Header { kid: Some(id), x5t_s256: certificate, ..Header::new(algorithm) };
        Some(Self(Arc::new(Inner { header, signing, public, audience: typed.audience.clone() })))
    }

    /// An assertion that `client` makes to the party with this endpoint.
    ///
    /// # Errors
    /// When there is no randomness, or the key does not sign.
    pub async fn assertion(&self, client: &str, endpoint: &str, now: Timestamp) -> Result<String, Unproved> {
        let issued = now.seconds();
        let claims = json!({
            "iss": client,
            "sub": client,
            "aud": self.0.audience.as_deref().unwrap_or(endpoint),
            "jti": random::alphanumeric(43)?,
            "iat": issued,
            "exp": issued.saturating_add(LIFE),
        });
        let key = Arc::clone(&self.0);
        // An RSA signature takes a millisecond, and the thread serves others.
        let signed = tokio::task::spawn_blocking(move || jsonwebtoken::encode(&key.header, &claims, &key.signing)).await;
        Ok(signed??)
    }

    /// The public part, as a JWK set (RFC 7517 §5).
    #[must_use]
    pub fn published(&self) -> Value {
        json!({ "keys": [self.0.public] })
    }
}

impl Inner {
    fn probe(signing: &EncodingKey, algorithm: Algorithm) -> Result<(), jsonwebtoken::errors::Error> {
        jsonwebtoken::crypto::sign(b"probe", signing, algorithm)?;
        Jwk::from_encoding_key(signing, algorithm).map(drop)
    }
}

/// Reads a key of one kind.
type Reader = fn(&[u8]) -> jsonwebtoken::errors::Result<EncodingKey>;

/// The key, and the algorithm that is natural to it.
fn read(pem: &str) -> Option<(EncodingKey, Algorithm)> {
    let pem = pem.as_bytes();
    let kinds: [(Reader, Algorithm); 3] = [
        (EncodingKey::from_ec_pem, Algorithm::ES256),
        (EncodingKey::from_ed_pem, Algorithm::EdDSA),
        (EncodingKey::from_rsa_pem, Algorithm::RS256),
    ];
    kinds.into_iter().find_map(|(read, algorithm)| {
        let key = read(pem).ok()?;
        Inner::probe(&key, algorithm).ok().map(|()| (key, algorithm))
    })
}

const fn algorithm(typed: ClientKeyAlgorithm) -> Algorithm {
    match typed {
        ClientKeyAlgorithm::Es256 => Algorithm::ES256,
        ClientKeyAlgorithm::Rs256 => Algorithm::RS256,
        ClientKeyAlgorithm::Ps256 => Algorithm::PS256,
        ClientKeyAlgorithm::EdDsa => Algorithm::EdDSA,
    }
}

/// SHA-256 of the certificate, as `x5t#S256` has it (RFC 7515 §4.1.8).
fn thumbprint(path: &Path) -> Result<String, rustls::pki_types::pem::Error> {
    let certificate = CertificateDer::from_pem_file(path)?;
    Ok(URL_SAFE_NO_PAD.encode(Digest::of(&certificate).as_bytes()))
}
