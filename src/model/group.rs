//! A group of the directory, and those whom a directory looks after.
//!
//! Refuses to be the identity provider's word: what a claim says of groups is the person's `groups`; these are kept here, by those who
//! provision them or by administrators.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{ConnectionId, TenantId, User, UserId};
use crate::clock::Timestamp;

/// Doorward's own id of a group; never a provider's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupId(pub Uuid);

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl std::str::FromStr for GroupId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text).map(Self)
    }
}

/// Who provisions: a connection of a tenant. It sees and changes what it made or adopted, and nothing else (threats K2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Provisioner {
    pub tenant: TenantId,
    pub connection: ConnectionId,
}

/// Who changes a group, and so who may be in it: of a connection's those whom it looks after, of the administrators' everybody of the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeper {
    pub tenant: TenantId,
    /// `None`: the tenant's administrators.
    pub connection: Option<ConnectionId>,
}

impl From<&Provisioner> for Keeper {
    fn from(by: &Provisioner) -> Self {
        Self { tenant: by.tenant.clone(), connection: Some(by.connection.clone()) }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    pub id: GroupId,
    pub tenant: TenantId,
    /// Unique within the tenant after lower-casing; what roles are mapped from.
    pub display_name: String,
    /// What its provisioner calls it.
    pub external_id: Option<String>,
    /// Who provisions it; `None`: administrators made it.
    pub connection: Option<ConnectionId>,
    pub created_at: Timestamp,
    /// The version, too.
    pub updated_at: Timestamp,
}

impl Group {
    #[must_use]
    pub fn keeper(&self) -> Keeper {
        Keeper { tenant: self.tenant.clone(), connection: self.connection.clone() }
    }
}

/// A member of a group, as it is shown there. A group within a group is only shown: nobody has a role by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Of a person or of a group; ids are random, so one is never the other.
    pub id: Uuid,
    pub is_group: bool,
    /// Where it was asked for.
    pub display: Option<String>,
}

impl Member {
    /// The person who it is, if it is one.
    #[must_use]
    pub fn person(&self) -> Option<UserId> {
        (!self.is_group).then_some(UserId(self.id))
    }
}

/// A group of a person, as it is shown there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    pub group: GroupId,
    pub display_name: String,
}

/// A person whom a connection provisions, with what only it knows of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Provisioned {
    pub user: User,
    /// What the provisioner calls them; unique with it.
    pub external_id: Option<String>,
    /// Whether the provisioner wants them to be active, if it has said. They are not, all the same, while they are in no group after
    /// having been taken out of their last, or while an administrator has said otherwise.
    pub active: Option<bool>,
    /// Their further attributes, as the provisioner's protocol names them.
    pub attributes: Map<String, Value>,
    pub groups: Vec<Membership>,
}
