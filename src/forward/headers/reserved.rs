//! Which header names belong to Doorward alone.
//!
//! Refuses every spelling of them that some application reads as the same name: all presets' names whatever preset is in use,
//! `_` (and any other sign) for `-`, and the names by which a request overrides its own target (threats H1, H2, P4).

use std::collections::HashSet;

use http::HeaderName;

/// A request that could set one of these would speak with Doorward's voice.
const PREFIXES: [&str; 8] =
    ["x-forwarded-", "x-doorward-", "x-auth-request-", "x-authentik-", "x-pomerium-", "x-original-", "x-remote-", "remote-"];

/// Names that say where a request came from or where it should go instead.
const NAMES: [&str; 18] = [
    "forwarded",
    "x-forwarded",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "x-originating-ip",
    "x-rewrite-url",
    "x-rewrite-uri",
    "x-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-request-id",
    "x-envoy-original-path",
    "x-url-scheme",
];

/// The reserved names, with those the configuration adds.
#[derive(Debug)]
pub(super) struct Reserved {
    /// Configured names, folded.
    own: HashSet<Box<str>>,
}

impl Reserved {
    pub(super) fn new<'a>(own: impl IntoIterator<Item = &'a HeaderName>) -> Self {
        Self { own: own.into_iter().map(|name| fold(name.as_str()).into()).collect() }
    }

    /// Whether a header of this name, in lower case, is taken off every request that comes in.
    pub(super) fn holds(&self, name: &str) -> bool {
        // One look at each byte; nearly every name is letters and `-` and needs no folding.
        let mut plain = true;
        for byte in name.bytes() {
            match byte {
                b'_' => return true,
                b'a'..=b'z' | b'0'..=b'9' | b'-' => {}
                _ => plain = false,
            }
        }
        if plain { self.holds_folded(name) } else { self.holds_folded(&fold(name)) }
    }

    /// Whether a name, in lower case, is a reserved one in another spelling.
    pub(super) fn is_alias(&self, name: &str) -> bool {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        !plain && self.holds_folded(&fold(name))
    }

    fn holds_folded(&self, name: &str) -> bool {
        let general = match name.as_bytes().first() {
            Some(b'x' | b'r' | b'f' | b't' | b'c') => {
                PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.contains(&name)
            }
            _ => false,
        };
        general || (!self.own.is_empty() && self.own.contains(name))
    }
}

/// Every sign becomes `-`: CGI and its heirs map all of them to one (RFC 3875 §4.1.18).
fn fold(name: &str) -> String {
    name.chars().map(|sign| if sign.is_ascii_alphanumeric() { sign.to_ascii_lowercase() } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_reserved_name_is_reserved() {
        let own = HeaderName::from_static("x-legacy-user");
        let reserved = Reserved::new([&own]);
        for name in [
            "x-forwarded-user",
            "x_forwarded_user",
            "x-forwarded_user",
            "x.forwarded.user",
            "x~forwarded-user",
            "x!forwarded!for",
            "remote-user",
            "remote_user",
            "x-remote-user",
            "x-authentik-username",
            "x-pomerium-claim-email",
            "x-pomerium-jwt-assertion",
            "x-doorward-role",
            "x-auth-request-email",
            "x-original-url",
            "x-rewrite-url",
            "forwarded",
            "x-real-ip",
            "x-http-method-override",
            "x-legacy-user",
            "x.legacy.user",
            "any_name",
            "_",
        ] {
            assert!(reserved.holds(name), "{name}");
        }
        for name in ["x_forwarded_user", "x.legacy.user", "remote!user"] {
            assert!(reserved.is_alias(name), "{name}");
        }
        for name in ["x-forwarded-user", "x-legacy-user", "any_name", "x.trace"] {
            assert!(!reserved.is_alias(name), "{name}");
        }
        for name in
            ["x-custom", "accept", "content-type", "x-requested-with", "x-csrf-token", "authorization", "x.trace", "range"]
        {
            assert!(!reserved.holds(name), "{name}");
        }
    }
}
