//! Invitations: the trait that every store passes one suite for.
//!
//! Refuses to make an account of an invitation that was revoked or used a moment ago: both are one transaction.

use std::fmt;

use async_trait::async_trait;

use super::DirectoryError;
use crate::clock::Timestamp;
use crate::crypto::Digest;
use crate::model::{ConnectionId, EmailAddress, Invitation, InvitationId, TenantId, User};

/// Where they are kept. A write has been made durable when it returns.
#[async_trait]
pub trait Invitations: fmt::Debug + Send + Sync {
    /// Keeps a new one; an open one for the same address and connection is revoked by it.
    async fn invite(&self, invitation: &Invitation) -> Result<(), DirectoryError>;
    /// The one with this token, whatever its state.
    async fn invitation(&self, token: &Digest) -> Result<Option<Invitation>, DirectoryError>;
    /// The one that is neither used nor revoked; it may have expired.
    async fn invitation_for(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        address: &EmailAddress,
    ) -> Result<Option<Invitation>, DirectoryError>;
    /// All of a tenant, newest first.
    async fn invitations(&self, tenant: &TenantId) -> Result<Vec<Invitation>, DirectoryError>;
    /// Notes that the person said yes. Says whether it was open; saying yes again changes nothing.
    async fn accept(&self, token: &Digest, at: Timestamp) -> Result<bool, DirectoryError>;
    /// Makes the account and uses the invitation up. [`DirectoryError::Missing`] if it is not open any more,
    /// [`DirectoryError::Conflict`] as [`super::Directory::create_user`]; then nothing has changed.
    async fn take_up(&self, id: &InvitationId, user: &User, at: Timestamp) -> Result<(), DirectoryError>;
    /// Says whether it was neither used nor revoked before.
    async fn revoke_invitation(&self, tenant: &TenantId, id: &InvitationId, at: Timestamp) -> Result<bool, DirectoryError>;
}
