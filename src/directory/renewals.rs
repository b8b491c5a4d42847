//! When keys and clients were last used, written in batches.
//!
//! Refuses a write per request, because a busy key is used thousands of times a second and "last used" is read once a month.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

use super::{Directory, DirectoryError, ProgramUse};
use crate::clock::Timestamp;
use crate::latest::Latest;
use crate::model::ProgramKind;

/// Programs of one write, so that no transaction holds the writer for long.
const CHUNK: usize = 1000;

/// Gathers last-used times and writes them now and then.
#[derive(Debug)]
pub struct Renewals {
    gathered: Arc<Gathered>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Gathered {
    directory: Arc<dyn Directory>,
    keys: Latest<String>,
    clients: Latest<String>,
}

impl Renewals {
    /// Writes what was gathered each `period`. Call [`Self::flush`] once more at the end.
    #[must_use]
    pub fn start(directory: Arc<dyn Directory>, period: Duration) -> Self {
        let gathered = Arc::new(Gathered { directory, keys: Latest::default(), clients: Latest::default() });
        let task = tokio::spawn(Arc::clone(&gathered).run(period));
        Self { gathered, _task: AbortOnDropHandle::new(task) }
    }

    /// The program was used. Costs no I/O.
    pub fn used(&self, kind: ProgramKind, id: &str, at: Timestamp) {
        self.gathered.of(kind).note(id, at);
    }

    /// Writes what was gathered.
    ///
    /// # Errors
    /// [`DirectoryError`]; what was not written is kept for the next time.
    pub async fn flush(&self) -> Result<(), DirectoryError> {
        self.gathered.flush().await
    }
}

impl Gathered {
    const fn of(&self, kind: ProgramKind) -> &Latest<String> {
        match kind {
            ProgramKind::ApiKey => &self.keys,
            ProgramKind::Client => &self.clients,
        }
    }

    async fn run(self: Arc<Self>, period: Duration) {
        loop {
            tokio::time::sleep(period).await;
            if let Err(error) = self.flush().await {
                tracing::warn!(%error, "last-used times were not written; trying again");
            }
        }
    }

    async fn flush(&self) -> Result<(), DirectoryError> {
        let mut failure = Ok(());
        for chunk in self.take().chunks(CHUNK) {
            if failure.is_ok() {
                failure = self.directory.record_program_use(chunk).await;
            }
            if failure.is_err() {
                for usage in chunk {
                    self.of(usage.kind).note(usage.id.as_str(), usage.at);
                }
            }
        }
        failure
    }

    fn take(&self) -> Vec<ProgramUse> {
        let of = |kind| self.of(kind).take().into_iter().map(move |(id, at)| ProgramUse { kind, id, at });
        of(ProgramKind::ApiKey).chain(of(ProgramKind::Client)).collect()
    }
}
