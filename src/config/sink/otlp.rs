//! A receiver of OpenTelemetry logs.
//!
//! Refuses nothing by itself; `config::review` does.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::crypto::Secret;

/// Log records by OTLP over HTTP, as protobuf.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Otlp {
    /// The receiver, such as `https://collector.example.com:4318`; `/v1/logs` is added unless it ends in that.
    pub url: String,
    /// Speak plain HTTP also with a receiver that is not this machine: events and `headers` go unencrypted. Default: false.
    #[serde(default)]
    pub plain_http: bool,
    /// Further headers, such as `Authorization`.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// Compress requests. Default: true.
    #[serde(default = "yes")]
    pub gzip: bool,
    /// `service.name` of the resource. Default: doorward.
    #[serde(default = "default_service")]
    pub service: String,
}

const fn yes() -> bool {
    true
}

fn default_service() -> String {
    "doorward".to_owned()
}
