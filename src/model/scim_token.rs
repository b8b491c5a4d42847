//! What a directory's client shows: a token of one connection, and what was asked with it.
//!
//! Refuses to hold the token itself; digests of one, or of two while it is being exchanged, are enough to recognise it.

use serde::Serialize;

use super::{ConnectionId, Provisioner, TenantId};
use crate::clock::Timestamp;
use crate::crypto::Digest;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScimToken {
    /// Public; the look-up key.
    pub id: String,
    pub tenant: TenantId,
    pub connection: ConnectionId,
    pub name: String,
    #[serde(skip)]
    pub digest: Digest,
    /// The new secret, from the start of a rotation to its completion: both work.
    #[serde(skip)]
    pub next: Option<Digest>,
    pub created_at: Timestamp,
    /// Since when a rotation is under way.
    pub rotating_since: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
}

impl ScimToken {
    #[must_use]
    pub fn provisioner(&self) -> Provisioner {
        Provisioner { tenant: self.tenant.clone(), connection: self.connection.clone() }
    }

    /// Whether it opens the door at `now`, if its secret is shown.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    /// What becomes of it at `now`: `live`, `rotating`, `expired` or `revoked`.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> &'static str {
        match self {
            Self { revoked_at: Some(_), .. } => "revoked",
            token if !token.is_live(now) => "expired",
            Self { next: Some(_), .. } => "rotating",
            _ => "live",
        }
    }
}

/// One request and its answer, for whoever wonders what the client sends. Secrets were taken out of both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScimCall {
    /// Of the token.
    pub token: String,
    pub at: Timestamp,
    pub method: String,
    /// Path and query.
    pub target: String,
    pub status: u16,
    /// How long it took, in milliseconds.
    pub took: i64,
    pub request: String,
    pub response: String,
}
