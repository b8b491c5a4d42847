//! Datadog's log intake.
//!
//! Refuses nothing by itself; `config::review` and `audit::sink::datadog` do, because a key belongs to one site and nobody else.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::crypto::Secret;

/// Events to Datadog as logs.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Datadog {
    pub api_key: Secret,
    /// The site of the organisation, such as `datadoghq.eu`. Default: `datadoghq.com`.
    #[serde(default)]
    pub site: Option<String>,
    /// In the place of a site: something of one's own that speaks as Datadog's intake does; `/api/v2/logs` is added.
    #[serde(default)]
    pub url: Option<String>,
    /// Speak plain HTTP also with a receiver that is not this machine: events and the key go unencrypted. Default: false.
    #[serde(default)]
    pub plain_http: bool,
    /// Default: doorward.
    #[serde(default = "doorward")]
    pub service: String,
    /// `ddsource`. Default: doorward.
    #[serde(default = "doorward")]
    pub source: String,
    /// `ddtags`, such as `env: production`.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

fn doorward() -> String {
    "doorward".to_owned()
}
