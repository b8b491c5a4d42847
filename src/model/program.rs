//! A program that calls: an API key, or a client id with its secret.
//!
//! Refuses to hold a secret, only digests of at most two, because what is not stored cannot be stolen.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Scope, TenantId, UserId};
use crate::clock::Timestamp;
use crate::crypto::Digest;

/// How the program shows its credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProgramKind {
    /// One token holding id and secret.
    ApiKey,
    /// Id and secret apart.
    Client,
}

impl ProgramKind {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Client => "client",
        }
    }
}

/// One live secret: its digest, and until when it is taken (`None`: as long as the program).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramSecret {
    pub digest: Digest,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Program {
    pub kind: ProgramKind,
    /// Public; the look-up key.
    pub id: String,
    pub tenant: TenantId,
    pub name: String,
    /// A key that belongs to a person dies with the person's deactivation.
    pub owner: Option<UserId>,
    /// Made by its owner, and never does more than they may at the time.
    pub within_owner: bool,
    pub roles: Vec<String>,
    pub scopes: Vec<Scope>,
    /// Source networks it may be used from; empty: any.
    pub networks: Vec<IpNet>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
    /// One, or two while rotating; newest first.
    #[serde(skip)]
    pub secrets: Vec<ProgramSecret>,
}
