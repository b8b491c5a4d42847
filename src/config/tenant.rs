//! Tenants: organisations or workspaces whose people, programs and connections are apart from the others'.
//!
//! Refuses nothing by itself; `policy` says who may be where, and `login` who may sign in there.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Config;
use super::sign_in::SecondFactor;
use crate::model::{ConnectionId, Domain, TenantId};

/// An organisation or workspace whose people sign in apart from the others'.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// Its name in addresses, headers and records. `default` is there without being named, and may be named to give it hosts.
    pub id: TenantId,
    /// What the sign-in page calls it.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Hosts that are its alone, without port: there every other tenant's credentials are refused, and its own are refused everywhere
    /// else. The first is where its links lead. A tenant without hosts shares all others with its like.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// E-mail domains whose people the sign-in page leads to it.
    #[serde(default)]
    pub domains: Vec<Domain>,
    /// The connection its sign-in page goes straight to; default: people choose, if there is a choice.
    #[serde(default)]
    pub default_connection: Option<ConnectionId>,
    /// What its groups mean, in the place of the top-level `roles.groups` and `roles.default`.
    #[serde(default)]
    pub roles: Option<TenantRoles>,
    /// Whether everybody in it needs a second factor.
    #[serde(default)]
    pub mfa: SecondFactor,
}

/// How roles are come by in one tenant. Which roles there are, their rank and their scopes are the same everywhere.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TenantRoles {
    /// For whoever has no other; default: none.
    pub default: Option<String>,
    /// Group → role, for this tenant's groups alone; the top-level table does not count here.
    pub groups: BTreeMap<String, String>,
}

impl Config {
    /// Whether there is such a tenant: `default` always, others by name.
    #[must_use]
    pub fn has_tenant(&self, id: &TenantId) -> bool {
        *id == TenantId::default() || self.tenant(id).is_some()
    }

    /// What is configured of it.
    #[must_use]
    pub fn tenant(&self, id: &TenantId) -> Option<&Tenant> {
        self.tenants.iter().find(|tenant| tenant.id == *id)
    }
}
