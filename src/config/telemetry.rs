//! Where traces and metrics are sent, besides `/metrics`.
//!
//! Refuses nothing by itself; `config::review` does.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::listener::Certificate;
use super::value::{FilePath, Span};
use crate::crypto::Secret;

/// What is sent about requests and about the door itself.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// A receiver of OpenTelemetry traces and metrics. Absent: nothing is sent, and nothing recorded.
    pub otlp: Option<OtlpReceiver>,
}

/// A receiver by OTLP over HTTP, as protobuf.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each switches something of its own on or off")]
pub struct OtlpReceiver {
    /// Its address, such as `https://collector.example.com:4318`; `/v1/traces` and `/v1/metrics` are added.
    pub endpoint: String,
    /// Speak plain HTTP also with a receiver that is not this machine: traces, metrics and `headers` go unencrypted. Default: false.
    #[serde(default)]
    pub plain_http: bool,
    /// Further headers, such as `Authorization`.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// PEM file with the authorities to trust for the receiver instead of the system's.
    #[serde(default)]
    #[schemars(with = "Option<FilePath>")]
    pub ca: Option<PathBuf>,
    /// What is shown to a receiver that asks for a client certificate.
    #[serde(default)]
    pub client_certificate: Option<Certificate>,
    /// How long the receiver may take for one request. Default: 10s.
    #[serde(default = "patience")]
    #[schemars(with = "Span")]
    pub timeout: Span,
    /// Compress requests. Default: true.
    #[serde(default = "yes")]
    pub gzip: bool,
    /// `service.name` of the resource. Default: doorward.
    #[serde(default = "service")]
    pub service: String,
    /// Further attributes of the resource, such as `deployment.environment.name`; also to name `service.instance.id` otherwise than by
    /// `audit.source`, or host and process.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Send traces. Default: true.
    #[serde(default = "yes")]
    pub traces: bool,
    /// The part of the requests whose trace is recorded, from 0 to 1. A trace that comes from one of `trusted_proxies` is recorded if its
    /// `traceparent` says so, and only then. Default: 0.1.
    #[serde(default = "sample")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub sample: f64,
    /// Tell the paths of requests, without their queries, and not only the patterns of their routes. Default: false.
    #[serde(default)]
    pub paths: bool,
    /// Send metrics, those of `/metrics`. Default: true.
    #[serde(default = "yes")]
    pub metrics: bool,
    /// How often metrics are sent. Default: 60s.
    #[serde(default = "interval")]
    #[schemars(with = "Span")]
    pub interval: Span,
}

const fn patience() -> Span {
    Span::seconds(10)
}

const fn yes() -> bool {
    true
}

fn service() -> String {
    "doorward".to_owned()
}

const fn sample() -> f64 {
    0.1
}

const fn interval() -> Span {
    Span::seconds(60)
}
