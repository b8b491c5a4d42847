//! Ways for people to sign in.
//!
//! Refuses a connection that could be two, and a domain that two connections claim: who is asked must not depend on the order.

use std::collections::HashMap;

use super::address;
use crate::config::connection::{Connection, Oidc};
use crate::config::shown::shown_address as shown;
use crate::config::{Config, Path, Problems};

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
    let mut domains: HashMap<String, Path> = HashMap::new();
    let mut passwords: Option<Path> = None;
    for (index, connection) in config.connections.iter().enumerate() {
        let path = at.item(index);
        if let Some(first) = ids.insert(connection.id.as_str(), path.clone()) {
            problems.add(path.key("id"), format!("the id `{}` is used twice", connection.id), format!("`{first}` has it"));
        }
        kind(connection, &path, problems);
        if connection.password.is_some() {
            match &passwords {
                Some(first) => {
                    problems.add(path.key("password"), "local accounts are one connection", format!("`{first}` is it"));
                }
                None => passwords = Some(path.clone()),
            }
        }
        claimed(connection, &path, &mut domains, problems);
    }
}

fn kind(connection: &Connection, path: &Path, problems: &mut Problems) {
    match (&connection.oidc, &connection.password) {
        (Some(oidc), None) => provider(oidc, &path.key("oidc"), problems),
        (None, Some(_)) => {}
        (Some(_), Some(_)) => problems.add(path.clone(), "`oidc` and `password` are both given", "make two connections of it"),
        (None, None) => {
            problems.add(path.clone(), "the connection does not say how people sign in", "add `oidc` or `password: {}`");
        }
    }
}

fn provider(oidc: &Oidc, path: &Path, problems: &mut Problems) {
    address::trusted(path.key("issuer"), &oidc.issuer, problems);
    if oidc.client_id.is_empty() {
        problems.add(path.key("client_id"), "`client_id` is empty", "the provider says it when the application is registered");
    }
    for name in oidc.parameters.keys().filter(|name| OWN.contains(&name.as_str())) {
        problems.add(path.key("parameters").key(name), format!("`{name}` is set by Doorward itself"), "remove it");
    }
}

fn claimed(connection: &Connection, path: &Path, domains: &mut HashMap<String, Path>, problems: &mut Problems) {
    for (index, domain) in connection.domains.iter().enumerate() {
        let path = path.key("domains").item(index);
        match url::Host::parse(domain) {
            Ok(url::Host::Domain(plain)) if plain.contains('.') && !plain.ends_with('.') => {
                if let Some(first) = domains.get(&plain) {
                    problems.add(path, format!("`{}` belongs to two connections", shown(domain)), format!("`{first}` has it"));
                } else {
                    domains.insert(plain, path);
                }
            }
            _ => problems.add(path, format!("`{}` is not a domain", shown(domain)), "write what follows the `@`: `example.com`"),
        }
    }
}
