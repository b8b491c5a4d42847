//! Signatures that outlive a week: Ed25519 (RFC 8032) under a key derived from `secret_key` for one purpose.
//!
//! Refuses to give the private key away; the public one is for whoever checks, far from here and years later.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::weekly::Unsigned;
use super::{Digest, Secret, seal};

/// Signs for one purpose.
pub struct Signer {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.public.id())
    }
}

impl Signer {
    /// # Errors
    /// [`Unsigned`] when the library refuses the derivation, which only a broken build does.
    pub fn new(master: &Secret, purpose: &str) -> Result<Self, Unsigned> {
        let seed = seal::derive(master.expose().as_bytes(), purpose).map_err(|_| Unsigned)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| Unsigned)?;
        let public = pair.public_key().as_ref().try_into().map(PublicKey).map_err(|_| Unsigned)?;
        Ok(Self { pair, public })
    }

    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The 64 bytes of a signature.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

/// What a [`Signer`]'s signatures are checked with; written in base64url without padding, as a JWK's `x` (RFC 8037 §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

/// A text that is no public key.
#[derive(Debug, thiserror::Error)]
#[error("not a public key: 32 bytes in base64url without padding")]
pub struct NoKey;

impl PublicKey {
    /// A short name for it.
    #[must_use]
    pub fn id(&self) -> String {
        URL_SAFE_NO_PAD.encode(&Digest::of(&self.0).as_bytes()[..12])
    }

    /// Whether its signer made `signature` of `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for PublicKey {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<Self, NoKey> {
        let bytes = URL_SAFE_NO_PAD.decode(text.trim()).map_err(|_| NoKey)?;
        bytes.try_into().map(Self).map_err(|_| NoKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_one_message_and_one_purpose() -> Result<(), Box<dyn std::error::Error>> {
        let master = Secret::new("0123456789abcdef0123456789abcdef".to_owned());
        let (ours, others) = (Signer::new(&master, "a")?, Signer::new(&master, "b")?);
        let signature = ours.sign(b"message");
        let public: PublicKey = ours.public().to_string().parse()?;
        assert_eq!(&public, ours.public());
        assert!(public.verifies(b"message", &signature));
        assert!(!public.verifies(b"massage", &signature));
        assert!(!others.public().verifies(b"message", &signature));
        assert_ne!(public.id(), others.public().id());
        assert!("AAAA".parse::<PublicKey>().is_err());
        Ok(())
    }
}
