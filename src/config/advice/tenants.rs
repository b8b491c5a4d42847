//! What people should know about tenants' hosts before they rely on them.
//!
//! Refuses nothing; what overlaps is a problem, and the review tells of it.

use url::Host;

use crate::config::{Config, Path, Problems};

/// Every host that browsers come by, and where it is written.
pub(super) fn hosts(config: &Config) -> Vec<(Path, Host)> {
    let public = url::Url::parse(&config.public_url).ok().and_then(|url| url.host().map(|host| host.to_owned()));
    let mut hosts: Vec<_> = public.into_iter().map(|host| (Path::from("public_url"), host)).collect();
    for (index, tenant) in config.tenants.iter().enumerate() {
        let at = Path::from("tenants").item(index).key("hosts");
        let typed = tenant.hosts.iter().enumerate();
        let own =
            typed.filter_map(|(place, host)| Some((at.item(place), Host::parse(host.strip_suffix('.').unwrap_or(host)).ok()?)));
        hosts.extend(own);
    }
    hosts
}

/// A tenant that takes the public address leaves those without hosts without an address.
pub(super) fn advise(config: &Config, advice: &mut Problems) {
    let without = |tenant| config.tenant(tenant).is_none_or(|tenant| tenant.hosts.is_empty());
    let Some(homeless) = config.connections.iter().map(|connection| &connection.tenant).find(|tenant| without(tenant)) else {
        return;
    };
    let hosts = hosts(config);
    let Some((_, public)) = hosts.first().filter(|(path, _)| path.as_str() == "public_url") else { return };
    for (path, host) in hosts.iter().skip(1).filter(|(_, host)| host == public) {
        let message = format!("links for people of `{homeless}` lead to `{host}`, where nobody of that tenant is let in");
        advice.add(path.clone(), message, format!("give `{homeless}` hosts, or `public_url` a host that is no tenant's own"));
    }
}
