//! Whether the trail takes what it is given, for probes and metrics.
//!
//! Refuses to remember a failure for long that nothing waits for: nobody would ever say that it is over.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::AuditError;

/// How long a failure counts where nothing tries again.
const FRESH: Duration = Duration::from_secs(60);

/// What the last try came to. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Health(Arc<Mutex<Option<(Instant, String)>>>);

impl Health {
    /// Passes on what a try came to.
    pub(super) fn noted(&self, done: Result<(), AuditError>) -> Result<(), AuditError> {
        let failed = done.as_ref().err().map(|error| (Instant::now(), why(error)));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = failed;
        done
    }

    /// Why the trail does not take events; `waiting`: some are tried again and again.
    pub(super) fn trouble(&self, waiting: bool) -> Option<String> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|(at, _)| waiting || at.elapsed() < FRESH).map(|(_, why)| why.clone())
    }
}

/// The innermost cause, which says what is the matter with the disk or the server.
fn why(error: &AuditError) -> String {
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
