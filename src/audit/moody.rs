//! A trail that can be down, for tests.
//!
//! Refuses what it is given while it is down, as a store does that cannot be reached; no real one goes up and down within a test's step.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::{AuditError, AuditFilter, AuditStore, Entry, Event, Head, Listing};
use crate::clock::Timestamp;
use crate::model::UserId;

#[derive(Debug, Default)]
pub(super) struct Moody {
    pub down: AtomicBool,
    written: Mutex<Vec<Event>>,
    pub transactions: AtomicU64,
}

impl Moody {
    pub(super) fn written(&self) -> Vec<Event> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When they happened, in seconds.
    pub(super) fn moments(&self) -> Vec<i64> {
        self.written().iter().map(|event| event.at.seconds()).collect()
    }
}

#[async_trait]
impl AuditStore for Moody {
    async fn append(&self, events: Vec<Event>) -> Result<(), AuditError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(AuditError("down".into()));
        }
        self.transactions.fetch_add(1, Ordering::SeqCst);
        self.written.lock().unwrap_or_else(PoisonError::into_inner).extend(events);
        Ok(())
    }

    async fn search(&self, _: &AuditFilter) -> Result<Listing, AuditError> {
        Ok(Listing::default())
    }

    async fn following(&self, _: &str, _: i64, _: u32) -> Result<Vec<Entry>, AuditError> {
        Ok(Vec::new())
    }

    async fn heads(&self) -> Result<Vec<Head>, AuditError> {
        Ok(Vec::new())
    }

    async fn forget(&self, _: UserId, _: &[String]) -> Result<u64, AuditError> {
        Ok(0)
    }

    async fn purge(&self, _: Timestamp) -> Result<u64, AuditError> {
        Ok(0)
    }
}
