//! What the operations listener is told about the running server.
//!
//! Refuses to call itself ready while something is missing that requests need: a balancer then looks elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::memory::Memory;
use crate::audit::sink::Fare;
use crate::clock::SharedClock;
use crate::forward::ServerState;
use crate::mail::Tallies;
use crate::proxy::gateway::Gateway;
use crate::revocation::FeedState;
use crate::telemetry::operations::{Insight, Missing};
use crate::telemetry::{Sample, SampleKind};

/// How long what a store said is believed.
const BRIEF: Duration = Duration::from_secs(1);

/// Looks into a running server.
pub struct View {
    memory: Memory,
    gateway: Arc<ArcSwap<Gateway>>,
    clock: SharedClock,
    /// Told to stop.
    stopping: Arc<AtomicBool>,
    /// Whether the directory answered, or why it did not.
    answered: Brief<Option<String>>,
    /// Live sessions, where they could be counted.
    live: Brief<Option<u64>>,
}

/// What is asked for once in a second, however many want to know, because whoever asks costs nothing and the store does.
struct Brief<T> {
    lasts: Duration,
    held: Mutex<Option<(Instant, T)>>,
}

impl<T: Clone> Brief<T> {
    fn new(lasts: Duration) -> Self {
        Self { lasts, held: Mutex::default() }
    }

    async fn or_ask(&self, ask: impl Future<Output = T>) -> T {
        let mut held = self.held.lock().await;
        if let Some((asked, known)) = &*held
            && asked.elapsed() < self.lasts
        {
            return known.clone();
        }
        let known = ask.await;
        *held = Some((Instant::now(), known.clone()));
        known
    }
}

impl View {
    pub(super) fn new(memory: Memory, gateway: Arc<ArcSwap<Gateway>>, clock: SharedClock, stopping: Arc<AtomicBool>) -> Self {
        Self { memory, gateway, clock, stopping, answered: Brief::new(BRIEF), live: Brief::new(BRIEF) }
    }

    /// The sessions that live, for a gauge.
    async fn count(&self) -> Option<u64> {
        match self.memory.sessions.count(self.clock.now()).await {
            Ok(live) => Some(live),
            Err(error) => {
                tracing::warn!(%error, "sessions could not be counted");
                None
            }
        }
    }
}

#[async_trait]
impl Insight for View {
    async fn missing(&self) -> Vec<Missing> {
        let mut missing = Vec::new();
        if self.stopping.load(Ordering::Relaxed) {
            missing.push(Missing { what: "draining", detail: None });
        }
        let ping = async { self.memory.directory.ping().await.err().map(|error| error.to_string()) };
        if let Some(error) = self.answered.or_ask(ping).await {
            missing.push(Missing { what: "store", detail: Some(error) });
        }
        if let FeedState::BlindSince(since) = self.memory.bus().state() {
            missing.push(Missing { what: "change_feed", detail: Some(format!("not heard since {since}")) });
        }
        let gateway = self.gateway.load();
        let without = gateway.authn.issuers_without_keys();
        missing.extend(without.into_iter().map(|issuer| Missing { what: "keys", detail: Some(issuer) }));
        let states: Vec<_> = gateway.forwarding.upstreams.states().collect();
        // While one application is well, its guests are to be let in.
        if states.iter().all(|state| !state.well) {
            missing.extend(states.into_iter().map(|state| Missing { what: "upstream", detail: Some(state.server.into()) }));
        }
        missing
    }

    async fn impaired(&self) -> Vec<Missing> {
        let audit = &self.memory.audit;
        let trail = audit.trouble().map(|why| {
            let detail = format!("events are not recorded: {why}; {} wait on the disk", audit.waiting());
            Missing { what: "audit_trail", detail: Some(detail) }
        });
        let failing = self.memory.fares().into_iter().filter_map(|fare| {
            let (since, why) = fare.failing?;
            Some(Missing { what: "audit_sink", detail: Some(format!("{}: nothing delivered since {since}: {why}", fare.sink)) })
        });
        trail.into_iter().chain(failing).collect()
    }

    async fn samples(&self) -> Vec<Sample> {
        let now = self.clock.now();
        let blind = match self.memory.bus().state() {
            FeedState::Following => 0.0,
            FeedState::BlindSince(since) => now.since(since).as_secs_f64(),
        };
        let mut samples = vec![
            gauge("change_feed_blind_seconds", "How long changes made elsewhere have not been heard; 0: they are", blind),
            counter("audit_events_lost", "Audit events that could not be kept", self.memory.audit.lost()),
            gauge(
                "audit_events_waiting",
                "Audit events on the disk that wait for the store",
                as_number(self.memory.audit.waiting()),
            ),
            gauge(
                "audit_trail_well",
                "1 if the store took the events that it was last given",
                f64::from(u8::from(self.memory.audit.trouble().is_none())),
            ),
            gauge("draining", "1 while the server is stopping", f64::from(u8::from(self.stopping.load(Ordering::Relaxed)))),
        ];
        samples.extend(letters(&self.memory.post.tallies()));
        samples.extend(sinks(&self.memory.fares()));
        let states: Vec<_> = self.gateway.load().forwarding.upstreams.states().collect();
        let of = |state: &ServerState| vec![("server", state.server.to_string())];
        samples.extend(states.iter().map(|state| Sample {
            labels: of(state),
            ..gauge("upstream_well", "1 if the server is well", f64::from(u8::from(state.well)))
        }));
        samples.extend(states.iter().map(|state| Sample {
            labels: of(state),
            ..gauge("upstream_in_flight", "Requests at the server now", as_number(state.in_flight as u64))
        }));
        samples.extend(self.gateway.load().certificates.iter().map(|certificate| Sample {
            labels: vec![("name", certificate.name.clone())],
            ..gauge(
                "certificate_expiry_seconds",
                "How long the listener's certificate still holds; below 0: it does not",
                certificate.at.since(now).as_secs_f64() - now.since(certificate.at).as_secs_f64(),
            )
        }));
        // Where they could not be counted the scrape goes on without it; an absent number is not a zero.
        let live = self.live.or_ask(self.count()).await;
        samples.extend(live.map(|live| gauge("sessions_live", "Sessions that have not ended", as_number(live))));
        samples
    }
}

/// How letters fare, and the servers that take them.
fn letters(tallies: &Tallies) -> Vec<Sample> {
    let help = "Letters sent, given up, put off to another try, or dropped because too many were waiting";
    let outcomes =
        [("sent", tallies.sent), ("failed", tallies.failed), ("put_off", tallies.put_off), ("dropped", tallies.dropped)];
    let outcomes = outcomes
        .map(|(outcome, count)| Sample { labels: vec![("outcome", outcome.to_owned())], ..counter("letters", help, count) });
    let servers = tallies.servers.iter().map(|(server, well)| Sample {
        labels: vec![("server", server.clone())],
        ..gauge("mail_server_well", "1 if the mail server did what was asked the last time", f64::from(u8::from(*well)))
    });
    let waiting = gauge("letters_waiting", "Letters under way", as_number(tallies.waiting));
    outcomes.into_iter().chain([waiting]).chain(servers).collect()
}

/// How the sinks for audit events fare.
fn sinks(fares: &[Fare]) -> Vec<Sample> {
    let all = |sample: &dyn Fn(&Fare) -> Sample| {
        let labelled = |fare: &Fare| Sample { labels: vec![("sink", fare.sink.clone())], ..sample(fare) };
        fares.iter().map(labelled).collect::<Vec<_>>()
    };
    [
        all(&|fare| gauge("audit_sink_queued", "Audit events that wait to be delivered", as_number(fare.queued))),
        all(&|fare| gauge("audit_sink_lag_seconds", "Age of the oldest audit event that waits", fare.lag.as_secs_f64())),
        all(&|fare| {
            let well = f64::from(u8::from(fare.failing.is_none()));
            gauge("audit_sink_well", "1 if the receiver took what it was last sent", well)
        }),
        all(&|fare| gauge("audit_sink_dead_letters", "Audit events that were refused for good", as_number(fare.letters))),
        all(&|fare| counter("audit_sink_sent", "Audit events that the receiver took", fare.sent)),
        all(&|fare| counter("audit_sink_refused", "Audit events that the receiver refused for good", fare.refused)),
        all(&|fare| counter("audit_sink_failures", "Tries to deliver that failed", fare.failures)),
        all(&|fare| counter("audit_sink_lost", "Audit events that left before they could be delivered", fare.lost)),
    ]
    .concat()
}

fn gauge(name: &'static str, help: &'static str, value: f64) -> Sample {
    Sample { name, help, kind: SampleKind::Gauge, labels: Vec::new(), value }
}

fn counter(name: &'static str, help: &'static str, value: u64) -> Sample {
    Sample { name, help, kind: SampleKind::Counter, labels: Vec::new(), value: as_number(value) }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn as_number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked_twice(lasts: Duration) -> (u32, u32) {
        let (asked, brief) = (std::cell::Cell::new(0), Brief::new(lasts));
        let ask = async || {
            asked.set(asked.get() + 1);
            asked.get()
        };
        (brief.or_ask(ask()).await, brief.or_ask(ask()).await)
    }

    #[tokio::test]
    async fn however_many_want_to_know_the_store_is_asked_once_in_a_while() {
        assert_eq!(asked_twice(Duration::from_secs(3600)).await, (1, 1));
        assert_eq!(asked_twice(Duration::ZERO).await, (1, 2));
    }
}
