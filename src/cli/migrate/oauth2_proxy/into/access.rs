//! Upstreams by path, and who may go where.
//!
//! Refuses to open more than was open: what cannot be translated needs a sign-in, and what nobody serves is denied.

use url::Url;

use super::Making;
use super::shape::{self, Shape};
use crate::cli::migrate::oauth2_proxy::model::Upstream;
use crate::cli::migrate::oauth2_proxy::remark::Weight;
use crate::cli::migrate::oauth2_proxy::yaml::{Map, Node};

/// What serves a part of the paths.
struct Mount {
    shape: Shape,
    /// `None`: nothing that can be asked.
    upstream: Option<Map>,
}

/// Paths that need no sign-in.
#[derive(Clone, PartialEq)]
struct Opening {
    shape: Shape,
    /// Empty: all.
    method: String,
    comment: String,
}

impl Opening {
    fn covers(&self, other: &Self) -> bool {
        (self.method.is_empty() || self.method == other.method) && self.shape.covers(&other.shape)
    }
}

/// The upstream of the file, and the routes.
pub(super) struct Access {
    pub(super) upstream: Map,
    pub(super) routes: Vec<Map>,
}

struct Routes<'r> {
    mounts: &'r [Mount],
    groups: &'r [String],
    all: Vec<Map>,
}

pub(super) fn access(making: &mut Making<'_>, groups: &[String]) -> Access {
    let mounts = mounts(making);
    let root = mounts.iter().find(|mount| mount.shape == Shape::Below("/".to_owned()));
    let first = root.or_else(|| mounts.iter().find(|mount| mount.upstream.is_some()));
    let upstream = first.and_then(|mount| mount.upstream.clone()).unwrap_or_else(|| {
        let mut nothing = Map::one("url", "http://127.0.0.1:9");
        nothing.say("Nothing is here: a proxy in front asks, and serves the application itself.");
        nothing
    });
    let serves_all = root.is_some_and(|mount| mount.upstream.is_some()) || asks_only(making);
    let openings = openings(making);
    let mut routes = Routes { mounts: &mounts, groups, all: Vec::new() };
    let closings = negated(making);
    for shape in &closings {
        routes.add(shape, "", None, "");
    }
    let openings = if closings.is_empty() {
        openings
    } else {
        vec![Opening {
            shape: Shape::Below("/".to_owned()),
            method: String::new(),
            comment: "everything else is open".to_owned(),
        }]
    };
    for opening in &openings {
        routes.guard(opening, &openings);
        routes.add(&opening.shape, &opening.method, Some("optional"), &opening.comment);
    }
    for mount in &mounts {
        let whole = Opening { shape: mount.shape.clone(), method: String::new(), comment: String::new() };
        if mount.shape != Shape::Below("/".to_owned()) && !openings.iter().any(|opening| opening.covers(&whole)) {
            routes.add(&mount.shape, "", None, "");
        }
    }
    let rest = Opening { shape: Shape::Below("/".to_owned()), method: String::new(), comment: String::new() };
    if !openings.iter().any(|opening| opening.covers(&rest)) {
        if !serves_all {
            let mut deny = Map::new();
            deny.set("path", "/**").say("No upstream was for any other path.").set("access", "deny");
            routes.all.push(deny);
        } else if !groups.is_empty() {
            let mut all = Map::new();
            all.set("path", "/**").set("groups", groups.to_vec());
            routes.all.push(all);
        }
    }
    Access { upstream, routes: routes.all }
}

/// Whether it only answers a proxy in front.
fn asks_only(making: &Making<'_>) -> bool {
    making.model.upstreams.iter().all(|upstream| upstream.answers.is_some() || upstream.uri.starts_with("file:///dev/null"))
}

/// Headers that hold a secret for the application.
fn with_secrets(making: &Making<'_>, mut upstream: Map) -> Map {
    let mut headers = Map::new();
    for (name, secret) in &making.secret_headers {
        headers.set(name, secret.clone());
    }
    if !headers.is_empty() {
        upstream.set("headers", headers);
    }
    upstream
}

/// The longest path first, as oauth2-proxy looks for them.
fn mounts(making: &mut Making<'_>) -> Vec<Mount> {
    let mut upstreams = making.model.upstreams.clone();
    upstreams.sort_by_key(|upstream| std::cmp::Reverse(upstream.path.len()));
    let asks_only = asks_only(making);
    let mut mounts: Vec<Mount> = Vec::new();
    for upstream in &upstreams {
        for (name, instead) in &upstream.unmet {
            making.remark_at(Weight::Unsupported, name, &upstream.origin, *instead);
        }
        let Some(shape) = place(making, upstream) else { continue };
        if mounts.iter().any(|mount| mount.shape == shape) {
            making.remark_at(Weight::Unsupported, "upstream", &upstream.origin, "another upstream has this path already");
            continue;
        }
        let server = if asks_only { None } else { server(making, upstream) };
        mounts.push(Mount { shape, upstream: server.map(|server| with_secrets(making, server)) });
    }
    if asks_only {
        let origin = upstreams.first().map(|upstream| upstream.origin.clone());
        making.remark_of(
            Weight::Differs,
            "upstream",
            origin,
            "nothing is served here: the proxy in front asks `/oauth2/auth`, as before, and has to be one of `trusted_proxies`",
        );
        return Vec::new();
    }
    mounts
}

fn place(making: &mut Making<'_>, upstream: &Upstream) -> Option<Shape> {
    if upstream.rewrite || upstream.path.starts_with('^') {
        let why = "requests keep their path, and patterns are no regular expressions: let the application, or a proxy before it, rewrite";
        making.remark_at(Weight::Unsupported, "rewriteTarget", &upstream.origin, why);
        return None;
    }
    let path = &upstream.path;
    Some(if path.ends_with('/') { Shape::Below(path.clone()) } else { Shape::Exact(path.clone()) })
}

/// Where requests go; `None` where Doorward cannot ask there.
fn server(making: &mut Making<'_>, upstream: &Upstream) -> Option<Map> {
    let origin = &upstream.origin;
    if upstream.answers.is_some() {
        making.remark_at(
            Weight::Unsupported,
            "static://",
            origin,
            "a fixed answer is not given: let the application answer; denied until then",
        );
        return None;
    }
    let mut map = Map::new();
    let url = Url::parse(&upstream.uri).ok();
    match url.as_ref().map(Url::scheme) {
        Some("http" | "https") => {
            let url = url?;
            let authority = url.port().map_or_else(
                || url.host_str().unwrap_or_default().to_owned(),
                |port| format!("{}:{port}", url.host_str().unwrap_or_default()),
            );
            map.set("url", format!("{}://{authority}", url.scheme()));
        }
        Some("unix") => {
            map.set("url", format!("unix:{}", url?.path()));
        }
        Some("file") => {
            let why = "files are not served: put a web server behind the door; denied until then";
            making.remark_at(Weight::Unsupported, "file://", origin, why);
            return None;
        }
        _ => {
            let message = match upstream.uri.as_str() {
                "" => "the upstream has no `uri`".to_owned(),
                uri => format!("the upstream `{uri}` is neither http, https, unix, file nor static"),
            };
            making.troubles.add(origin, message, "write `http://127.0.0.1:3000/`");
            return None;
        }
    }
    if !upstream.keeps_host {
        map.set("host", "rewrite");
    }
    if let Some(timeout) = upstream.timeout {
        map.set("timeouts", Map::one("first_byte", super::duration(timeout)));
    }
    Some(map)
}

/// What needs no sign-in: exact paths first, then the longest prefixes, and nothing twice.
fn openings(making: &mut Making<'_>) -> Vec<Opening> {
    let mut found = Vec::new();
    for text in making.list("skip-auth-regex") {
        open(making, "skip-auth-regex", "", &text, &text, &mut found);
    }
    for text in making.list("skip-auth-route") {
        if text.contains("!=") {
            continue;
        }
        let (method, expression) = text.split_once('=').unwrap_or(("", &text));
        open(making, "skip-auth-route", method, expression, &text, &mut found);
    }
    if making.model.settings.on("skip-auth-preflight") {
        let shape = Shape::Below("/".to_owned());
        found.push(Opening { shape, method: "OPTIONS".to_owned(), comment: "preflight requests".to_owned() });
    }
    let weight = |opening: &Opening| match &opening.shape {
        Shape::Exact(path) => (0, 0, path.contains('*')),
        Shape::Below(path) => (1, usize::MAX - path.len(), false),
    };
    found.sort_by_key(weight);
    let mut kept: Vec<Opening> = Vec::new();
    for (index, opening) in found.iter().enumerate() {
        let again = found.iter().enumerate().any(|(other, one)| one.covers(opening) && (other < index || !opening.covers(one)));
        if !again {
            kept.push(opening.clone());
        }
    }
    kept
}

fn open(making: &mut Making<'_>, flag: &'static str, method: &str, expression: &str, text: &str, found: &mut Vec<Opening>) {
    match shape::of(expression) {
        Ok(shapes) => {
            if shapes.narrower {
                let why = format!(
                    "`{text}` also opened every path that merely begins like this; only the path itself and what is below it stays open"
                );
                making.remark(Weight::Differs, flag, why);
            }
            let comment = format!("was {text}");
            let method = method.to_ascii_uppercase();
            found.extend(shapes.all.into_iter().map(|shape| Opening { shape, method: method.clone(), comment: comment.clone() }));
        }
        Err(odd) => {
            let why =
                format!("`{text}` needs a sign-in now, because {odd}: write a route with `access: optional` for what is meant");
            making.remark(Weight::Unsupported, flag, why);
        }
    }
}

/// What alone needs a sign-in, where one rule opens everything else.
fn negated(making: &mut Making<'_>) -> Vec<Shape> {
    let rules = making.list("skip-auth-route");
    let negated: Vec<&String> = rules.iter().filter(|text| text.contains("!=")).collect();
    let [text] = negated.as_slice() else {
        for text in negated {
            let why = format!("`{text}` needs a sign-in now: several rules that open all but something open everything together");
            making.remark(Weight::Unsupported, "skip-auth-route", why);
        }
        return Vec::new();
    };
    let (method, expression) = text.split_once("!=").unwrap_or_default();
    match shape::of(expression) {
        Ok(shapes) if method.is_empty() && rules.len() == 1 && !shapes.narrower => shapes.all,
        _ => {
            let why =
                format!("`{text}` opens nothing now: what it leaves closed cannot be said exactly as routes; write them by hand");
            making.remark(Weight::Unsupported, "skip-auth-route", why);
            Vec::new()
        }
    }
}

impl Routes<'_> {
    /// A route for these paths, at each upstream that serves some of them.
    fn add(&mut self, shape: &Shape, method: &str, access: Option<&str>, comment: &str) {
        let inside: Vec<Shape> = self
            .mounts
            .iter()
            .map(|mount| &mount.shape)
            .filter(|mount| *mount != shape && shape.covers(mount))
            .cloned()
            .collect();
        for part in inside.iter().chain(std::iter::once(shape)) {
            let route = self.route(part, method, access, comment);
            self.all.push(route);
        }
    }

    fn route(&self, shape: &Shape, method: &str, access: Option<&str>, comment: &str) -> Map {
        let mut map = Map::new();
        map.set("path", shape.pattern());
        if !comment.is_empty() {
            map.say(comment);
        }
        if !method.is_empty() {
            map.set("methods", vec![method]);
        }
        match access {
            Some(access) => drop(map.set("access", access)),
            None if !self.groups.is_empty() => drop(map.set("groups", self.groups.to_vec())),
            None => {}
        }
        let stem = Shape::Exact(shape.stem().to_owned());
        let root = Shape::Below("/".to_owned());
        match self.mounts.iter().find(|mount| mount.shape.covers(&stem) || mount.shape == *shape) {
            Some(Mount { shape, upstream: Some(upstream) }) if *shape != root => drop(map.set("upstream", upstream.clone())),
            Some(Mount { upstream: Some(_), .. }) => {}
            None if self.mounts.is_empty() => {}
            // Nobody serves it.
            _ => {
                let mut closed = Map::new();
                closed.set("path", shape.pattern()).set("access", Node::from("deny"));
                return closed;
            }
        }
        map
    }

    /// `/api/**` matches `/api` too, which was not open.
    fn guard(&mut self, opening: &Opening, openings: &[Opening]) {
        let Shape::Below(path) = &opening.shape else { return };
        let bare = path.trim_end_matches('/');
        let whole = Opening { shape: Shape::Exact(bare.to_owned()), ..opening.clone() };
        if !bare.is_empty() && !openings.iter().any(|other| other.covers(&whole)) {
            let route = self.route(&whole.shape, &opening.method, None, "needs a sign-in, as before");
            self.all.push(route);
        }
    }
}
