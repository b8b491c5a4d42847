//! Where requests go: the file's upstream and those of routes, each of one or several servers.
//!
//! Refuses to pool connections of different trust or of different configurations together: each way has connections of its own.

mod address;
mod line;
mod pool;
mod server;
mod tend;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use pingora::http::RequestHeader;

use super::headers::own_name;
use crate::clock::Timestamp;
use crate::config::upstream::{Balance, BasicCredentials, Health, HostHeader, Upstream as Typed};
use crate::config::{Config, Path, Problems, shown_address};
use crate::crypto::Secret;
use address::Address;
pub use line::Late;
pub use pool::Pool;
pub use server::{Lease, Way};
use server::{Need, Server, Shape};
pub use tls::NO_AUTHORITIES;

/// The file's upstream, then those of routes with one of their own.
#[derive(Debug)]
pub struct Upstreams(Box<[Upstream]>);

#[derive(Debug)]
struct Upstream {
    servers: Box<[Arc<Server>]>,
    balance: Balance,
    next: AtomicUsize,
    /// Whether all servers are spoken to in HTTP/1.1.
    http1: bool,
    host: HostHeader,
    /// Set on every request; they replace what the client sent.
    secret: Box<[(HeaderName, HeaderValue)]>,
    health: Option<Health>,
}

/// How one server is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerState {
    /// As in the configuration, such as `http://10.0.0.7:3000`.
    pub server: Box<str>,
    /// Its name was looked up, and its health checks (if there are any) succeed.
    pub well: bool,
    /// Requests at it now.
    pub in_flight: usize,
}

/// Every configured upstream with its place; the route table counts them in the same order.
pub(super) fn all(config: &Config) -> impl Iterator<Item = (Path, &Typed)> {
    let own = config.routes.iter().enumerate().filter_map(|(index, route)| {
        route.upstream.as_ref().map(|upstream| (Path::from("routes").item(index).key("upstream"), upstream))
    });
    std::iter::once((Path::from("upstream"), &config.upstream)).chain(own)
}

impl Upstreams {
    pub fn compile(config: &Config, problems: &mut Problems) -> Self {
        let compiled = all(config).map(|(path, typed)| Upstream::compile(typed, &path, problems));
        Self(compiled.collect())
    }

    /// Chooses a server for a request and says how to connect to it; `None` if there is no such upstream or no address for it.
    /// `upload` says whether the request has a body; `after` is the place it had before, when that did not work out.
    #[must_use]
    pub fn choose(
        &self,
        upstream: usize,
        head: &RequestHeader,
        upload: bool,
        now: Timestamp,
        after: Option<&Lease>,
    ) -> Option<(Lease, Arc<Way>)> {
        let upstream = self.0.get(upstream)?;
        let server = upstream.server(now, after)?;
        let need = match (is_grpc(head), upload) {
            (true, _) => Need::Http2,
            (false, true) => Need::Upload,
            (false, false) => Need::Nothing,
        };
        let way = server.way(need)?;
        Some((Lease::new(server, after.map_or(0, |lease| lease.tries + 1)), way))
    }

    /// Whether every server that may get the request is spoken to in HTTP/1.1, where a connection serves one at a time.
    #[must_use]
    pub fn is_http1(&self, upstream: usize, head: &RequestHeader) -> bool {
        self.0.get(upstream).is_some_and(|upstream| upstream.http1) && !is_grpc(head)
    }

    /// Notes that the server of `lease` took no connection; says whether another one may be tried.
    pub fn failed(&self, upstream: usize, lease: &Lease, now: Timestamp) -> bool {
        lease.server.shun(now);
        self.0.get(upstream).is_some_and(|upstream| lease.tries + 1 < upstream.servers.len().min(MOST_TRIES))
    }

    /// Sets what this upstream wants on its requests: its secret headers, and its own name as `Host` where so configured.
    pub(super) fn apply(&self, upstream: usize, lease: Option<&Lease>, fields: &mut HeaderMap) {
        let Some(upstream) = self.0.get(upstream) else { return };
        for (name, value) in &upstream.secret {
            fields.insert(name, value.clone());
        }
        if upstream.host == HostHeader::Rewrite
            && let Some(lease) = lease
        {
            fields.insert(header::HOST, lease.server.authority.clone());
        }
    }

    /// How every server is doing, for metrics and `/readyz`.
    pub fn states(&self) -> impl Iterator<Item = ServerState> {
        self.0.iter().flat_map(|upstream| &upstream.servers).map(|server| ServerState {
            server: server.label.clone(),
            well: server.is_known() && server.is_well(),
            in_flight: server.load(),
        })
    }
}

/// Servers tried for one request, at most.
const MOST_TRIES: usize = 3;

impl Upstream {
    fn compile(typed: &Typed, path: &Path, problems: &mut Problems) -> Self {
        let urls: Vec<(Path, &String)> = match (&typed.url, typed.urls.as_slice()) {
            (Some(url), []) => vec![(path.key("url"), url)],
            (None, urls) if !urls.is_empty() => {
                urls.iter().enumerate().map(|(place, url)| (path.key("urls").item(place), url)).collect()
            }
            _ => {
                problems.add(path.clone(), "an upstream has either `url` or `urls`", "write `url: http://host:port`");
                Vec::new()
            }
        };
        let encrypted = urls.iter().any(|(_, url)| url.starts_with("https:"));
        let trust = tls::compile(&typed.tls, encrypted, &path.key("tls"), problems).unwrap_or_default();
        let shape = Shape { http: typed.http, timeouts: typed.timeouts, trust };
        // With checks, a server is given requests once it has passed one.
        let well = typed.health.is_none();
        let mut servers = Vec::with_capacity(urls.len());
        for (path, url) in urls {
            match Address::parse(url) {
                Ok(address) => servers.push(Arc::new(Server::new(address, url, shape.clone(), well))),
                Err(what) => problems.add(path, format!("`{}` is not an upstream", shown_address(url)), what),
            }
        }
        if let Some(health) = &typed.health
            && (!health.path.starts_with('/') || health.path.bytes().any(|byte| !(0x21..0x7f).contains(&byte)))
        {
            problems.add(path.key("health").key("path"), "a path begins with `/`", "write `/healthz`");
        }
        Self {
            http1: servers.iter().all(|server| server.is_http1()),
            servers: servers.into(),
            balance: typed.balance,
            next: AtomicUsize::new(0),
            host: typed.host,
            secret: secret(typed, path, problems),
            health: typed.health.clone(),
        }
    }

    /// The next server that is fit; when none is, any that has an address, because a check may be wrong and a refusal certainly
    /// helps nobody.
    fn server(&self, now: Timestamp, after: Option<&Lease>) -> Option<Arc<Server>> {
        if let [only] = &*self.servers {
            return Some(Arc::clone(only));
        }
        let start = self.next.fetch_add(1, Ordering::Relaxed) % self.servers.len().max(1);
        let (later, earlier) = self.servers.split_at_checked(start)?;
        let in_turn = || earlier.iter().chain(later);
        let another = |server: &&Arc<Server>| after.is_none_or(|lease| !Arc::ptr_eq(&lease.server, server));
        let fit = || in_turn().filter(another).filter(|server| server.is_fit(now));
        let chosen = match self.balance {
            Balance::RoundRobin => fit().next(),
            Balance::LeastRequests => fit().min_by_key(|server| server.load()),
        };
        chosen.or_else(|| in_turn().filter(another).find(|server| server.is_known())).map(Arc::clone)
    }
}

fn secret(typed: &Typed, path: &Path, problems: &mut Problems) -> Box<[(HeaderName, HeaderValue)]> {
    let mut fields = Vec::new();
    for (name, text) in &typed.headers {
        let at = path.key("headers").key(name);
        let Some(name) = own_name(name, &at, problems) else { continue };
        match value(text) {
            Some(value) => fields.push((name, value)),
            None => problems.add(at, "this is no header value", "no line breaks, no other control characters, not empty"),
        }
    }
    if let Some(basic) = &typed.basic {
        match authorization(basic) {
            Some(value) => fields.push((header::AUTHORIZATION, value)),
            None => problems.add(path.key("basic").key("username"), "a user name has no `:`", "RFC 7617 §2 cannot express one"),
        }
    }
    fields.into()
}

fn value(text: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text.expose()).ok().filter(|value| !value.is_empty())?;
    value.set_sensitive(true);
    Some(value)
}

/// RFC 7617 §2.
fn authorization(basic: &BasicCredentials) -> Option<HeaderValue> {
    if basic.username.contains(':') {
        return None;
    }
    let pair = format!("{}:{}", basic.username, basic.password.expose());
    value(&Secret::new(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))))
}

/// gRPC is HTTP/2 from end to end; its trailers do not survive HTTP/1.
fn is_grpc(head: &RequestHeader) -> bool {
    head.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}
