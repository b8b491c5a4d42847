//! A webhook: batches of events by HTTPS POST, signed.
//!
//! Refuses nothing by itself; `config::review` and `audit::sink::webhook` do.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::crypto::Secret;

/// A JSON array of events by POST, signed as Standard Webhooks are: `webhook-id`, `webhook-timestamp` and `webhook-signature`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where to: `https://…`; plain HTTP only to this machine, with `private_addresses`, or with `plain_http`.
    pub url: String,
    /// Signs each request. `whsec_` and base64 of 24 to 64 random bytes, as Standard Webhooks have it, or other text of at least 32 bytes.
    pub secret: Secret,
    /// Signs as well, while the receiver changes from one secret to the other.
    #[serde(default)]
    pub former_secret: Option<Secret>,
    /// Further headers, such as `Authorization`.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// Compress the body (`Content-Encoding: gzip`). Default: false.
    #[serde(default)]
    pub gzip: bool,
    /// Let the receiver be on this machine or in a private network. Default: false.
    #[serde(default)]
    pub private_addresses: bool,
    /// Speak plain HTTP also with a receiver that is not this machine: events and `headers` go unencrypted. Default: false.
    #[serde(default)]
    pub plain_http: bool,
}
