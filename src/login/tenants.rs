//! Tenants: the organisations whose people sign in apart from one another.
//!
//! Refuses to tell which there are: a link to one that is not there leads to the page that everybody gets.

use crate::config::Config;
use crate::config::sign_in::Tenant;
use crate::model::TenantId;

/// Those that the configuration names.
#[derive(Debug)]
pub(super) struct Tenants(Vec<Tenant>);

impl Tenants {
    #[must_use]
    pub(super) fn compile(config: &Config) -> Self {
        Self(config.tenants.clone())
    }

    #[must_use]
    pub(super) fn find(&self, id: &str) -> Option<&TenantId> {
        self.0.iter().map(|tenant| &tenant.id).find(|known| known.as_str() == id)
    }

    /// What people know it by, if it was given a name.
    #[must_use]
    pub(super) fn name(&self, id: &TenantId) -> Option<&str> {
        self.0.iter().find(|tenant| tenant.id == *id).and_then(|tenant| tenant.display_name.as_deref())
    }
}
