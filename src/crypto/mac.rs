//! Keyed hashes (HMAC-SHA-256, RFC 2104) of secrets too short to be hashed without a key.
//!
//! Refuses to work without a key derived for one purpose: whoever steals the store can try a million codes in a second, but not
//! without what is not in the store.

use aws_lc_rs::hmac;

use super::Digest;
use super::seal::{Unsealable, derive};

/// A key for one purpose.
pub struct Mac(hmac::Key);

impl std::fmt::Debug for Mac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mac(…)")
    }
}

impl Mac {
    /// Derives the purpose's key from `master`.
    ///
    /// # Errors
    /// [`Unsealable`] when the library refuses the derivation, which only a broken build does.
    pub fn new(master: &[u8], purpose: &str) -> Result<Self, Unsealable> {
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &derive(master, purpose)?)))
    }

    /// The keyed hash of several parts, each preceded by its length.
    #[must_use]
    pub fn of_parts(&self, parts: &[&[u8]]) -> Digest {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.sign().as_ref());
        Digest::from_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyed_hash_depends_on_key_purpose_and_every_part() {
        let mac = Mac::new(b"master", "codes").unwrap();
        let usual = mac.of_parts(&[b"attempt", b"123456"]);
        assert_eq!(usual, Mac::new(b"master", "codes").unwrap().of_parts(&[b"attempt", b"123456"]));
        for other in [
            Mac::new(b"another", "codes").unwrap().of_parts(&[b"attempt", b"123456"]),
            Mac::new(b"master", "links").unwrap().of_parts(&[b"attempt", b"123456"]),
            mac.of_parts(&[b"attempt", b"123457"]),
            mac.of_parts(&[b"attempt1", b"23456"]),
        ] {
            assert_ne!(usual, other);
        }
    }
}
