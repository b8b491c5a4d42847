//! Where a request came from, as the application is told: `X-Forwarded-*`, `X-Request-Id`, and W3C trace context.
//!
//! Refuses to repeat what a stranger said about it: only a trusted proxy's chain is continued, anybody else's is replaced.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::crypto::random;
use crate::edge::Clean;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACE_STATE: HeaderName = HeaderName::from_static("tracestate");
/// Longest chain of addresses that is continued, in bytes.
const CHAIN_LIMIT: usize = 1024;

/// What one request's origin is said to be.
#[derive(Clone, Debug)]
pub struct Origin {
    chain: HeaderValue,
    proto: HeaderValue,
    host: Option<HeaderValue>,
    port: Option<HeaderValue>,
    prefix: Option<HeaderValue>,
    /// 32 hexadecimal digits, or what a trusted proxy sent.
    pub request_id: HeaderValue,
    /// Begun here, because the request carried none that is well-formed (W3C Trace Context §3.2).
    trace: Option<HeaderValue>,
}

impl Origin {
    /// # Errors
    /// [`random::NoRandomness`] when no request id could be made.
    pub fn of(clean: &Clean<'_>) -> Result<Self, random::NoRandomness> {
        let headers = &clean.head.headers;
        let believed = |name: &HeaderName| clean.from_trusted_proxy.then(|| only(headers, name)).flatten();
        let marks = Marks::new()?;
        let host = believed(&FORWARDED_HOST)
            .or_else(|| only(headers, &header::HOST))
            .or_else(|| HeaderValue::from_str(clean.authority).ok());
        let traced = only(headers, &TRACE_PARENT).is_some_and(|value| is_trace_parent(value.as_bytes()));
        Ok(Self {
            chain: chain(believed(&FORWARDED_FOR).as_ref(), clean.facts.peer),
            proto: HeaderValue::from_static(if clean.secure { "https" } else { "http" }),
            port: believed(&FORWARDED_PORT).filter(is_port).or_else(|| port(host.as_ref(), clean.secure)),
            host,
            prefix: believed(&FORWARDED_PREFIX),
            request_id: believed(&REQUEST_ID).filter(is_request_id).unwrap_or_else(|| marks.request_id()),
            trace: (!traced).then(|| marks.trace_parent()),
        })
    }

    /// Sets the headers; what stood under these names was stripped before.
    pub(super) fn apply(&self, head: &mut pingora::http::RequestHeader) -> pingora::Result<()> {
        head.insert_header(FORWARDED_FOR, self.chain.clone())?;
        head.insert_header(FORWARDED_PROTO, self.proto.clone())?;
        for (name, value) in [(FORWARDED_HOST, &self.host), (FORWARDED_PORT, &self.port), (FORWARDED_PREFIX, &self.prefix)] {
            if let Some(value) = value {
                head.insert_header(name, value.clone())?;
            }
        }
        head.insert_header(REQUEST_ID, self.request_id.clone())?;
        if let Some(trace) = &self.trace {
            head.insert_header(TRACE_PARENT, trace.clone())?;
            head.remove_header(&TRACE_STATE);
        }
        Ok(())
    }
}

/// The header's value where it was sent exactly once.
fn only(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.clone())
}

/// The chain so far with the peer at its end.
fn chain(before: Option<&HeaderValue>, peer: IpAddr) -> HeaderValue {
    let peer = match before.and_then(|before| before.to_str().ok()) {
        Some(before) if before.len() <= CHAIN_LIMIT => format!("{before}, {peer}"),
        _ => peer.to_string(),
    };
    HeaderValue::try_from(peer).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
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

fn is_request_id(value: &HeaderValue) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'/' | b'+' | b'=');
    (1..=128).contains(&value.len()) && value.as_bytes().iter().all(plain)
}

/// `version "-" trace-id "-" parent-id "-" flags`, lower-case hexadecimal, ids not all zero, version not `ff`
/// (W3C Trace Context §3.2.2).
fn is_trace_parent(value: &[u8]) -> bool {
    let hex = |part: &[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let zero = |part: &[u8]| part.iter().all(|byte| *byte == b'0');
    let (Some(fields), rest) = (value.get(..55), value.get(55..).unwrap_or_default()) else { return false };
    let (version, trace, parent, flags) = (&fields[..2], &fields[3..35], &fields[36..52], &fields[53..]);
    let dashes = [2, 35, 52].iter().all(|at| fields[*at] == b'-');
    let ends = rest.is_empty() || (version != b"00" && rest[0] == b'-');
    dashes && ends && hex(version) && version != b"ff" && hex(trace) && !zero(trace) && hex(parent) && !zero(parent) && hex(flags)
}

/// The random marks of one request: its trace id, which is its request id too, and the id of Doorward's part in it.
struct Marks([u8; 24]);

impl Marks {
    fn new() -> Result<Self, random::NoRandomness> {
        random::bytes().map(Self)
    }

    fn request_id(&self) -> HeaderValue {
        let mut text = [0; 32];
        write_hex(&self.0[..16], &mut text);
        ascii(&text)
    }

    /// Sampled, so that the application's own sampler is what decides.
    fn trace_parent(&self) -> HeaderValue {
        let mut text = *b"00-................................-................-01";
        write_hex(&self.0[..16], &mut text[3..35]);
        write_hex(&self.0[16..], &mut text[36..52]);
        ascii(&text)
    }
}

fn write_hex(bytes: &[u8], text: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, pair) in bytes.iter().zip(text.chunks_exact_mut(2)) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

fn ascii(text: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(text).unwrap_or_else(|_| HeaderValue::from_static("0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_well_formed_trace_is_passed_on() {
        assert!(is_trace_parent(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
        assert!(is_trace_parent(b"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"));
        for odd in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert!(!is_trace_parent(odd.as_bytes()), "{odd}");
        }
        let begun = Marks([0xab; 24]);
        assert!(is_trace_parent(begun.trace_parent().as_bytes()));
        assert_eq!(begun.request_id(), "abababababababababababababababab");
    }

    #[test]
    fn the_chain_ends_with_the_peer() {
        let peer = IpAddr::from([192, 0, 2, 7]);
        assert_eq!(chain(None, peer), "192.0.2.7");
        assert_eq!(chain(Some(&HeaderValue::from_static("198.51.100.1, 10.0.0.1")), peer), "198.51.100.1, 10.0.0.1, 192.0.2.7");
    }

    #[test]
    fn the_port_is_the_hosts_or_the_schemes() {
        let host = |text| HeaderValue::from_static(text);
        assert_eq!(port(Some(&host("app.example:8443")), true).unwrap(), "8443");
        assert_eq!(port(Some(&host("app.example")), true).unwrap(), "443");
        assert_eq!(port(Some(&host("[2001:db8::1]")), false).unwrap(), "80");
    }
}
