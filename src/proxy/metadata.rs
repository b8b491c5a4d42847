//! OAuth 2.0 Protected Resource Metadata (RFC 9728), for clients that find their way alone.
//!
//! Refuses to exist where no issuer is configured: there is nobody to send a client to.

use axum::Router;
use axum::http::header;
use axum::routing::get;
use serde_json::json;

use crate::config::Config;
use crate::config::access::Bearer;
use crate::model::{Scope, TenantId};
use crate::route::RESOURCE_METADATA;

/// The document's door at the site with this address; empty where nobody's issuer is configured that it `serves`.
pub fn router(config: &Config, public_url: &str, serves: impl Fn(&TenantId) -> bool) -> Router {
    let own: Vec<&Bearer> = config.bearer.iter().filter(|bearer| serves(&bearer.tenant)).collect();
    if own.is_empty() {
        return Router::new();
    }
    let mut scopes: Vec<&str> = config.routes.iter().flat_map(|route| &route.scopes).map(Scope::as_str).collect();
    scopes.sort_unstable();
    scopes.dedup();
    let mut issuers: Vec<&str> = own.iter().map(|bearer| bearer.issuer.as_str()).collect();
    issuers.dedup();
    let document = json!({
        "resource": public_url,
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
