//! Second factors: what a provider says about them.
//!
//! Refuses nothing by itself; `policy::mfa` compiles it.

use schemars::JsonSchema;
use serde::Deserialize;

/// How a provider says that it has asked for a second factor.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mfa {
    /// Any of these among the authentication methods (`amr`) proves one; default: `mfa`.
    pub amr: Option<Vec<String>>,
    /// Any of these as authentication context (`acr`, `AuthnContextClassRef`) proves one, and they are asked for where one is needed.
    /// Default: the well-known names for several factors prove one, and none is asked for.
    pub acr: Option<Vec<String>>,
    /// Take Doorward's own second factor (code or passkey) where the provider proves none.
    pub local: bool,
}

impl Default for Mfa {
    fn default() -> Self {
        Self { amr: None, acr: None, local: true }
    }
}
