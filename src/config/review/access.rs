//! Who may go where, and what the application is told.
//!
//! Refuses conditions that are never looked at and credentials that nobody can have: each is a rule somebody relies on.

use std::collections::HashMap;

use super::address;
use super::upstream;
use crate::config::access::{Access, Bearer, Introspection, JwksSource, Preset, Route};
use crate::config::connection::ClientAuth;
use crate::config::shown::shown_address as shown;
use crate::config::{Config, Path, Problems};
use crate::model::CredentialKind;

/// Headers that HTTP itself or another credential reads.
const TAKEN: [&str; 7] = ["authorization", "connection", "content-length", "cookie", "host", "te", "transfer-encoding"];

pub(super) fn review(config: &Config, problems: &mut Problems) {
    issuers(config, problems);
    credential_headers(config, problems);
    identity_headers(config, problems);
    let mut names: HashMap<&str, Path> = HashMap::new();
    for (index, route) in config.routes.iter().enumerate() {
        let path = Path::from("routes").item(index);
        if let Some(name) = route.name.as_deref()
            && let Some(first) = names.insert(name, path.clone())
        {
            problems.add(path.key("name"), format!("two routes are called `{}`", shown(name)), format!("`{first}` is the other"));
        }
        conditions(route, &path, problems);
        accepted(config, route, &path, problems);
        if let Some(own) = &route.upstream {
            upstream::review(own, &path.key("upstream"), problems);
        }
    }
}

fn issuers(config: &Config, problems: &mut Problems) {
    let mut seen: HashMap<&str, Path> = HashMap::new();
    let mut opaque: Option<Path> = None;
    for (index, bearer) in config.bearer.iter().enumerate() {
        let path = Path::from("bearer").item(index);
        if let Some(first) = seen.insert(&bearer.issuer, path.clone()) {
            let message = format!("the issuer `{}` is listed twice", shown(&bearer.issuer));
            problems.add(path.key("issuer"), message, format!("`{first}` has it; `audiences` is a list"));
        }
        let asked = bearer.introspection.as_ref();
        if let Some(introspection) = asked {
            questions(bearer, introspection, &path, problems);
            if introspection.tokens.has_opaque()
                && let Some(first) = opaque.replace(path.clone())
            {
                let message = "an opaque token does not say whose it is, and two issuers would be asked about it";
                problems.add(
                    path.key("introspection").key("tokens"),
                    message,
                    format!("`{first}` has them; write `tokens: jwts`"),
                );
            }
        }
        match &bearer.jwks {
            None if asked.is_some_and(|asked| asked.tokens.has_jwts() && asked.endpoint.is_some()) => {}
            None => address::trusted(path.key("issuer"), &bearer.issuer, problems),
            Some(JwksSource::Url(url)) => address::trusted(path.key("jwks").key("url"), url, problems),
            Some(JwksSource::Path(_)) => {}
        }
    }
}

/// How an issuer is asked about its tokens.
fn questions(bearer: &Bearer, asked: &Introspection, path: &Path, problems: &mut Problems) {
    let at = path.key("introspection");
    if let Some(endpoint) = &asked.endpoint {
        address::trusted(at.key("endpoint"), endpoint, problems);
    }
    if asked.client_auth != ClientAuth::PrivateKeyJwt && asked.client_secret.is_none() {
        let hint = "add `client_secret: { file: … }`, or `client_auth: private_key_jwt` with a `client_key`";
        problems.add(at.clone(), "an issuer answers nobody who does not prove themselves", hint);
    }
    if asked.tokens.has_jwts() && bearer.jwks.is_some() {
        let hint = "remove `jwks`, or write `tokens: opaque`";
        problems.add(path.key("jwks"), "the keys are not used, because the issuer is asked about its JWTs", hint);
    }
}

fn credential_headers(config: &Config, problems: &mut Problems) {
    let typed = &config.credentials;
    let mut seen: HashMap<String, &str> = HashMap::new();
    for (key, name) in [
        ("api_key_header", &typed.api_key_header),
        ("client_id_header", &typed.client_id_header),
        ("client_secret_header", &typed.client_secret_header),
        ("license_header", &typed.license_header),
    ] {
        let path = Path::from("credentials").key(key);
        if TAKEN.iter().any(|taken| name.eq_ignore_ascii_case(taken)) {
            problems.add(path.clone(), format!("`{}` means something else already", shown(name)), "choose another name");
        }
        if let Some(first) = seen.insert(name.to_ascii_lowercase(), key) {
            problems.add(
                path,
                format!("`{}` is already the header of `{first}`", shown(name)),
                "each credential has a header of its own",
            );
        }
    }
}

fn identity_headers(config: &Config, problems: &mut Problems) {
    let at = Path::from("identity_headers");
    let presets = &config.identity_headers.presets;
    for (index, preset) in presets.iter().enumerate().filter(|(index, preset)| presets[..*index].contains(preset)) {
        problems.add(at.key("presets").item(index), format!("`{}` is listed twice", preset_name(*preset)), "");
    }
}

fn preset_name(preset: Preset) -> &'static str {
    match preset {
        Preset::Doorward => "doorward",
        Preset::Oauth2Proxy => "oauth2-proxy",
        Preset::Authelia => "authelia",
        Preset::Authentik => "authentik",
        Preset::Pomerium => "pomerium",
    }
}

/// Conditions on a route that lets in without asking are never looked at.
fn conditions(route: &Route, path: &Path, problems: &mut Problems) {
    let (who, why) = match route.access {
        Access::Required => return host(route, path, problems),
        Access::Public => ("public", "a public route does not look at who it is"),
        Access::Optional => ("optional", "an optional route lets in who shows nothing"),
        Access::Deny => ("deny", "a route that denies lets in nobody"),
    };
    let given = [
        ("accept", !route.accept.is_empty() && route.access != Access::Optional),
        ("roles", !route.roles.is_empty()),
        ("groups", !route.groups.is_empty()),
        ("scopes", !route.scopes.is_empty()),
        ("tenant", route.tenant.is_some()),
        ("mfa", route.mfa),
        ("max_age", route.max_age.is_some()),
    ];
    for (key, _) in given.iter().filter(|(_, given)| *given) {
        problems.add(
            path.key(key),
            format!("`{key}` has no meaning with `access: {who}`: {why}"),
            "remove it, or write `access: required`",
        );
    }
    host(route, path, problems);
}

fn host(route: &Route, path: &Path, problems: &mut Problems) {
    let Some(typed) = &route.host else { return };
    if url::Host::parse(typed).is_err() {
        let message = format!("`{}` is not a host", shown(typed));
        problems.add(path.key("host"), message, "write a name such as `app.example.com`, without scheme, port or path");
    }
}

fn accepted(config: &Config, route: &Route, path: &Path, problems: &mut Problems) {
    for (index, kind) in route.accept.iter().enumerate() {
        let path = path.key("accept").item(index);
        if route.accept[..index].contains(kind) {
            problems.add(path.clone(), format!("`{kind}` is listed twice"), "");
        }
        if let Some(needed) = missing_for(config, *kind) {
            problems.add(path, format!("nobody can have a `{kind}` credential"), format!("configure `{needed}`"));
        }
    }
}

/// The section without which such a credential cannot exist.
fn missing_for(config: &Config, kind: CredentialKind) -> Option<&'static str> {
    match kind {
        CredentialKind::Session => config.connections.is_empty().then_some("connections"),
        CredentialKind::Bearer => (config.bearer.is_empty() && config.token_endpoint.is_none()).then_some("bearer"),
        CredentialKind::License => config.license.is_none().then_some("license"),
        CredentialKind::ClientCertificate => config.client_certificates.is_none().then_some("client_certificates"),
        CredentialKind::ApiKey | CredentialKind::ClientSecret => config.store.is_none().then_some("store"),
    }
}
