//! Sign-ins by mail: the trait that every store passes one suite for.
//!
//! Refuses to be used twice: link and code are one chance, taken in one transaction, however many ask at once.

mod sql;

use std::fmt;

use async_trait::async_trait;

use super::SessionStoreError;
use crate::clock::Timestamp;
use crate::crypto::Digest;
use crate::model::{EmailAddress, MailedLink};

/// How often an address was written to lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// In the last quarter of an hour, this time included.
    pub lately: u32,
    /// In the last day, this time included.
    pub today: u32,
}

/// What became of a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeTry {
    /// It was right, and is used now.
    Right(MailedLink),
    Wrong {
        left: u32,
    },
    /// Used, too old, tried too often, or never there.
    Closed,
}

/// Where they are kept. A write has been made durable when it returns.
#[async_trait]
pub trait MailedLinks: fmt::Debug + Send + Sync {
    /// Keeps a new one and says how often its address was asked for at its connection.
    async fn keep(&self, link: &MailedLink) -> Result<Asked, SessionStoreError>;
    /// The one that this attempt asked for.
    async fn of_attempt(&self, attempt: &Digest) -> Result<Option<MailedLink>, SessionStoreError>;
    /// The one with this token; looking uses nothing up.
    async fn of_token(&self, token: &Digest) -> Result<Option<MailedLink>, SessionStoreError>;
    /// Uses it up, if it is open and the attempt is the one that asked.
    async fn follow(&self, token: &Digest, attempt: &Digest, at: Timestamp) -> Result<Option<MailedLink>, SessionStoreError>;
    /// Uses it up if the code is right; counts it if it is wrong.
    async fn try_code(&self, attempt: &Digest, code: &Digest, at: Timestamp) -> Result<CodeTry, SessionStoreError>;
    /// Forgets what was asked for with this address, whatever its case. Says how many.
    async fn forget_address(&self, address: &EmailAddress) -> Result<u64, SessionStoreError>;
    /// Forgets what was asked for before `before`. Says how many.
    async fn purge_links(&self, before: Timestamp) -> Result<u64, SessionStoreError>;
}
