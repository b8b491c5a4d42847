//! Sealing: AES-256-GCM under a key derived for one purpose.
//!
//! Refuses anything that was sealed for another purpose, with other associated data or under another key, because a sealed
//! attempt must not be usable as a sealed session.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};

/// Bytes that sealing adds: nonce and tag.
pub const OVERHEAD: usize = NONCE_LEN + 16;

/// The sealed text is not one of ours: changed, cut, too old a key, or made for another purpose.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the sealed value does not open")]
pub struct Unsealable;

/// A key for one purpose.
pub struct Sealer(RandomizedNonceKey);

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(…)")
    }
}

impl Sealer {
    /// Derives the purpose's key from `master` with HKDF-SHA-256 (RFC 5869).
    ///
    /// # Errors
    /// [`Unsealable`] when the library refuses the derivation, which only a broken build does.
    pub fn new(master: &[u8], purpose: &str) -> Result<Self, Unsealable> {
        let key = derive(master, purpose)?;
        RandomizedNonceKey::new(&AES_256_GCM, &key).map(Self).map_err(|_| Unsealable)
    }

    /// Nonce, ciphertext and tag of `plain`, bound to `context`.
    ///
    /// # Errors
    /// [`Unsealable`] when the library refuses to seal.
    pub fn seal(&self, plain: &[u8], context: &[u8]) -> Result<Vec<u8>, Unsealable> {
        let mut body = plain.to_vec();
        let nonce = self.0.seal_in_place_append_tag(Aad::from(context), &mut body).map_err(|_| Unsealable)?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut body);
        Ok(sealed)
    }

    /// What was sealed with the same purpose and `context`.
    ///
    /// # Errors
    /// [`Unsealable`] for everything else.
    pub fn open(&self, sealed: &[u8], context: &[u8]) -> Result<Vec<u8>, Unsealable> {
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN).ok_or(Unsealable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unsealable)?;
        let mut body = body.to_vec();
        self.0.open_in_place(nonce, Aad::from(context), &mut body).map(|plain| plain.to_vec()).map_err(|_| Unsealable)
    }
}

/// 32 bytes for one purpose, from `master`, with HKDF-SHA-256 (RFC 5869).
///
/// # Errors
/// [`Unsealable`] when the library refuses the derivation.
pub fn derive(master: &[u8], purpose: &str) -> Result<[u8; 32], Unsealable> {
    let mut key = [0; 32];
    Salt::new(HKDF_SHA256, b"doorward")
        .extract(master)
        .expand(&[purpose.as_bytes()], HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut key))
        .map_err(|_| Unsealable)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_for_one_purpose_opens_for_no_other() -> Result<(), Unsealable> {
        let attempt = Sealer::new(b"master", "attempt")?;
        let sealed = attempt.seal(b"state", b"cookie")?;
        assert_eq!(attempt.open(&sealed, b"cookie")?, b"state");
        assert_eq!(attempt.open(&sealed, b"other cookie"), Err(Unsealable));
        assert_eq!(Sealer::new(b"master", "session")?.open(&sealed, b"cookie"), Err(Unsealable));
        assert_eq!(attempt.open(&sealed[..5], b"cookie"), Err(Unsealable));
        Ok(())
    }
}
