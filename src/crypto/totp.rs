//! Codes of authenticator apps (RFC 6238): six digits, a new one every thirty seconds, SHA-1, as every app takes them.
//!
//! Refuses a code more than one step from now; the step that matched is told, so that a caller can refuse it the second time.

use super::random::{self, NoRandomness};
use crate::clock::Timestamp;

/// Seconds of one step.
const STEP: u64 = 30;
/// Steps before and after now that are taken, for clocks that differ.
const SKEW: u16 = 1;
/// Bytes of a secret: what RFC 4226 §4 recommends.
pub const SECRET_LENGTH: usize = 20;

/// A secret or a name that no app would take.
#[derive(Debug, thiserror::Error)]
#[error("the secret or the name is not one of an authenticator app")]
pub struct InvalidTotp;

/// A generator of codes.
pub struct Totp(totp_rs::Totp);

impl std::fmt::Debug for Totp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Totp(…)")
    }
}

/// A new secret.
///
/// # Errors
/// [`NoRandomness`] when the system's generator fails.
pub fn secret() -> Result<[u8; SECRET_LENGTH], NoRandomness> {
    random::bytes()
}

impl Totp {
    /// The generator with this secret; `account` and `issuer` are what the app shows.
    ///
    /// # Errors
    /// [`InvalidTotp`] for a secret shorter than 128 bits.
    pub fn new(secret: &[u8], account: &str, issuer: &str) -> Result<Self, InvalidTotp> {
        // A colon separates the two in the app's address.
        let plain = |text: &str| text.replace(':', " ");
        let built = totp_rs::Builder::new()
            .with_secret(secret)
            .with_skew(SKEW)
            .with_step_duration(STEP)
            .with_account_name(plain(account))
            .with_issuer(Some(plain(issuer)))
            .build();
        built.map(Self).map_err(|_| InvalidTotp)
    }

    /// What an app reads from a QR code: `otpauth://totp/…`. Holds the secret.
    ///
    /// # Errors
    /// [`InvalidTotp`] where the account has no name.
    pub fn address(&self) -> Result<String, InvalidTotp> {
        self.0.to_url().map_err(|_| InvalidTotp)
    }

    /// The secret as people type it, in groups of four.
    #[must_use]
    pub fn typed(&self) -> String {
        let whole = self.0.secret().to_base32();
        whole.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
    }

    /// The step whose code this is, if it is one of now; compared in constant time.
    #[must_use]
    pub fn step_of(&self, code: &str, now: Timestamp) -> Option<i64> {
        let code: String = code.chars().filter(|letter| !letter.is_whitespace()).collect();
        let digits = code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit());
        let now = u64::try_from(now.seconds()).ok().filter(|_| digits)?;
        self.0.check(&code, now).and_then(|step| i64::try_from(step).ok())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// RFC 6238 appendix B has eight digits; six are their end.
    #[test]
    fn codes_are_those_of_the_rfc_and_hold_for_one_step_around() -> Result<(), InvalidTotp> {
        let totp = Totp::new(b"12345678901234567890", "ada", "Example: app")?;
        for (seconds, code, step) in
            [(59, "287082", 1), (1_111_111_109, "081804", 37_037_036), (20_000_000_000, "353130", 666_666_666)]
        {
            let now = Timestamp::from_seconds(seconds);
            assert_eq!(totp.step_of(code, now), Some(step));
            assert_eq!(totp.step_of(&format!(" {} {}", &code[..3], &code[3..]), now), Some(step), "as apps show it");
            assert_eq!(totp.step_of(code, now.after(Duration::from_secs(30))), Some(step));
            assert_eq!(totp.step_of(code, now.after(Duration::from_secs(62))), None);
            assert_eq!(totp.step_of(code, now.before(Duration::from_secs(62))), None);
        }
        for odd in ["", "28708", "2870822", "28708a", "-28708", "287082\u{0}", "２８７０８２"] {
            assert_eq!(totp.step_of(odd, Timestamp::from_seconds(59)), None, "{odd:?}");
        }
        assert!(totp.address()?.starts_with("otpauth://totp/"));
        assert_eq!(totp.typed(), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
        assert!(Totp::new(b"short", "ada", "Example").is_err());
        Ok(())
    }
}
