//! The door for directories: SCIM 2.0 (RFC 7643, RFC 7644), by which a company's directory adds, changes and removes people and groups.
//!
//! Refuses everything without a live token, and shows a token nothing but what its connection looks after (threats K1, K2, K7). What
//! takes access away has ended every session when the answer goes out.

mod bearer;
mod bulk;
mod call;
mod described;
mod discovery;
mod error;
pub mod examine;
mod filter;
mod groups;
mod inspector;
mod list;
mod membership;
mod patch;
mod projection;
mod record;
mod resource;
mod schema;
mod search;
mod sign_out;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::Response;

use crate::audit::Recorder;
use crate::clock::SharedClock;
use crate::config::Config;
use crate::directory::{Connections, Provisioning, ScimCalls, ScimTokens};
use crate::limit::FailureLimit;
use crate::model::{ConnectionId, Domain};
use crate::policy::role::Roles;
use crate::policy::tenancy::{SiteId, Tenancy};
use crate::session::SessionStore;
use bearer::Proven;

/// What provisioning needs of the rest of the house.
#[derive(Clone, Debug)]
pub struct Means {
    pub people: Arc<dyn Provisioning>,
    pub tokens: Arc<dyn ScimTokens>,
    pub calls: Arc<ScimCalls>,
    pub connections: Arc<dyn Connections>,
    pub sessions: Arc<dyn SessionStore>,
    pub audit: Recorder,
    pub clock: SharedClock,
}

/// What all requests at one site share.
#[derive(Clone, Debug)]
pub(crate) struct Scim {
    means: Means,
    tenancy: Arc<Tenancy>,
    site: SiteId,
    /// `https://app.example.com/.doorward/scim/v2`
    base: String,
    /// Where the door is: below the prefix, and under another name if there is one.
    roots: Arc<[String]>,
    /// The domains of the file's connections; those of the store's are asked for.
    domains: Arc<[(ConnectionId, Vec<Domain>)]>,
    roles: Arc<Roles>,
    failures: Arc<FailureLimit>,
    proven: Arc<Proven>,
}

/// The door, at whichever site; what is counted is counted at all of them together.
#[derive(Clone, Debug)]
pub struct Doors(Scim);

impl Doors {
    #[must_use]
    pub fn new(config: &Config, tenancy: &Arc<Tenancy>, roles: &Arc<Roles>, means: Means) -> Self {
        let roots = std::iter::once(format!("{}/scim/v2", config.prefix)).chain(config.scim.alias.clone());
        Self(Scim {
            means,
            tenancy: Arc::clone(tenancy),
            site: SiteId::SHARED,
            base: String::new(),
            roots: roots.collect(),
            domains: config.connections.iter().map(|typed| (typed.id.clone(), typed.domains.clone())).collect(),
            roles: Arc::clone(roles),
            failures: Arc::new(FailureLimit::new(config.limits.failures_per_minute)),
            proven: Arc::default(),
        })
    }

    /// The door at this site, under all its names.
    pub fn at(&self, site: SiteId) -> Router {
        let Scim { tenancy, roots, .. } = &self.0;
        let own = roots.first().map(String::as_str).unwrap_or_default();
        let base = format!("{}{own}", tenancy.site(site).public_url);
        let scim = Arc::new(Scim { site, base, ..self.0.clone() });
        let paths = roots.iter().flat_map(|root| [root.clone(), format!("{root}/"), format!("{root}/{{*rest}}")]);
        paths
            .fold(Router::new(), |router, path| router.route(&path, axum::routing::any(answer)))
            .layer(DefaultBodyLimit::disable())
            .with_state(scim)
    }
}

async fn answer(State(scim): State<Arc<Scim>>, request: axum::extract::Request) -> Response {
    call::answer(&scim, request).await
}

impl Scim {
    /// The domains that the connection may speak for; empty: any.
    async fn domains_of(&self, connection: &ConnectionId) -> Result<Vec<Domain>, error::ScimError> {
        if let Some((_, domains)) = self.domains.iter().find(|(id, _)| id == connection) {
            return Ok(domains.clone());
        }
        let stored = self.means.connections.connections().await?;
        let document = stored.into_iter().find(|stored| stored.id == *connection).map(|stored| stored.document);
        let domains = document.as_ref().and_then(|document| document.get("domains")).and_then(serde_json::Value::as_array);
        let texts = domains.into_iter().flatten().filter_map(serde_json::Value::as_str);
        Ok(texts.filter_map(|text| text.parse().ok()).collect())
    }
}
