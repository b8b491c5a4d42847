//! Everything that is counted.
//!
//! Refuses look-ups by name while a request is served: whoever counts holds its meter, found once when the configuration was loaded.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::outcome::{Decision, STATUS_CLASSES, status_class};
use super::tally::{Durations, Level, Tally};
use crate::clock::Timestamp;
use crate::model::CredentialKind;
use crate::trace;

/// The requests of one route. The name outlives a reload, and so does the meter.
#[derive(Debug, Default)]
pub struct RouteMeter {
    outcomes: [[Tally; STATUS_CLASSES.len()]; Decision::ALL.len()],
    pub durations: Durations,
}

impl RouteMeter {
    /// `status`: of the answer; 0 where none was begun.
    pub fn count(&self, decision: Decision, status: u16) {
        self.outcomes[decision as usize][status_class(status)].one();
    }

    /// What happened at least once: decision, status class, how often.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let rows = Decision::ALL.into_iter().zip(&self.outcomes);
        let all = rows
            .flat_map(|(decision, row)| STATUS_CLASSES.into_iter().zip(row).map(move |(class, tally)| (decision, class, tally)));
        all.map(|(decision, class, tally)| (decision.as_str(), class, tally.read())).filter(|(_, _, count)| *count > 0)
    }
}

/// The requests that went to one upstream.
#[derive(Debug, Default)]
pub struct UpstreamMeter {
    statuses: [Tally; STATUS_CLASSES.len()],
    /// From the request being handed to the engine's upstream side to the head of the answer.
    pub first_byte: Durations,
    pub connect_errors: Tally,
    /// Requests that were sent over a connection that was open already.
    pub reused: Tally,
}

impl UpstreamMeter {
    /// `status`: of the upstream's answer; 0 where it gave none.
    pub fn count(&self, status: u16) {
        self.statuses[status_class(status)].one();
    }

    pub(super) fn statuses(&self) -> impl Iterator<Item = (&'static str, u64)> {
        STATUS_CLASSES.into_iter().zip(&self.statuses).map(|(class, tally)| (class, tally.read())).filter(|(_, count)| *count > 0)
    }
}

/// How often a cache knew.
#[derive(Debug, Default)]
pub struct CacheMeter {
    pub hits: Tally,
    pub misses: Tally,
}

/// What issuers answered about tokens.
#[derive(Debug, Default)]
pub struct IntrospectionMeter {
    pub active: Tally,
    pub inactive: Tally,
    /// There was no answer, or none that could be used.
    pub failed: Tally,
}

/// How many people and programs were recognised, and how many credentials were not taken.
#[derive(Debug, Default)]
pub struct AuthnMeter {
    accepted: [Tally; CredentialKind::ALL.len()],
    /// Refusals are rare and their reasons many, so this one is behind a lock.
    refused: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
}

impl AuthnMeter {
    pub fn accept(&self, kind: CredentialKind) {
        self.accepted[kind as usize].one();
    }

    /// `credential`: its kind, or `none` where it could not be told. `reason`: a stable snake_case name.
    pub fn refuse(&self, credential: &'static str, reason: &'static str) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner).entry((credential, reason)).or_default() += 1;
    }

    pub(super) fn read(&self) -> Vec<(&'static str, &'static str, u64)> {
        let accepted =
            CredentialKind::ALL.into_iter().zip(&self.accepted).map(|(kind, tally)| (kind.as_str(), "ok", tally.read()));
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.chain(refused.iter().map(|((kind, reason), count)| (*kind, *reason, *count))).collect()
    }
}

/// What the listeners saw.
#[derive(Debug, Default)]
pub struct ConnectionMeter {
    pub(super) accepted: Tally,
    pub(super) open: Level,
    pub failed_handshakes: Tally,
}

impl ConnectionMeter {
    /// Counts a connection, as open until what is returned goes.
    pub fn open(&self) -> OpenConnection<'_> {
        self.accepted.one();
        self.open.rise();
        OpenConnection(self)
    }
}

/// A connection that is open.
#[derive(Debug)]
pub struct OpenConnection<'a>(&'a ConnectionMeter);

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.0.open.fall();
    }
}

/// How reloads of the configuration went.
#[derive(Debug, Default)]
pub struct ReloadMeter {
    succeeded: Tally,
    failed: Tally,
    /// Seconds since the epoch; 0 before the first.
    last_success: Level,
}

impl ReloadMeter {
    pub fn succeed(&self, at: Timestamp) {
        self.succeeded.one();
        self.last_success.set(at.seconds());
    }

    pub fn fail(&self) {
        self.failed.one();
    }

    pub(super) fn read(&self) -> [(&'static str, u64); 2] {
        [("success", self.succeeded.read()), ("failure", self.failed.read())]
    }

    pub(super) fn last_success(&self) -> i64 {
        self.last_success.read()
    }
}

/// What is sent to the OTLP receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    Traces,
    Metrics,
}

impl Signal {
    const ALL: [Self; 2] = [Self::Traces, Self::Metrics];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
        }
    }
}

/// How the export of traces and metrics goes.
#[derive(Debug, Default)]
pub struct OtlpMeter {
    /// Where spans wait for it.
    pub spans: Arc<trace::Queue>,
    taken: [Tally; Signal::ALL.len()],
    failed: [Tally; Signal::ALL.len()],
    /// Spans that were taken.
    pub(super) sent: Tally,
    /// Spans for which the receiver was too long not there.
    pub(super) given_up: Tally,
    /// Spans that it will not have.
    pub(super) refused: Tally,
}

impl OtlpMeter {
    /// One request was made, and was taken or not.
    pub(super) fn count(&self, signal: Signal, taken: bool) {
        let tallies = if taken { &self.taken } else { &self.failed };
        tallies[signal as usize].one();
    }

    pub(super) fn exports(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let of = |signal: Signal| {
            let (taken, failed) = (&self.taken[signal as usize], &self.failed[signal as usize]);
            [(signal.as_str(), "taken", taken.read()), (signal.as_str(), "failed", failed.read())]
        };
        Signal::ALL.into_iter().flat_map(of)
    }

    pub(super) fn dropped(&self) -> [(&'static str, u64); 3] {
        [("queue_full", self.spans.dropped()), ("not_taken", self.given_up.read()), ("refused", self.refused.read())]
    }

    pub(super) fn waiting(&self) -> i64 {
        i64::try_from(self.spans.waiting()).unwrap_or(i64::MAX)
    }
}

/// All meters of the process.
#[derive(Debug, Default)]
pub struct Metrics {
    pub authn: AuthnMeter,
    pub session_cache: CacheMeter,
    pub program_cache: CacheMeter,
    pub jwt_cache: CacheMeter,
    pub introspections: IntrospectionMeter,
    pub connections: ConnectionMeter,
    /// Requests being served.
    pub in_flight: Level,
    pub reloads: ReloadMeter,
    /// Access lines that were dropped because nobody took them off fast enough.
    pub lost_access_lines: Tally,
    pub otlp: OtlpMeter,
    routes: Meters<RouteMeter>,
    upstreams: Meters<UpstreamMeter>,
}

type Meters<M> = Mutex<BTreeMap<Box<str>, Arc<M>>>;

impl Metrics {
    /// The meter of the route with this name, for whoever compiles the routes.
    #[must_use]
    pub fn route(&self, name: &str) -> Arc<RouteMeter> {
        meter(&self.routes, name)
    }

    /// The meter of the upstream with this name, for whoever compiles the upstreams.
    #[must_use]
    pub fn upstream(&self, name: &str) -> Arc<UpstreamMeter> {
        meter(&self.upstreams, name)
    }

    pub(super) fn routes(&self) -> Vec<(Box<str>, Arc<RouteMeter>)> {
        listed(&self.routes)
    }

    pub(super) fn upstreams(&self) -> Vec<(Box<str>, Arc<UpstreamMeter>)> {
        listed(&self.upstreams)
    }
}

fn meter<M: Default>(meters: &Meters<M>, name: &str) -> Arc<M> {
    Arc::clone(meters.lock().unwrap_or_else(PoisonError::into_inner).entry(name.into()).or_default())
}

fn listed<M>(meters: &Meters<M>) -> Vec<(Box<str>, Arc<M>)> {
    let meters = meters.lock().unwrap_or_else(PoisonError::into_inner);
    meters.iter().map(|(name, meter)| (name.clone(), Arc::clone(meter))).collect()
}
