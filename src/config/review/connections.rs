//! Ways for people to sign in.
//!
//! Refuses a connection that could be two, and a domain that two connections claim: who is asked must not depend on the order.

use std::collections::HashMap;

use super::{address, saml};
use crate::config::connection::{Connection, Kind, OAuth2, Oidc};
use crate::config::preset::{PROTOCOLS, Provider};
use crate::config::{Config, Path, Problems};
use crate::model::{Domain, TenantId};

/// Doorward sets these itself, each time anew; a fixed one would undo what it protects from.
const OWN: [&str; 9] = [
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "redirect_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

pub(super) fn review(config: &Config, problems: &mut Problems) {
    let at = Path::from("connections");
    let mut ids: HashMap<&str, Path> = HashMap::new();
    let mut domains: HashMap<&Domain, Path> = HashMap::new();
    let mut passwords: HashMap<&TenantId, Path> = HashMap::new();
    for (index, connection) in config.connections.iter().enumerate() {
        let path = at.item(index);
        if connection.id.is_reserved() {
            problems.add(path.key("id"), format!("the id `{}` is Doorward's own", connection.id), "choose another");
        }
        if let Some(first) = ids.insert(connection.id.as_str(), path.clone()) {
            problems.add(path.key("id"), format!("the id `{}` is used twice", connection.id), format!("`{first}` has it"));
        }
        kind(connection, &path, problems);
        if connection.password.is_some() {
            if let Some(first) = passwords.get(&connection.tenant) {
                problems.add(path.key("password"), "a tenant's local accounts are one connection", format!("`{first}` is it"));
            } else {
                passwords.insert(&connection.tenant, path.clone());
            }
        }
        claimed(connection, &path, &mut domains, problems);
    }
}

fn kind(connection: &Connection, path: &Path, problems: &mut Problems) {
    match connection.kinds().as_slice() {
        [(key, kind)] => of_kind(*kind, &path.key(key), problems),
        [] => {
            problems.add(
                path.clone(),
                "the connection does not say how people sign in",
                "add `oidc`, `oauth2`, `saml`, `magic_link` or `password: {}`",
            );
        }
        [(first, _), .., (second, _)] => {
            problems.add(path.clone(), format!("`{first}` and `{second}` are both given"), "make two connections of it");
        }
    }
}

/// One line for each kind.
fn of_kind(kind: Kind<'_>, path: &Path, problems: &mut Problems) {
    match kind {
        Kind::Oidc(oidc) => {
            preset(oidc.provider.as_ref(), "oidc", path, problems);
            provider(oidc, path, problems);
        }
        Kind::OAuth2(typed) => {
            preset(typed.provider.as_ref(), "oauth2", path, problems);
            server(typed, path, problems);
        }
        Kind::Saml(typed) => {
            preset(typed.provider.as_ref(), "saml", path, problems);
            saml::review(typed, path, problems);
        }
        // `login` reads it together with `mail`.
        Kind::MagicLink(_) | Kind::Password(_) => {}
    }
}

fn provider(oidc: &Oidc, path: &Path, problems: &mut Problems) {
    if oidc.issuer.is_empty() {
        problems.add(path.clone(), "`issuer` is missing in `oidc`", issuer_hint(oidc.provider.as_ref(), "oidc"));
    } else {
        address::trusted(path.key("issuer"), &oidc.issuer, problems);
    }
    if oidc.client_id.is_empty() {
        problems.add(path.key("client_id"), "`client_id` is empty", "the provider says it when the application is registered");
    }
    for name in oidc.parameters.keys().filter(|name| OWN.contains(&name.as_str())) {
        problems.add(path.key("parameters").key(name), format!("`{name}` is set by Doorward itself"), "remove it");
    }
}

fn server(typed: &OAuth2, path: &Path, problems: &mut Problems) {
    let needed = [
        ("authorization_endpoint", &typed.authorization_endpoint),
        ("token_endpoint", &typed.token_endpoint),
        ("userinfo_endpoint", &typed.userinfo_endpoint),
    ];
    for (key, endpoint) in needed {
        if endpoint.is_empty() {
            problems.add(
                path.clone(),
                format!("`{key}` is missing in `oauth2`"),
                "the server's documentation for developers says it",
            );
        } else {
            address::trusted(path.key(key), endpoint, problems);
        }
    }
    if let Some(endpoint) = &typed.emails_endpoint {
        address::trusted(path.key("emails_endpoint"), endpoint, problems);
    }
    if typed.client_id.is_empty() {
        problems.add(path.key("client_id"), "`client_id` is empty", "the server says it when the application is registered");
    }
    for name in typed.parameters.keys().filter(|name| OWN.contains(&name.as_str())) {
        problems.add(path.key("parameters").key(name), format!("`{name}` is set by Doorward itself"), "remove it");
    }
}

/// What the provider's issuer looks like, as far as it is known.
fn issuer_hint(provider: Option<&Provider>, key: &str) -> String {
    match provider.and_then(|provider| provider.protocol(key)).and_then(|protocol| protocol.issuer.first()) {
        Some(pattern) => format!("it looks like `{pattern}`"),
        None => "its discovery document says it: `https://login.example.com`".to_owned(),
    }
}

/// That a preset is there for this protocol.
fn preset(provider: Option<&Provider>, key: &str, path: &Path, problems: &mut Problems) {
    if let Some(provider) = provider.filter(|provider| provider.protocol(key).is_none()) {
        let spoken = PROTOCOLS.into_iter().filter(|key| provider.protocol(key).is_some()).map(|key| format!("`{key}`"));
        let hint = format!("it speaks {}", spoken.collect::<Vec<_>>().join(", "));
        problems.add(path.key("provider"), format!("the preset `{}` has nothing for `{key}`", provider.as_str()), hint);
    }
}

fn claimed<'c>(connection: &'c Connection, path: &Path, domains: &mut HashMap<&'c Domain, Path>, problems: &mut Problems) {
    for (index, domain) in connection.domains.iter().enumerate() {
        let path = path.key("domains").item(index);
        if let Some(first) = domains.get(domain) {
            problems.add(path, format!("`{domain}` belongs to two connections"), format!("`{first}` has it"));
        } else {
            domains.insert(domain, path);
        }
    }
}
