//! Signing in by a link or a code that is sent by mail.
//!
//! Refuses nothing by itself; `login::magic_link` compiles it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::value::FilePath;
use crate::config::{Mail, Span, mail};
use crate::crypto::Secret;

/// Without `smtp` of its own, letters go through the server that `mail` names.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MagicLink {
    /// Who letters come from. Default: who `mail` says.
    pub from: Option<String>,
    /// The mail server, as in `mail`.
    pub smtp: Option<Secret>,
    /// What the mail server knows Doorward by.
    pub username: Option<String>,
    pub password: Option<Secret>,
    /// PEM file with the authorities to trust for the mail server instead of the system's.
    #[schemars(with = "Option<FilePath>")]
    pub ca: Option<PathBuf>,
    /// Longest wait for the mail server to take one letter.
    pub timeout: Span,
    /// How long a link and its code are good for.
    pub lasts: Span,
}

impl Default for MagicLink {
    fn default() -> Self {
        Self {
            from: None,
            smtp: None,
            username: None,
            password: None,
            ca: None,
            timeout: mail::default_timeout(),
            lasts: Span::seconds(10 * 60),
        }
    }
}

impl MagicLink {
    /// The server that its letters go through; `None` where neither it nor the configuration as a whole names one.
    #[must_use]
    pub fn mail(&self, common: Option<&Mail>) -> Option<Mail> {
        let from = self.from.clone().or_else(|| common.map(|mail| mail.from.clone()));
        match (&self.smtp, common) {
            (Some(smtp), _) => Some(Mail {
                from: from?,
                smtp: smtp.clone(),
                username: self.username.clone(),
                password: self.password.clone(),
                ca: self.ca.clone(),
                timeout: self.timeout,
            }),
            (None, Some(common)) => Some(Mail { from: from?, ..common.clone() }),
            (None, None) => None,
        }
    }

    /// Whether it says something about a server without naming one.
    #[must_use]
    pub fn is_half_a_server(&self) -> bool {
        self.smtp.is_none() && (self.username.is_some() || self.password.is_some() || self.ca.is_some())
    }
}
