//! Addresses of other front doors.
//!
//! Refuses paths that would take Doorward's own pages, and a connection that has no way back from a provider.

use super::plain_path;
use crate::config::{Config, Path, Problems};

pub(super) fn review(config: &Config, problems: &mut Problems) {
    let Some(other) = &config.compatibility.oauth2_proxy else { return };
    let at = Path::from("compatibility").key("oauth2_proxy");
    for (key, path, what, example) in [
        ("prefix", &other.prefix, "a prefix", "/oauth2"),
        ("ping", &other.ping, "a path", "/ping"),
        ("ready", &other.ready, "a path", "/ready"),
    ] {
        plain_path(path, what, example, at.key(key), problems);
        let within = |outer: &str, inner: &str| format!("{inner}/").starts_with(&format!("{outer}/"));
        if within(&config.prefix, path) || within(path, &config.prefix) {
            problems.add(at.key(key), "these are Doorward's own pages", format!("choose a path of its own, such as `{example}`"));
        }
    }
    let redirects = |id: &_| {
        let found = config.connections.iter().find(|connection| connection.id == *id);
        found.is_none_or(|connection| connection.oidc.is_some() || connection.oauth2.is_some())
    };
    if let Some(id) = other.connection.as_ref().filter(|id| !redirects(id)) {
        let hint = "name one that is `oidc` or `oauth2`";
        problems.add(at.key("connection"), format!("nobody comes back from a provider by `{id}`"), hint);
    }
    let known = |id: &_| config.connections.iter().any(|connection| connection.id == *id);
    if let Some(id) = other.connection.as_ref().filter(|id| !known(id)) {
        problems.add(at.key("connection"), format!("there is no connection `{id}`"), "it has to be one of this file");
    }
}
