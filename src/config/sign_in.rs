//! What holds for signing in, whichever the connection.
//!
//! Refuses nothing by itself; `login` compiles it.

use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SignIn {
    /// What the pages call the application.
    pub title: Option<String>,
    /// Further origins that a return address may name; default: only `public_url`.
    pub return_origins: Vec<String>,
    /// Whether everybody needs a second factor; `roles.mfa` and a route's `mfa` ask it of some.
    pub mfa: SecondFactor,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecondFactor {
    /// Where a rule asks for it.
    #[default]
    Optional,
    Required,
}
