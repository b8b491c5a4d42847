//! Records of what was refused before it was a request: the same line, meter and event that every other refusal has.
//!
//! Refuses to believe any of it: the client is the connection's other end, whatever the bytes say.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::gateway::Gateway;
use crate::audit::what::RequestRefused;
use crate::audit::{Event, Outcome, Personal, Recorder};
use crate::clock::SharedClock;
use crate::edge::{Refused, Witness};
use crate::model::TenantId;
use crate::telemetry::{AccessLine, Decision, RequestId, Telemetry, masked_path};

/// Keeps them.
#[derive(Clone)]
pub struct Unheard {
    gateway: Arc<ArcSwap<Gateway>>,
    clock: SharedClock,
    telemetry: Arc<Telemetry>,
    audit: Recorder,
}

impl std::fmt::Debug for Unheard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Unheard")
    }
}

impl Unheard {
    #[must_use]
    pub fn new(gateway: Arc<ArcSwap<Gateway>>, clock: SharedClock, telemetry: Arc<Telemetry>, audit: Recorder) -> Self {
        Self { gateway, clock, telemetry, audit }
    }

    fn event(&self, refused: &Refused<'_>, path: &str, id: &RequestId) -> Event {
        let what = RequestRefused {
            method: Some(refused.method.to_owned()),
            path: Some(Personal(masked_path(path).to_string())),
            ..RequestRefused::default()
        };
        let mut event = Event::new(self.clock.now(), what, Outcome::Failure, &TenantId::default());
        event.reason = Some(refused.flaw.reason.into());
        event.source = Some(refused.facts.peer);
        event.request_id = Some(id.as_str().to_owned());
        event
    }
}

impl Witness for Unheard {
    fn refused(&self, refused: &Refused<'_>) -> RequestId {
        let gateway = self.gateway.load();
        let id = self.telemetry.ids.next();
        let trace = crate::telemetry::TraceContext::begin(id);
        let id = RequestId::from(&id);
        let (path, query) = refused.target.split_once('?').map_or((refused.target, None), |(path, query)| (path, Some(query)));
        let status = refused.flaw.status;
        gateway.observed.unrouted.count(Decision::Malformed, status);
        gateway.observed.unrouted.durations.record(refused.took);
        if let Some(log) = &gateway.observed.access_log {
            log.write(&AccessLine {
                at: self.clock.now(),
                request_id: id.as_str(),
                trace_id: trace.trace_id(),
                method: refused.method,
                host: "",
                path,
                query,
                own_page: path.starts_with(&*gateway.prefix),
                route: None,
                decision: Decision::Malformed,
                reason: Some(refused.flaw.reason),
                status,
                identity: None,
                client: Some(refused.facts.peer),
                upstream: None,
                bytes_in: 0,
                bytes_out: 0,
                took: refused.took,
                first_byte: None,
                tls: refused.facts.tls_version,
                http: "1.1",
            });
        }
        self.audit.note(self.event(refused, path, &id));
        id
    }
}
