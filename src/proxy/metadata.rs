//! OAuth 2.0 Protected Resource Metadata (RFC 9728), for clients that find their way alone.
//!
//! Refuses to exist where no issuer is configured and Doorward is none itself: there is nobody to send a client to.

use std::sync::Arc;

use axum::Router;
use axum::http::{Uri, header};
use axum::routing::get;
use serde_json::json;

use crate::config::Config;
use crate::model::{Scope, TenantId};
use crate::route::RESOURCE_METADATA;
use crate::route::pattern::Pattern;

/// What of the document does not depend on the path that it is asked about.
struct Described {
    public_url: String,
    servers: Vec<String>,
    /// By the routes' patterns.
    scopes: Vec<(Option<Pattern>, Vec<Scope>)>,
}

/// The document's door at the site with this address; empty where nobody's issuer is configured that it `serves`.
pub fn router(config: &Config, public_url: &str, serves: impl Fn(&TenantId) -> bool) -> Router {
    let issuers = config.bearer.iter().filter(|bearer| serves(&bearer.tenant)).map(|bearer| bearer.issuer.clone());
    let own = config.token_endpoint.is_some().then(|| public_url.to_owned());
    let mut servers: Vec<String> = own.into_iter().chain(issuers).collect();
    servers.dedup();
    if servers.is_empty() {
        return Router::new();
    }
    let described = Arc::new(Described { public_url: public_url.to_owned(), servers, scopes: by_pattern(config) });
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "public, max-age=300"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    let answer = get(async move |uri: Uri| (headers, described.of(uri.path())));
    Router::new().route(RESOURCE_METADATA, answer.clone()).route(&format!("{RESOURCE_METADATA}/{{*path}}"), answer)
}

impl Described {
    /// The document of the whole site, or of the resource whose path stands behind the well-known one (RFC 9728 §3.1).
    fn of(&self, asked: &str) -> String {
        let path = asked.strip_prefix(RESOURCE_METADATA).unwrap_or_default();
        let part = (!path.is_empty()).then_some(path);
        json!({
            "resource": format!("{}{path}", self.public_url),
            "authorization_servers": self.servers,
            "bearer_methods_supported": ["header"],
            "scopes_supported": distinct(&self.scopes, part),
        })
        .to_string()
    }
}

/// All scopes that routes ask for, each once.
pub(super) fn scopes(config: &Config) -> Vec<String> {
    distinct(&by_pattern(config), None)
}

fn by_pattern(config: &Config) -> Vec<(Option<Pattern>, Vec<Scope>)> {
    let pattern = |path: &Option<String>| path.as_deref().and_then(|path| Pattern::parse(path).ok());
    config.routes.iter().map(|route| (pattern(&route.path), route.scopes.clone())).collect()
}

/// Those of every route, or of the routes that `part` can come to.
fn distinct(all: &[(Option<Pattern>, Vec<Scope>)], part: Option<&str>) -> Vec<String> {
    let meant = |pattern: &Option<Pattern>| match (pattern, part) {
        (Some(pattern), Some(part)) => pattern.matches(part),
        _ => true,
    };
    let chosen = all.iter().filter(|(pattern, _)| meant(pattern)).flat_map(|(_, scopes)| scopes);
    let mut scopes: Vec<String> = chosen.map(|scope| scope.as_str().to_owned()).collect();
    scopes.sort_unstable();
    scopes.dedup();
    scopes
}
