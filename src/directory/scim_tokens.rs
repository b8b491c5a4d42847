//! Tokens of directories' clients, and what was asked with them.
//!
//! Refuses to bring back what was revoked, and to keep more than the last calls of each token.

use std::fmt;

use async_trait::async_trait;

use super::DirectoryError;
use crate::clock::Timestamp;
use crate::crypto::Digest;
use crate::model::{ConnectionId, ScimCall, ScimToken, TenantId};

/// Calls that are kept of each token.
pub(super) const KEPT_CALLS: u32 = 100;

/// How a rotation goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// From now on the new secret works, too. One that waits already is replaced.
    Start(Digest),
    /// The old secret stops.
    Complete,
    /// The new secret stops.
    Cancel,
}

/// Where tokens are kept. A write has been made durable when it returns.
#[async_trait]
pub trait ScimTokens: fmt::Debug + Send + Sync {
    async fn create_scim_token(&self, token: &ScimToken) -> Result<(), DirectoryError>;
    async fn scim_token(&self, id: &str) -> Result<Option<ScimToken>, DirectoryError>;
    /// Of all connections of the tenant, newest first; revoked ones too.
    async fn scim_tokens(&self, tenant: &TenantId) -> Result<Vec<ScimToken>, DirectoryError>;
    /// To complete or cancel what was not started is [`DirectoryError::Missing`].
    async fn rotate_scim_token(&self, id: &str, rotation: Rotation) -> Result<ScimToken, DirectoryError>;
    /// Idempotent; an earlier revocation keeps its time.
    async fn revoke_scim_token(&self, id: &str, at: Timestamp) -> Result<(), DirectoryError>;
    /// Revokes all of a connection's; says which were live.
    async fn disable_scim(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        at: Timestamp,
    ) -> Result<Vec<String>, DirectoryError>;
    /// Writes what was called, in order, notes when the tokens were used, and forgets what is older than the last
    /// [`KEPT_CALLS`] of each.
    async fn record_scim_calls(&self, calls: &[ScimCall]) -> Result<(), DirectoryError>;
    /// The last calls with a token, newest first.
    async fn scim_calls(&self, token: &str, limit: u32) -> Result<Vec<ScimCall>, DirectoryError>;
}
