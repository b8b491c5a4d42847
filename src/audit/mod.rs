//! The audit trail: what happened, who did it, from where.
//!
//! Refuses change and removal: the table is append-only by trigger, because a trail that can be edited proves nothing.

pub mod alarm;
mod allowance;
mod append;
mod chain;
mod checkpoint;
pub mod event;
mod facts;
mod grouped;
mod health;
mod journal;
mod listing;
mod logged;
#[cfg(test)]
mod moody;
pub mod ocsf;
mod recorder;
mod removal;
mod search;
mod severity;
pub mod sink;
pub mod spool;
mod sql;
mod statement;
pub mod verify;

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::db::Unavailable;
use crate::model::UserId;

pub use chain::{Head, Source};
pub use checkpoint::Occasion;
pub use event::fact::{Members, Now, Personal};
pub use event::redacted::{ProviderAnswer, Redacted};
pub use event::{Event, Kind, Outcome, what};
pub use journal::{Journal, JournalError};
pub use listing::{AuditFilter, Listing, Order, Place};
pub use logged::LoggedAudit;
pub use recorder::Recorder;
pub use severity::Severity;
pub use spool::{Spool, SpoolError};
pub use sql::SqlAudit;
pub use statement::Signed;

/// The trail could not be written or read: try again later (HTTP 503).
#[derive(Debug, thiserror::Error)]
#[error("the audit trail is unavailable")]
pub struct AuditError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

impl From<Unavailable> for AuditError {
    fn from(error: Unavailable) -> Self {
        Self(Box::new(error))
    }
}

/// An event as it was recorded. Its words are text, because an older or newer Doorward may have written it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
// [`event::SCHEMA_VERSION`], which stands first.
#[serde(tag = "schema_version", rename = "1")]
pub struct Entry {
    /// Its place in the trail; never used twice.
    pub seq: i64,
    /// A UUID (version 7) by which whoever gets it twice knows it; empty for what is older than the chain.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The replica that wrote it; empty for what is older than the chain.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub chain: String,
    /// Its place in the chain: 1, 2, 3 …; 0 for what is older.
    pub link: i64,
    pub at: Timestamp,
    /// When it was written down; no part of what is proved, and not known of what is older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logged_at: Option<Timestamp>,
    pub kind: String,
    pub outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub tenant: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub details: serde_json::Map<String, serde_json::Value>,
}

/// Where the trail is kept. Events are durable when [`Self::append`] returns; there is no way to change one. What they tell of people
/// stands apart, and may go with them.
#[async_trait]
pub trait AuditStore: fmt::Debug + Send + Sync {
    /// Adds events in this order, all or none; but one whose id is there already changes nothing.
    async fn append(&self, events: Vec<Event>) -> Result<(), AuditError>;
    /// Events that fit; what was not looked through is to be asked for again.
    async fn search(&self, filter: &AuditFilter) -> Result<Listing, AuditError>;
    /// Events that fit, as many as there are or may be, however long that takes.
    async fn list(&self, filter: &AuditFilter) -> Result<Vec<Entry>, AuditError> {
        let (mut filter, mut entries) = (filter.clone(), Vec::new());
        loop {
            let found = self.search(&filter).await?;
            filter.limit = filter.limit.saturating_sub(u32::try_from(found.entries.len()).unwrap_or(u32::MAX));
            entries.extend(found.entries);
            match found.next {
                Some(next) if filter.limit > 0 => filter.from = Some(next),
                _ => return Ok(entries),
            }
        }
    }
    /// The events of `chain` after link `after_link`, in order, at most `limit`.
    async fn following(&self, chain: &str, after_link: i64, limit: u32) -> Result<Vec<Entry>, AuditError>;
    /// Where every chain stands, in the order of their names.
    async fn heads(&self) -> Result<Vec<Head>, AuditError>;
    /// Removes what the trail tells of a person; the events stay, under their id. `names` are texts that they were known by, and whole
    /// addresses. Says how many parts of events.
    async fn forget(&self, person: UserId, names: &[String]) -> Result<u64, AuditError>;
    /// Retention: removes what happened before `before`, the only way anything leaves. Says how many events.
    async fn purge(&self, before: Timestamp) -> Result<u64, AuditError>;
}
