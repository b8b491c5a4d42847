//! What holds for signing in, whichever the connection.
//!
//! Refuses nothing by itself; `login` compiles it.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::{Domain, EmailAddress};

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SignIn {
    /// What the pages call the application.
    pub title: Option<String>,
    /// PNG or SVG above each page's heading; at most 256 KiB.
    #[schemars(with = "Option<super::value::FilePath>")]
    pub logo: Option<std::path::PathBuf>,
    /// Colour of buttons and links, such as `#1f4fd8`; made darker or lighter where it could not be read.
    pub color: Option<String>,
    /// Where people get help: a link or an e-mail address, shown on each page.
    pub support: Option<String>,
    /// Further origins that a return address may name; default: only `public_url`.
    pub return_origins: Vec<String>,
    /// Whether everybody needs a second factor; `roles.mfa` and a route's `mfa` ask it of some.
    pub mfa: SecondFactor,
    /// Who has to use single sign-on and may not use a password or a mailed link: `true` for everybody, or a list of e-mail domains.
    pub require_sso: RequireSso,
    /// Addresses of administrators who may use a password all the same, for the day when single sign-on does not work.
    pub break_glass: Vec<EmailAddress>,
    /// The sealed file of accounts that get in when nothing else works, made by `doorward user break-glass`. Its folder has to be
    /// writable. Absent: there are none.
    #[schemars(with = "Option<super::value::FilePath>")]
    pub break_glass_file: Option<std::path::PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecondFactor {
    /// Where a rule asks for it.
    #[default]
    Optional,
    Required,
}

/// Who has to use single sign-on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RequireSso {
    Everybody(bool),
    Domains(Vec<Domain>),
}

impl Default for RequireSso {
    fn default() -> Self {
        Self::Everybody(false)
    }
}

impl RequireSso {
    /// Whether anybody has to.
    #[must_use]
    pub fn is_required(&self) -> bool {
        match self {
            Self::Everybody(required) => *required,
            Self::Domains(domains) => !domains.is_empty(),
        }
    }
}
