//! What of a request target may be written down.
//!
//! Refuses values that look like a secret or are named like one, and everything in the query of Doorward's own pages: a log is read by
//! more people than a password is meant for (threats L2).

use std::borrow::Cow;

use crate::crypto::token::{CLIENT_SECRET_PREFIX, KEY_PREFIX};

const MASK: &str = "***";

/// Words that make a parameter's name secret wherever they stand in it, without `-`, `_` and `.`.
const SECRET_WORDS: [&str; 14] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "apikey",
    "signature",
    "credential",
    "assertion",
    "session",
    "saml",
    "jwt",
    "otp",
    "cookie",
];
/// Names that are secret as a whole.
const SECRET_NAMES: [&str; 13] =
    ["code", "state", "key", "sig", "auth", "authorization", "sid", "ticket", "relaystate", "nonce", "pwd", "pass", "pin"];

/// The query with secret values masked. `own_page`: whether it is one of Doorward's, whose parameters are all masked.
#[must_use]
pub(super) fn query(query: &str, own_page: bool) -> Cow<'_, str> {
    if !own_page && !query.split('&').any(is_secret) {
        return Cow::Borrowed(query);
    }
    let mut masked = String::with_capacity(query.len());
    for pair in query.split('&') {
        if !masked.is_empty() {
            masked.push('&');
        }
        match pair.split_once('=') {
            Some((name, _)) if own_page || is_secret(pair) => masked.extend([name, "=", MASK]),
            None if own_page || looks_secret(pair) => masked.push_str(MASK),
            _ => masked.push_str(pair),
        }
    }
    Cow::Owned(masked)
}

/// The path with segments masked that look like a secret.
#[must_use]
pub fn path(path: &str) -> Cow<'_, str> {
    if !path.split('/').any(looks_secret) {
        return Cow::Borrowed(path);
    }
    let segments: Vec<&str> = path.split('/').map(|segment| if looks_secret(segment) { MASK } else { segment }).collect();
    Cow::Owned(segments.join("/"))
}

fn is_secret(pair: &str) -> bool {
    match pair.split_once('=') {
        Some((name, value)) => is_secret_name(name) || looks_secret(value),
        None => looks_secret(pair),
    }
}

fn is_secret_name(name: &str) -> bool {
    let decoded = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
    let plain: String = decoded.chars().filter(|c| !matches!(c, '-' | '_' | '.')).map(|c| c.to_ascii_lowercase()).collect();
    SECRET_NAMES.contains(&plain.as_str()) || SECRET_WORDS.iter().any(|word| plain.contains(word))
}

/// Holds one of Doorward's keys or client secrets, or a JSON Web Token (which begins with `{"` in base64url), however it is spelt and
/// whatever stands before it: a scheme, or an address that is a value itself.
fn looks_secret(value: &str) -> bool {
    let decoded = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
    let of_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~');
    decoded.split(|c| !of_token(c)).any(|word| {
        let begins = |prefix: &str, least: usize| word.starts_with(prefix) && word.len() > least;
        begins(KEY_PREFIX, 12) || begins(CLIENT_SECRET_PREFIX, 12) || begins("eyJ", 24)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_parameters_are_masked_and_others_are_not() {
        let cases = [
            ("page=2&q=tea", "page=2&q=tea"),
            ("code=abc&state=xyz&page=2", "code=***&state=***&page=2"),
            ("Access_Token=abc", "Access_Token=***"),
            ("%74oken=abc", "%74oken=***"),
            ("X-Amz-Signature=abc&X-Amz-Date=1", "X-Amz-Signature=***&X-Amz-Date=1"),
            ("x=dw_0123456789abcdef&y=dws_0123456789abcdef", "x=***&y=***"),
            ("dw_0123456789abcdef", "***"),
            ("a=eyJhbGciOiJSUzI1NiJ9.eyJhIjoxfQ.x", "a=***"),
            ("a=1=password", "a=1=password"),
            ("x=d%77_0123456789abcdef", "x=***"),
            ("x=Bearer+eyJhbGciOiJSUzI1NiJ9.eyJhIjoxfQ.x", "x=***"),
            ("back=%2Freset%3Fx%3Ddw_0123456789abcdef%26y", "back=***"),
            ("x=saw_0123456789abcdef", "x=saw_0123456789abcdef"),
            ("", ""),
        ];
        for (typed, written) in cases {
            assert_eq!(query(typed, false), written, "{typed}");
        }
    }

    #[test]
    fn nothing_of_an_own_pages_query_is_written() {
        assert_eq!(query("return_to=/a&x&y=1", true), "return_to=***&***&y=***");
    }

    #[test]
    fn a_key_in_the_path_is_masked() {
        assert_eq!(path("/reset/dw_0123456789abcdef/now"), "/reset/***/now");
        assert_eq!(path("/reset/dw%5F0123456789abcdef"), "/reset/***");
        assert_eq!(path("/a/b"), "/a/b");
    }
}
