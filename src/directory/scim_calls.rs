//! Calls of directories' clients on their way to the store, written in batches.
//!
//! Refuses to hold up a call for its copy, and to gather without end: what the store cannot take in time is dropped, oldest first.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{DirectoryError, ScimTokens};
use crate::batch::{Batched, Gathered};
use crate::model::ScimCall;

/// Calls that may wait.
const MOST: usize = 1000;

/// Gathers calls and writes them now and then.
pub type ScimCalls = Batched<Called>;

#[derive(Debug)]
pub struct Called {
    tokens: Arc<dyn ScimTokens>,
    waiting: Mutex<VecDeque<ScimCall>>,
}

impl ScimCalls {
    /// Writes what was gathered each `period`.
    #[must_use]
    pub fn start(tokens: Arc<dyn ScimTokens>, period: Duration) -> Self {
        Self::each(period, Called { tokens, waiting: Mutex::default() })
    }
}

impl Called {
    /// There was a call. Costs no I/O.
    pub fn note(&self, call: ScimCall) {
        let mut waiting = self.waiting();
        if waiting.len() == MOST {
            waiting.pop_front();
        }
        waiting.push_back(call);
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<ScimCall>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gathered for Called {
    type Error = DirectoryError;
    const WHAT: &'static str = "calls of directories";

    async fn flush(&self) -> Result<(), DirectoryError> {
        let calls: Vec<ScimCall> = self.waiting().drain(..).collect();
        if calls.is_empty() {
            return Ok(());
        }
        let written = self.tokens.record_scim_calls(&calls).await;
        if written.is_err() {
            let mut waiting = self.waiting();
            for call in calls.into_iter().rev() {
                if waiting.len() < MOST {
                    waiting.push_front(call);
                }
            }
        }
        written
    }
}
