//! What the operations listener is told about the running server.
//!
//! Refuses to call itself ready while something is missing that requests need: a balancer then looks elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use async_trait::async_trait;

use super::memory::Memory;
use crate::clock::SharedClock;
use crate::forward::ServerState;
use crate::mail::Tallies;
use crate::proxy::gateway::Gateway;
use crate::revocation::FeedState;
use crate::telemetry::operations::{Insight, Missing};
use crate::telemetry::{Sample, SampleKind};

/// Looks into a running server.
pub struct View {
    pub memory: Memory,
    pub gateway: Arc<ArcSwap<Gateway>>,
    pub clock: SharedClock,
    /// Told to stop.
    pub stopping: Arc<AtomicBool>,
}

#[async_trait]
impl Insight for View {
    async fn missing(&self) -> Vec<Missing> {
        let mut missing = Vec::new();
        if self.stopping.load(Ordering::Relaxed) {
            missing.push(Missing { what: "draining", detail: None });
        }
        if let Err(error) = self.memory.directory.ping().await {
            missing.push(Missing { what: "store", detail: Some(error.to_string()) });
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

    async fn samples(&self) -> Vec<Sample> {
        let now = self.clock.now();
        let blind = match self.memory.bus().state() {
            FeedState::Following => 0.0,
            FeedState::BlindSince(since) => now.since(since).as_secs_f64(),
        };
        let mut samples = vec![
            gauge("change_feed_blind_seconds", "How long changes made elsewhere have not been heard; 0: they are", blind),
            counter("audit_events_lost", "Audit events that could not be kept", self.memory.audit.lost()),
            gauge("draining", "1 while the server is stopping", f64::from(u8::from(self.stopping.load(Ordering::Relaxed)))),
        ];
        samples.extend(letters(&self.memory.post.tallies()));
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
        match self.memory.sessions.count(now).await {
            Ok(live) => samples.push(gauge("sessions_live", "Sessions that have not ended", as_number(live))),
            // The scrape goes on without it; an absent number is not a zero.
            Err(error) => tracing::warn!(%error, "sessions could not be counted"),
        }
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
