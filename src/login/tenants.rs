//! Tenants: whose people sign in at this host, and where the others' do.
//!
//! Refuses to tell which there are: a link to one that is not there leads to the page that everybody gets. And to know any connection,
//! account or session of a tenant that is not let in here, because what is not known cannot be mixed up (threats J9).

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::Config;
use crate::model::{ConnectionId, TenantId};
use crate::policy::tenancy::{SiteId, Tenancy};

/// What the configuration says of all of them.
#[derive(Debug, Default)]
struct Known {
    names: HashMap<TenantId, Option<String>>,
    default_connections: HashMap<TenantId, ConnectionId>,
    domains: HashMap<String, TenantId>,
}

/// All of them, as one site sees them.
#[derive(Clone, Debug)]
pub(super) struct Tenants {
    known: Arc<Known>,
    tenancy: Arc<Tenancy>,
    site: SiteId,
}

impl Tenants {
    /// As the shared site sees them.
    #[must_use]
    pub(super) fn compile(config: &Config, tenancy: &Arc<Tenancy>) -> Self {
        let mut known = Known::default();
        for tenant in &config.tenants {
            known.names.insert(tenant.id.clone(), tenant.display_name.clone());
            known.domains.extend(tenant.domains.iter().map(|domain| (domain.as_str().to_owned(), tenant.id.clone())));
            known.default_connections.extend(tenant.default_connection.iter().map(|id| (tenant.id.clone(), id.clone())));
        }
        Self { known: Arc::new(known), tenancy: Arc::clone(tenancy), site: SiteId::SHARED }
    }

    /// As `site` sees them.
    #[must_use]
    pub(super) fn at(&self, site: SiteId) -> Self {
        Self { site, ..self.clone() }
    }

    /// Whether its people sign in here.
    #[must_use]
    pub(super) fn serves(&self, tenant: &TenantId) -> bool {
        self.tenancy.serves(self.site, tenant)
    }

    /// Whose host this is, if it is one's own.
    #[must_use]
    pub(super) fn owner(&self) -> Option<&TenantId> {
        self.tenancy.site(self.site).tenant.as_ref()
    }

    /// Whose ways are meant where none is named.
    #[must_use]
    pub(super) fn usual(&self) -> TenantId {
        self.owner().cloned().unwrap_or_default()
    }

    fn named(&self, id: &str) -> Option<&TenantId> {
        Some(self.known.names.get_key_value(&id.parse::<TenantId>().ok()?)?.0)
    }

    /// The tenant of this name, if its people sign in here.
    #[must_use]
    pub(super) fn find(&self, id: &str) -> Option<&TenantId> {
        self.named(id).filter(|known| self.serves(known))
    }

    /// The address of the tenant of this name, if its people sign in at a host of its own that is not this one. A tenant's host tells
    /// of no other.
    #[must_use]
    pub(super) fn elsewhere(&self, id: &str) -> Option<&str> {
        let tenant = self.named(id).filter(|_| self.owner().is_none())?;
        let home = self.tenancy.home(tenant);
        (home != SiteId::SHARED).then(|| &*self.tenancy.site(home).public_url)
    }

    /// Whose people have addresses of this domain. A tenant's host tells of no other.
    #[must_use]
    pub(super) fn of_domain(&self, domain: &str) -> Option<&TenantId> {
        self.known.domains.get(domain).filter(|tenant| self.owner().is_none_or(|owner| owner == *tenant))
    }

    /// Whether domains lead from here to a tenant.
    #[must_use]
    pub(super) fn have_domains(&self) -> bool {
        self.owner().is_none() && !self.known.domains.is_empty()
    }

    /// The connection that the tenant's page goes straight to.
    #[must_use]
    pub(super) fn default_connection(&self, tenant: &TenantId) -> Option<&ConnectionId> {
        self.known.default_connections.get(tenant)
    }

    /// What people know it by, if it was given a name.
    #[must_use]
    pub(super) fn name(&self, id: &TenantId) -> Option<&str> {
        self.known.names.get(id)?.as_deref()
    }
}
