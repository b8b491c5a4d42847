//! The way of one request to the application and back.
//!
//! Refuses to count an answer that never came as one: it is the status 0, which no server has.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pingora::upstreams::peer::HttpPeer;
use pingora_core::protocols::l4::socket::SocketAddr;

use super::exchanged::Exchanged;
use super::recorded::known;
use crate::route::Route;
use crate::telemetry::{Server, UpstreamMeter};
use crate::trace::{Open, Scope, SpanId};

/// The first status that says that something failed (RFC 9110 §15.5): for who asks, that is also what it asked wrongly.
const FAILURES: u16 = 400;

/// The way to the application and back.
pub(super) struct Visit {
    meter: Arc<UpstreamMeter>,
    began: Instant,
    /// How often it was tried before.
    tries: u16,
    /// The server that was reached.
    server: Option<SocketAddr>,
    /// 0: none came.
    status: u16,
    /// How long after the request's head its answer came.
    answered_after: Option<Duration>,
    /// Of a request that is recorded.
    span: Option<Open>,
}

impl Visit {
    pub(super) fn begin(meter: &Arc<UpstreamMeter>, tries: u16, recorded: Option<&Arc<Scope>>) -> Self {
        let span = recorded.and_then(|scope| scope.begin("HTTP"));
        Self { meter: Arc::clone(meter), began: Instant::now(), tries, server: None, status: 0, answered_after: None, span }
    }

    pub(super) fn reach(&mut self, peer: &HttpPeer, reused: bool) {
        self.server = Some(peer._address.clone());
        if reused {
            self.meter.reused.one();
        }
    }

    pub(super) fn miss(&mut self) {
        self.meter.connect_errors.one();
        if let Some(mut span) = self.span.take() {
            self.describe(&mut span);
            span.fail("connect");
        }
    }

    /// The answer's head is here; `after` is counted from the request's.
    pub(super) fn hear(&mut self, status: u16, after: Duration) {
        self.meter.first_byte.record(self.began.elapsed());
        self.meter.count(status);
        self.status = status;
        self.answered_after = Some(after);
    }

    /// There is no more to come.
    pub(super) fn end(&self) {
        if self.answered_after.is_none() {
            self.meter.count(0);
        }
    }

    /// How often it was tried before.
    pub(super) const fn tries(&self) -> u16 {
        self.tries
    }

    /// The span that the application goes on below.
    pub(super) fn span(&self) -> Option<SpanId> {
        self.span.as_ref().map(Open::id)
    }

    /// Tells what is recorded of it, by the semantic conventions for HTTP clients.
    pub(super) fn record(&mut self, exchanged: &Exchanged<'_>, route: Option<&Route>) {
        let Some(mut span) = self.span.take() else { return };
        span.rename(known(exchanged.method).unwrap_or("HTTP"));
        span.note("http.request.method", known(exchanged.method).unwrap_or("_OTHER"));
        if let Some(route) = route {
            span.note("url.template", route.pattern().to_string());
        }
        self.describe(&mut span);
        match self.status {
            0 => span.fail("no_answer"),
            status => {
                span.note("http.response.status_code", status);
                if status < FAILURES { span.succeed() } else { span.fail(status.to_string()) }
            }
        }
    }

    fn describe(&self, span: &mut Open) {
        match self.server() {
            Some(Server::Address(address)) => {
                span.note("server.address", address.ip().to_string());
                span.note("server.port", address.port());
            }
            Some(Server::Path(path)) => span.note("server.address", path.to_owned()),
            None => {}
        }
        if self.tries > 0 {
            span.note("http.request.resend_count", self.tries);
        }
    }

    pub(super) fn server(&self) -> Option<Server<'_>> {
        match self.server.as_ref()? {
            SocketAddr::Inet(address) => Some(Server::Address(*address)),
            SocketAddr::Unix(address) => address.as_pathname().and_then(std::path::Path::to_str).map(Server::Path),
        }
    }

    pub(super) const fn first_byte(&self) -> Option<Duration> {
        self.answered_after
    }
}
