//! JSON Web Keys (RFC 7517): the public keys of an issuer.
//!
//! Refuses secret keys, keys for encryption, weak RSA moduli and keys whose `alg` is not of their type, because the key, not the
//! token, says how it may be used (threats J1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

use super::jws;

/// Keys of one set that are looked at.
const MOST_KEYS: usize = 100;

/// One public key and what it may check.
pub(in crate::authn) struct Key {
    pub(super) id: Option<String>,
    algorithms: Vec<Algorithm>,
    pub(super) decoding: DecodingKey,
}

impl Key {
    pub(super) fn takes(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// An Ed25519 key from PEM; `None` if it is none.
    pub(in crate::authn) fn from_ed25519_pem(pem: &str) -> Option<Self> {
        let decoding = DecodingKey::from_ed_pem(pem.as_bytes()).ok()?;
        Some(Self { id: None, algorithms: vec![Algorithm::EdDSA], decoding })
    }
}

/// The usable keys of a set.
pub(in crate::authn) struct KeySet(Box<[Key]>);

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

/// Why a document is no key set.
#[derive(Debug, thiserror::Error)]
pub(in crate::authn) enum InvalidKeySet {
    #[error("it is not a JSON Web Key Set")]
    Malformed(#[source] serde_json::Error),
    #[error("it holds no public signing key that can be used")]
    Empty,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// The usable keys of the document; others are passed over, since a set may also hold what is not for us (RFC 7517 §5).
    pub(in crate::authn) fn from_json(document: &[u8]) -> Result<Self, InvalidKeySet> {
        let document: Document = serde_json::from_slice(document).map_err(InvalidKeySet::Malformed)?;
        let typed = document.keys.into_iter().take(MOST_KEYS).filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        let keys: Box<[Key]> = typed.filter_map(Jwk::into_key).collect();
        if keys.is_empty() { Err(InvalidKeySet::Empty) } else { Ok(Self(keys)) }
    }

    pub(in crate::authn) fn from_keys(keys: Vec<Key>) -> Self {
        Self(keys.into())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Key> {
        self.0.iter()
    }
}

impl Jwk {
    fn into_key(self) -> Option<Key> {
        use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
        let for_signatures = self.usage.as_deref().is_none_or(|usage| usage == "sig")
            && self.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !for_signatures {
            return None;
        }
        let (decoding, fitting): (DecodingKey, &[Algorithm]) = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => (self.rsa()?, &[RS256, RS384, RS512, PS256, PS384, PS512]),
            ("EC", Some("P-256")) => (self.elliptic(32)?, &[ES256]),
            ("EC", Some("P-384")) => (self.elliptic(48)?, &[ES384]),
            ("OKP", Some("Ed25519")) => (self.edwards()?, &[EdDSA]),
            _ => return None,
        };
        let algorithms = match &self.alg {
            None => fitting.to_vec(),
            Some(name) => vec![jws::algorithm(name).filter(|algorithm| fitting.contains(algorithm))?],
        };
        Some(Key { id: self.kid, algorithms, decoding })
    }

    fn rsa(&self) -> Option<DecodingKey> {
        let (modulus, exponent) = (decode(self.n.as_ref())?, decode(self.e.as_ref())?);
        let bytes = modulus.iter().skip_while(|byte| **byte == 0).count();
        let strong = (256..=1024).contains(&bytes) && exponent.len() <= 4 && !is_roca(&modulus);
        strong.then(|| DecodingKey::from_rsa_raw_components(&modulus, &exponent))
    }

    fn elliptic(&self, size: usize) -> Option<DecodingKey> {
        let (x, y) = (decode(self.x.as_ref())?, decode(self.y.as_ref())?);
        let whole = x.len() == size && y.len() == size;
        whole.then(|| DecodingKey::from_ec_components(self.x.as_deref()?, self.y.as_deref()?).ok())?
    }

    fn edwards(&self) -> Option<DecodingKey> {
        let x = decode(self.x.as_ref())?;
        (x.len() == 32).then(|| DecodingKey::from_ed_components(self.x.as_deref()?).ok())?
    }
}

fn decode(text: Option<&String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok()
}

/// Whether the modulus bears the mark of the flawed generator of CVE-2017-15361: modulo each of these primes it is a power of
/// 65537 (Nemec et al., "The Return of Coppersmith's Attack", §2.2). By chance one modulus in 2^27 does.
fn is_roca(modulus: &[u8]) -> bool {
    const PRIMES: [u32; 17] = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];
    PRIMES.iter().all(|prime| {
        let rest = modulus.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime);
        let powers = std::iter::successors(Some(1), |power| Some(power * 65537 % prime));
        powers.take(*prime as usize).any(|power| power == rest)
    })
}
