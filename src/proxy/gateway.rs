//! The journey's stages, compiled.
//!
//! Refuses to change: a reload makes another, and requests that have begun end under the one they began with.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use moka::future::Cache;

use super::challenge::Challenges;
use super::outer::Decisions;
use crate::audit::Recorder;
use crate::authn::Authn;
use crate::config::Config;
use crate::credential;
use crate::edge::Hygiene;
use crate::edge::tls::Expiry;
use crate::forward::Forwarding;
use crate::login::Login;
use crate::login::pages::Pages;
use crate::policy::Standing;
use crate::policy::tenancy::SiteId;
use crate::route;
use crate::session::Seals;
use crate::telemetry::{AccessLog, RouteMeter, Telemetry, Tracer, UpstreamMeter};

/// Sites whose pages are kept at a time, and for how long after somebody was there.
const KEPT_DOORS: u64 = 256;
const DOORS_KEPT: Duration = Duration::from_secs(3600);

/// The compiled configuration of the journey.
pub struct Gateway {
    pub hygiene: Hygiene,
    pub routes: route::Table,
    pub credentials: credential::Sources,
    pub authn: Arc<Authn>,
    pub standing: Standing,
    /// Writes the cookies of sealed sessions anew while they are used.
    pub seals: Arc<Seals>,
    pub forwarding: Forwarding,
    pub observed: Observed,
    /// When the listeners' certificates end.
    pub certificates: Box<[Expiry]>,
    /// In the order of the sites' ids; the first is the shared one.
    pub receptions: Box<[Reception]>,
    /// Doorward's own pages.
    pub doors: Doors,
    /// `/.doorward`
    pub prefix: Box<str>,
    /// How other proxies may ask for decisions; `None`: they may not.
    pub decisions: Option<Decisions>,
}

/// Doorward's own pages, put together for a site when somebody comes there and kept while they do: all of them together are a hundred
/// kilobytes of routes for each of what may be a thousand hosts.
pub struct Doors {
    build: Box<dyn Fn(SiteId) -> Router + Send + Sync>,
    built: Cache<SiteId, Router>,
}

/// Two of Doorward's own pages have one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two of Doorward's own pages have one address")]
pub struct Overlapping;

impl Doors {
    /// Refuses pages that cannot be put together: the router panics then, which must not come with the first visitor, when the
    /// configuration has long been in force.
    pub fn new(build: impl Fn(SiteId) -> Router + Send + Sync + 'static) -> Result<Self, Overlapping> {
        catch_unwind(AssertUnwindSafe(|| drop(build(SiteId::SHARED)))).map_err(|_| Overlapping)?;
        Ok(Self { build: Box::new(build), built: Cache::builder().max_capacity(KEPT_DOORS).time_to_idle(DOORS_KEPT).build() })
    }

    pub(super) async fn at(&self, site: SiteId) -> Router {
        self.built.get_with(site, async { (self.build)(site) }).await
    }
}

/// What is found at one site.
pub struct Reception {
    pub challenges: Challenges,
    /// Signing in, whose connections may change while it runs.
    pub login: Arc<Login>,
    /// What people are shown who get no further.
    pub pages: Arc<Pages>,
}

impl Gateway {
    /// What is found at `site`.
    #[must_use]
    pub fn reception(&self, site: SiteId) -> &Reception {
        self.receptions.get(site.place()).unwrap_or(&self.receptions[0])
    }

    /// Signing in, at every site.
    pub fn logins(&self) -> impl Iterator<Item = &Login> {
        self.receptions.iter().map(|reception| &*reception.login)
    }
}

/// Where this configuration's requests are counted and written down.
pub struct Observed {
    /// In the order of the route table.
    pub(super) routes: Box<[Arc<RouteMeter>]>,
    /// Requests that came to no route.
    pub(super) unrouted: Arc<RouteMeter>,
    /// In the order of `forward`'s upstreams.
    pub(super) upstreams: Box<[Arc<UpstreamMeter>]>,
    pub(super) access_log: Option<AccessLog>,
    pub(super) tracer: Option<Tracer>,
    pub(super) audit: Recorder,
}

impl Observed {
    /// Finds the meters of this configuration's routes and upstreams.
    #[must_use]
    pub fn new(telemetry: &Telemetry, audit: Recorder, config: &Config, routes: &route::Table) -> Self {
        let metrics = &telemetry.metrics;
        let own = config.routes.iter().enumerate().filter(|(_, route)| route.upstream.is_some());
        let own = own.map(|(index, route)| route.name.clone().unwrap_or_else(|| format!("routes[{index}]")));
        Self {
            routes: routes.iter().map(|route| metrics.route(&route.name)).collect(),
            unrouted: metrics.route("none"),
            upstreams: std::iter::once("default".to_owned()).chain(own).map(|name| metrics.upstream(&name)).collect(),
            access_log: telemetry.access_log(&config.logging),
            tracer: telemetry.tracer(config),
            audit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_cannot_be_put_together_are_refused_before_anybody_is_there() {
        let page = |path: &'static str| Router::new().route(path, axum::routing::get(async || ""));
        assert_eq!(Doors::new(move |_| page("/one").merge(page("/one"))).err(), Some(Overlapping));
        assert!(Doors::new(move |_| page("/one").merge(page("/two"))).is_ok());
    }
}
