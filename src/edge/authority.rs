//! Which host a request is for.
//!
//! Refuses hosts in doubt (none, several, user information, encoded or odd characters, ports out of range), because routes,
//! tenants and applications are chosen by them (threats F12).

use std::borrow::Cow;
use std::net::Ipv6Addr;

use http::header;
use pingora::http::RequestHeader;

use super::hygiene::{Unclean, refuse};

const WHAT: Unclean = refuse(400, "host");

/// Exactly one host, valid and the same wherever it is named (RFC 9112 §3.2, RFC 9113 §8.3.1).
pub(super) fn of(head: &RequestHeader) -> Result<&str, Unclean> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let named = hosts.next().map(|host| host.to_str().map_err(|_| WHAT)).transpose()?;
    if hosts.next().is_some() {
        return Err(refuse(400, "several_hosts"));
    }
    let targeted = head.uri.authority().map(http::uri::Authority::as_str);
    match (named, targeted) {
        (Some(named), Some(targeted)) if !named.eq_ignore_ascii_case(targeted) => Err(refuse(400, "host_mismatch")),
        (Some(host), _) | (None, Some(host)) => Ok(host),
        (None, None) => Err(WHAT),
    }
}

/// The host without port, in lower case and without the root's trailing dot. Borrowed if it came like that.
pub(super) fn host(authority: &str) -> Result<Cow<'_, str>, Unclean> {
    let host = if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or(WHAT)?;
        address.parse::<Ipv6Addr>().map_err(|_| WHAT)?;
        judge_port(port)?;
        &authority[..address.len() + 2]
    } else {
        let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
        judge_port(port)?;
        judge_name(host.strip_suffix('.').unwrap_or(host))?
    };
    let upper = host.bytes().any(|byte| byte.is_ascii_uppercase());
    Ok(if upper { Cow::Owned(host.to_ascii_lowercase()) } else { Cow::Borrowed(host) })
}

/// Nothing, or `:` and 1 to 65535.
fn judge_port(port: &str) -> Result<(), Unclean> {
    let Some(digits) = port.strip_prefix(':') else { return if port.is_empty() { Ok(()) } else { Err(WHAT) } };
    let number = digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.len() <= 5;
    if number && digits.parse::<u16>().is_ok_and(|port| port > 0) { Ok(()) } else { Err(WHAT) }
}

/// Labels of letters, digits, `-` and `_`, as in use (RFC 1123 §2.1 has no `_`, container networks do).
fn judge_name(name: &str) -> Result<&str, Unclean> {
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if name.len() <= 253 && name.split('.').all(label) { Ok(name) } else { Err(WHAT) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f12_odd_hosts_are_refused() {
        let refused = [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a..",
            " a",
            "a b",
            "a,b",
            "a@b",
            "user:pw@a",
            "a:",
            "a:0",
            "a:65536",
            "a:99999",
            "a:+1",
            "a:1a",
            "a:1:2",
            "a%2eb",
            "a%00",
            "a/b",
            "a\\b",
            "a?b",
            "a#b",
            "ä",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]:",
            "[1.2.3.4]",
            "[fe80::1%25eth0]",
            "[]",
            "a\t",
            "a'b",
        ];
        for authority in refused {
            assert!(host(authority).is_err(), "{authority:?}");
        }
        assert!(host(&"a".repeat(64)).is_err() && host(&"a.".repeat(140)).is_err());
    }

    #[test]
    fn f12_a_host_has_one_form() {
        let forms = [
            ("app.example.com", "app.example.com"),
            ("App.Example.COM:8443", "app.example.com"),
            ("app.example.com.", "app.example.com"),
            ("app.example.com.:443", "app.example.com"),
            ("127.0.0.1:1", "127.0.0.1"),
            ("[::1]:65535", "[::1]"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
            ("my_app", "my_app"),
        ];
        for (authority, wanted) in forms {
            assert_eq!(host(authority).unwrap(), wanted);
        }
    }
}
