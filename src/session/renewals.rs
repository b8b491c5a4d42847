//! When sessions were last seen, written in batches.
//!
//! Refuses to hold the writer for long: a batch is written in parts.

use std::sync::Arc;
use std::time::Duration;

use super::{SessionStore, SessionStoreError};
use crate::batch::{Batched, Gathered};
use crate::clock::Timestamp;
use crate::crypto::Digest;
use crate::latest::Latest;

/// Sessions of one write.
const CHUNK: usize = 1000;

/// Gathers last-seen times and writes them now and then.
pub type Renewals = Batched<Seen>;

#[derive(Debug)]
pub struct Seen {
    store: Arc<dyn SessionStore>,
    seen: Latest<Digest>,
}

impl Renewals {
    /// Writes what was gathered each `period`.
    #[must_use]
    pub fn start(store: Arc<dyn SessionStore>, period: Duration) -> Self {
        Self::each(period, Seen { store, seen: Latest::default() })
    }
}

impl Seen {
    /// The session was used. Costs no I/O.
    pub fn seen(&self, session: &Digest, at: Timestamp) {
        self.seen.note(session, at);
    }
}

impl Gathered for Seen {
    type Error = SessionStoreError;
    const WHAT: &'static str = "last-seen times";

    async fn flush(&self) -> Result<(), SessionStoreError> {
        let mut failure = Ok(());
        for chunk in self.seen.take().chunks(CHUNK) {
            if failure.is_ok() {
                failure = self.store.touch(chunk).await;
            }
            if failure.is_err() {
                for (session, at) in chunk {
                    self.seen.note(session, *at);
                }
            }
        }
        failure
    }
}
