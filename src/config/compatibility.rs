//! The addresses of another front door, for what was written for it.
//!
//! Refuses nothing by itself; `route` takes the paths from the application, `login` answers there.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Config;
use crate::model::ConnectionId;

/// Other programs whose addresses are answered too.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Compatibility {
    /// oauth2-proxy's: `{}` is enough.
    pub oauth2_proxy: Option<Oauth2Proxy>,
}

/// Answers where oauth2-proxy does: `/oauth2/start`, `/oauth2/sign_in`, `/oauth2/sign_out`, `/oauth2/callback`, `/oauth2/userinfo`,
/// `/oauth2/auth`, `/ping`, `/ready` and `/robots.txt`. They are taken from the application.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Oauth2Proxy {
    /// Its `--proxy-prefix`.
    pub prefix: String,
    /// The connection whose redirect URI stays `{prefix}/callback`, as it is registered with the provider. Default: the first that is
    /// `oidc` or `oauth2`.
    pub connection: Option<ConnectionId>,
    /// Its `--ping-path`: says that the process is there. `null`: nothing does.
    pub ping: Option<String>,
    /// Its `--ready-path`: says that sessions can be looked up. `null`: nothing does.
    pub ready: Option<String>,
}

impl Default for Oauth2Proxy {
    fn default() -> Self {
        Self { prefix: "/oauth2".to_owned(), connection: None, ping: Some("/ping".to_owned()), ready: Some("/ready".to_owned()) }
    }
}

impl Config {
    /// The connection that oauth2-proxy's addresses lead to.
    #[must_use]
    pub fn oauth2_proxy_connection(&self) -> Option<&ConnectionId> {
        let typed = self.compatibility.oauth2_proxy.as_ref()?;
        let first = || self.connections.iter().find(|connection| connection.oidc.is_some() || connection.oauth2.is_some());
        typed.connection.as_ref().or_else(|| first().map(|connection| &connection.id))
    }

    /// Where the provider of a connection sends people back to.
    #[must_use]
    pub fn callback_path(&self, connection: &ConnectionId) -> String {
        match &self.compatibility.oauth2_proxy {
            Some(other) if self.oauth2_proxy_connection() == Some(connection) => format!("{}/callback", other.prefix),
            _ => format!("{}/callback/{connection}", self.prefix),
        }
    }
}
