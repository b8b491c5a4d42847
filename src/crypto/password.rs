//! Passwords: Argon2id (RFC 9106) with 19 MiB, two passes, one lane.
//!
//! Refuses to answer faster for an unknown account: [`verify`] spends the same work without a stored hash, because the time
//! of an answer must not tell which accounts exist (threats M5).

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};

/// The password could not be hashed.
#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed")]
pub struct Unhashable;

fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

/// The password's PHC string with a fresh salt. Takes some 20 ms of one core: call it from a blocking thread.
///
/// # Errors
/// [`Unhashable`] when the system gave no randomness or the library refuses.
pub fn hash(password: &str) -> Result<String, Unhashable> {
    let salt = super::random::bytes::<16>().map_err(|_| Unhashable)?;
    argon2().hash_password_with_salt(password.as_bytes(), &salt).map(|hash| hash.to_string()).map_err(|_| Unhashable)
}

/// Whether `password` is the one `stored` was made from; `None` costs the same and is always wrong.
/// Takes some 20 ms of one core: call it from a blocking thread.
#[must_use]
pub fn verify(password: &str, stored: Option<&str>) -> bool {
    // A hash of nothing anybody can type; its parameters are today's, so that it costs the same.
    const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let Ok(parsed) = PasswordHash::new(stored.unwrap_or(NOBODY)) else { return false };
    argon2().verify_password(password.as_bytes(), &parsed).is_ok() && stored.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_verifies_and_nobody_has_one() -> Result<(), Unhashable> {
        let stored = hash("correct horse")?;
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(verify("correct horse", Some(&stored)));
        assert!(!verify("correct horsf", Some(&stored)));
        assert!(!verify("", None));
        Ok(())
    }
}
