//! Randomness from the operating system, by way of aws-lc-rs.
//!
//! Refuses to go on with weak randomness: a failure is an error, because a guessable id is an open door.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

/// The operating system's generator did not answer.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no randomness")]
pub struct NoRandomness;

/// `N` random bytes.
///
/// # Errors
/// [`NoRandomness`] when the system's generator fails.
pub fn bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A text of `length` letters and digits, 5.95 bits each; 43 of them hold 256 bits.
///
/// # Errors
/// [`NoRandomness`] when the system's generator fails.
pub fn alphanumeric(length: usize) -> Result<String, NoRandomness> {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        // Rejecting 248..=255 keeps the 62 characters equally likely.
        for byte in bytes::<64>()?.into_iter().filter(|byte| *byte < 248) {
            if text.len() < length {
                text.push(char::from(ALPHABET[usize::from(byte % 62)]));
            }
        }
    }
    Ok(text)
}

/// A text of `length` decimal digits, all equally likely.
///
/// # Errors
/// [`NoRandomness`] when the system's generator fails.
pub fn digits(length: usize) -> Result<String, NoRandomness> {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        // Rejecting 250..=255 keeps the ten digits equally likely.
        for byte in bytes::<16>()?.into_iter().filter(|byte| *byte < 250) {
            if text.len() < length {
                text.push(char::from(b'0' + byte % 10));
            }
        }
    }
    Ok(text)
}
