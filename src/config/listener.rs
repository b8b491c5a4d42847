//! Where Doorward listens, and with which certificates.
//!
//! Refuses nothing by itself; `edge` compiles it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// One address to listen on. With `tls` it serves HTTPS; with `redirect` it only sends people to `public_url`; with neither it
/// serves plain HTTP, for use behind a proxy that terminates TLS.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// `address:port`, or `unix:/path/to/socket`.
    pub address: String,
    #[serde(default)]
    pub tls: Option<Tls>,
    /// Answer every request with a redirect to the same place under `public_url`.
    #[serde(default)]
    pub redirect: bool,
    /// Only HTTP/2 without TLS (by prior knowledge, RFC 9113 §3.3), as a proxy's gRPC asks for it.
    #[serde(default)]
    pub h2c: bool,
    /// Peers that must begin each connection with a PROXY protocol header, v1 or v2: networks in CIDR notation.
    #[serde(default)]
    #[schemars(with = "Vec<super::value::Network>")]
    pub proxy_protocol_from: Vec<ipnet::IpNet>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// One for each name; chosen by SNI, the first is the default. Changed files are taken over without dropping a connection.
    #[schemars(length(min = 1))]
    pub certificates: Vec<Certificate>,
    #[serde(default)]
    pub min_version: TlsVersion,
    /// PEM file with the authorities of client certificates.
    #[serde(default)]
    #[schemars(with = "Option<super::value::FilePath>")]
    pub client_ca: Option<PathBuf>,
    /// Whether a client certificate must be shown. Only with `client_ca`.
    #[serde(default)]
    pub client_certificate: ClientCertificateRule,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// PEM file: certificate, then intermediates.
    #[schemars(with = "super::value::FilePath")]
    pub cert: PathBuf,
    /// PEM file: private key.
    #[schemars(with = "super::value::FilePath")]
    pub key: PathBuf,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum TlsVersion {
    #[default]
    #[serde(rename = "1.2")]
    V12,
    #[serde(rename = "1.3")]
    V13,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificateRule {
    #[default]
    Optional,
    Required,
}
