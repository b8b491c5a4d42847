//! When sessions were last seen, written in batches.
//!
//! Refuses a write per request, because the disk syncs a few hundred times a second and requests come a hundred times as often.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

use super::{SessionStore, SessionStoreError};
use crate::clock::Timestamp;
use crate::crypto::Digest;
use crate::latest::Latest;

/// Sessions of one write, so that no transaction holds the writer for long.
const CHUNK: usize = 1000;

/// Gathers last-seen times and writes them now and then.
#[derive(Debug)]
pub struct Renewals {
    gathered: Arc<Gathered>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Gathered {
    store: Arc<dyn SessionStore>,
    seen: Latest<Digest>,
}

impl Renewals {
    /// Writes what was gathered each `period`. Call [`Self::flush`] once more at the end.
    #[must_use]
    pub fn start(store: Arc<dyn SessionStore>, period: Duration) -> Self {
        let gathered = Arc::new(Gathered { store, seen: Latest::default() });
        let task = tokio::spawn(Arc::clone(&gathered).run(period));
        Self { gathered, _task: AbortOnDropHandle::new(task) }
    }

    /// The session was used. Costs no I/O.
    pub fn seen(&self, session: &Digest, at: Timestamp) {
        self.gathered.seen.note(session, at);
    }

    /// Writes what was gathered.
    ///
    /// # Errors
    /// [`SessionStoreError`]; what was not written is kept for the next time.
    pub async fn flush(&self) -> Result<(), SessionStoreError> {
        self.gathered.flush().await
    }
}

impl Gathered {
    async fn run(self: Arc<Self>, period: Duration) {
        loop {
            tokio::time::sleep(period).await;
            if let Err(error) = self.flush().await {
                tracing::warn!(%error, "last-seen times were not written; trying again");
            }
        }
    }

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
