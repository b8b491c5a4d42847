//! Calls of directories' clients on their way to the store, written in batches.
//!
//! Refuses to hold up a call for its copy, and to gather without end: what the store cannot take in time is dropped, oldest first.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

use super::{DirectoryError, ScimTokens};
use crate::model::ScimCall;

/// Calls that may wait.
const MOST: usize = 1000;

/// Gathers calls and writes them now and then.
#[derive(Debug)]
pub struct ScimCalls {
    gathered: Arc<Gathered>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Gathered {
    tokens: Arc<dyn ScimTokens>,
    waiting: Mutex<VecDeque<ScimCall>>,
}

impl ScimCalls {
    /// Writes what was gathered each `period`. Call [`Self::flush`] once more at the end.
    #[must_use]
    pub fn start(tokens: Arc<dyn ScimTokens>, period: Duration) -> Self {
        let gathered = Arc::new(Gathered { tokens, waiting: Mutex::default() });
        let task = tokio::spawn(Arc::clone(&gathered).run(period));
        Self { gathered, _task: AbortOnDropHandle::new(task) }
    }

    /// There was a call. Costs no I/O.
    pub fn note(&self, call: ScimCall) {
        let mut waiting = self.gathered.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() == MOST {
            waiting.pop_front();
        }
        waiting.push_back(call);
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
    async fn run(self: Arc<Self>, period: Duration) {
        loop {
            tokio::time::sleep(period).await;
            if let Err(error) = self.flush().await {
                tracing::warn!(%error, "calls of directories were not written; trying again");
            }
        }
    }

    async fn flush(&self) -> Result<(), DirectoryError> {
        let calls: Vec<ScimCall> = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
        if calls.is_empty() {
            return Ok(());
        }
        let written = self.tokens.record_scim_calls(&calls).await;
        if written.is_err() {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            for call in calls.into_iter().rev() {
                if waiting.len() < MOST {
                    waiting.push_front(call);
                }
            }
        }
        written
    }
}
