//! The signed assertion: a JWT (RFC 7519) that tells the application who is calling in a way it can verify.
//!
//! Refuses to be signed for each request: it is made once per identity and renewed at half its life. Its keys are derived from
//! `secret_key`, so that replicas sign alike and share nothing else; they change every week, and the ones before and after are
//! published with the present one, so that a verifier's cached set is never behind.

use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use axum::response::IntoResponse as _;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, header};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use serde_json::json;

use super::Outbound;
use crate::clock::Timestamp;
use crate::config::access::{Assertion as Typed, AssertionAlgorithm};
use crate::config::{Config, Path, Problems};
use crate::crypto::{Digest, Secret, random, seal};
use crate::model::{Identity, MintedAssertion, Scope};

/// Seconds an assertion is valid.
const LIFETIME: i64 = 300;
/// Seconds a key signs.
const EPOCH: i64 = 7 * 86400;
/// How long a verifier may keep the published keys; far less than an epoch, so that it has the next key before its first use.
const CACHE: &str = "public, max-age=3600";

/// Makes assertions.
pub struct Assertions {
    issuer: String,
    audience: String,
    algorithm: AssertionAlgorithm,
    master: Secret,
    keys: ArcSwap<Keys>,
}

impl std::fmt::Debug for Assertions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Assertions({})", self.audience)
    }
}

/// An assertion could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum MintError {
    #[error("the signing key could not be derived")]
    Key,
    #[error("the assertion could not be signed")]
    Sign(#[from] jsonwebtoken::errors::Error),
    #[error(transparent)]
    Randomness(#[from] random::NoRandomness),
}

impl Assertions {
    /// `None` where the configuration asks for none.
    pub(super) fn compile(config: &Config, problems: &mut Problems) -> Option<Self> {
        let Typed { audience, algorithm } = config.identity_headers.assertion.as_ref()?;
        let at = Path::from("identity_headers").key("assertion");
        if audience.is_empty() {
            problems.add(at.key("audience"), "the audience is empty", "name the application, such as `https://app.example.com`");
        }
        match Keys::derive(&config.secret_key, *algorithm, 0) {
            Ok(keys) => Some(Self {
                issuer: config.public_url.trim_end_matches('/').to_owned(),
                audience: audience.clone(),
                algorithm: *algorithm,
                master: config.secret_key.clone(),
                keys: ArcSwap::from_pointee(keys),
            }),
            Err(error) => {
                problems.add(at, error.to_string(), "");
                None
            }
        }
    }

    /// The identity's assertion: the one at hand, or a new one when that has lived half its life.
    pub(super) fn of(&self, identity: &Identity, now: Timestamp) -> Result<HeaderValue, MintError> {
        if let Some(minted) = identity.forward.assertion.load().as_ref()
            && now < minted.renew_at
        {
            return Ok(minted.value.clone());
        }
        let minted = self.mint(identity, now)?;
        let value = minted.value.clone();
        identity.forward.assertion.store(Some(Arc::new(minted)));
        Ok(value)
    }

    fn mint(&self, identity: &Identity, now: Timestamp) -> Result<MintedAssertion, MintError> {
        let keys = self.keys(now)?;
        let issued = now.seconds();
        let end = identity.expires_at.map_or(i64::MAX, Timestamp::seconds);
        let expires = issued.saturating_add(LIFETIME).min(end);
        let header = Header { typ: Some("JWT".to_owned()), kid: Some(keys.current.id.clone()), ..Header::new(self.algorithm()) };
        let claims = Claims {
            iss: &self.issuer,
            aud: &self.audience,
            sub: &identity.subject,
            sub_iss: identity.issuer.as_deref(),
            email: identity.email.as_deref(),
            name: identity.name.as_deref(),
            preferred_username: identity.user_name.as_deref(),
            groups: &identity.groups,
            roles: &identity.roles,
            tenant: identity.tenant.as_str(),
            scope: identity.scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(" "),
            cred: identity.credential.as_str(),
            sid: identity.session.as_ref().map(|handle| handle.0.as_str()),
            iat: issued,
            nbf: issued,
            exp: expires,
            jti: URL_SAFE_NO_PAD.encode(random::bytes::<16>()?),
        };
        let token = jsonwebtoken::encode(&header, &claims, &keys.current.signing)?;
        let value = HeaderValue::try_from(token).map_err(|_| MintError::Key)?;
        let half = Timestamp::from_seconds(issued + (expires - issued) / 2);
        Ok(MintedAssertion { value, renew_at: half })
    }

    fn keys(&self, now: Timestamp) -> Result<Arc<Keys>, MintError> {
        let epoch = now.seconds().div_euclid(EPOCH);
        let keys = self.keys.load_full();
        if keys.epoch == epoch {
            return Ok(keys);
        }
        let keys = Arc::new(Keys::derive(&self.master, self.algorithm, epoch)?);
        self.keys.store(Arc::clone(&keys));
        Ok(keys)
    }

    const fn algorithm(&self) -> Algorithm {
        match self.algorithm {
            AssertionAlgorithm::EdDsa => Algorithm::EdDSA,
            AssertionAlgorithm::Es256 => Algorithm::ES256,
        }
    }

    /// The public keys, as a JWK set (RFC 7517).
    fn jwks(&self, now: Timestamp) -> Result<serde_json::Value, MintError> {
        Ok(json!({ "keys": self.keys(now)?.published }))
    }
}

/// The door with the public keys, at `{prefix}/jwks.json`; empty where no assertion is made.
pub(super) fn jwks_router(assertions: Option<Arc<Assertions>>, prefix: &str) -> Router {
    let Some(assertions) = assertions else { return Router::new() };
    let answer = move |axum::Extension(outbound): axum::Extension<Arc<Outbound>>| {
        let keys = assertions.jwks(outbound.now);
        async move {
            match keys {
                Ok(keys) => ([(header::CACHE_CONTROL, CACHE)], Json(keys)).into_response(),
                Err(error) => {
                    tracing::error!(%error, "the public keys could not be derived");
                    http::StatusCode::SERVICE_UNAVAILABLE.into_response()
                }
            }
        }
    };
    Router::new().route(&format!("{prefix}/jwks.json"), axum::routing::get(answer))
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    /// Whose name for somebody `sub` is, where it is not Doorward's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_username: Option<&'a str>,
    groups: &'a [String],
    roles: &'a [String],
    tenant: &'a str,
    #[serde(skip_serializing_if = "String::is_empty")]
    scope: String,
    cred: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: String,
}

/// The keys of one epoch and what is published during it.
struct Keys {
    epoch: i64,
    current: Key,
    /// Of the epoch before, this one and the next.
    published: [serde_json::Value; 3],
}

struct Key {
    id: String,
    signing: EncodingKey,
    public: serde_json::Value,
}

impl Keys {
    fn derive(master: &Secret, algorithm: AssertionAlgorithm, epoch: i64) -> Result<Self, MintError> {
        let key = |epoch| Key::derive(master, algorithm, epoch);
        let (previous, current, next) = (key(epoch - 1)?, key(epoch)?, key(epoch + 1)?);
        let published = [previous.public, current.public.clone(), next.public];
        Ok(Self { epoch, current, published })
    }
}

impl Key {
    fn derive(master: &Secret, algorithm: AssertionAlgorithm, epoch: i64) -> Result<Self, MintError> {
        match algorithm {
            AssertionAlgorithm::EdDsa => Self::ed25519(&seed(master, "EdDSA", epoch, 0)?),
            // A seed is a P-256 key unless it is zero or not below the group's order, which happens once in 2^32.
            AssertionAlgorithm::Es256 => {
                (0..4).find_map(|attempt| Self::p256(&seed(master, "ES256", epoch, attempt).ok()?)).ok_or(MintError::Key)
            }
        }
    }

    fn ed25519(seed: &[u8; 32]) -> Result<Self, MintError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| MintError::Key)?;
        let der = pair.to_pkcs8v1().map_err(|_| MintError::Key)?;
        let point = pair.public_key().as_ref();
        let id = key_id(point);
        let public = json!({
            "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(point), "kid": id, "alg": "EdDSA", "use": "sig",
        });
        Ok(Self { id, signing: EncodingKey::from_ed_der(der.as_ref()), public })
    }

    fn p256(seed: &[u8; 32]) -> Option<Self> {
        let scalar = PrivateKey::from_private_key(&ECDH_P256, seed).ok()?;
        let point = scalar.compute_public_key().ok()?;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, seed, point.as_ref()).ok()?;
        let der = pair.to_pkcs8v1().ok()?;
        // Uncompressed: 4, then x and y (SEC 1 §2.3.3).
        let (x, y) = point.as_ref().get(1..)?.split_at_checked(32)?;
        let id = key_id(point.as_ref());
        let public = json!({
            "kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
            "kid": id, "alg": "ES256", "use": "sig",
        });
        Some(Self { id, signing: EncodingKey::from_ec_der(der.as_ref()), public })
    }
}

fn seed(master: &Secret, algorithm: &str, epoch: i64, attempt: u32) -> Result<[u8; 32], MintError> {
    let purpose = format!("assertion {algorithm} {epoch} {attempt}");
    seal::derive(master.expose().as_bytes(), &purpose).map_err(|_| MintError::Key)
}

fn key_id(public: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(&Digest::of(public).as_bytes()[..12])
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::jwk::JwkSet;
    use jsonwebtoken::{DecodingKey, Validation};

    use super::*;
    use crate::model::CredentialKind;

    fn assertions(algorithm: AssertionAlgorithm) -> Assertions {
        let master = Secret::new("0123456789abcdef0123456789abcdef".to_owned());
        Assertions {
            issuer: "https://app.example.com".to_owned(),
            audience: "app".to_owned(),
            algorithm,
            keys: ArcSwap::from_pointee(Keys::derive(&master, algorithm, 0).unwrap()),
            master,
        }
    }

    fn key_of(jwks: &serde_json::Value, token: &str) -> Option<DecodingKey> {
        let jwks: JwkSet = serde_json::from_value(jwks.clone()).unwrap();
        let kid = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
        jwks.find(&kid).map(|key| DecodingKey::from_jwk(key).unwrap())
    }

    #[test]
    fn an_assertion_verifies_with_the_published_keys_of_its_week_and_of_its_neighbours() {
        for algorithm in [AssertionAlgorithm::EdDsa, AssertionAlgorithm::Es256] {
            let assertions = assertions(algorithm);
            let now = Timestamp::from_seconds(1_800_000_000);
            let minted = assertions.mint(&Identity::sample(CredentialKind::Session), now).unwrap();
            let token = minted.value.to_str().unwrap();
            let mut validation = Validation::new(assertions.algorithm());
            validation.set_audience(&["app"]);
            validation.set_issuer(&["https://app.example.com"]);
            validation.validate_exp = false;
            for week in [-1, 0, 1] {
                let jwks = assertions.jwks(Timestamp::from_seconds(now.seconds() + week * EPOCH)).unwrap();
                let key = key_of(&jwks, token).expect("published");
                let read = jsonwebtoken::decode::<serde_json::Value>(token, &key, &validation).unwrap();
                assert_eq!(read.claims["exp"], now.seconds() + LIFETIME);
                assert_eq!(read.claims["sub"], "ada-1");
            }
            let later = assertions.jwks(Timestamp::from_seconds(now.seconds() + 2 * EPOCH)).unwrap();
            assert!(key_of(&later, token).is_none(), "a key is published for three weeks");
        }
    }

    #[test]
    fn an_assertion_is_made_once_and_renewed_at_half_its_life() {
        let assertions = assertions(AssertionAlgorithm::EdDsa);
        let identity = Identity::sample(CredentialKind::Session);
        let at = |seconds: i64| assertions.of(&identity, Timestamp::from_seconds(1_800_000_000 + seconds)).unwrap();
        let first = at(0);
        assert_eq!(first, at(149));
        assert_ne!(first, at(150));
    }

    #[test]
    fn an_assertion_does_not_outlive_the_identity() {
        let assertions = assertions(AssertionAlgorithm::EdDsa);
        let now = Timestamp::from_seconds(1_800_000_000);
        let identity = Identity {
            expires_at: Some(Timestamp::from_seconds(now.seconds() + 40)),
            ..Identity::sample(CredentialKind::Session)
        };
        let minted = assertions.mint(&identity, now).unwrap();
        let claims = minted.value.to_str().unwrap().split('.').nth(1).unwrap().to_owned();
        let claims: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        assert_eq!(claims["exp"], now.seconds() + 40);
        assert_eq!(minted.renew_at.seconds(), now.seconds() + 20);
    }
}
