//! How a sink fares, for metrics and probes.
//!
//! Refuses to speak for other replicas: it counts what this process delivers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;

/// Counts of one sink, by this process since its start.
#[derive(Debug, Default)]
pub(super) struct Meter {
    sent: AtomicU64,
    refused: AtomicU64,
    failures: AtomicU64,
    lost: AtomicU64,
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    /// By chain: events that wait, and when the oldest of them happened.
    waiting: HashMap<String, (u64, Timestamp)>,
    failing: Option<(Timestamp, String)>,
    letters: u64,
}

/// How a sink fares.
#[derive(Clone, Debug)]
pub struct Fare {
    pub sink: String,
    /// Events that wait to be delivered by this process.
    pub queued: u64,
    /// Age of the oldest of them.
    pub lag: Duration,
    pub sent: u64,
    /// Refused for good.
    pub refused: u64,
    /// Tries that failed.
    pub failures: u64,
    /// Left with retention before they could be delivered.
    pub lost: u64,
    pub letters: u64,
    /// Since when nothing could be delivered, and why.
    pub failing: Option<(Timestamp, String)>,
}

impl Meter {
    pub(super) fn count(&self, sent: u64, refused: u64, lost: u64) {
        self.sent.fetch_add(sent, Relaxed);
        self.refused.fetch_add(refused, Relaxed);
        self.lost.fetch_add(lost, Relaxed);
    }

    /// A try failed; the first one of a row says since when.
    pub(super) fn fail(&self, at: Timestamp, why: &str) -> Timestamp {
        self.failures.fetch_add(1, Relaxed);
        let mut now = self.now();
        let since = now.failing.as_ref().map_or(at, |(since, _)| *since);
        now.failing = Some((since, why.to_owned()));
        since
    }

    /// Whether the last try failed.
    pub(super) fn is_failing(&self) -> bool {
        self.now().failing.is_some()
    }

    /// Something was delivered again. Says since when nothing was.
    pub(super) fn succeed(&self) -> Option<Timestamp> {
        self.now().failing.take().map(|(since, _)| since)
    }

    /// `waiting` events of `chain` wait, the oldest of them since `oldest`.
    pub(super) fn waits(&self, chain: &str, waiting: i64, oldest: Timestamp) {
        let waiting = u64::try_from(waiting).unwrap_or(0);
        self.now().waiting.insert(chain.to_owned(), (waiting, oldest));
    }

    /// The same where it is not known since when, but not after `at`.
    pub(super) fn waits_from(&self, chain: &str, waiting: i64, at: Timestamp) {
        let waiting = u64::try_from(waiting).unwrap_or(0);
        self.now().waiting.entry(chain.to_owned()).or_insert((0, at)).0 = waiting;
    }

    /// Nothing of `chain` waits.
    pub(super) fn waits_not(&self, chain: &str) {
        self.now().waiting.remove(chain);
    }

    pub(super) fn letters(&self, letters: i64) {
        self.now().letters = u64::try_from(letters).unwrap_or(0);
    }

    pub(super) fn fare(&self, sink: &str, at: Timestamp) -> Fare {
        let now = self.now();
        let oldest = now.waiting.values().map(|(_, oldest)| *oldest).min();
        Fare {
            sink: sink.to_owned(),
            queued: now.waiting.values().map(|(waiting, _)| waiting).sum(),
            lag: oldest.map_or(Duration::ZERO, |oldest| at.since(oldest)),
            sent: self.sent.load(Relaxed),
            refused: self.refused.load(Relaxed),
            failures: self.failures.load(Relaxed),
            lost: self.lost.load(Relaxed),
            letters: now.letters,
            failing: now.failing.clone(),
        }
    }

    fn now(&self) -> std::sync::MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
