//! Whose a host is, and whom it lets in.
//!
//! Refuses every credential of another tenant on a tenant's host, and a tenant's own on hosts that are not its: whoever asks there would
//! otherwise be taken for one of its people by an application that tells tenants apart by host (threats F12).

use std::collections::{HashMap, HashSet};

use url::{Host, Url};

use crate::config::Config;
use crate::model::{CredentialKind, Identity, TenantId};

/// Which of the [`Site`]s; the first is the shared one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SiteId(usize);

/// A host of a tenant's own, or all hosts that are nobody's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Whose it is; `None`: it is shared by the tenants without hosts.
    pub tenant: Option<TenantId>,
    /// Scheme, host and port, without a path.
    pub public_url: Box<str>,
}

/// All sites.
#[derive(Clone, Debug)]
pub struct Tenancy {
    sites: Box<[Site]>,
    by_host: HashMap<Box<str>, SiteId>,
    /// Where each tenant with hosts has its links lead.
    homes: HashMap<TenantId, SiteId>,
    /// Those that the shared site knows besides `default`.
    sharing: HashSet<TenantId>,
    /// Whether the configuration names any; if not, a license may say whose it is, which is then a name and no border.
    named: bool,
}

impl Tenancy {
    /// Hosts that are none, or two tenants', are left out here; the review tells of them.
    #[must_use]
    pub fn compile(config: &Config) -> Self {
        let shared = Site { tenant: None, public_url: config.public_url.trim_end_matches('/').into() };
        let mut sites = vec![shared];
        let (mut by_host, mut homes) = (HashMap::new(), HashMap::new());
        for tenant in &config.tenants {
            for host in tenant.hosts.iter().filter_map(|host| normal(host)) {
                let Some(public_url) = address(&config.public_url, &host) else { continue };
                let site = SiteId(sites.len());
                if by_host.contains_key(&*host) {
                    continue;
                }
                by_host.insert(host, site);
                homes.entry(tenant.id.clone()).or_insert(site);
                sites.push(Site { tenant: Some(tenant.id.clone()), public_url });
            }
        }
        let without = config.tenants.iter().filter(|tenant| !homes.contains_key(&tenant.id));
        let sharing = without.map(|tenant| tenant.id.clone()).collect();
        Self { sites: sites.into(), by_host, homes, sharing, named: !config.tenants.is_empty() }
    }

    /// The site of a request's host, as `edge` found it.
    #[must_use]
    pub fn at(&self, host: &str) -> SiteId {
        if self.by_host.is_empty() { SiteId::SHARED } else { self.by_host.get(host).copied().unwrap_or_default() }
    }

    #[must_use]
    pub fn site(&self, id: SiteId) -> &Site {
        // An id of an earlier configuration is never asked for: requests end under the one they began with.
        self.sites.get(id.0).unwrap_or(&self.sites[0])
    }

    /// Every site, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (SiteId, &Site)> {
        self.sites.iter().enumerate().map(|(place, site)| (SiteId(place), site))
    }

    /// Whether people and programs of `tenant` are let in there.
    #[must_use]
    pub fn serves(&self, site: SiteId, tenant: &TenantId) -> bool {
        match &self.site(site).tenant {
            Some(own) => own == tenant,
            None => self.sharing.contains(tenant) || (*tenant == TenantId::default() && !self.homes.contains_key(tenant)),
        }
    }

    /// Whether this identity is let in there.
    #[must_use]
    pub fn admits(&self, site: SiteId, identity: &Identity) -> bool {
        let label = || !self.named && identity.credential == CredentialKind::License;
        self.serves(site, &identity.tenant) || label()
    }

    /// Where links for people of `tenant` lead: the first host of its own, or the shared address.
    #[must_use]
    pub fn home(&self, tenant: &TenantId) -> SiteId {
        self.homes.get(tenant).copied().unwrap_or_default()
    }

    /// Hosts and the addresses they stand for, without the shared one.
    pub fn addresses(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_host.iter().map(|(host, site)| (&**host, &*self.site(*site).public_url))
    }
}

impl SiteId {
    pub const SHARED: Self = Self(0);

    /// Its place among the sites.
    #[must_use]
    pub const fn place(self) -> usize {
        self.0
    }
}

/// A host as `edge` writes it, or `None` if it is none.
#[must_use]
pub fn normal(typed: &str) -> Option<Box<str>> {
    let host = Host::parse(typed.strip_suffix('.').unwrap_or(typed)).ok()?;
    Some(host.to_string().into())
}

/// The public address with another host.
fn address(public_url: &str, host: &str) -> Option<Box<str>> {
    let mut url = Url::parse(public_url).ok()?;
    url.set_host(Some(host)).ok()?;
    Some(url.origin().ascii_serialization().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenancy(tenants: &str) -> Tenancy {
        let text = format!(
            "version: 1\npublic_url: https://app.example.com:8443\nlisteners: []\nstore: {{ url: 'sqlite::memory:' }}\n\
             upstream: {{ url: http://127.0.0.1:1 }}\nsecret_key: 0123456789abcdef0123456789abcdef\ntenants: {tenants}"
        );
        Tenancy::compile(&serde_yaml::from_str(&text).unwrap())
    }

    fn id(text: &str) -> TenantId {
        text.parse().unwrap()
    }

    #[test]
    fn a_host_is_its_tenants_alone_and_the_tenant_is_nowhere_else() {
        let tenancy = tenancy("[{ id: a, hosts: [A.example.com, '[::1]'] }, { id: b, hosts: [bücher.example] }, { id: c }]");
        let at = |host| tenancy.at(host);
        for (host, tenant, served) in [
            ("a.example.com", "a", true),
            ("[::1]", "a", true),
            ("a.example.com", "b", false),
            ("a.example.com", "c", false),
            ("a.example.com", "default", false),
            ("xn--bcher-kva.example", "b", true),
            ("xn--bcher-kva.example", "a", false),
            ("app.example.com", "default", true),
            ("app.example.com", "c", true),
            ("app.example.com", "a", false),
            ("app.example.com", "nobody", false),
            ("unheard.example", "default", true),
            ("unheard.example", "b", false),
        ] {
            assert_eq!(tenancy.serves(at(host), &id(tenant)), served, "{tenant} at {host}");
        }
        assert_eq!(&*tenancy.site(at("a.example.com")).public_url, "https://a.example.com:8443");
        assert_eq!(tenancy.home(&id("a")), at("a.example.com"));
        assert_eq!(tenancy.home(&id("c")), SiteId::SHARED);
    }

    #[test]
    fn default_may_have_hosts_too_and_is_then_only_there() {
        let tenancy = tenancy("[{ id: default, hosts: [app.example.com] }, { id: c }]");
        assert!(tenancy.serves(tenancy.at("app.example.com"), &TenantId::default()));
        assert!(!tenancy.serves(tenancy.at("other.example.com"), &TenantId::default()));
        assert!(!tenancy.serves(tenancy.at("app.example.com"), &id("c")));
    }

    #[test]
    fn a_licenses_tenant_is_only_a_name_where_none_is_configured() {
        let license = |tenant| Identity { tenant: id(tenant), ..Identity::sample(CredentialKind::License) };
        let key = Identity { tenant: id("acme"), ..Identity::sample(CredentialKind::ApiKey) };
        assert!(tenancy("[]").admits(SiteId::SHARED, &license("acme")));
        assert!(!tenancy("[]").admits(SiteId::SHARED, &key));
        assert!(!tenancy("[{ id: other }]").admits(SiteId::SHARED, &license("acme")));
        assert!(tenancy("[{ id: acme }]").admits(SiteId::SHARED, &license("acme")));
    }
}
