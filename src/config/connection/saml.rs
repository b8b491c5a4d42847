//! SAML 2.0 identity providers.
//!
//! Refuses nothing by itself; `login::saml` compiles it.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::Span;
use crate::config::preset::Provider;
use crate::config::value::FilePath;
use crate::crypto::Secret;

/// The provider by its `metadata`, or by `entity_id`, `sso_url` and `certificates`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own")]
pub struct Saml {
    /// Whose preset fills in what is left out here.
    #[serde(default)]
    pub provider: Option<Provider>,
    /// The provider's metadata document.
    #[serde(default)]
    pub metadata: Option<Metadata>,
    /// The provider's entity id. Beside `metadata`: which of several entities is meant.
    #[serde(default)]
    pub entity_id: Option<String>,
    /// Where the provider signs people in.
    #[serde(default)]
    pub sso_url: Option<String>,
    /// How requests reach `sso_url`.
    #[serde(default)]
    pub binding: Binding,
    /// Where the provider signs people out; reached by redirect.
    #[serde(default)]
    pub slo_url: Option<String>,
    /// The provider's signing certificates (PEM): two while it changes its key.
    #[serde(default)]
    pub certificates: Vec<String>,
    /// Our entity id; default: the address of our own metadata, `/.doorward/saml/{id}/metadata`.
    #[serde(default)]
    pub sp_entity_id: Option<String>,
    /// Our RSA private key (PEM): signs requests and opens encrypted assertions.
    #[serde(default)]
    pub key: Option<Secret>,
    /// The certificate of `key` (PEM), as the provider knows it.
    #[serde(default)]
    pub certificate: Option<String>,
    /// Sign requests; default: where there is a `key`.
    #[serde(default)]
    pub sign_requests: Option<bool>,
    /// Take only assertions that are signed themselves, even within a signed response.
    #[serde(default)]
    pub want_assertions_signed: bool,
    /// Take only responses that are signed themselves, even around a signed assertion.
    #[serde(default)]
    pub want_response_signed: bool,
    /// Take sign-ins that the provider begins. Whoever has an account there can then sign other people into it.
    #[serde(default)]
    pub idp_initiated: bool,
    /// Ask people anew at every sign-in.
    #[serde(default)]
    pub force_authn: bool,
    /// What name identifier to ask for; default: whatever the provider gives.
    #[serde(default)]
    pub name_id_format: Option<NameIdFormat>,
    /// How far the provider's clock may differ; at most five minutes.
    #[serde(default = "default_skew")]
    pub clock_skew: Span,
    #[serde(default)]
    pub attributes: AttributeNames,
}

fn default_skew() -> Span {
    Span::seconds(60)
}

/// Where the provider's metadata is: exactly one of `url` and `path`. Past its `validUntil` nobody signs in by it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// Read when first needed, then every hour; kept while it cannot be reached.
    #[serde(default)]
    pub url: Option<String>,
    /// Read at start and at every reload.
    #[serde(default)]
    #[schemars(with = "Option<FilePath>")]
    pub path: Option<std::path::PathBuf>,
    /// The certificate (PEM) that the document has to be signed with.
    #[serde(default)]
    pub certificate: Option<String>,
    /// PEM file with the authorities to trust for `url` instead of the system's.
    #[serde(default)]
    #[schemars(with = "Option<FilePath>")]
    pub ca: Option<std::path::PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Binding {
    #[default]
    Redirect,
    Post,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NameIdFormat {
    Persistent,
    Email,
    Transient,
    Unspecified,
}

/// Which attribute says what: exact names, in their own case. Where none is given, the names that providers commonly use are tried.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AttributeNames {
    /// Names a person for ever; default: the name identifier. Needed where that is transient.
    pub subject: Option<String>,
    pub email: Option<String>,
    pub name: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub user_name: Option<String>,
    pub groups: Option<String>,
}
