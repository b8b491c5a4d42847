//! Answers to requests that may be sent again: the trait that every store passes one suite for.
//!
//! Refuses to know what an answer is: it is sealed, and only who asked can have it opened.

use std::fmt;

use async_trait::async_trait;

use super::DirectoryError;
use crate::clock::Timestamp;
use crate::crypto::Digest;

/// What became of a request with this name before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// Nothing: it begins now.
    Now,
    /// The name was used for another request.
    Other,
    /// It began, and is not answered.
    Unanswered,
    /// The answer, sealed.
    Answered(Vec<u8>),
}

/// Where answers are kept for a while. A write has been made durable when it returns.
#[async_trait]
pub trait Answers: fmt::Debug + Send + Sync {
    /// Takes the name for the request `asked`, until `until`, if nobody has it at `now`; of several callers one is told [`Begun::Now`].
    async fn begin(&self, name: &Digest, asked: &Digest, now: Timestamp, until: Timestamp) -> Result<Begun, DirectoryError>;
    /// Keeps the answer to what has begun until `until`; one that is kept already stays.
    async fn keep(&self, name: &Digest, sealed: &[u8], until: Timestamp) -> Result<(), DirectoryError>;
    /// It was not done: the name is free again.
    async fn forget(&self, name: &Digest) -> Result<(), DirectoryError>;
}
