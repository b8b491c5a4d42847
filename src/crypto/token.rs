//! The tokens Doorward hands out: API keys and client secrets.
//!
//! Refuses a token whose checksum does not fit before anything is looked up, because a mistyped key should cost nothing;
//! the checksum and the prefix also let secret scanners recognise a leaked one.

use super::{Digest, Secret, random};

/// Letters of a key's public id.
pub const ID_LENGTH: usize = 16;
/// Letters of the secret part: 256 bits.
pub const SECRET_LENGTH: usize = 43;
const CHECKSUM_LENGTH: usize = 6;
/// What every API key begins with.
pub const KEY_PREFIX: &str = "dw_";
/// What every client secret begins with.
pub const CLIENT_SECRET_PREFIX: &str = "dws_";

/// What every token of a directory's client begins with.
pub const SCIM_PREFIX: &str = "dwscim_";

/// A new public id.
///
/// # Errors
/// [`random::NoRandomness`] when the system's generator fails.
pub fn new_id() -> Result<String, random::NoRandomness> {
    random::alphanumeric(ID_LENGTH)
}

/// A new API key `dw_<id>_<secret><checksum>` for `id`, and the digest to store.
///
/// # Errors
/// [`random::NoRandomness`] when the system's generator fails.
pub fn new_api_key(id: &str) -> Result<(Secret, Digest), random::NoRandomness> {
    new_token(&format!("{KEY_PREFIX}{id}_"))
}

/// A new client secret `dws_<secret><checksum>`, and the digest to store.
///
/// # Errors
/// [`random::NoRandomness`] when the system's generator fails.
pub fn new_client_secret() -> Result<(Secret, Digest), random::NoRandomness> {
    new_token(CLIENT_SECRET_PREFIX)
}

/// A new SCIM token `dwscim_<id>_<secret><checksum>` for `id`, and the digest to store.
///
/// # Errors
/// [`random::NoRandomness`] when the system's generator fails.
pub fn new_scim_token(id: &str) -> Result<(Secret, Digest), random::NoRandomness> {
    new_token(&format!("{SCIM_PREFIX}{id}_"))
}

/// A new token for a link in a letter, 256 bits, and the digest to store.
///
/// # Errors
/// [`random::NoRandomness`] when the system's generator fails.
pub fn new_mailed() -> Result<(Secret, Digest), random::NoRandomness> {
    let token = random::alphanumeric(SECRET_LENGTH)?;
    let digest = Digest::of(token.as_bytes());
    Ok((Secret::new(token), digest))
}

/// Whether a text can be a token from a letter, so that anything else costs no look-up.
#[must_use]
pub fn is_mailed(text: &str) -> bool {
    text.len() == SECRET_LENGTH && is_alphanumeric(text)
}

fn new_token(head: &str) -> Result<(Secret, Digest), random::NoRandomness> {
    let mut token = format!("{head}{}", random::alphanumeric(SECRET_LENGTH)?);
    token.push_str(&checksum(&token));
    let digest = Digest::of(token.as_bytes());
    Ok((Secret::new(token), digest))
}

/// The id within a well-formed API key; `None` for anything that Doorward cannot have made.
#[must_use]
pub fn api_key_id(token: &str) -> Option<&str> {
    id_within(token, KEY_PREFIX)
}

/// The id within a well-formed SCIM token; `None` for anything that Doorward cannot have made.
#[must_use]
pub fn scim_token_id(token: &str) -> Option<&str> {
    id_within(token, SCIM_PREFIX)
}

fn id_within<'t>(token: &'t str, prefix: &str) -> Option<&'t str> {
    let (id, secret) = token.strip_prefix(prefix)?.split_once('_')?;
    let whole = id.len() == ID_LENGTH && secret.len() == SECRET_LENGTH + CHECKSUM_LENGTH;
    (whole && is_alphanumeric(id) && is_alphanumeric(secret) && checksum_fits(token)).then_some(id)
}

fn checksum_fits(token: &str) -> bool {
    token.split_at_checked(token.len().saturating_sub(CHECKSUM_LENGTH)).is_some_and(|(body, sum)| checksum(body) == sum)
}

fn is_alphanumeric(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// CRC-32 of everything before it, in base 62: it finds typing errors and proves nothing.
fn checksum(body: &str) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = crc32fast::hash(body.as_bytes());
    let mut digits = [b'0'; CHECKSUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_key_is_recognised_without_a_look_up() -> Result<(), random::NoRandomness> {
        let id = new_id()?;
        let (key, digest) = new_api_key(&id)?;
        assert_eq!(api_key_id(key.expose()), Some(id.as_str()));
        assert_eq!(digest, Digest::of(key.expose().as_bytes()));
        let mut mistyped = key.expose().to_owned();
        mistyped.replace_range(25..26, if &mistyped[25..26] == "x" { "y" } else { "x" });
        assert_eq!(api_key_id(&mistyped), None);
        assert_eq!(api_key_id("dw_"), None);
        assert_eq!(api_key_id("dw_ä_"), None);
        Ok(())
    }
}
