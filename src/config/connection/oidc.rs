//! OpenID Connect providers.
//!
//! Refuses nothing by itself; `login::oidc` compiles it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::preset::Provider;
use crate::config::value::FilePath;
use crate::crypto::Secret;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// Whose preset fills in what is left out here.
    #[serde(default)]
    pub provider: Option<Provider>,
    /// Issuer identifier; discovery is read from `{issuer}/.well-known/openid-configuration`.
    #[serde(default)]
    pub issuer: String,
    /// What the provider calls the application.
    pub client_id: String,
    #[serde(default)]
    pub client_secret: Option<Secret>,
    #[serde(default)]
    pub client_auth: ClientAuth,
    /// The private key of `client_auth: private_key_jwt`.
    #[serde(default)]
    pub client_key: Option<ClientKey>,
    /// Scopes to ask for besides `openid`.
    #[serde(default = "default_scopes")]
    pub scopes: Vec<String>,
    #[serde(default)]
    pub claims: ClaimNames,
    /// Further parameters of the authorization request, such as `prompt` or `acr_values`; an empty one is left out. With the scope
    /// `offline_access`, `prompt` is `consent` unless it is given here.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// PEM file with the authorities to trust for the provider instead of the system's.
    #[serde(default)]
    #[schemars(with = "Option<FilePath>")]
    pub ca: Option<std::path::PathBuf>,
    /// Take e-mail addresses although the provider does not say that they are verified. Only for a provider that owns its addresses.
    #[serde(default)]
    pub trust_unverified_email: bool,
    /// Where the groups are read of somebody who is in too many for the token (Microsoft Entra ID's "overage").
    #[serde(default = "microsoft_graph")]
    pub groups_overage: String,
}

fn microsoft_graph() -> String {
    "https://graph.microsoft.com/v1.0/me/getMemberObjects".to_owned()
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
    /// A signed assertion in the place of a secret (RFC 7523).
    PrivateKeyJwt,
}

/// A private key by which the provider knows the application. Its public part is at `{prefix}/client-keys/{connection}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientKey {
    /// PKCS #8 in PEM: P-256, Ed25519 or RSA.
    pub pem: Secret,
    /// Key id (`kid`); default: the key's thumbprint (RFC 7638).
    #[serde(default)]
    pub id: Option<String>,
    /// Default: ES256, EdDSA or RS256, as the key is.
    #[serde(default)]
    pub algorithm: Option<ClientKeyAlgorithm>,
    /// PEM file with the key's certificate, for providers that know the key by it (`x5t#S256`), as Microsoft Entra ID does.
    #[serde(default)]
    #[schemars(with = "Option<FilePath>")]
    pub certificate: Option<std::path::PathBuf>,
    /// Whom the assertion is addressed to; default: the provider's token endpoint.
    #[serde(default)]
    pub audience: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum ClientKeyAlgorithm {
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "PS256")]
    Ps256,
    #[serde(rename = "EdDSA")]
    EdDsa,
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
