//! Local accounts.
//!
//! Refuses nothing by itself; `login::password` reads it.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::Span;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Password {
    /// Wrong passwords in a row before an account has to wait.
    #[schemars(range(min = 1))]
    pub lock_after: u32,
    /// How long it then waits.
    pub lock_for: Span,
}

impl Default for Password {
    fn default() -> Self {
        Self { lock_after: 5, lock_for: Span::seconds(15 * 60) }
    }
}
