//! The way of one request to the application and back.
//!
//! Refuses to count an answer that never came as one: it is the status 0, which no server has.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pingora::upstreams::peer::HttpPeer;
use pingora_core::protocols::l4::socket::SocketAddr;

use crate::telemetry::{Server, UpstreamMeter};

/// The way to the application and back.
pub(super) struct Visit {
    meter: Arc<UpstreamMeter>,
    began: Instant,
    /// The server that was reached.
    server: Option<SocketAddr>,
    /// How long after the request's head its answer came.
    answered_after: Option<Duration>,
}

impl Visit {
    pub(super) fn begin(meter: &Arc<UpstreamMeter>) -> Self {
        Self { meter: Arc::clone(meter), began: Instant::now(), server: None, answered_after: None }
    }

    pub(super) fn reach(&mut self, peer: &HttpPeer, reused: bool) {
        self.server = Some(peer._address.clone());
        if reused {
            self.meter.reused.one();
        }
    }

    pub(super) fn miss(&self) {
        self.meter.connect_errors.one();
    }

    /// The answer's head is here; `after` is counted from the request's.
    pub(super) fn hear(&mut self, status: u16, after: Duration) {
        self.meter.first_byte.record(self.began.elapsed());
        self.meter.count(status);
        self.answered_after = Some(after);
    }

    /// There is no more to come.
    pub(super) fn end(&self) {
        if self.answered_after.is_none() {
            self.meter.count(0);
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
