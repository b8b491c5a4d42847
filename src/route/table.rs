//! The rules in their order.
//!
//! Refuses a rule that an earlier one hides, because its author believes it is in force.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;

use super::pattern::Pattern;
use super::sampling::Sampling;
use crate::config::access::{Access, Mode, Route as Typed};
use crate::config::paths::{RESOURCE_METADATA, ROBOTS, SERVER_METADATA};
use crate::config::{Config, Path, Problems};
use crate::edge::Clean;
use crate::model::{CredentialKind, Scope, TenantId};

/// Where a request goes once it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// One of Doorward's own pages.
    Door,
    /// The upstream with this place in `forward`'s list.
    Upstream(usize),
}

/// One rule.
#[derive(Debug)]
pub struct Route {
    /// Name in metrics and records.
    pub name: Box<str>,
    /// Its place in [`Table::iter`].
    pub place: usize,
    host: Option<Box<str>>,
    path: Pattern,
    methods: Box<[Method]>,
    pub access: Access,
    /// Kinds taken; empty: all.
    pub accept: Box<[CredentialKind]>,
    pub roles: Box<[String]>,
    pub groups: Box<[String]>,
    pub scopes: Box<[Scope]>,
    pub tenant: Option<TenantId>,
    pub mfa: bool,
    pub max_age: Option<std::time::Duration>,
    pub networks: Box<[ipnet::IpNet]>,
    pub mode: Mode,
    pub access_events: Sampling,
    pub target: Target,
    /// It leads to administration: the rules for people hold as on the way to the application, and break-glass accounts need no role.
    pub administers: bool,
}

impl Route {
    #[must_use]
    pub fn accepts(&self, kind: CredentialKind) -> bool {
        self.accept.is_empty() || self.accept.contains(&kind)
    }

    /// The pattern of its paths.
    #[must_use]
    pub const fn pattern(&self) -> &Pattern {
        &self.path
    }

    fn matches(&self, clean: &Clean<'_>) -> bool {
        self.host.as_ref().is_none_or(|host| **host == *clean.host)
            && (self.methods.is_empty() || self.methods.contains(&clean.head.method))
            && self.path.matches(&clean.decoded_path)
    }

    /// Whether `self` matches all that `later` matches.
    fn hides(&self, later: &Self) -> bool {
        let host = self.host.is_none() || self.host == later.host;
        let methods = self.methods.is_empty()
            || (!later.methods.is_empty() && later.methods.iter().all(|method| self.methods.contains(method)));
        host && methods && self.path.hides(&later.path)
    }
}

/// All rules; the last one matches everything.
#[derive(Debug)]
pub struct Table {
    routes: Box<[Arc<Route>]>,
    /// First path segment → the rules that can match below it, in order.
    by_first_segment: HashMap<Box<str>, Box<[Arc<Route>]>>,
    /// The rules that can match below any other first segment, in order.
    anywhere: Box<[Arc<Route>]>,
    otherwise: Arc<Route>,
}

impl Table {
    /// `upstream_of` says which upstream a configured route has: the file's (0) or its own.
    pub fn compile(config: &Config, problems: &mut Problems) -> Self {
        let mut routes: Vec<Arc<Route>> = provisioning(config)
            .chain(compatibility(config))
            .chain(own(config))
            .enumerate()
            .map(|(place, route)| Arc::new(Route { place, ..route }))
            .collect();
        let mut upstreams = 0;
        for (index, typed) in config.routes.iter().enumerate() {
            let path = Path::from("routes").item(index);
            let target = if typed.upstream.is_some() {
                upstreams += 1;
                Target::Upstream(upstreams)
            } else {
                Target::Upstream(0)
            };
            let Some(mut route) = compile(typed, target, &path, problems) else { continue };
            route.place = routes.len();
            if let Some(hidden) = routes.iter().find(|earlier| earlier.hides(&route)) {
                let message = format!("this route is never reached: `{}` before it matches everything it matches", hidden.name);
                problems.add(path, message, "move it further up, or remove it");
            }
            routes.push(Arc::new(route));
        }
        Self::index(routes)
    }

    fn index(routes: Vec<Arc<Route>>) -> Self {
        let below = |wanted: Option<&str>| {
            let fits = |route: &&Arc<Route>| route.path.first_segment().is_none_or(|first| Some(first) == wanted);
            routes.iter().filter(fits).cloned().collect::<Box<[_]>>()
        };
        let firsts = routes.iter().filter_map(|route| route.path.first_segment());
        let by_first_segment = firsts.map(|first| (first.into(), below(Some(first)))).collect();
        let otherwise = Arc::new(Route { place: routes.len(), ..otherwise() });
        Self { by_first_segment, anywhere: below(None), routes: routes.into(), otherwise }
    }

    /// The rule that decides about this request.
    #[must_use]
    pub fn find(&self, clean: &Clean<'_>) -> &Arc<Route> {
        let first = clean.decoded_path.get(1..).and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let candidates = self.by_first_segment.get(first).unwrap_or(&self.anywhere);
        candidates.iter().find(|route| route.matches(clean)).unwrap_or(&self.otherwise)
    }

    /// Every rule, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routes.iter().chain(std::iter::once(&self.otherwise))
    }
}

/// Doorward's own routes, before any other.
fn own(config: &Config) -> Vec<Route> {
    let prefix = &config.prefix;
    let mut own = vec![who_am_i(prefix), break_glass(prefix), assets(prefix), admin_api(config)];
    let gives_tokens = config.token_endpoint.is_some();
    if gives_tokens {
        own.push(token(prefix));
    }
    own.push(doors(prefix));
    if gives_tokens || !config.bearer.is_empty() {
        own.push(well_known("resource_metadata", &format!("{RESOURCE_METADATA}/**")));
    }
    if gives_tokens {
        own.push(well_known("server_metadata", SERVER_METADATA));
    }
    own
}

/// Where clients get tokens: who they are is the endpoint's to judge, in the words of RFC 6749 §5.2.
fn token(prefix: &str) -> Route {
    let path = Pattern::parse(&format!("{prefix}/token/**")).unwrap_or_else(|_| Pattern::everything());
    Route { name: "doorward token".into(), path, access: Access::Public, ..doors(prefix) }
}

/// The page that says who one is, to people and programs alike.
fn who_am_i(prefix: &str) -> Route {
    let path = Pattern::parse(&format!("{prefix}/session")).unwrap_or_else(|_| Pattern::everything());
    Route { name: "doorward session".into(), path, accept: Box::new([]), ..doors(prefix) }
}

/// The way in for emergencies: a session that cannot be checked is not even looked at.
fn break_glass(prefix: &str) -> Route {
    let path = Pattern::parse(&format!("{prefix}/break-glass")).unwrap_or_else(|_| Pattern::everything());
    Route { name: "doorward break-glass".into(), path, access: Access::Public, ..doors(prefix) }
}

/// The API for administrators. Without a role nobody is one.
fn admin_api(config: &Config) -> Route {
    let path = Pattern::parse(&format!("{}/api/**", config.prefix)).unwrap_or_else(|_| Pattern::everything());
    let roles = config.admin_api.roles.as_slice();
    Route {
        name: "doorward admin api".into(),
        path,
        access: if roles.is_empty() { Access::Deny } else { Access::Required },
        accept: Box::new([]),
        roles: roles.into(),
        administers: true,
        ..doors(&config.prefix)
    }
}

/// Where directories provision, under all its names. The door looks at the token itself: it is good for nothing else.
fn provisioning(config: &Config) -> impl Iterator<Item = Route> {
    let roots = std::iter::once(format!("{}/scim/v2", config.prefix)).chain(config.scim.alias.clone());
    roots.map(|root| Route {
        name: "doorward scim".into(),
        path: Pattern::parse(&format!("{root}/**")).unwrap_or_else(|_| Pattern::everything()),
        access: Access::Public,
        target: Target::Door,
        ..otherwise()
    })
}

/// Where another front door answered, for what was written for it.
fn compatibility(config: &Config) -> Vec<Route> {
    let Some(other) = &config.compatibility.oauth2_proxy else { return Vec::new() };
    let at = |path: &str| Pattern::parse(path).unwrap_or_else(|_| Pattern::everything());
    let name = || "oauth2-proxy".into();
    let public = |path: &str| Route { name: name(), path: at(path), access: Access::Public, ..doors(&config.prefix) };
    let probes = [&other.ping, &other.ready].into_iter().flatten();
    let mut routes: Vec<_> = probes.map(|path| public(path)).chain([public(ROBOTS)]).collect();
    // Who is asked about may have come with any credential.
    let asks = |path: &str| Route { name: name(), path: at(path), accept: Box::new([]), ..doors(&config.prefix) };
    routes.push(asks(&format!("{}/userinfo", other.prefix)));
    routes.push(Route { name: name(), path: at(&format!("{}/**", other.prefix)), ..doors(&config.prefix) });
    routes
}

/// Doorward's own pages: each decides for itself what it needs, so the rule looks at who it is but demands nothing.
fn doors(prefix: &str) -> Route {
    let path = Pattern::parse(&format!("{prefix}/**")).unwrap_or_else(|_| Pattern::everything());
    Route {
        name: "doorward".into(),
        path,
        access: Access::Optional,
        accept: Box::new([CredentialKind::Session]),
        target: Target::Door,
        ..otherwise()
    }
}

/// What the pages are made of: also a page that says that the store is down needs it, so nobody's session is looked at.
fn assets(prefix: &str) -> Route {
    let path = Pattern::parse(&format!("{prefix}/assets/*")).unwrap_or_else(|_| Pattern::everything());
    Route { name: "assets".into(), path, access: Access::Public, target: Target::Door, ..otherwise() }
}

/// A page outside the prefix: clients look for it there and nowhere else.
fn well_known(name: &str, path: &str) -> Route {
    Route {
        name: name.into(),
        path: Pattern::parse(path).unwrap_or_else(|_| Pattern::everything()),
        access: Access::Public,
        target: Target::Door,
        ..otherwise()
    }
}

fn otherwise() -> Route {
    Route {
        name: "otherwise".into(),
        place: 0,
        host: None,
        path: Pattern::everything(),
        methods: Box::new([]),
        access: Access::Required,
        accept: Box::new([]),
        roles: Box::new([]),
        groups: Box::new([]),
        scopes: Box::new([]),
        tenant: None,
        mfa: false,
        max_age: None,
        networks: Box::new([]),
        mode: Mode::Enforce,
        access_events: Sampling::NONE,
        target: Target::Upstream(0),
        administers: false,
    }
}

fn compile(typed: &Typed, target: Target, path: &Path, problems: &mut Problems) -> Option<Route> {
    let pattern = match typed.path.as_deref().map(Pattern::parse) {
        None => Pattern::everything(),
        Some(Ok(pattern)) => pattern,
        Some(Err(error)) => {
            problems.add(path.key("path"), error.to_string(), "write `/exact`, `/prefix/**`, or `*` for one whole segment");
            return None;
        }
    };
    let mut methods = Vec::with_capacity(typed.methods.len());
    for (index, method) in typed.methods.iter().enumerate() {
        match Method::from_bytes(method.as_bytes()) {
            Ok(parsed) if method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') => methods.push(parsed),
            _ => problems.add(
                path.key("methods").item(index),
                format!("`{method}` is not a method"),
                "methods are in capitals: `GET`",
            ),
        }
    }
    let name = typed
        .name
        .clone()
        .unwrap_or_else(|| format!("{}{}", typed.host.as_deref().unwrap_or_default(), typed.path.as_deref().unwrap_or("/**")));
    Some(Route {
        name: name.into(),
        place: 0,
        host: typed.host.as_ref().map(|host| host.to_ascii_lowercase().into()),
        path: pattern,
        methods: methods.into(),
        access: typed.access,
        accept: typed.accept.as_slice().into(),
        roles: typed.roles.as_slice().into(),
        groups: typed.groups.as_slice().into(),
        scopes: typed.scopes.as_slice().into(),
        tenant: typed.tenant.clone(),
        mfa: typed.mfa,
        max_age: typed.max_age.map(|span| span.0),
        networks: typed.networks.as_slice().into(),
        mode: typed.mode,
        access_events: Sampling::of(typed.access_events, &path.key("access_events"), problems),
        target,
        administers: false,
    })
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use pingora::http::RequestHeader;
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Timestamp;
    use crate::config::Limits;
    use crate::edge::{Arrival, ConnectionFacts, Hygiene, LiveStreams};

    const PATTERNS: [&str; 10] = ["/", "/**", "/a", "/a/", "/a/**", "/*", "/*/b", "/a/*", "/b/**", "/*/*/c"];

    fn route(pattern: &str) -> Arc<Route> {
        Arc::new(Route { name: pattern.into(), path: Pattern::parse(pattern).unwrap(), ..otherwise() })
    }

    proptest! {
        #[test]
        fn the_index_finds_what_a_walk_through_all_rules_finds(
            order in Just(PATTERNS).prop_shuffle(),
            taken in 0_usize..=10,
            path in "(/(a|b|c|ab)?){1,4}",
        ) {
            let routes: Vec<_> = order[..taken].iter().map(|pattern| route(pattern)).collect();
            let table = Table::index(routes.clone());
            let head = RequestHeader::build("GET", path.as_bytes(), None).unwrap();
            let mut head = head;
            head.insert_header("Host", "app.example").unwrap();
            let facts = ConnectionFacts::plain([127, 0, 0, 1].into(), LiveStreams::default().handle());
            let hygiene = Hygiene::new(Limits::default(), &[]);
            let arrival = Arrival { head: &head, facts: &facts, now: Timestamp::default() };
            let Ok(clean) = hygiene.inspect(arrival) else { return Ok(()) };
            prop_assert!(matches!(clean.host, Cow::Borrowed("app.example")));
            let walked = routes.iter().find(|route| route.matches(&clean)).map_or("otherwise", |route| &route.name);
            prop_assert_eq!(&*table.find(&clean).name, walked);
        }
    }
}
