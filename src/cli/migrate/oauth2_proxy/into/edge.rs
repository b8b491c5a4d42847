//! Addresses: where it listens, what people type, whom it believes, and what goes on being answered.
//!
//! Refuses to believe everybody, which is what oauth2-proxy does behind a proxy unless it is told otherwise.

use url::Url;

use super::{Making, provider};
use crate::cli::migrate::oauth2_proxy::model::Server;
use crate::cli::migrate::oauth2_proxy::remark::Weight;
use crate::cli::migrate::oauth2_proxy::settings::Kept;
use crate::cli::migrate::oauth2_proxy::trouble::Origin;
use crate::cli::migrate::oauth2_proxy::yaml::{Map, Node};
use crate::config::paths::{ROBOTS, is_plain, meet};

/// What nginx has to say with a question.
const NGINX: &str = "proxy_set_header X-Forwarded-Uri $request_uri; proxy_set_header X-Forwarded-Method $request_method; \
                     proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Proto $scheme; \
                     proxy_set_header X-Forwarded-For $remote_addr;";

/// The address that people type: that of the redirect URI.
pub(super) fn public_url(making: &mut Making<'_>) -> String {
    let prefix = making.model.settings.text_or("proxy-prefix", "/oauth2").to_owned();
    let redirect = making.model.settings.text("redirect-url").and_then(|text| Url::parse(text).ok()).filter(Url::has_host);
    let callback = format!("{}/callback", prefix.trim_end_matches('/'));
    let odd = redirect.as_ref().filter(|url| !matches!(url.path(), "" | "/") && url.path() != callback);
    if let Some(path) = odd.map(|url| url.path().to_owned()) {
        let why = format!("the way back from the provider is `{callback}`, not `{path}`: register it there");
        making.remark(Weight::Differs, "redirect-url", why);
    }
    if !making.model.settings.on("cookie-secure") {
        let why = "the session cookie is always Secure: browsers keep it from https, and from http only at localhost";
        making.remark(Weight::Differs, "cookie-secure", why);
    }
    let found = making.wishes.public_url.clone().or_else(|| redirect.map(|url| url.origin().ascii_serialization()));
    found.unwrap_or_else(|| {
        let hint = "say it with `--public-url https://app.example.com`: Doorward has one address, and asks no request for it";
        making.trouble("redirect-url", "the address that people type is not known", hint);
        "https://app.example.com".to_owned()
    })
}

pub(super) fn listeners(making: &mut Making<'_>) -> Vec<Map> {
    let server = making.model.server.clone();
    let mut all = Vec::new();
    let forces = making.model.settings.on("force-https");
    if let Some((address, origin)) = &server.secure {
        let mut map = Map::new();
        map.set("address", address_of(making, address, origin));
        map.set("tls", tls(making, &server, origin));
        all.push(map);
    }
    if let Some((address, origin)) = &server.plain {
        let mut map = Map::new();
        map.set("address", address_of(making, address, origin));
        if forces && server.secure.is_some() {
            map.set("redirect", true);
        }
        all.push(map);
    }
    if forces && (server.secure.is_none() || server.plain.is_none()) {
        let why = "add a listener with `redirect: true`, or let the proxy in front send people to https";
        making.remark(Weight::Unsupported, "force-https", why);
    }
    if all.is_empty() {
        all.push(Map::one("address", "127.0.0.1:4180"));
    }
    all
}

fn tls(making: &mut Making<'_>, server: &Server, origin: &Origin) -> Map {
    let mut pair = Map::new();
    for (key, kept) in [("cert", &server.certificate), ("key", &server.key)] {
        match kept {
            Some(Kept::File(path)) => drop(pair.set(key, path.as_str())),
            Some(_) => making.troubles.add(
                origin,
                format!("the {key} of TLS is not in a file"),
                "write it into one: `fromFile` names it",
            ),
            None => making.troubles.add(origin, format!("the {key} of TLS is missing"), "name certificate and key, both"),
        }
    }
    let mut map = Map::new();
    map.set("certificates", Node::List(vec![pair]));
    match server.oldest.as_deref() {
        None | Some("" | "TLS1.2") => {}
        Some("TLS1.3") => drop(map.set("min_version", Node::Word("\"1.3\"".to_owned()))),
        Some(_) => making.remark_at(Weight::Differs, "tls-min-version", origin, "TLS 1.2 is the oldest that is spoken"),
    }
    map
}

/// `[http://]host:port`, `:port`, `unix://path`.
fn address_of(making: &mut Making<'_>, text: &str, origin: &Origin) -> String {
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("fd:") {
        making.troubles.add(
            origin,
            "a socket that somebody else opened is not listened on",
            "write an address, or `unix:///run/doorward.sock`",
        );
    }
    if let Some(path) = text.strip_prefix("unix://") {
        return format!("unix:{}", path.split(',').next().unwrap_or_default());
    }
    let bare = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")).unwrap_or(text).trim_end_matches('/');
    match bare.rsplit_once(':') {
        Some(("", port)) => format!("0.0.0.0:{port}"),
        Some(("localhost", port)) => format!("127.0.0.1:{port}"),
        _ => bare.to_owned(),
    }
}

/// Whom it believes about where a request comes from.
pub(super) fn proxies(making: &mut Making<'_>, all: &mut Map) {
    if making.model.settings.said("trusted-ip").is_some() {
        let why = "nobody needs no sign-in for where they come from: write routes with `access: optional` and `networks` for what is meant";
        making.remark(Weight::Unsupported, "trusted-ip", why);
    }
    let typed = making.list("trusted-proxy-ip");
    let header = making.model.settings.text("real-client-ip-header").map(str::to_owned);
    if !making.model.settings.on("reverse-proxy") {
        for flag in ["trusted-proxy-ip", "real-client-ip-header"] {
            if making.model.settings.said(flag).is_some() {
                making.remark(Weight::Needless, flag, "without `--reverse-proxy` it has no effect, as before");
            }
        }
        return;
    }
    let mut networks = Vec::new();
    for text in &typed {
        match text.parse::<ipnet::IpNet>().or_else(|_| text.parse::<std::net::IpAddr>().map(ipnet::IpNet::from)) {
            Ok(network) => networks.push(network.to_string()),
            Err(_) => making.trouble("trusted-proxy-ip", format!("`{text}` is no network"), "write `10.0.0.0/8`"),
        }
    }
    // What nginx leaves out the client would fill in; oauth2-proxy's own example sends two of these.
    let prefix = making.model.settings.text_or("proxy-prefix", "/oauth2").trim_end_matches('/').to_owned();
    let why = format!(
        "`{prefix}/auth` is told which request is meant, completely. Where nginx asks there by `auth_request`, its `location = {prefix}/auth` \
         needs: {NGINX}"
    );
    making.remark(Weight::Differs, "reverse-proxy", why);
    all.set("trusted_proxies", networks.clone());
    if networks.is_empty() {
        let why = "everybody was believed about X-Forwarded-*, and now nobody is: name the networks of the proxies in front in `trusted_proxies`";
        making.remark(Weight::Differs, "reverse-proxy", why);
        all.say("Name the networks of the proxies in front: they alone are believed about X-Forwarded-*.");
    }
    if header.is_none_or(|header| !header.eq_ignore_ascii_case("x-forwarded-for")) {
        let why = "the client's address is read from X-Forwarded-For or Forwarded: the proxy in front has to send one of them";
        making.remark(Weight::Differs, "real-client-ip-header", why);
    }
}

/// Probes and metrics.
pub(super) fn operations(making: &mut Making<'_>, all: &mut Map) {
    let metrics = making.model.metrics.clone();
    if let Some((_, origin)) = &metrics.secure {
        let why = "metrics are given in the clear only, at `operations.address`, which is to be private";
        making.remark_at(Weight::Unsupported, "metrics-secure-address", origin, why);
    }
    if metrics.certificate.is_some() || metrics.key.is_some() {
        making.remark_of(Weight::Unsupported, "metrics-tls-cert-file", None, "`operations` speaks no TLS");
    }
    if let Some((address, origin)) = &metrics.plain {
        let address = address_of(making, address, origin);
        all.set("operations", Map::one("address", address));
        all.say("/metrics, whose metrics have other names, and /livez and /readyz for probes.");
        making.remark_at(
            Weight::Differs,
            "metrics-address",
            origin,
            "the metrics have other names: `/metrics` says what each is",
        );
    }
}

/// What goes on being answered.
pub(super) fn compatibility(making: &mut Making<'_>) -> Map {
    let mut map = Map::new();
    let mut taken = vec![ROBOTS.to_owned()];
    for (key, flag, usual) in
        [("prefix", "proxy-prefix", "/oauth2"), ("ping", "ping-path", "/ping"), ("ready", "ready-path", "/ready")]
    {
        let typed = making.model.settings.text_or(flag, usual).trim_end_matches('/').to_owned();
        let earlier = taken.iter().find(|earlier| meet(earlier, &typed));
        let why = match earlier {
            None if is_plain(&typed) => None,
            None => Some(format!("`{typed}` is not answered: a path is letters, digits, `-`, `.`, `_` and `~` between slashes")),
            Some(earlier) => Some(format!("`{typed}` is not answered besides `{earlier}`: only one of them can be")),
        };
        match why {
            None if typed == usual => {}
            None => drop(map.set(key, typed.as_str())),
            Some(why) if key == "prefix" => making.trouble(flag, why, "write a path such as `/oauth2`"),
            Some(why) => {
                map.set(key, Node::Word("null".to_owned()));
                making.remark(Weight::Unsupported, flag, why);
                continue;
            }
        }
        taken.push(typed);
    }
    map.set("connection", provider::id(making));
    map
}
