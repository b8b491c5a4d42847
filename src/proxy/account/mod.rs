//! What is noted about one request while it is served, and told once when it has been.
//!
//! Refuses to be part of the judgement: it only listens, so that a stage never has to think of records.

mod exchanged;
mod recorded;
mod served;
mod visit;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;

use self::exchanged::{Exchanged, Lingering};
use self::visit::Visit;
use super::gateway::Gateway;
use super::reject::Rejection;
use crate::clock::{SharedClock, Timestamp};
use crate::edge::{ConnectionFacts, fields};
use crate::forward::Outbound;
use crate::model::{CredentialKind, Identity};
use crate::policy::tenancy::SiteId;
use crate::route::{Route, Target};
use crate::telemetry::{AccessLine, Decision, RequestId, TRACEPARENT, TRACESTATE, Telemetry, TraceContext};
use crate::trace::Scope;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// One request's account.
pub(super) struct Account {
    telemetry: Arc<Telemetry>,
    started: Instant,
    at: Timestamp,
    id: RequestId,
    trace: TraceContext,
    client: Option<IpAddr>,
    route: Option<Arc<Route>>,
    identity: Option<Arc<Identity>>,
    site: SiteId,
    decision: Decision,
    reason: Option<&'static str>,
    visit: Option<Visit>,
    lingering: Option<Box<Lingering>>,
    /// Of a request that is recorded.
    scope: Option<Arc<Scope>>,
}

impl Account {
    /// Opens the account of a request whose head was read just now.
    pub(super) fn open(telemetry: &Arc<Telemetry>, clock: &SharedClock) -> Self {
        telemetry.metrics.in_flight.rise();
        let id = telemetry.ids.next();
        Self {
            telemetry: Arc::clone(telemetry),
            started: Instant::now(),
            at: clock.now(),
            trace: TraceContext::begin(id),
            id: RequestId::from(&id),
            client: None,
            route: None,
            identity: None,
            site: SiteId::SHARED,
            decision: Decision::default(),
            reason: None,
            visit: None,
            lingering: None,
            scope: None,
        }
    }

    /// Takes over the names that the request brought: the trace's from anybody, its own from a trusted proxy only.
    pub(super) fn greet(&mut self, headers: &HeaderMap, facts: &ConnectionFacts, gateway: &Gateway) {
        self.client = Some(facts.peer);
        if fields::holds(headers, &TRACEPARENT)
            && let Some(trace) = TraceContext::of(headers)
        {
            self.trace = trace;
        }
        let trusted = gateway.hygiene.trusts(facts.peer);
        if let Some(tracer) = &gateway.observed.tracer {
            self.scope = tracer.open(&mut self.trace, trusted, self.at, self.started, &self.telemetry.ids);
        }
        if trusted
            && let Some(given) = headers.get(REQUEST_ID)
            && let Some(id) = RequestId::parse(given)
        {
            self.id = id;
        }
    }

    /// What is done for it is recorded there; `None`: nothing is.
    pub(super) fn scope(&self) -> Option<Arc<Scope>> {
        self.scope.clone()
    }

    pub(super) fn id(&self) -> &RequestId {
        &self.id
    }

    /// When its head had been read.
    pub(super) fn at(&self) -> Timestamp {
        self.at
    }

    /// Where it comes from, as far as that is known yet.
    pub(super) fn client(&self) -> Option<IpAddr> {
        self.client
    }

    /// It may go out.
    pub(super) fn admit(&mut self, outbound: &Outbound) {
        self.client = Some(outbound.client);
        self.route = Some(Arc::clone(&outbound.route));
        self.identity.clone_from(&outbound.identity);
        self.site = outbound.site;
        self.decision = Decision::Allowed;
        if let Some(identity) = &outbound.identity {
            self.telemetry.metrics.authn.accept(identity.credential);
        }
    }

    /// It goes out though this stood against it, because its route only reports.
    pub(super) fn report(&mut self, rejection: &Rejection) {
        self.refuse(rejection);
        self.decision = Decision::Reported;
        self.reason = Some(rejection.reason());
    }

    /// It went no further.
    pub(super) fn reject(&mut self, rejection: &Rejection) {
        if let Some(route) = &rejection.route {
            self.route = Some(Arc::clone(route));
        }
        self.site = rejection.site;
        if rejection.client.is_some() {
            self.client = rejection.client;
        }
        if let Some(identity) = rejection.identity() {
            self.telemetry.metrics.authn.accept(identity.credential);
            self.identity = Some(Arc::clone(identity));
        }
        self.refuse(rejection);
        self.decision = rejection.decision();
        self.reason = Some(rejection.reason());
    }

    fn refuse(&self, rejection: &Rejection) {
        if rejection.is_about_credential() {
            let kind = rejection.refused_kind().map_or("none", CredentialKind::as_str);
            self.telemetry.metrics.authn.refuse(kind, rejection.reason());
        }
    }

    /// Its way to the application begins; again, if another server has to be asked.
    pub(super) fn set_out(&mut self, gateway: &Gateway, target: Target) {
        let Target::Upstream(upstream) = target else { return };
        let tries = self.visit.take().map_or(0, |last| last.tries() + 1);
        let recorded = self.scope.as_ref();
        self.visit = gateway.observed.upstreams.get(upstream).map(|meter| Visit::begin(meter, tries, recorded));
    }

    /// A server was reached.
    pub(super) fn reach(&mut self, peer: &HttpPeer, reused: bool) {
        if let Some(visit) = &mut self.visit {
            visit.reach(peer, reused);
        }
    }

    /// No server was reached.
    pub(super) fn miss(&mut self) {
        if let Some(visit) = &mut self.visit {
            visit.miss();
        }
    }

    /// Names the request to the application.
    pub(super) fn introduce(&self, fields: &mut HeaderMap) {
        fields.insert(REQUEST_ID, self.id.header().clone());
        if fields::holds(fields, &TRACESTATE) && !self.trace.keeps_state(fields) {
            fields.remove(TRACESTATE);
        }
        let span = self.visit.as_ref().and_then(Visit::span);
        fields.insert(TRACEPARENT, self.trace.traceparent(&self.telemetry.ids, span));
    }

    /// The application answered.
    pub(super) fn hear(&mut self, status: u16) {
        if let Some(visit) = &mut self.visit {
            visit.hear(status, self.started.elapsed());
        }
    }

    /// It may be ended where its session is out of reach. 0: no answer was begun.
    pub(super) fn linger(&mut self, session: &Session, status: u16) {
        let begin = || Box::new(Lingering::begin(&Exchanged::of(session)));
        self.lingering.get_or_insert_with(begin).status = status;
    }

    pub(super) const fn lingers(&self) -> bool {
        self.lingering.is_some()
    }

    /// So much of the request's body came.
    pub(super) fn received(&mut self, bytes: usize) {
        if let Some(lingering) = &mut self.lingering {
            lingering.received += bytes as u64;
        }
    }

    /// So much of the answer's body is on its way.
    pub(super) fn sent(&mut self, bytes: usize) {
        if let Some(lingering) = &mut self.lingering {
            lingering.sent += bytes as u64;
        }
    }

    /// Names the request in an answer.
    pub(super) fn label(&self, head: &mut ResponseHeader) -> pingora::Result<()> {
        head.insert_header(REQUEST_ID, self.id.header().clone())
    }

    /// The request has been served, well or not: counts it and writes its line. Says how long it took.
    pub(super) fn close(&mut self, session: &Session, gateway: &Gateway) -> Duration {
        self.lingering = None;
        self.tell(&Exchanged::of(session), gateway)
    }

    /// The request ends without having been closed: tells what was kept of it.
    pub(super) fn abandon(&mut self, gateway: &Gateway) {
        if let Some(lingering) = self.lingering.take() {
            self.tell(&lingering.exchanged(), gateway);
        }
    }

    fn tell(&mut self, exchanged: &Exchanged, gateway: &Gateway) -> Duration {
        let took = self.started.elapsed();
        if let Some(visit) = &mut self.visit {
            visit.end();
        }
        if let Some(scope) = self.scope.take() {
            if let Some(visit) = &mut self.visit {
                visit.record(exchanged, self.route.as_deref());
            }
            scope.close(self.span_name(exchanged), self.span_attributes(exchanged, scope.tells_paths()), self.failure(exchanged));
        }
        let meter =
            self.route.as_ref().and_then(|route| gateway.observed.routes.get(route.place)).unwrap_or(&gateway.observed.unrouted);
        meter.count(self.decision, exchanged.status);
        meter.durations.record(took);
        if let Some(log) = &gateway.observed.access_log {
            log.write(&self.line(exchanged, took));
        }
        if let Some(event) = self.served(exchanged, gateway, took) {
            gateway.observed.audit.note(event);
        }
        took
    }

    fn line<'a>(&'a self, exchanged: &Exchanged<'a>, took: Duration) -> AccessLine<'a> {
        let Exchanged { method, uri, host, version, tls, status, received, sent, .. } = *exchanged;
        let path = uri.path();
        let host = host.and_then(|host| host.to_str().ok());
        AccessLine {
            at: self.at,
            request_id: self.id.as_str(),
            trace_id: self.trace.trace_id(),
            method: method.as_str(),
            host: host.or_else(|| uri.authority().map(http::uri::Authority::as_str)).unwrap_or_default(),
            path,
            query: uri.query(),
            // What came to no route may have been meant for one of them.
            own_page: self.route.as_ref().is_none_or(|route| route.target == Target::Door),
            route: self.route.as_ref().map(|route| &*route.name),
            decision: self.decision,
            reason: self.reason,
            status,
            identity: self.identity.as_deref(),
            client: self.client,
            upstream: self.visit.as_ref().and_then(Visit::server),
            bytes_in: received,
            bytes_out: sent,
            took,
            first_byte: self.visit.as_ref().and_then(Visit::first_byte),
            tls,
            http: exchanged::name(version),
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.telemetry.metrics.in_flight.fall();
    }
}
