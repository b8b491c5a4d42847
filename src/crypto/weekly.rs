//! Signing keys for one purpose, derived from `secret_key` and another one every week.
//!
//! Refuses to be kept or sent: replicas derive the same ones and share nothing else. The keys before and after the present one are known
//! with it, so that a verifier's cached set is never behind.

use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use serde_json::json;

use super::{Digest, Secret, seal};
use crate::clock::Timestamp;

/// Seconds a key signs.
pub const EPOCH: i64 = 7 * 86400;

/// How the keys sign (RFC 7518 §3.4, RFC 8037 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signing {
    EdDsa,
    Es256,
}

/// A key could not be derived, or did not sign, which only a broken build does.
#[derive(Debug, thiserror::Error)]
#[error("the signing key could not be derived or used")]
pub struct Unsigned;

/// What keys are for.
#[derive(Clone, Copy, Debug)]
pub struct Purpose {
    /// Keeps these keys apart from all others.
    pub name: &'static str,
    /// The type of their tokens (RFC 7515 §4.1.9).
    pub typ: &'static str,
    pub signing: Signing,
}

/// The keys of one purpose.
pub struct Weekly {
    purpose: Purpose,
    master: Secret,
    keys: ArcSwap<Keys>,
}

impl std::fmt::Debug for Weekly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Weekly({})", self.purpose.name)
    }
}

impl Weekly {
    /// # Errors
    /// [`Unsigned`] when the library refuses the derivation.
    pub fn new(master: &Secret, purpose: Purpose) -> Result<Self, Unsigned> {
        let keys = Keys::derive(master, purpose, 0)?;
        Ok(Self { purpose, master: master.clone(), keys: ArcSwap::from_pointee(keys) })
    }

    /// The keys of the week of `now`.
    ///
    /// # Errors
    /// [`Unsigned`] when the library refuses the derivation.
    pub fn at(&self, now: Timestamp) -> Result<Arc<Keys>, Unsigned> {
        let epoch = now.seconds().div_euclid(EPOCH);
        let keys = self.keys.load_full();
        if keys.epoch == epoch {
            return Ok(keys);
        }
        let keys = Arc::new(Keys::derive(&self.master, self.purpose, epoch)?);
        self.keys.store(Arc::clone(&keys));
        Ok(keys)
    }
}

/// The keys of one week and of its neighbours.
pub struct Keys {
    epoch: i64,
    around: [Key; 3],
}

impl Keys {
    fn derive(master: &Secret, purpose: Purpose, epoch: i64) -> Result<Self, Unsigned> {
        let key = |epoch| Key::derive(master, purpose, epoch);
        Ok(Self { epoch, around: [key(epoch - 1)?, key(epoch)?, key(epoch + 1)?] })
    }

    /// The one that signs.
    #[must_use]
    pub const fn current(&self) -> &Key {
        &self.around[1]
    }

    /// Those whose signatures count: of the week before, of this and of the next.
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        self.around.iter()
    }

    /// The public keys, as a JWK set (RFC 7517 §5).
    #[must_use]
    pub fn jwks(&self) -> serde_json::Value {
        json!({ "keys": self.around.each_ref().map(|key| &key.public) })
    }
}

/// One key.
pub struct Key {
    signing: Signing,
    header: Header,
    /// The header as its tokens begin with it.
    beginning: String,
    private: EncodingKey,
    point: Vec<u8>,
    public: serde_json::Value,
}

impl Key {
    fn derive(master: &Secret, purpose: Purpose, epoch: i64) -> Result<Self, Unsigned> {
        let Purpose { name, typ, signing } = purpose;
        match signing {
            Signing::EdDsa => Self::ed25519(&seed(master, &format!("{name} EdDSA {epoch} 0"))?, typ),
            // A seed is a P-256 key unless it is zero or not below the group's order, which happens once in 2^32.
            Signing::Es256 => (0..4)
                .find_map(|attempt| Self::p256(&seed(master, &format!("{name} ES256 {epoch} {attempt}")).ok()?, typ))
                .ok_or(Unsigned),
        }
    }

    fn ed25519(seed: &[u8; 32], typ: &str) -> Result<Self, Unsigned> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| Unsigned)?;
        let der = pair.to_pkcs8v1().map_err(|_| Unsigned)?;
        let point = pair.public_key().as_ref().to_vec();
        let id = key_id(&point);
        let public = json!({
            "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(&point), "kid": id, "alg": "EdDSA", "use": "sig",
        });
        let header = Header { typ: Some(typ.to_owned()), kid: Some(id), ..Header::new(Algorithm::EdDSA) };
        let (private, beginning) = (EncodingKey::from_ed_der(der.as_ref()), beginning(&header)?);
        Ok(Self { signing: Signing::EdDsa, header, beginning, private, point, public })
    }

    fn p256(seed: &[u8; 32], typ: &str) -> Option<Self> {
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
        let header = Header { typ: Some(typ.to_owned()), kid: Some(id), ..Header::new(Algorithm::ES256) };
        let (private, beginning) = (EncodingKey::from_ec_der(der.as_ref()), beginning(&header).ok()?);
        Some(Self { signing: Signing::Es256, header, beginning, private, point: point.as_ref().to_vec(), public })
    }

    /// A token with `claims` (RFC 7519 §7.1).
    ///
    /// # Errors
    /// [`Unsigned`] when it could not be signed.
    pub fn sign(&self, claims: &impl Serialize) -> Result<String, Unsigned> {
        jsonwebtoken::encode(&self.header, claims, &self.private).map_err(|_| Unsigned)
    }

    /// Whether `token` has exactly the header of this key's tokens; that it is one is yet to be verified.
    #[must_use]
    pub fn heads(&self, token: &str) -> bool {
        token.strip_prefix(&*self.beginning).is_some_and(|rest| rest.starts_with('.'))
    }

    /// Whether it made `signature` of `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self.signing {
            Signing::EdDsa => UnparsedPublicKey::new(&ED25519, &self.point).verify(message, signature).is_ok(),
            Signing::Es256 => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.point).verify(message, signature).is_ok(),
        }
    }
}

fn beginning(header: &Header) -> Result<String, Unsigned> {
    serde_json::to_vec(header).map(|header| URL_SAFE_NO_PAD.encode(header)).map_err(|_| Unsigned)
}

fn seed(master: &Secret, purpose: &str) -> Result<[u8; 32], Unsigned> {
    seal::derive(master.expose().as_bytes(), purpose).map_err(|_| Unsigned)
}

fn key_id(public: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(&Digest::of(public).as_bytes()[..12])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_signs_for_a_week_and_counts_for_three_and_for_its_purpose_only() -> Result<(), Unsigned> {
        let master = Secret::new("0123456789abcdef0123456789abcdef".to_owned());
        for signing in [Signing::EdDsa, Signing::Es256] {
            let weekly = |name| Weekly::new(&master, Purpose { name, typ: "JWT", signing });
            let (ours, others) = (weekly("a")?, weekly("b")?);
            let week = |week: i64| Timestamp::from_seconds(week * EPOCH);
            let token = ours.at(week(100))?.current().sign(&json!({}))?;
            assert!(ours.at(week(101))?.iter().any(|key| key.heads(&token)), "the header is known by its bytes");
            let (message, signature) = token.rsplit_once('.').ok_or(Unsigned)?;
            let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Unsigned)?;
            let counts = |keys: &Keys| keys.iter().any(|key| key.verifies(message.as_bytes(), &signature));
            for (at, expected) in [(98, false), (99, true), (100, true), (101, true), (102, false)] {
                assert_eq!(counts(&*ours.at(week(at))?), expected, "{signing:?} in week {at}");
            }
            assert!(!counts(&*others.at(week(100))?));
        }
        Ok(())
    }
}
