//! Addresses of other front doors.
//!
//! Refuses a connection that has no way back from a provider.

use crate::config::{Config, Path, Problems};

pub(super) fn review(config: &Config, problems: &mut Problems) {
    let Some(other) = &config.compatibility.oauth2_proxy else { return };
    let at = Path::from("compatibility").key("oauth2_proxy");
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
