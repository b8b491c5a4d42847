//! The mail server that Doorward's letters go through.
//!
//! Refuses nothing by itself; `mail` compiles it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Span;
use super::value::FilePath;
use crate::crypto::Secret;

/// Invitations go through it, and the links of connections that name no server of their own.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// Who letters come from: `door@example.com` or `Example <door@example.com>`.
    pub from: String,
    /// `smtps://mail.example.com` (TLS from the first byte, port 465), or `smtp://mail.example.com?tls=required` (STARTTLS, port 587).
    pub smtp: Secret,
    /// What the mail server knows Doorward by.
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub password: Option<Secret>,
    /// PEM file with the authorities to trust for the mail server instead of the system's.
    #[serde(default)]
    #[schemars(with = "Option<FilePath>")]
    pub ca: Option<PathBuf>,
    /// Longest wait for the mail server to take one letter.
    #[serde(default = "default_timeout")]
    pub timeout: Span,
}

pub(super) fn default_timeout() -> Span {
    Span::seconds(20)
}
