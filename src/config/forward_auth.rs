//! Deciding for a proxy that stays in front of the application.
//!
//! Refuses nothing by itself; `proxy::outer` asks who is trusted to ask.

use schemars::JsonSchema;
use serde::Deserialize;

/// Decisions for nginx, Traefik, Caddy, HAProxy or Envoy at `{prefix}/auth`. Only `trusted_proxies` may ask.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ForwardAuth {
    /// Also by gRPC, as Envoy's `envoy.service.auth.v3.Authorization`; it takes a listener with `tls` or `h2c`.
    pub grpc: bool,
}
