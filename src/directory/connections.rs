//! Ways to sign in that are kept in the store: the trait that every store passes one suite for.
//!
//! Refuses a change without its announcement, because running servers take over what they hear of.

use std::fmt;

use async_trait::async_trait;

use super::DirectoryError;
use crate::model::{ConnectionId, StoredConnection};

/// Where connections are kept. A write has been made durable when it returns, and is announced as
/// [`Change::Connections`](crate::model::Change::Connections).
#[async_trait]
pub trait Connections: fmt::Debug + Send + Sync {
    /// [`DirectoryError::Conflict`] where the id is taken.
    async fn create_connection(&self, connection: &StoredConnection) -> Result<(), DirectoryError>;
    /// All of them, ordered by id: there are as many as there are companies, not people.
    async fn connections(&self) -> Result<Vec<StoredConnection>, DirectoryError>;
    /// Replaces tenant, document and secrets. `connection.updated_at` is the one that was read: if the stored one differs the answer is
    /// [`DirectoryError::Stale`]. Answers the connection with the new `updated_at`.
    async fn update_connection(&self, connection: &StoredConnection) -> Result<StoredConnection, DirectoryError>;
    async fn delete_connection(&self, id: &ConnectionId) -> Result<(), DirectoryError>;
}
