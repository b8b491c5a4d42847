//! An invitation: somebody with this address may have an account, with these roles, by this connection.
//!
//! Refuses to hold the link's token; its digest is enough to recognise it.

use std::fmt;

use serde::Serialize;

use super::{ConnectionId, EmailAddress, TenantId};
use crate::clock::Timestamp;
use crate::crypto::Digest;

/// Names an invitation to administrators; opens nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct InvitationId(pub String);

impl fmt::Display for InvitationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Invitation {
    pub id: InvitationId,
    pub tenant: TenantId,
    /// In lower case; what the connection asserts has to be the same but for case.
    pub address: EmailAddress,
    pub connection: ConnectionId,
    pub roles: Vec<String>,
    /// Who invited: as an audit event's actor.
    pub invited_by: String,
    /// Of the link's token.
    #[serde(skip)]
    pub token: Digest,
    pub created_at: Timestamp,
    /// Good until then, exclusively.
    pub expires_at: Timestamp,
    /// When the person said yes.
    pub accepted_at: Option<Timestamp>,
    /// When the account was made; then it is of no more use.
    pub used_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

impl Invitation {
    /// Whether an account can still come of it.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.used_at.is_none() && self.revoked_at.is_none() && now < self.expires_at
    }

    /// In one word.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> &'static str {
        match self {
            Self { used_at: Some(_), .. } => "used",
            Self { revoked_at: Some(_), .. } => "revoked",
            Self { expires_at, .. } if *expires_at <= now => "expired",
            Self { accepted_at: Some(_), .. } => "accepted",
            _ => "sent",
        }
    }
}
