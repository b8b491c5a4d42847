//! Programs' credentials that people or clients get by themselves.
//!
//! Refuses to be on by itself: a key is a way in that outlives its maker's session, so who may make one is an administrator's decision.

use schemars::JsonSchema;
use serde::Deserialize;

use super::value::Span;

/// Short-lived tokens for clients, at `{prefix}/token`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenEndpoint {
    /// How long a token works; less if its client ends before.
    pub lifetime: Span,
}

impl Default for TokenEndpoint {
    fn default() -> Self {
        Self { lifetime: Span::seconds(600) }
    }
}

/// Keys that people make for themselves at `{prefix}/keys`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OwnKeys {
    /// Who may: people with one of these roles. Default: everybody who can sign in.
    pub roles: Vec<String>,
    /// Keys that work at the same time, of one person.
    #[schemars(range(min = 1, max = 1000))]
    pub most: u32,
    /// The longest that one works; each has an end.
    pub longest: Span,
}

impl Default for OwnKeys {
    fn default() -> Self {
        Self { roles: Vec::new(), most: 10, longest: Span::seconds(365 * 86400) }
    }
}
