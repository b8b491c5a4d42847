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
}
