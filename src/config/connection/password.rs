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
    /// Whether the password alone lets somebody set up their first second factor. Otherwise it takes a one-time code from an administrator
    /// (`doorward user mfa code`), because whoever learns the password first would set up theirs.
    pub self_enrolment: bool,
}

impl Default for Password {
    fn default() -> Self {
        Self { lock_after: 5, lock_for: Span::seconds(15 * 60), self_enrolment: false }
    }
}
