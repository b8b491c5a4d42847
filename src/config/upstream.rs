//! The application behind the door.
//!
//! Refuses nothing by itself; `forward` compiles it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::value::Span;
use crate::crypto::Secret;

/// Where requests go: one `url`, or several `urls` of equal servers.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// `http://host:port`, `https://host:port`, `h2c://host:port` (HTTP/2 without TLS) or `unix:/path/to/socket`.
    #[serde(default)]
    pub url: Option<String>,
    #[serde(default)]
    pub urls: Vec<String>,
    #[serde(default)]
    pub balance: Balance,
    #[serde(default)]
    pub health: Option<Health>,
    #[serde(default)]
    pub http: HttpVersion,
    #[serde(default)]
    pub tls: UpstreamTls,
    #[serde(default)]
    pub timeouts: Timeouts,
    /// What the application sees as `Host`.
    #[serde(default)]
    pub host: HostHeader,
    /// Headers the application needs and nobody else may know, such as a static key. They replace what the client sent.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// Signs in to the application with HTTP Basic on behalf of everybody.
    #[serde(default)]
    pub basic: Option<BasicCredentials>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicCredentials {
    pub username: String,
    pub password: Secret,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    #[default]
    RoundRobin,
    /// The server with the fewest requests in flight.
    LeastRequests,
}

/// Asks each server whether it is well; a server that is not gets no requests while another is.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// Path that answers 2xx when the server is well.
    pub path: String,
    #[serde(default = "default_interval")]
    pub interval: Span,
    #[serde(default = "default_health_timeout")]
    pub timeout: Span,
    /// Failures in a row that make it unwell.
    #[serde(default = "default_failures")]
    #[schemars(range(min = 1))]
    pub failures: u32,
    /// Successes in a row that make it well again.
    #[serde(default = "default_successes")]
    #[schemars(range(min = 1))]
    pub successes: u32,
}

fn default_interval() -> Span {
    Span::seconds(5)
}
fn default_health_timeout() -> Span {
    Span::seconds(2)
}
fn default_failures() -> u32 {
    2
}
fn default_successes() -> u32 {
    1
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum HttpVersion {
    /// HTTP/2 for `h2c://`, and for gRPC over TLS as ALPN agrees; otherwise HTTP/1.1.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    #[serde(rename = "1")]
    Http1,
    #[serde(rename = "2")]
    Http2,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamTls {
    /// PEM file with the authorities to trust instead of the system's.
    #[schemars(with = "Option<super::value::FilePath>")]
    pub ca: Option<PathBuf>,
    /// PEM file of the certificate Doorward shows.
    #[schemars(with = "Option<super::value::FilePath>")]
    pub cert: Option<PathBuf>,
    /// PEM file of its key.
    #[schemars(with = "Option<super::value::FilePath>")]
    pub key: Option<PathBuf>,
    /// Name in the server's certificate, where it is not the URL's host.
    pub server_name: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    pub connect: Span,
    /// From the request being sent (its head, or the latest part of its body) to the head of the answer. On HTTP/2 `idle` bounds
    /// this for gRPC and for requests without a body, many of which share a connection.
    pub first_byte: Span,
    /// Without a byte in either direction once the answer has begun; streams that are silent longer are cut. Not less than
    /// `first_byte`: a shorter one counts as that. An hour at least on HTTP/2 in the answer to a body other than gRPC.
    pub idle: Span,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Span::seconds(5), first_byte: Span::seconds(60), idle: Span::seconds(300) }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HostHeader {
    /// The one the client sent.
    #[default]
    Keep,
    /// The upstream URL's.
    Rewrite,
}
