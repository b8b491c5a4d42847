//! OpenID Connect providers.
//!
//! Refuses nothing by itself; `login::oidc` compiles it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::value::FilePath;
use crate::crypto::Secret;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// Issuer identifier; discovery is read from `{issuer}/.well-known/openid-configuration`.
    pub issuer: String,
    /// What the provider calls the application.
    pub client_id: String,
    #[serde(default)]
    pub client_secret: Option<Secret>,
    #[serde(default)]
    pub client_auth: ClientAuth,
    /// Scopes to ask for besides `openid`.
    #[serde(default = "default_scopes")]
    pub scopes: Vec<String>,
    #[serde(default)]
    pub claims: ClaimNames,
    /// Further parameters of the authorization request, such as `prompt` or `acr_values`.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// PEM file with the authorities to trust for the provider instead of the system's.
    #[serde(default)]
    #[schemars(with = "Option<FilePath>")]
    pub ca: Option<std::path::PathBuf>,
    /// Take e-mail addresses although the provider does not say that they are verified. Only for a provider that owns its addresses.
    #[serde(default)]
    pub trust_unverified_email: bool,
}

fn default_scopes() -> Vec<String> {
    vec!["profile".to_owned(), "email".to_owned()]
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    #[default]
    ClientSecretBasic,
    ClientSecretPost,
}

/// Which claim says what.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClaimNames {
    pub email: String,
    pub name: String,
    pub user_name: String,
    pub groups: String,
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self {
            email: "email".to_owned(),
            name: "name".to_owned(),
            user_name: "preferred_username".to_owned(),
            groups: "groups".to_owned(),
        }
    }
}
