//! OAuth 2.0 Protected Resource Metadata (RFC 9728), for clients that find their way alone.
//!
//! Refuses to exist where no issuer is configured: there is nobody to send a client to.

use axum::Router;
use axum::http::header;
use axum::routing::get;
use serde_json::json;

use crate::config::Config;
use crate::model::Scope;
use crate::route::RESOURCE_METADATA;

/// The document's door; empty where no issuer is configured.
pub fn router(config: &Config) -> Router {
    if config.bearer.is_empty() {
        return Router::new();
    }
    let mut scopes: Vec<&str> = config.routes.iter().flat_map(|route| &route.scopes).map(Scope::as_str).collect();
    scopes.sort_unstable();
    scopes.dedup();
    let mut issuers: Vec<&str> = config.bearer.iter().map(|bearer| bearer.issuer.as_str()).collect();
    issuers.dedup();
    let document = json!({
        "resource": config.public_url.trim_end_matches('/'),
        "authorization_servers": issuers,
        "bearer_methods_supported": ["header"],
        "scopes_supported": scopes,
    })
    .to_string();
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "public, max-age=300"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    Router::new().route(RESOURCE_METADATA, get(async move || (headers, document.clone())))
}
