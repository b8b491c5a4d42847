//! What oauth2-proxy would do, whichever way it was told: upstreams, headers and servers, beside the settings.
//!
//! Refuses to guess: what the older options say is put into this form exactly as oauth2-proxy itself does it.

use std::time::Duration;

use url::Url;

use super::settings::{Kept, Settings};
use super::trouble::{Origin, Troubles};

/// Where requests go.
#[derive(Clone)]
pub(super) struct Upstream {
    pub(super) origin: Origin,
    /// Below which path, if it ends with `/`; else this path alone. A pattern where there is a `rewrite`.
    pub(super) path: String,
    pub(super) uri: String,
    pub(super) rewrite: bool,
    /// Nothing is asked: the status that everything is answered with.
    pub(super) answers: Option<u16>,
    pub(super) keeps_host: bool,
    pub(super) timeout: Option<Duration>,
    /// Settings of it that nothing here does: name and what to do instead.
    pub(super) unmet: Vec<(&'static str, &'static str)>,
}

/// A header for the application, or in the answer to a proxy that asks.
#[derive(Clone)]
pub(super) struct Header {
    pub(super) origin: Origin,
    pub(super) name: String,
    /// Whether the client's own is kept beside it.
    pub(super) preserves: bool,
    pub(super) values: Vec<Source>,
}

/// What a header says.
#[derive(Clone)]
pub(super) enum Source {
    Claim { claim: String, prefix: String, basic: bool },
    Secret(Kept),
}

/// Where it listens.
#[derive(Clone, Default)]
pub(super) struct Server {
    pub(super) plain: Option<(String, Origin)>,
    pub(super) secure: Option<(String, Origin)>,
    pub(super) certificate: Option<Kept>,
    pub(super) key: Option<Kept>,
    pub(super) oldest: Option<String>,
}

/// A parameter of the authorization request.
#[derive(Clone)]
pub(super) struct LoginParameter {
    pub(super) origin: Origin,
    pub(super) name: String,
    pub(super) values: Vec<String>,
    /// Whether the link may say another.
    pub(super) open: bool,
}

/// All of it.
pub(super) struct Model {
    pub(super) settings: Settings,
    pub(super) upstreams: Vec<Upstream>,
    pub(super) request: Vec<Header>,
    pub(super) response: Vec<Header>,
    pub(super) server: Server,
    pub(super) metrics: Server,
    pub(super) parameters: Vec<LoginParameter>,
}

fn origin(settings: &Settings, flag: &'static str) -> Origin {
    settings.said(flag).map_or(Origin::Default, |set| set.origin.clone())
}

/// The older options in this form, as oauth2-proxy's `LegacyOptions` converts them.
pub(super) fn of_options(settings: Settings, troubles: &mut Troubles) -> Model {
    let upstreams = settings.list("upstream").iter().filter_map(|text| upstream(text, &settings, troubles)).collect();
    let (request, response) = (request(&settings), response(&settings));
    let (server, metrics) = (server(&settings), metrics(&settings));
    let parameters = parameters(&settings);
    Model { settings, upstreams, request, response, server, metrics, parameters }
}

fn upstream(text: &str, settings: &Settings, troubles: &mut Troubles) -> Option<Upstream> {
    let origin = origin(settings, "upstream");
    let Ok(url) = Url::parse(text) else {
        troubles.add(&origin, format!("the upstream `{text}` is not a URL"), "write `http://127.0.0.1:3000/`");
        return None;
    };
    let path = if url.path().is_empty() { "/" } else { url.path() };
    let mut found = Upstream {
        origin,
        path: path.to_owned(),
        uri: text.to_owned(),
        rewrite: false,
        answers: None,
        keeps_host: settings.on("pass-host-header"),
        timeout: settings.span("upstream-timeout"),
        unmet: Vec::new(),
    };
    match url.scheme() {
        "file" => {
            if let Some(fragment) = url.fragment().filter(|fragment| !fragment.is_empty()) {
                fragment.clone_into(&mut found.path);
            }
        }
        "static" => {
            found.answers = Some(url.host_str().and_then(|host| host.parse().ok()).unwrap_or(200));
            "/".clone_into(&mut found.path);
        }
        "unix" => "/".clone_into(&mut found.path),
        _ => {}
    }
    Some(found)
}

fn claim(origin: &Origin, name: &str, claim: &str, prefix: &str) -> Header {
    let source = Source::Claim { claim: claim.to_owned(), prefix: prefix.to_owned(), basic: false };
    Header { origin: origin.clone(), name: name.to_owned(), preserves: false, values: vec![source] }
}

fn basic(settings: &Settings, flag: &'static str) -> Header {
    let claim = if settings.on("prefer-email-to-user") { "email" } else { "user" };
    let source = Source::Claim { claim: claim.to_owned(), prefix: "Basic ".to_owned(), basic: true };
    Header { origin: origin(settings, flag), name: "Authorization".to_owned(), preserves: false, values: vec![source] }
}

fn request(settings: &Settings) -> Vec<Header> {
    let mut headers = Vec::new();
    let (pass_basic, pass_user) = (settings.on("pass-basic-auth"), settings.on("pass-user-headers"));
    if settings.secret("basic-auth-password", None).is_some() && pass_basic {
        headers.push(basic(settings, "basic-auth-password"));
    }
    if pass_basic || pass_user {
        let from = origin(settings, "pass-user-headers");
        headers.push(claim(&from, "X-Forwarded-Groups", "groups", ""));
        if settings.on("prefer-email-to-user") {
            headers.push(claim(&from, "X-Forwarded-User", "email", ""));
        } else {
            headers.push(claim(&from, "X-Forwarded-User", "user", ""));
            headers.push(claim(&from, "X-Forwarded-Email", "email", ""));
        }
        headers.push(claim(&from, "X-Forwarded-Preferred-Username", "preferred_username", ""));
    }
    if settings.on("pass-access-token") {
        headers.push(claim(&origin(settings, "pass-access-token"), "X-Forwarded-Access-Token", "access_token", ""));
    }
    if settings.on("pass-authorization-header") {
        headers.push(claim(&origin(settings, "pass-authorization-header"), "Authorization", "id_token", "Bearer "));
    }
    let preserves = !settings.on("skip-auth-strip-headers");
    headers.into_iter().map(|header| Header { preserves, ..header }).collect()
}

fn response(settings: &Settings) -> Vec<Header> {
    let mut headers = Vec::new();
    if settings.on("set-xauthrequest") {
        let from = origin(settings, "set-xauthrequest");
        for (name, of) in [
            ("X-Auth-Request-User", "user"),
            ("X-Auth-Request-Email", "email"),
            ("X-Auth-Request-Preferred-Username", "preferred_username"),
            ("X-Auth-Request-Groups", "groups"),
        ] {
            headers.push(claim(&from, name, of, ""));
        }
        if settings.on("pass-access-token") {
            headers.push(claim(&from, "X-Auth-Request-Access-Token", "access_token", ""));
        }
    }
    if settings.on("set-basic-auth") {
        headers.push(basic(settings, "set-basic-auth"));
    }
    if settings.on("set-authorization-header") {
        headers.push(claim(&origin(settings, "set-authorization-header"), "Authorization", "id_token", "Bearer "));
    }
    headers
}

fn server(settings: &Settings) -> Server {
    let file = |flag| settings.text(flag).map(|path| Kept::File(path.to_owned()));
    let (certificate, key) = (file("tls-cert-file"), file("tls-key-file"));
    let at = |flag, usual: &str| Some((settings.text_or(flag, usual).to_owned(), origin(settings, flag)));
    let (plain, secure) = (at("http-address", "127.0.0.1:4180"), at("https-address", ":443"));
    let oldest = settings.text("tls-min-version").map(str::to_owned);
    // One server only: the encrypted one, where there is a certificate.
    if certificate.is_some() || key.is_some() {
        Server { plain: None, secure, certificate, key, oldest }
    } else {
        Server { plain, secure: None, certificate, key, oldest }
    }
}

fn metrics(settings: &Settings) -> Server {
    let at = |flag| settings.text(flag).map(|text| (text.to_owned(), origin(settings, flag)));
    let file = |flag| settings.text(flag).map(|path| Kept::File(path.to_owned()));
    Server {
        plain: at("metrics-address"),
        secure: at("metrics-secure-address"),
        certificate: file("metrics-tls-cert-file"),
        key: file("metrics-tls-key-file"),
        oldest: None,
    }
}

fn parameters(settings: &Settings) -> Vec<LoginParameter> {
    let (prompt, _) = (settings.text("prompt"), settings.text("approval-prompt"));
    let one = |flag: &'static str, name: &str, value: &str| LoginParameter {
        origin: origin(settings, flag),
        name: name.to_owned(),
        values: vec![value.to_owned()],
        open: false,
    };
    let acr = settings.text("acr-values").map(|value| one("acr-values", "acr_values", value));
    acr.into_iter().chain(prompt.map(|value| one("prompt", "prompt", value))).collect()
}
