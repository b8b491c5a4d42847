//! Splunk's HTTP Event Collector.
//!
//! Refuses nothing by itself; `config::review` and `audit::sink::splunk` do, because what a token may do is known to Splunk alone.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::value::Span;
use crate::crypto::Secret;

/// Events to Splunk by its HTTP Event Collector.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplunkHec {
    /// The collector's address, such as `https://splunk.example.com:8088`; `/services/collector/event` is added.
    pub url: String,
    /// Speak plain HTTP also with a receiver that is not this machine: events and the token go unencrypted. Default: false.
    #[serde(default)]
    pub plain_http: bool,
    /// The token, without the word `Splunk` before it.
    pub token: Secret,
    /// Into which index. Default: the token's own.
    #[serde(default)]
    pub index: Option<String>,
    /// Default: doorward.
    #[serde(default = "source")]
    pub source: String,
    /// Default: doorward:audit.
    #[serde(default = "source_type")]
    pub sourcetype: String,
    /// Take events for delivered only when Splunk says that it has indexed them. The token must have indexer acknowledgement enabled.
    /// Default: false.
    #[serde(default)]
    pub acknowledgement: bool,
    /// How long Splunk may take to index events before they are sent again. Default: 60s.
    #[serde(default = "time_to_index")]
    pub acknowledged_within: Span,
}

fn source() -> String {
    "doorward".to_owned()
}

fn source_type() -> String {
    "doorward:audit".to_owned()
}

const fn time_to_index() -> Span {
    Span::seconds(60)
}
