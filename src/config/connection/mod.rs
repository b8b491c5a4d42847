//! Connections: the ways for people to sign in, one file for each kind.
//!
//! Refuses nothing by itself; `login` compiles it.

mod mfa;
mod oidc;
mod password;

use schemars::JsonSchema;
use serde::Deserialize;

pub use mfa::Mfa;
pub use oidc::{ClaimNames, ClientAuth, Oidc};
pub use password::Password;

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
    /// Second factors of people who come this way.
    #[serde(default)]
    pub mfa: Mfa,
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
