//! Whether a request can be read in one way only.
//!
//! Refuses, before routing, everything that two parsers could read differently: framing, target, host, header fields. HTTP/1's raw
//! bytes were judged by `wire` before; here the parsed head of either version is judged again, because policy, application and
//! engine must all mean the same request (threats F1–F12, P1–P7, H1–H5, C3, D7).
//!
//! The rules for routes are the host's, never the TLS server name's, and whether a client certificate is asked for is the
//! listener's, so a connection opened for one name and used for another (RFC 9113 §9.1.1) meets the same rules: there is nothing
//! for a 421 to protect (threats P6).

use std::borrow::Cow;
use std::net::IpAddr;

use http::{HeaderMap, Method, Version, header};
use ipnet::IpNet;
use pingora::http::RequestHeader;

use super::wire::parse_length;
use super::{ConnectionFacts, authority, client_addr, fields, target};
use crate::clock::Timestamp;
use crate::config::Limits;

/// Pairs in all cookies together (threats C3).
const COOKIE_PAIRS: usize = 100;

/// A request's head as it arrived, with what is known about its connection.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    pub head: &'a RequestHeader,
    pub facts: &'a ConnectionFacts,
    pub now: Timestamp,
}

/// A request that can be read in one way only. Only [`Hygiene::inspect`] makes one.
#[derive(Clone, Debug)]
pub struct Clean<'a> {
    pub head: &'a RequestHeader,
    /// Host without port and trailing dot, in lower case.
    pub host: Cow<'a, str>,
    /// Host with port as sent.
    pub authority: &'a str,
    /// Byte for byte what is forwarded.
    pub path: &'a str,
    /// The path as the application will understand it, for rules to be compared with; no two paths share one by accident.
    pub decoded_path: Cow<'a, str>,
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
    /// What the caller is told of it, in words.
    pub detail: &'static str,
}

impl Unclean {
    #[must_use]
    pub const fn new(status: u16, reason: &'static str, detail: &'static str) -> Self {
        Self { status, reason, detail }
    }

    /// The client took too long over a body.
    pub const SLOW_BODY: Self = refuse(408, "body_timeout");
}

pub(super) const fn refuse(status: u16, reason: &'static str) -> Unclean {
    Unclean::new(status, reason, "The request is malformed or ambiguous.")
}

/// The judge, with its limits.
#[derive(Debug)]
pub struct Hygiene {
    limits: Limits,
    trusted: Box<[IpNet]>,
}

impl Hygiene {
    #[must_use]
    pub fn new(limits: Limits, trusted_proxies: &[IpNet]) -> Self {
        Self { limits, trusted: trusted_proxies.into() }
    }

    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether what `peer` says about a request's origin is believed.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        client_addr::is_trusted(peer, &self.trusted)
    }

    /// Judges a request's head, after [`settle`].
    ///
    /// # Errors
    /// [`Unclean`] with the status to answer; the connection is to be closed afterwards.
    pub fn inspect<'a>(&self, arrival: Arrival<'a>) -> Result<Clean<'a>, Unclean> {
        let Arrival { head, facts, now } = arrival;
        judge_method(&head.method)?;
        self.judge_fields(&head.headers)?;
        framing(head)?;
        expectation(&head.headers)?;
        upgrade(head)?;
        let (path, decoded_path) = self.judge_target(head)?;
        let mut authority = authority::of(head)?;
        let mut host = authority::host(authority)?;
        let (mut client, mut secure) = (facts.peer, facts.secure);
        let from_trusted_proxy = self.trusts(facts.peer);
        if from_trusted_proxy {
            let told = client_addr::behind(facts.peer, &head.headers, &self.trusted)?;
            (client, secure) = (told.address, told.secure.unwrap_or(secure));
            if let Some(asked) = told.authority {
                (authority, host) = (asked, authority::host(asked)?);
            }
        }
        let query = head.uri.query();
        Ok(Clean {
            head,
            host,
            authority,
            path,
            decoded_path,
            query,
            client,
            secure,
            from_trusted_proxy,
            facts,
            now,
            _judged: Judged,
        })
    }

    fn judge_fields(&self, headers: &HeaderMap) -> Result<(), Unclean> {
        if headers.len() > self.limits.header_count {
            return Err(refuse(431, "too_many_headers"));
        }
        if headers.len() != headers.keys_len() {
            judge_repeats(headers)?;
        }
        let Some(cookies) = fields::first(headers, &header::COOKIE) else { return Ok(()) };
        let pairs = cookies.as_bytes().split(|byte| *byte == b';').count();
        if cookies.len() > self.limits.cookie_bytes || pairs > COOKIE_PAIRS {
            return Err(refuse(431, "cookies_too_large"));
        }
        Ok(())
    }

    /// The path as sent and as understood. `*` asks about the server as a whole (RFC 9110 §7.1).
    fn judge_target<'a>(&self, head: &'a RequestHeader) -> Result<(&'a str, Cow<'a, str>), Unclean> {
        const WHAT: Unclean = refuse(400, "request_target");
        let target = head.uri.path_and_query().ok_or(WHAT)?.as_str();
        // What the engine forwards is its raw form; it must be what is judged.
        if head.raw_path() != target.as_bytes() {
            return Err(WHAT);
        }
        if target.len() > self.limits.target_bytes {
            return Err(refuse(414, "target_too_long"));
        }
        if target == "*" && head.method == Method::OPTIONS {
            return Ok((target, Cow::Borrowed(target)));
        }
        // `?…` alone would be read as a query of `/` here and as a path elsewhere.
        if !target.starts_with('/') {
            return Err(WHAT);
        }
        target::judge_raw(target.as_bytes())?;
        let path = head.uri.path();
        Ok((path, target::judge_path(path)?))
    }
}

/// Brings a head into the one form that is judged and forwarded: absolute-form becomes origin-form (RFC 9112 §3.2.2), the crumbs
/// of an HTTP/2 cookie become one header (RFC 9113 §8.2.3), and offers to upgrade to anything but WebSocket go (threats F7, F10).
pub fn settle(head: &mut RequestHeader) -> Result<(), Unclean> {
    const WHAT: Unclean = refuse(400, "request_target");
    // The engine keeps an absolute-form target as it was sent, beside an origin-form reading of it.
    let absolute = head.raw_path().first().is_some_and(u8::is_ascii_alphabetic) && head.method != Method::CONNECT;
    if head.version < Version::HTTP_2 && absolute {
        let target = http::Uri::try_from(head.raw_path()).map_err(|_| WHAT)?;
        let origin = target.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let authority = target.authority().filter(|_| matches!(target.scheme_str(), Some("http" | "https"))).ok_or(WHAT)?;
        if !origin.starts_with('/') {
            return Err(WHAT);
        }
        if head.headers.get(header::HOST).is_none_or(|host| !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()))
        {
            return Err(refuse(400, "host_mismatch"));
        }
        head.set_raw_path(origin.as_bytes()).map_err(|_| WHAT)?;
    }
    if head.version == Version::HTTP_2 && fields::values(&head.headers, &header::COOKIE).nth(1).is_some() {
        let crumbs: Vec<&[u8]> = head.headers.get_all(header::COOKIE).iter().map(http::HeaderValue::as_bytes).collect();
        let joined = http::HeaderValue::from_bytes(&crumbs.join(&b"; "[..])).map_err(|_| refuse(400, "cookie"))?;
        head.insert_header(header::COOKIE, joined).map_err(|_| refuse(400, "cookie"))?;
    }
    let other = |value: &http::HeaderValue| !mentions_websocket(value);
    if fields::holds(&head.headers, &header::UPGRADE) && head.headers.get_all(header::UPGRADE).iter().all(other) {
        head.remove_header(&header::UPGRADE);
    }
    if head.headers.keys().any(|name| name == "http2-settings") {
        head.remove_header("http2-settings");
    }
    Ok(())
}

/// The methods of HTTP, PATCH, QUERY and WebDAV with its extensions. What is not known cannot be judged.
fn judge_method(method: &Method) -> Result<(), Unclean> {
    match method.as_str() {
        "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "QUERY" | "PROPFIND" | "PROPPATCH" | "MKCOL"
        | "COPY" | "MOVE" | "LOCK" | "UNLOCK" | "SEARCH" | "ACL" | "REPORT" | "MKCALENDAR" | "MKACTIVITY" | "CHECKOUT"
        | "CHECKIN" | "UNCHECKOUT" | "MERGE" | "VERSION-CONTROL" | "UPDATE" | "LABEL" | "MKWORKSPACE" | "BASELINE-CONTROL"
        | "ORDERPATCH" | "BIND" | "UNBIND" | "REBIND" | "MKREDIRECTREF" | "UPDATEREDIRECTREF" => Ok(()),
        "TRACE" | "CONNECT" => Err(refuse(405, "method_not_allowed")),
        _ => Err(refuse(501, "method_unknown")),
    }
}

/// Fields that must not be repeated, because readers differ in which one counts (threats H5).
fn judge_repeats(headers: &HeaderMap) -> Result<(), Unclean> {
    const SINGLE: [header::HeaderName; 12] = [
        header::AUTHORIZATION,
        header::PROXY_AUTHORIZATION,
        header::COOKIE,
        header::CONTENT_TYPE,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::EXPECT,
        header::UPGRADE,
        header::ORIGIN,
        header::RANGE,
        header::SEC_WEBSOCKET_KEY,
        header::SEC_WEBSOCKET_VERSION,
    ];
    let repeated = |name: &header::HeaderName| headers.get_all(name).iter().nth(1).is_some();
    if repeated(&header::HOST) {
        return Err(refuse(400, "several_hosts"));
    }
    if SINGLE.iter().any(repeated) { Err(refuse(400, "repeated_header")) } else { Ok(()) }
}

/// How long the body is (threats F1–F3, F5).
fn framing(head: &RequestHeader) -> Result<(), Unclean> {
    let first = |name| fields::first(&head.headers, name);
    let (coding, length) = (first(&header::TRANSFER_ENCODING), first(&header::CONTENT_LENGTH));
    if coding.is_some() && length.is_some() {
        return Err(refuse(400, "ambiguous_framing"));
    }
    // `wire` refused these on HTTP/1; what folds `_` into `-` would take them for the true ones (threats F1, H2).
    let aliased = |name: &str| head.headers.contains_key(name);
    if head.version == Version::HTTP_2 && (aliased("content_length") || aliased("transfer_encoding")) {
        return Err(refuse(400, "ambiguous_framing"));
    }
    let chunked = |coding: &http::HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    if coding.is_some_and(|coding| !chunked(coding) || head.version != Version::HTTP_11) {
        return Err(refuse(400, "transfer_coding"));
    }
    if length.is_some_and(|length| parse_length(length.as_bytes()).is_none()) {
        return Err(refuse(400, "content_length"));
    }
    Ok(())
}

/// The only expectation there is (RFC 9110 §10.1.1).
fn expectation(headers: &HeaderMap) -> Result<(), Unclean> {
    match fields::first(headers, &header::EXPECT) {
        Some(expected) if !expected.as_bytes().eq_ignore_ascii_case(b"100-continue") => Err(refuse(417, "expectation")),
        _ => Ok(()),
    }
}

fn mentions_websocket(value: &http::HeaderValue) -> bool {
    value.as_bytes().split(|byte| *byte == b',').any(|offer| offer.trim_ascii().eq_ignore_ascii_case(b"websocket"))
}

/// A WebSocket handshake is whole or none (RFC 6455 §4.2.1): half of one could make a tunnel for one side only (threats F6).
fn upgrade(head: &RequestHeader) -> Result<(), Unclean> {
    const WHAT: Unclean = refuse(400, "websocket_handshake");
    let Some(offered) = fields::first(&head.headers, &header::UPGRADE) else { return Ok(()) };
    let key = head.headers.get(header::SEC_WEBSOCKET_KEY).map(http::HeaderValue::as_bytes);
    let proper_key =
        key.is_some_and(|key| key.len() == 24 && key.ends_with(b"==") && key[..22].iter().all(|byte| is_base64(*byte)));
    let bodiless = !head.headers.contains_key(header::CONTENT_LENGTH) && !head.headers.contains_key(header::TRANSFER_ENCODING);
    let connection = head.headers.get_all(header::CONNECTION).iter().any(|value| {
        value.as_bytes().split(|byte| *byte == b',').any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
    });
    let alone = offered.as_bytes().eq_ignore_ascii_case(b"websocket");
    let whole = alone && proper_key && bodiless && connection;
    if !whole || head.method != Method::GET || head.version != Version::HTTP_11 {
        return Err(WHAT);
    }
    match head.headers.get(header::SEC_WEBSOCKET_VERSION) {
        Some(version) if version == "13" => Ok(()),
        _ => Err(refuse(426, "websocket_version")),
    }
}

const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}
