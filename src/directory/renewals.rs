//! When keys and clients were last used, written in batches.
//!
//! Refuses to hold the writer for long: a batch is written in parts. A busy key is used thousands of times a second, and "last used" is read
//! once a month.

use std::sync::Arc;
use std::time::Duration;

use super::{Directory, DirectoryError, ProgramUse};
use crate::batch::{Batched, Gathered};
use crate::clock::Timestamp;
use crate::latest::Latest;
use crate::model::ProgramKind;

/// Programs of one write.
const CHUNK: usize = 1000;

/// Gathers last-used times and writes them now and then.
pub type Renewals = Batched<Used>;

#[derive(Debug)]
pub struct Used {
    directory: Arc<dyn Directory>,
    keys: Latest<String>,
    clients: Latest<String>,
}

impl Renewals {
    /// Writes what was gathered each `period`.
    #[must_use]
    pub fn start(directory: Arc<dyn Directory>, period: Duration) -> Self {
        Self::each(period, Used { directory, keys: Latest::default(), clients: Latest::default() })
    }
}

impl Used {
    /// The program was used. Costs no I/O.
    pub fn used(&self, kind: ProgramKind, id: &str, at: Timestamp) {
        self.of(kind).note(id, at);
    }

    const fn of(&self, kind: ProgramKind) -> &Latest<String> {
        match kind {
            ProgramKind::ApiKey => &self.keys,
            ProgramKind::Client => &self.clients,
        }
    }

    fn take(&self) -> Vec<ProgramUse> {
        let of = |kind| self.of(kind).take().into_iter().map(move |(id, at)| ProgramUse { kind, id, at });
        of(ProgramKind::ApiKey).chain(of(ProgramKind::Client)).collect()
    }
}

impl Gathered for Used {
    type Error = DirectoryError;
    const WHAT: &'static str = "last-used times";

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
}
