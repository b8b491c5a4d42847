//! OAuth 2.0 servers without an ID token.
//!
//! Refuses nothing by itself; `login::oauth2` compiles it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::oidc::{ClientAuth, ClientKey};
use crate::config::preset::Provider;
use crate::config::value::FilePath;
use crate::crypto::Secret;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuth2 {
    /// Whose preset fills in what is left out here.
    #[serde(default)]
    pub provider: Option<Provider>,
    /// Where people are sent.
    #[serde(default)]
    pub authorization_endpoint: String,
    #[serde(default)]
    pub token_endpoint: String,
    /// Where the person's profile is read with the access token, as JSON.
    #[serde(default)]
    pub userinfo_endpoint: String,
    /// Where the person's addresses are read, as a list of `email`, `primary` and `verified`, which is GitHub's. The primary one
    /// counts if it is verified; the profile's is not looked at then.
    #[serde(default)]
    pub emails_endpoint: Option<String>,
    /// What the server calls itself, where it does (RFC 9207); default: the origin of the authorization endpoint.
    #[serde(default)]
    pub issuer: Option<String>,
    /// What the server calls the application.
    pub client_id: String,
    #[serde(default)]
    pub client_secret: Option<Secret>,
    #[serde(default)]
    pub client_auth: ClientAuth,
    /// The private key of `client_auth: private_key_jwt`.
    #[serde(default)]
    pub client_key: Option<ClientKey>,
    #[serde(default)]
    pub scopes: Vec<String>,
    #[serde(default)]
    pub claims: ClaimPaths,
    /// Further parameters of the authorization request.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// PEM file with the authorities to trust for the server instead of the system's.
    #[serde(default)]
    #[schemars(with = "Option<FilePath>")]
    pub ca: Option<std::path::PathBuf>,
    /// Take e-mail addresses although the server does not say that they are verified. Only for one that owns its addresses.
    #[serde(default)]
    pub trust_unverified_email: bool,
}

/// Where in the profile something stands: a name, or names joined by dots (`data.0.login`).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClaimPaths {
    /// The person, by what never changes hands.
    pub subject: String,
    pub email: String,
    pub email_verified: String,
    pub name: String,
    pub user_name: String,
    pub groups: String,
}

impl Default for ClaimPaths {
    fn default() -> Self {
        Self {
            subject: "sub".to_owned(),
            email: "email".to_owned(),
            email_verified: "email_verified".to_owned(),
            name: "name".to_owned(),
            user_name: "preferred_username".to_owned(),
            groups: "groups".to_owned(),
        }
    }
}
