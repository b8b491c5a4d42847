//! Whether a request can be read in one way only.
//!
//! Refuses, before routing, everything that two parsers could read differently: framing, target, Host, header names. The engine
//! lets some of it through, so it is judged here on the bytes as they arrived (threats F1–F12, P1, P2, H1–H5, C3, D7).

use std::borrow::Cow;
use std::net::IpAddr;

use http::{Method, Version, header};
use pingora::http::RequestHeader;

use super::ConnectionFacts;
use crate::clock::Timestamp;
use crate::config::Limits;

/// A request's head as it arrived, with what is known about its connection.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    pub head: &'a RequestHeader,
    /// The head's bytes on HTTP/1; `None` on HTTP/2, whose framing the engine has checked.
    pub raw: Option<&'a [u8]>,
    pub facts: &'a ConnectionFacts,
    pub now: Timestamp,
}

/// A request that can be read in one way only. Only [`Hygiene::inspect`] makes one.
#[derive(Clone, Debug)]
pub struct Clean<'a> {
    pub head: &'a RequestHeader,
    /// Host without port, in lower case.
    pub host: Cow<'a, str>,
    /// Host with port as sent.
    pub authority: &'a str,
    /// Byte for byte what is forwarded.
    pub path: &'a str,
    pub query: Option<&'a str>,
    /// Where the request comes from, after trusted proxies.
    pub client: IpAddr,
    /// Whether the client's leg is encrypted, after trusted proxies.
    pub secure: bool,
    /// Whether the directly connected peer is a trusted proxy.
    pub from_trusted_proxy: bool,
    pub facts: &'a ConnectionFacts,
    pub now: Timestamp,
    _judged: Judged,
}

#[derive(Clone, Copy, Debug)]
struct Judged;

/// Why a request was not taken; the status is the answer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unclean {
    pub status: u16,
    /// A stable snake_case name for records and metrics.
    pub reason: &'static str,
}

const fn refuse(status: u16, reason: &'static str) -> Unclean {
    Unclean { status, reason }
}

/// The judge, with its limits.
#[derive(Debug)]
pub struct Hygiene {
    limits: Limits,
    trusted: Box<[ipnet::IpNet]>,
}

impl Hygiene {
    #[must_use]
    pub fn new(limits: Limits, trusted_proxies: &[ipnet::IpNet]) -> Self {
        Self { limits, trusted: trusted_proxies.into() }
    }

    /// Judges a request's head.
    ///
    /// # Errors
    /// [`Unclean`] with the status to answer; the connection is to be closed afterwards.
    pub fn inspect<'a>(&self, arrival: Arrival<'a>) -> Result<Clean<'a>, Unclean> {
        let head = arrival.head;
        if let Some(raw) = arrival.raw {
            self.raw_head(raw)?;
        }
        if head.headers.len() > self.limits.header_count {
            return Err(refuse(431, "too_many_headers"));
        }
        if matches!(head.method, Method::TRACE | Method::CONNECT) {
            return Err(refuse(405, "method_not_allowed"));
        }
        framing(head)?;
        let authority = authority(head)?;
        let path = head.uri.path();
        judge_path(path)?;
        let from_trusted_proxy = self.trusted.iter().any(|network| network.contains(&arrival.facts.peer));
        Ok(Clean {
            head,
            host: host_of(authority),
            authority,
            path,
            query: head.uri.query(),
            client: arrival.facts.peer,
            secure: arrival.facts.secure,
            from_trusted_proxy,
            facts: arrival.facts,
            now: arrival.now,
            _judged: Judged,
        })
    }

    /// What the engine forgives in an HTTP/1 head (RFC 9112 §2.2, §6.1).
    fn raw_head(&self, raw: &[u8]) -> Result<(), Unclean> {
        if raw.len() > self.limits.header_bytes {
            return Err(refuse(431, "head_too_large"));
        }
        let (mut lengths, mut codings) = (0, 0);
        let mut previous = 0;
        for end in raw.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at) {
            if end == 0 || raw[end - 1] != b'\r' {
                return Err(refuse(400, "bare_line_feed"));
            }
            let name = raw[previous..end].split(|byte| *byte == b':').next().unwrap_or_default();
            lengths += usize::from(name.eq_ignore_ascii_case(b"content-length"));
            codings += usize::from(name.eq_ignore_ascii_case(b"transfer-encoding"));
            previous = end + 1;
        }
        if lengths > 1 || codings > 1 || (lengths > 0 && codings > 0) {
            return Err(refuse(400, "ambiguous_framing"));
        }
        Ok(())
    }
}

fn framing(head: &RequestHeader) -> Result<(), Unclean> {
    if let Some(coding) = head.headers.get(header::TRANSFER_ENCODING)
        && (!coding.as_bytes().eq_ignore_ascii_case(b"chunked") || head.version != Version::HTTP_11)
    {
        return Err(refuse(400, "transfer_coding"));
    }
    if let Some(length) = head.headers.get(header::CONTENT_LENGTH) {
        let length = length.as_bytes();
        if length.is_empty() || length.len() > 18 || !length.iter().all(u8::is_ascii_digit) {
            return Err(refuse(400, "content_length"));
        }
    }
    Ok(())
}

/// Exactly one host, valid and the same wherever it is named (RFC 9112 §3.2, RFC 9113 §8.3.1).
fn authority(head: &RequestHeader) -> Result<&str, Unclean> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let named = hosts.next().map(|host| host.to_str().map_err(|_| refuse(400, "host"))).transpose()?;
    if hosts.next().is_some() {
        return Err(refuse(400, "several_hosts"));
    }
    let targeted = head.uri.authority().map(http::uri::Authority::as_str);
    match (named, targeted) {
        (Some(named), Some(targeted)) if !named.eq_ignore_ascii_case(targeted) => Err(refuse(400, "host_mismatch")),
        (Some(host), _) | (None, Some(host)) if is_host(host) => Ok(host),
        _ => Err(refuse(400, "host")),
    }
}

fn is_host(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    !host.is_empty() && host.len() <= 261 && host.bytes().all(plain)
}

fn host_of(authority: &str) -> Cow<'_, str> {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !host.is_empty() => host,
        _ => authority,
    };
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) { Cow::Owned(host.to_ascii_lowercase()) } else { Cow::Borrowed(host) }
}

/// One reading only: no dot segments, no encoded delimiters, nothing that a second decoding would change (threats P1).
fn judge_path(path: &str) -> Result<(), Unclean> {
    const WHAT: Unclean = refuse(400, "ambiguous_path");
    if !path.starts_with('/') {
        return Err(refuse(400, "request_target"));
    }
    let bytes = path.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'\\' | b';' | b'#' | 0..=0x20 | 0x7f.. => return Err(WHAT),
            b'%' => {
                let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
                let decoded = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).ok_or(WHAT)?;
                if matches!(decoded, b'/' | b'\\' | b'.' | b'%' | b';' | b'#' | b'?' | 0..=0x1f | 0x7f) {
                    return Err(WHAT);
                }
            }
            _ => {}
        }
    }
    if path.split('/').any(|segment| segment == "." || segment == "..") || path.contains("//") {
        return Err(WHAT);
    }
    Ok(())
}
