//! What is gathered in memory and written now and then: the loop, and the end of it.
//!
//! Refuses a write for each thing that happens, because the disk syncs a few hundred times a second and requests come a hundred times as
//! often.

use std::fmt::{Debug, Display};
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

/// What gathers.
pub trait Gathered: Debug + Send + Sync + 'static {
    type Error: Display + Send;
    /// What is written, for the log.
    const WHAT: &'static str;

    /// Writes what was gathered. What was not written is kept for the next time.
    ///
    /// # Errors
    /// Why the store could not take it.
    fn flush(&self) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Writes what `G` has gathered each period, as long as it is there. Call [`Self::flush`] once more at the end.
#[derive(Debug)]
pub struct Batched<G> {
    gathered: Arc<G>,
    _task: AbortOnDropHandle<()>,
}

impl<G: Gathered> Batched<G> {
    /// Needs a tokio runtime, and uses it.
    #[must_use]
    pub fn each(period: Duration, gathered: G) -> Self {
        let gathered = Arc::new(gathered);
        let task = tokio::spawn(run(Arc::clone(&gathered), period));
        Self { gathered, _task: AbortOnDropHandle::new(task) }
    }

    /// Writes what was gathered.
    ///
    /// # Errors
    /// Why the store could not take it; what was not written is kept for the next time.
    pub async fn flush(&self) -> Result<(), G::Error> {
        self.gathered.flush().await
    }
}

impl<G> Deref for Batched<G> {
    type Target = G;

    fn deref(&self) -> &G {
        &self.gathered
    }
}

async fn run<G: Gathered>(gathered: Arc<G>, period: Duration) {
    loop {
        tokio::time::sleep(period).await;
        if let Err(error) = gathered.flush().await {
            tracing::warn!(%error, "{} were not written; trying again", G::WHAT);
        }
    }
}
