//! Sessions: the trait that every store passes one suite for.
//!
//! Refuses to bring an ended session back: ending leaves a tombstone that no later write lifts (threats C4).

mod mailed_link;
mod refresh;
mod renewals;
mod sealed;
mod sql;
mod tokens;
mod tries;
mod valkey;

pub mod cookie;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::crypto::Digest;
use crate::db::Unavailable;
use crate::model::{ProviderLogout, Session, SessionHandle, TenantId, UserId};

pub use mailed_link::{Asked, CodeTry, MailedLinks};
pub use refresh::{Due, Refresher};
pub use renewals::Renewals;
pub use sealed::{Carried, Held, SealError, Seals};
pub use sql::SqlSessions;
pub use tokens::ProviderTokens;
pub use tries::{Begun, Bound, Tries};
pub use valkey::ValkeySessions;

/// The session store could not be asked: try again later (HTTP 503); nobody is signed out by it.
#[derive(Debug, thiserror::Error)]
#[error("the session store is unavailable")]
pub struct SessionStoreError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

impl From<Unavailable> for SessionStoreError {
    fn from(error: Unavailable) -> Self {
        Self(Box::new(error))
    }
}

/// Which sessions to list: live ones, newest first, at most `limit`.
#[derive(Clone, Debug)]
pub struct SessionFilter {
    /// Whose; `None`: every tenant's.
    pub tenant: Option<TenantId>,
    pub user: Option<UserId>,
    /// Only those that were seen after it.
    pub seen_after: Option<Timestamp>,
    pub limit: u32,
}

impl Default for SessionFilter {
    fn default() -> Self {
        Self { tenant: None, user: None, seen_after: None, limit: 200 }
    }
}

/// Sessions that ended by themselves: after `idle` without a request, or when their time was over.
#[derive(Clone, Copy, Debug)]
pub struct Overdue {
    pub idle: Duration,
    /// Those that ended after this …
    pub after: Timestamp,
    /// … and until this.
    pub until: Timestamp,
}

/// Provider tokens as a store keeps them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedTokens {
    pub sealed: Vec<u8>,
    /// When the provider is to be asked for the next.
    pub refresh_at: Option<Timestamp>,
}

/// A one-time value, as [`SessionStore::take_once`] takes it.
#[derive(Clone, Debug)]
pub struct Once {
    pub purpose: &'static str,
    pub token: Digest,
    pub expires_at: Timestamp,
}

/// Where sessions are kept. A write has been made durable when it returns.
#[async_trait]
pub trait SessionStore: fmt::Debug + Send + Sync {
    async fn create(&self, session: &Session) -> Result<(), SessionStoreError>;
    /// Live or ended; `None` if it never was or was purged.
    async fn find(&self, digest: &Digest) -> Result<Option<Session>, SessionStoreError>;
    /// The one with this handle, live or ended.
    async fn find_handle(&self, handle: &SessionHandle) -> Result<Option<Session>, SessionStoreError>;
    /// Notes when sessions were last seen, many at once; never moves one backwards, never lifts a tombstone.
    async fn touch(&self, seen: &[(Digest, Timestamp)]) -> Result<(), SessionStoreError>;
    /// Ends one. Says whether it was live.
    async fn end(&self, handle: &SessionHandle, at: Timestamp) -> Result<bool, SessionStoreError>;
    /// Ends all of a person's. Says how many were live.
    async fn end_all(&self, user: UserId, at: Timestamp) -> Result<u64, SessionStoreError> {
        self.end_all_of(&[user], at).await
    }
    /// Ends all of these people's in one piece; they should be hundreds at most. Says how many were live.
    async fn end_all_of(&self, users: &[UserId], at: Timestamp) -> Result<u64, SessionStoreError>;
    /// Ends all of a person's and removes what they tell of the person beside their id; that they ended stays. Says how many were live.
    async fn forget_user(&self, user: UserId, at: Timestamp) -> Result<u64, SessionStoreError>;
    /// Ends those that a provider's logouts mean, and says which of them were live. A logout that names neither session nor person
    /// means none. Takes `once` and ends in one piece, so that a provider that was told of a failure can try again; `None` where
    /// somebody has taken it before.
    async fn end_named(
        &self,
        logouts: &[ProviderLogout],
        once: Option<&Once>,
        at: Timestamp,
    ) -> Result<Option<Vec<Session>>, SessionStoreError>;
    /// Takes the turn of refreshing the session's tokens, until `until`. Says whether it was to be had: the session is live, the
    /// refresh is due and nobody else has the turn.
    async fn lease_refresh(&self, digest: &Digest, now: Timestamp, until: Timestamp) -> Result<bool, SessionStoreError>;
    /// Puts new tokens in the place of version `seen`, and gives the turn back. Says whether they still were of that version and the
    /// session was live.
    async fn replace_tokens(
        &self,
        digest: &Digest,
        seen: i64,
        tokens: &SealedTokens,
        at: Timestamp,
    ) -> Result<bool, SessionStoreError>;
    async fn list(&self, filter: &SessionFilter, now: Timestamp) -> Result<Vec<Session>, SessionStoreError>;
    /// Takes `token` if nobody has taken it before: a one-time value such as a sign-in attempt's state. Remembered until `expires_at`.
    async fn take_once(&self, purpose: &str, token: &Digest, expires_at: Timestamp) -> Result<bool, SessionStoreError>;
    /// Removes what expired before `before`. Says how many sessions. What was ended earlier stays until then: its tombstone is all that
    /// keeps a copied sealed cookie out (threats C4).
    async fn purge(&self, before: Timestamp) -> Result<u64, SessionStoreError>;
    /// Some of those that ended by themselves, as far as they are not purged, and from where to go on; `None`: there are no more.
    async fn overdue(&self, over: Overdue, from: Option<String>) -> Result<(Vec<Session>, Option<String>), SessionStoreError>;
    /// Live sessions, for a gauge.
    async fn count(&self, now: Timestamp) -> Result<u64, SessionStoreError>;
}
