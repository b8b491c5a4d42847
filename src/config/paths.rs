//! Addresses: which are plain, which take each other's pages, and which are answered whatever the file says.
//!
//! Refuses nothing by itself; the review does, because of two pages at one address only one is answered.

/// Where OAuth clients look for what they need to know about this resource (RFC 9728 §3).
pub const RESOURCE_METADATA: &str = "/.well-known/oauth-protected-resource";

/// Where they look for whoever gives tokens, when that is Doorward itself (RFC 8414 §3).
pub const SERVER_METADATA: &str = "/.well-known/oauth-authorization-server";

/// What oauth2-proxy says to search engines in the application's place.
pub const ROBOTS: &str = "/robots.txt";

/// Whether `text` is a path that is written in one way only: segments of letters, digits, `-`, `.`, `_` and `~`, without a slash at its end.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    let plain = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'))
    };
    text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(plain))
}

/// Whether one of the two is the other, or above it.
#[must_use]
pub fn meet(one: &str, other: &str) -> bool {
    let within =
        |outer: &str, inner: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    within(one, other) || within(other, one)
}
