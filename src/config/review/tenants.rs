//! Tenants: that each host and each domain is one tenant's, and that whoever is named is there.
//!
//! Refuses a host or domain of two tenants, because whose people and programs are meant must not depend on the order.

use std::collections::HashMap;

use crate::config::shown::shown_address as shown;
use crate::config::tenant::Tenant;
use crate::config::{Config, Path, Problems};
use crate::model::{Domain, TenantId};

pub(super) fn review(config: &Config, problems: &mut Problems) {
    let mut seen = Seen::default();
    for (index, tenant) in config.tenants.iter().enumerate() {
        let path = Path::from("tenants").item(index);
        if let Some(first) = seen.ids.insert(&tenant.id, path.clone()) {
            problems.add(path.key("id"), format!("the tenant `{}` is named twice", tenant.id), format!("`{first}` has it"));
        }
        seen.hosts(tenant, &path, problems);
        seen.domains(tenant, &path, problems);
        default_connection(config, tenant, &path, problems);
    }
    let named =
        [config.client_certificates.as_ref().map(|typed| (Path::from("client_certificates").key("tenant"), Some(&typed.tenant)))];
    let bearer = config.bearer.iter().enumerate().map(|(index, typed)| (Path::from("bearer").item(index), Some(&typed.tenant)));
    let bearer = bearer.map(|(path, tenant)| (path.key("tenant"), tenant));
    let routes = config.routes.iter().enumerate();
    let routes = routes.map(|(index, route)| (Path::from("routes").item(index).key("tenant"), route.tenant.as_ref()));
    let connections = config.connections.iter().enumerate();
    let connections =
        connections.map(|(index, typed)| (Path::from("connections").item(index).key("tenant"), Some(&typed.tenant)));
    for (path, tenant) in named.into_iter().flatten().chain(bearer).chain(routes).chain(connections) {
        if let Some(tenant) = tenant.filter(|tenant| !config.has_tenant(tenant)) {
            problems.add(path, format!("there is no tenant `{tenant}`"), "name it under `tenants`");
        }
    }
    unreachable(config, problems);
    foreign_domains(config, &seen.domains, problems);
}

/// What was named before, and where.
#[derive(Default)]
struct Seen<'c> {
    ids: HashMap<&'c TenantId, Path>,
    hosts: HashMap<String, Path>,
    domains: HashMap<&'c Domain, (&'c TenantId, Path)>,
}

impl<'c> Seen<'c> {
    fn hosts(&mut self, tenant: &'c Tenant, path: &Path, problems: &mut Problems) {
        for (index, typed) in tenant.hosts.iter().enumerate() {
            let path = path.key("hosts").item(index);
            let Ok(host) = url::Host::parse(typed.strip_suffix('.').unwrap_or(typed)) else {
                let hint = "write a name such as `acme.example.com`, without scheme, port or path";
                problems.add(path, format!("`{}` is not a host", shown(typed)), hint);
                continue;
            };
            if let Some(first) = self.hosts.insert(host.to_string(), path.clone()) {
                problems.add(path, format!("the host `{host}` belongs to two tenants"), format!("`{first}` has it"));
            }
        }
    }

    fn domains(&mut self, tenant: &'c Tenant, path: &Path, problems: &mut Problems) {
        for (index, domain) in tenant.domains.iter().enumerate() {
            let path = path.key("domains").item(index);
            if let Some((_, first)) = self.domains.insert(domain, (&tenant.id, path.clone())) {
                problems.add(path, format!("`{domain}` belongs to two tenants"), format!("`{first}` has it"));
            }
        }
    }
}

fn default_connection(config: &Config, tenant: &Tenant, path: &Path, problems: &mut Problems) {
    let Some(id) = &tenant.default_connection else { return };
    let path = path.key("default_connection");
    match config.connections.iter().find(|connection| connection.id == *id) {
        Some(connection) if connection.tenant == tenant.id => {}
        Some(connection) => {
            let hint = format!("name one with `tenant: {}`", tenant.id);
            problems.add(path, format!("the connection `{id}` is of the tenant `{}`", connection.tenant), hint);
        }
        None => problems.add(path, format!("there is no connection `{id}`"), "name one of `connections`"),
    }
}

/// A connection's people would be led by their domain to a tenant that the connection does not sign in to.
fn foreign_domains(config: &Config, owners: &HashMap<&Domain, (&TenantId, Path)>, problems: &mut Problems) {
    for (index, connection) in config.connections.iter().enumerate() {
        for (place, domain) in connection.domains.iter().enumerate() {
            let Some((owner, at)) = owners.get(domain).filter(|(owner, _)| **owner != connection.tenant) else { continue };
            let path = Path::from("connections").item(index).key("domains").item(place);
            let message =
                format!("`{domain}` is a domain of the tenant `{owner}`, and this connection is of `{}`", connection.tenant);
            problems.add(path, message, format!("`{at}` has it; write `tenant: {owner}`, or take it out of one of them"));
        }
    }
}

/// A route for one tenant on a host where it is not let in is a rule that nobody can meet.
fn unreachable(config: &Config, problems: &mut Problems) {
    let normal = |host: &str| url::Host::parse(host.strip_suffix('.').unwrap_or(host)).ok().map(|host| host.to_string());
    for (index, route) in config.routes.iter().enumerate() {
        let (Some(tenant), Some(host)) = (&route.tenant, route.host.as_deref().and_then(normal)) else { continue };
        let has = |owner: &&Tenant| owner.hosts.iter().filter_map(|typed| normal(typed)).any(|own| own == host);
        let path = Path::from("routes").item(index).key("tenant");
        let of_its_own = config.tenant(tenant).is_some_and(|tenant| !tenant.hosts.is_empty());
        match config.tenants.iter().find(has) {
            Some(owner) if owner.id != *tenant => {
                let message = format!("nobody of `{tenant}` is let in at `{host}`, which is a host of the tenant `{}`", owner.id);
                problems.add(path, message, "name another host, or leave `tenant` out");
            }
            None if of_its_own => {
                let message = format!("nobody of `{tenant}` is let in at `{host}`, which is none of its `hosts`");
                problems.add(path, message, "name one of its hosts, or add this one to them");
            }
            _ => {}
        }
    }
}
