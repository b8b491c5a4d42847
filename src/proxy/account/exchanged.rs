//! The two sides of an exchange, as its line tells of them.
//!
//! Refuses to outlive the session it looks at, but for what goes on for long: of that a copy is kept, since what ends it may be out of the
//! session's reach.

use http::{HeaderValue, Method, Uri, Version};
use pingora::proxy::Session;

use crate::edge::ConnectionFacts;
use crate::proxy::outer::Answered;

/// What a line tells of the two sides of an exchange.
pub(super) struct Exchanged<'a> {
    pub(super) method: &'a Method,
    pub(super) uri: &'a Uri,
    pub(super) host: Option<&'a HeaderValue>,
    pub(super) agent: Option<&'a HeaderValue>,
    pub(super) version: Version,
    pub(super) tls: Option<&'static str>,
    /// 0: no answer was begun.
    pub(super) status: u16,
    pub(super) received: u64,
    pub(super) sent: u64,
}

/// What is kept of a request that goes on for long, or whose answer does: it may be ended where its session is out of reach.
pub(super) struct Lingering {
    method: Method,
    uri: Uri,
    host: Option<HeaderValue>,
    agent: Option<HeaderValue>,
    version: Version,
    tls: Option<&'static str>,
    pub(super) status: u16,
    pub(super) received: u64,
    pub(super) sent: u64,
}

impl<'a> Exchanged<'a> {
    pub(super) fn of(session: &'a Session) -> Self {
        let (head, downstream) = (session.req_header(), session.as_downstream());
        Self {
            method: &head.method,
            uri: &head.uri,
            host: head.headers.get(http::header::HOST),
            agent: head.headers.get(http::header::USER_AGENT),
            version: head.version,
            tls: ConnectionFacts::of(session).and_then(|facts| facts.tls_version),
            status: match head.extensions.get::<Answered>() {
                Some(told) => told.0.as_u16(),
                None => session.response_written().map_or(0, |head| head.status.as_u16()),
            },
            received: downstream.body_bytes_read() as u64,
            sent: downstream.body_bytes_sent() as u64,
        }
    }
}

impl Lingering {
    /// What goes to and fro is counted from here.
    pub(super) fn begin(exchanged: &Exchanged<'_>) -> Self {
        let Exchanged { method, uri, host, agent, version, tls, status, .. } = *exchanged;
        let (method, uri, host, agent) = (method.clone(), uri.clone(), host.cloned(), agent.cloned());
        Self { method, uri, host, agent, version, tls, status, received: 0, sent: 0 }
    }

    pub(super) fn exchanged(&self) -> Exchanged<'_> {
        let Self { method, uri, host, agent, version, tls, status, received, sent } = self;
        Exchanged {
            method,
            uri,
            host: host.as_ref(),
            agent: agent.as_ref(),
            version: *version,
            tls: *tls,
            status: *status,
            received: *received,
            sent: *sent,
        }
    }
}

/// As access lines spell it.
pub(super) const fn name(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    }
}
