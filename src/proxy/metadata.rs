//! OAuth 2.0 Protected Resource Metadata (RFC 9728), for clients that find their way alone.
//!
//! Refuses to exist where no issuer is configured and Doorward is none itself: there is nobody to send a client to.

use std::sync::Arc;

use axum::Router;
use axum::http::{Uri, header};
use axum::routing::get;
use serde_json::json;

use crate::config::Config;
use crate::config::paths::RESOURCE_METADATA;
use crate::model::{Scope, TenantId};
use crate::route::pattern::Pattern;

/// What is at one site, as clients are told. What depends on the path that is asked about comes with the question.
#[derive(Debug)]
pub struct Resource {
    public_url: Box<str>,
    /// Who gives tokens that are taken there.
    servers: Vec<String>,
    /// By the routes' patterns.
    scopes: Vec<(Option<Pattern>, Vec<Scope>)>,
}

impl Resource {
    /// The site with this address, which `serves` these tenants.
    #[must_use]
    pub fn compile(config: &Config, public_url: &str, serves: impl Fn(&TenantId) -> bool) -> Self {
        let issuers = config.bearer.iter().filter(|bearer| serves(&bearer.tenant)).map(|bearer| bearer.issuer.clone());
        let own = config.token_endpoint.is_some().then(|| public_url.to_owned());
        Self { public_url: public_url.into(), servers: own.into_iter().chain(issuers).collect(), scopes: by_pattern(config) }
    }

    /// Where the document is; `None` where there is nobody to send a client to.
    #[must_use]
    pub fn address(&self) -> Option<String> {
        (!self.servers.is_empty()).then(|| format!("{}{RESOURCE_METADATA}", self.public_url))
    }

    /// The document's door.
    pub fn router(self) -> Router {
        if self.servers.is_empty() {
            return Router::new();
        }
        let headers = [
            (header::CONTENT_TYPE, "application/json"),
            (header::CACHE_CONTROL, "public, max-age=300"),
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        ];
        let resource = Arc::new(self);
        let answer = get(async move |uri: Uri| (headers, resource.of(uri.path())));
        Router::new().route(RESOURCE_METADATA, answer.clone()).route(&format!("{RESOURCE_METADATA}/{{*path}}"), answer)
    }

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
