//! Ways for people to sign in.
//!
//! Refuses nothing by itself; `login` compiles it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::crypto::Secret;
use crate::model::ConnectionId;

/// One way to sign in: exactly one of `oidc` and `password`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// Its name in addresses and records.
    pub id: ConnectionId,
    /// What the sign-in page calls it.
    #[serde(default)]
    pub display_name: Option<String>,
    /// OpenID Connect provider.
    #[serde(default)]
    pub oidc: Option<Oidc>,
    /// Local accounts with a password, made by `doorward user create`.
    #[serde(default)]
    pub password: Option<Password>,
    /// E-mail domains whose people use it.
    #[serde(default)]
    pub domains: Vec<String>,
    #[serde(default)]
    pub provision: Provision,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Provision {
    /// Created at the first sign-in.
    #[default]
    Jit,
    /// Must already exist.
    Existing,
}

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
    #[schemars(with = "Option<super::value::FilePath>")]
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

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Password {
    /// Wrong passwords in a row before an account has to wait.
    #[schemars(range(min = 1))]
    pub lock_after: u32,
    /// How long it then waits.
    pub lock_for: super::Span,
}

impl Default for Password {
    fn default() -> Self {
        Self { lock_after: 5, lock_for: super::Span::seconds(15 * 60) }
    }
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SignIn {
    /// What the pages call the application.
    pub title: Option<String>,
    /// Further origins that a return address may name; default: only `public_url`.
    pub return_origins: Vec<String>,
}
