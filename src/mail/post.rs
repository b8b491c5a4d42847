//! What all letters of the process share: where the work on them is done, and how they fared.
//!
//! Refuses more work than fits, because whoever may type an address may otherwise fill the memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

/// Letters, and decisions whether to write one, that may be under way.
const ROOM: usize = 1024;

/// The post of this process. Clones share everything.
#[derive(Clone, Debug)]
pub struct Post {
    /// The house's own threads: work done there takes no time from a request's.
    house: Handle,
    room: Arc<Semaphore>,
    under_way: TaskTracker,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    failed: AtomicU64,
    put_off: AtomicU64,
    dropped: AtomicU64,
    /// By the server's name: whether it did what was asked the last time.
    servers: Mutex<BTreeMap<String, bool>>,
}

/// How letters fared since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tallies {
    pub sent: u64,
    /// Given up.
    pub failed: u64,
    /// Tries that did not succeed and were followed by another.
    pub put_off: u64,
    /// Not even begun, because too many were waiting.
    pub dropped: u64,
    pub waiting: u64,
    /// Whether each server did what was asked the last time.
    pub servers: Vec<(String, bool)>,
}

impl Post {
    /// Belongs to the runtime that it is made on.
    #[must_use]
    pub fn open() -> Self {
        let room = Arc::new(Semaphore::new(ROOM));
        Self { house: Handle::current(), room, under_way: TaskTracker::new(), counts: Arc::default() }
    }

    /// Does `work` on the house's threads while nobody waits; says whether there was room.
    pub fn aside(&self, work: impl Future<Output = ()> + Send + 'static) -> bool {
        let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
            return false;
        };
        let work = async move {
            work.await;
            drop(place);
        };
        self.under_way.spawn_on(work, &self.house);
        true
    }

    /// Waits for what is under way, for at most `patience`; says how much is left.
    pub async fn settle(&self, patience: Duration) -> usize {
        self.under_way.close();
        // What is left then is given up with the process.
        let _ = tokio::time::timeout(patience, self.under_way.wait()).await;
        self.under_way.len()
    }

    pub(super) fn sent(&self, server: &str) {
        self.counts.sent.fetch_add(1, Ordering::Relaxed);
        self.note(server, true);
    }

    pub(super) fn failed(&self) {
        self.counts.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn put_off(&self) {
        self.counts.put_off.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the server did what was asked.
    pub(super) fn note(&self, server: &str, well: bool) {
        self.counts.servers.lock().unwrap_or_else(PoisonError::into_inner).insert(server.to_owned(), well);
    }

    /// How letters fared, for metrics.
    #[must_use]
    pub fn tallies(&self) -> Tallies {
        let servers = self.counts.servers.lock().unwrap_or_else(PoisonError::into_inner);
        Tallies {
            sent: self.counts.sent.load(Ordering::Relaxed),
            failed: self.counts.failed.load(Ordering::Relaxed),
            put_off: self.counts.put_off.load(Ordering::Relaxed),
            dropped: self.counts.dropped.load(Ordering::Relaxed),
            waiting: (ROOM - self.room.available_permits()) as u64,
            servers: servers.iter().map(|(name, well)| (name.clone(), *well)).collect(),
        }
    }
}
