//! A person's session, as the store keeps it.
//!
//! Refuses to hold the cookie's value or an open provider token, because a stolen store must open no door.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ConnectionId, TenantId, UserId};
use crate::clock::Timestamp;
use crate::crypto::Digest;

/// A session's public name, for lists and revocation; it opens nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionHandle(pub String);

impl fmt::Display for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Session {
    pub handle: SessionHandle,
    /// SHA-256 of the cookie's value: the look-up key.
    #[serde(skip)]
    pub digest: Digest,
    pub tenant: TenantId,
    pub user: UserId,
    pub connection: ConnectionId,
    /// What the person did to sign in (RFC 8176), as the provider said.
    pub amr: Vec<String>,
    /// Authentication context class the provider stated.
    pub acr: Option<String>,
    pub authenticated_at: Timestamp,
    pub created_at: Timestamp,
    /// Last seen, within the granularity of batched renewal.
    pub last_seen_at: Timestamp,
    /// Ends then whatever happens.
    pub expires_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
    /// The provider's name for its own session (`sid`, `SessionIndex`): what its logout may name.
    pub provider_session: Option<String>,
    /// The provider's name for the person (`sub`, `NameID`): what its logout may name instead.
    pub provider_subject: Option<String>,
    /// Provider tokens, sealed with a key that only the cookie holds.
    #[serde(skip)]
    pub sealed_tokens: Option<Vec<u8>>,
    /// Counts the replacements of `sealed_tokens`.
    #[serde(skip)]
    pub tokens_version: i64,
    /// When the provider is to be asked for new tokens; `None` where there is nothing to ask with.
    #[serde(skip)]
    pub refresh_at: Option<Timestamp>,
    /// Address and agent at sign-in, for the person's own list.
    pub client_address: Option<String>,
    pub user_agent: Option<String>,
}

/// Which sessions a provider's logout means: those of one of its sessions, of one person, or both at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderLogout {
    /// Whose connection it is; an earlier tenant's sessions by a connection of the same id are not meant.
    pub tenant: TenantId,
    pub connection: ConnectionId,
    pub session: Option<String>,
    pub subject: Option<String>,
}
