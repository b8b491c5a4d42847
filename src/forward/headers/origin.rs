//! Where a request came from, as the application is told: `X-Forwarded-*`.
//!
//! Refuses to repeat what a stranger said about it: only a trusted proxy's chain is continued, anybody else's is replaced.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::edge::{Clean, fields, peer_field};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
/// Longest chain of addresses that is continued, in bytes.
const CHAIN_LIMIT: usize = 1024;

/// What one request's origin is said to be.
#[derive(Clone, Debug)]
pub struct Origin {
    chain: HeaderValue,
    proto: HeaderValue,
    /// The host that was judged.
    host: Option<HeaderValue>,
    /// Whether a trusted proxy named it, and another one stands in `Host`.
    moved: bool,
    port: Option<HeaderValue>,
    prefix: Option<HeaderValue>,
}

impl Origin {
    #[must_use]
    pub fn of(clean: &Clean<'_>) -> Self {
        let headers = &clean.head.headers;
        let believed = |name: &HeaderName| clean.from_trusted_proxy.then(|| only(headers, name)).flatten();
        let sent = only(headers, &header::HOST);
        let moved = sent
            .as_ref()
            .map(HeaderValue::as_bytes)
            .or_else(|| clean.head.uri.authority().map(|authority| authority.as_str().as_bytes()))
            .is_some_and(|sent| sent != clean.authority.as_bytes());
        let host = sent.filter(|_| !moved).or_else(|| HeaderValue::from_str(clean.authority).ok());
        Self {
            moved,
            chain: believed(&FORWARDED_FOR).map_or_else(|| clean.facts.peer_field(), |before| chain(&before, clean.facts.peer)),
            proto: HeaderValue::from_static(if clean.secure { "https" } else { "http" }),
            port: believed(&FORWARDED_PORT).filter(is_port).or_else(|| port(host.as_ref(), clean.secure)),
            host,
            prefix: believed(&FORWARDED_PREFIX),
        }
    }

    /// Sets the headers; what stood under these names was stripped before.
    pub(super) fn apply(&self, fields: &mut HeaderMap) {
        fields.insert(FORWARDED_FOR, self.chain.clone());
        fields.insert(FORWARDED_PROTO, self.proto.clone());
        // What the rules were chosen by is what the application goes by, whichever of the two it reads (threats P4).
        if let Some(host) = self.host.as_ref().filter(|_| self.moved) {
            fields.insert(header::HOST, host.clone());
        }
        for (name, value) in [(FORWARDED_HOST, &self.host), (FORWARDED_PORT, &self.port), (FORWARDED_PREFIX, &self.prefix)] {
            if let Some(value) = value {
                fields.insert(name, value.clone());
            }
        }
    }
}

/// The header's value where it was sent exactly once.
fn only(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let mut values = fields::values(headers, name);
    let value = values.next()?;
    values.next().is_none().then(|| value.clone())
}

/// The chain so far with the peer at its end.
fn chain(before: &HeaderValue, peer: IpAddr) -> HeaderValue {
    match before.to_str() {
        Ok(before) if before.len() <= CHAIN_LIMIT => {
            HeaderValue::try_from(format!("{before}, {peer}")).unwrap_or_else(|_| peer_field(peer))
        }
        _ => peer_field(peer),
    }
}

fn port(host: Option<&HeaderValue>, secure: bool) -> Option<HeaderValue> {
    let host = host?.to_str().ok()?;
    match host.rsplit_once(':') {
        Some((_, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => HeaderValue::from_str(port).ok(),
        _ => Some(HeaderValue::from_static(if secure { "443" } else { "80" })),
    }
}

fn is_port(value: &HeaderValue) -> bool {
    (1..=5).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_ends_with_the_peer() {
        let peer = IpAddr::from([192, 0, 2, 7]);
        assert_eq!(peer_field(peer), "192.0.2.7");
        assert_eq!(chain(&HeaderValue::from_static("198.51.100.1, 10.0.0.1"), peer), "198.51.100.1, 10.0.0.1, 192.0.2.7");
    }

    #[test]
    fn the_port_is_the_hosts_or_the_schemes() {
        let host = |text| HeaderValue::from_static(text);
        assert_eq!(port(Some(&host("app.example:8443")), true).unwrap(), "8443");
        assert_eq!(port(Some(&host("app.example")), true).unwrap(), "443");
        assert_eq!(port(Some(&host("[2001:db8::1]")), false).unwrap(), "80");
    }
}
