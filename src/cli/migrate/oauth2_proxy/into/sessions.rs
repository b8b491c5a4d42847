//! Sessions, their store and their secret, the sign-in page, and tokens that are taken in their place.
//!
//! Refuses a secret that can be guessed, and to send people wherever a wildcard leads.

use std::time::Duration;

use base64::Engine as _;
use url::Url;

use super::{Making, duration};
use crate::cli::migrate::oauth2_proxy::remark::Weight;
use crate::cli::migrate::oauth2_proxy::settings::Kept;
use crate::cli::migrate::oauth2_proxy::yaml::{Map, Node};
use crate::crypto::random;

/// oauth2-proxy's `--cookie-expire`.
const EXPIRE: Duration = Duration::from_secs(168 * 3600);
/// Fewer bytes than this are no secret for Doorward.
const SECRET: usize = 32;

pub(super) fn keeping(making: &mut Making<'_>, all: &mut Map) {
    let kind = making.model.settings.text_or("session-store-type", "cookie").to_owned();
    let server = (kind == "redis").then(|| session_server(making)).flatten();
    if kind != "redis" {
        for flag in ["redis-connection-url", "redis-username", "redis-password", "redis-ca-path"] {
            if making.model.settings.said(flag).is_some() {
                making.remark(Weight::Needless, flag, "without `--session-store-type=redis` it has no effect, as before");
            }
        }
    }
    for flag in [
        "redis-sentinel-password",
        "redis-sentinel-master-name",
        "redis-sentinel-connection-urls",
        "redis-cluster-connection-urls",
    ] {
        if making.model.settings.said(flag).is_some() {
            making.remark(Weight::Unsupported, flag, "one server is asked: `store.sessions.url` names it");
        }
    }
    let stored = making.keeps || kind == "redis";
    if stored {
        let mut store = Map::one("url", making.wishes.store.as_str());
        store.set_some("sessions", server);
        all.set("store", store).say("People and the audit trail. One file for one replica; PostgreSQL for several.");
    }
    let secret = secret_key(making);
    all.set("secret_key", secret);
    let mut sessions = Map::new();
    let expire = making.model.settings.span("cookie-expire").unwrap_or(EXPIRE);
    if expire.is_zero() {
        making.remark(Weight::Differs, "cookie-expire", "a session ends 12 hours after the sign-in, not with the browser");
    } else {
        sessions.set("idle", duration(expire));
        sessions.say("oauth2-proxy has no such limit; an hour is usual.");
        sessions.set("absolute", duration(expire));
    }
    if let Some(refresh) = making.model.settings.span("cookie-refresh").filter(|span| !span.is_zero()) {
        sessions.set("refresh", duration(refresh));
    }
    if !stored {
        sessions.set("mode", "sealed");
        sessions
            .say("As oauth2-proxy's: the session is in the cookie. With a `store` it can be listed and ended from elsewhere.");
    }
    all.set("sessions", sessions);
    cookies(making);
}

fn cookies(making: &mut Making<'_>) {
    if !making.list("cookie-domain").is_empty() {
        let why = "the session cookie is for the host of `public_url` alone (`__Host-`): people who come to another host sign in there, \
                   which the provider does without asking them again; each host has a Doorward, or a tenant with `hosts`";
        making.remark(Weight::Differs, "cookie-domain", why);
    }
    if making.model.settings.text("cookie-path").is_some_and(|path| path != "/") {
        making.remark(Weight::Unsupported, "cookie-path", "the session cookie is for the whole host");
    }
    if making.model.settings.text("cookie-samesite").is_some_and(|rule| rule != "lax") {
        let why = "the session cookie is always SameSite=Lax: requests that other sites' pages send come without it";
        making.remark(Weight::Differs, "cookie-samesite", why);
    }
}

fn session_server(making: &mut Making<'_>) -> Option<Map> {
    let Some(url) = making.model.settings.secret("redis-connection-url", None) else {
        if making.list("redis-sentinel-connection-urls").is_empty() && making.list("redis-cluster-connection-urls").is_empty() {
            making.trouble("redis-connection-url", "the Redis server is missing", "`--redis-connection-url=redis://…` says it");
        }
        return None;
    };
    let mut map = Map::new();
    let user = making.model.settings.text("redis-username").map(str::to_owned);
    let url = match (&url, user) {
        (Kept::Clear(text), user) => {
            let mut parsed = Url::parse(text).ok();
            if let (Some(parsed), Some(user)) = (parsed.as_mut(), user) {
                // A URL that cannot have a user is no Redis server's either; `check` says so.
                let _ = parsed.set_username(&user);
            }
            let open = parsed.as_ref().is_some_and(|url| url.password().is_none());
            let text = parsed.map_or_else(|| text.clone(), |url| url.to_string());
            if open { Node::from(text) } else { making.keep(&Kept::Clear(text), "redis-connection-url", "redis-url") }
        }
        (other, user) => {
            if user.is_some() {
                making.remark(Weight::Unsupported, "redis-username", "write it into the URL: `redis://user@host:6379`");
            }
            making.keep(other, "redis-connection-url", "redis-url")
        }
    };
    map.set("url", url);
    if let Some(password) = making.model.settings.secret("redis-password", None) {
        let password = making.keep(&password, "redis-password", "redis-password");
        map.set("password", password);
    }
    map.set_some("ca", making.model.settings.text("redis-ca-path"));
    Some(map)
}

/// The cookie's secret goes on, if it is one.
fn secret_key(making: &mut Making<'_>) -> Node {
    let kept = making.model.settings.secret("cookie-secret", Some("cookie-secret-file"));
    match kept {
        Some(Kept::Clear(text)) if text.len() >= SECRET => making.keep(&Kept::Clear(text), "cookie-secret", "secret-key"),
        Some(kept @ Kept::File(_)) => {
            let why = "it has to hold 32 bytes at least; `head -c 32 /dev/urandom | base64` makes a new one";
            making.remark(Weight::Differs, "cookie-secret-file", why);
            making.keep(&kept, "cookie-secret", "secret-key")
        }
        Some(kept @ Kept::Variable { bytes: SECRET.., .. }) => making.keep(&kept, "cookie-secret", "secret-key"),
        Some(_) | None => {
            let Ok(bytes) = random::bytes::<32>() else {
                making.trouble("cookie-secret", "there is no randomness on this machine", "");
                return "".into();
            };
            let text = base64::engine::general_purpose::STANDARD.encode(bytes);
            let why = "a new secret was made, because there was none of 32 bytes; all replicas need the same";
            making.remark(Weight::Differs, "cookie-secret", why);
            making.keep(&Kept::Clear(text), "cookie-secret", "secret-key")
        }
    }
}

/// The sign-in page and where people may be sent back to.
pub(super) fn pages(making: &mut Making<'_>, public_url: &str, all: &mut Map) {
    let mut map = Map::new();
    let scheme = public_url.split_once("://").map_or("https", |(scheme, _)| scheme);
    let mut origins = Vec::new();
    for domain in making.list("whitelist-domain") {
        if domain.starts_with('.') || domain.starts_with("*.") || domain.ends_with(":*") {
            let why = format!(
                "`{domain}` stood for many hosts: name each origin that people may be sent to in `sign_in.return_origins`"
            );
            making.remark(Weight::Unsupported, "whitelist-domain", why);
            continue;
        }
        match Url::parse(&format!("{scheme}://{domain}")) {
            Ok(url) if url.origin().ascii_serialization() == public_url.trim_end_matches('/') => {}
            Ok(url) => origins.push(url.origin().ascii_serialization()),
            Err(_) => making.trouble("whitelist-domain", format!("`{domain}` is no host"), "write `app.example.com`"),
        }
    }
    if !origins.is_empty() {
        map.set("return_origins", origins);
    }
    match making.model.settings.text("custom-sign-in-logo").map(str::to_owned) {
        None => {}
        Some(logo) if logo == "-" => {
            making.remark(Weight::Needless, "custom-sign-in-logo", "there is no logo unless one is named");
        }
        Some(logo) if !logo.contains("://") && is_picture(&logo) => drop(map.set("logo", logo)),
        Some(_) => {
            making.remark(Weight::Unsupported, "custom-sign-in-logo", "`sign_in.logo` is a file, PNG or SVG");
        }
    }
    for flag in ["banner", "footer"] {
        match making.model.settings.text(flag) {
            None => {}
            Some("-") => making.remark(Weight::Needless, flag, "the pages have none"),
            Some(_) => {
                let why = "the pages have texts of their own; `sign_in.title` and `sign_in.support` make them yours";
                making.remark(Weight::Unsupported, flag, why);
            }
        }
    }
    if !map.is_empty() {
        all.set("sign_in", map);
    }
    if making.model.settings.said("skip-provider-button").is_some() {
        making.remark(
            Weight::Needless,
            "skip-provider-button",
            "where there is one way to sign in, people are sent straight there",
        );
    }
    if !making.list("api-route").is_empty() {
        let why = "only a browser's navigation is sent to sign in; every other request gets 401, on every route";
        making.remark(Weight::Differs, "api-route", why);
    }
    if making.model.settings.secret("signature-key", None).is_some() {
        let why =
            "requests have no GAP-Signature; `identity_headers.assertion` gives the application a signed statement who it is";
        making.remark(Weight::Unsupported, "signature-key", why);
    }
    if making.model.settings.text("request-id-header").is_some_and(|name| !name.eq_ignore_ascii_case("x-request-id")) {
        making.remark(Weight::Unsupported, "request-id-header", "the request's id is in `X-Request-Id`");
    }
}

/// Tokens that are taken in the place of a session.
pub(super) fn bearer(making: &mut Making<'_>) -> Vec<Map> {
    if !making.model.settings.on("skip-jwt-bearer-tokens") {
        for flag in ["extra-jwt-issuers", "bearer-token-login-fallback", "oidc-extra-audience", "oidc-audience-claim"] {
            if making.model.settings.said(flag).is_some() {
                making.remark(Weight::Needless, flag, "an ID token is for the client id alone, and no other token is taken");
            }
        }
        return Vec::new();
    }
    let mut all = Vec::new();
    let client = making.model.settings.text("client-id").unwrap_or_default().to_owned();
    let audiences: Vec<String> = std::iter::once(client).chain(making.list("oidc-extra-audience")).collect();
    let jwks = making.model.settings.text("oidc-jwks-url").map(str::to_owned);
    if let Some(issuer) = making.model.settings.text("oidc-issuer-url").map(str::to_owned) {
        let mut map = Map::new();
        map.set("issuer", making.encrypted("oidc-issuer-url", issuer)).set("audiences", audiences);
        if let Some(jwks) = jwks.filter(|_| making.model.settings.on("skip-oidc-discovery")) {
            map.set("jwks", Map::one("url", making.encrypted("oidc-jwks-url", jwks)));
        }
        all.push(map);
    } else {
        making.remark(Weight::Unsupported, "skip-jwt-bearer-tokens", "the issuer of the tokens is not known: add it to `bearer`");
    }
    for pair in making.list("extra-jwt-issuers") {
        match pair.split_once('=') {
            Some((issuer, audience)) => {
                let mut map = Map::new();
                map.set("issuer", making.encrypted("extra-jwt-issuers", issuer.to_owned())).set("audiences", vec![audience]);
                all.push(map);
            }
            None => making.trouble("extra-jwt-issuers", format!("`{pair}` is not `issuer=audience`"), ""),
        }
    }
    if making.list("oidc-audience-claim").iter().any(|claim| claim != "aud") {
        making.remark(Weight::Unsupported, "oidc-audience-claim", "the audience of a token is its `aud`, and nothing else");
    }
    if making.model.settings.on("bearer-token-login-fallback") {
        let why = "a token that does not hold is answered with 401, and never with the way to sign in";
        making.remark(Weight::Differs, "bearer-token-login-fallback", why);
    }
    let why = "`domains` hold for people who sign in, not for tokens: their issuer says who gets one";
    making.remark(Weight::Differs, "skip-jwt-bearer-tokens", why);
    all
}

fn is_picture(file: &str) -> bool {
    let ending = std::path::Path::new(file).extension();
    ending.is_some_and(|ending| ending.eq_ignore_ascii_case("svg") || ending.eq_ignore_ascii_case("png"))
}
