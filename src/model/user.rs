//! A person.
//!
//! Refuses to be found by a mutable claim: a federated person is (connection, issuer, subject), because e-mail addresses change hands
//! (threats J12).

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ConnectionId, EmailAddress, TenantId};
use crate::clock::Timestamp;

/// Doorward's own id of a person; never an identity provider's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(pub Uuid);

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl std::str::FromStr for UserId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text).map(Self)
    }
}

/// Who somebody is at their identity provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FederatedLink {
    pub connection: ConnectionId,
    pub issuer: String,
    pub subject: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct User {
    pub id: UserId,
    pub tenant: TenantId,
    /// What the person types to sign in, unique within the tenant after lower-casing.
    pub user_name: String,
    pub email: Option<EmailAddress>,
    pub name: Option<String>,
    /// An inactive person is refused by every method (threats M9).
    pub active: bool,
    /// Group names, as the identity provider last said or an administrator set.
    pub groups: Vec<String>,
    /// Names of the directory's groups they are in. Read-only: memberships are written where the groups are.
    pub directory_groups: Vec<String>,
    /// Roles assigned directly, besides those that groups give.
    pub roles: Vec<String>,
    pub link: Option<FederatedLink>,
    /// The connection whose directory looks after them. Read-only: provisioning writes it.
    pub provisioned_by: Option<ConnectionId>,
    /// Argon2id PHC string of a local account.
    #[serde(skip)]
    pub password_hash: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl User {
    /// All their groups, each once: what the identity provider said, and the directory's.
    #[must_use]
    pub fn all_groups(&self) -> Vec<String> {
        let mut all = self.groups.clone();
        all.extend(self.directory_groups.iter().filter(|group| !self.groups.contains(group)).cloned());
        all
    }
}
