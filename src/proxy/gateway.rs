//! The journey's stages, compiled.
//!
//! Refuses to change: a reload makes another, and requests that have begun end under the one they began with.

use std::sync::Arc;

use super::challenge::Challenges;
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
use crate::telemetry::{AccessLog, RouteMeter, Telemetry, UpstreamMeter};

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
    /// `/.doorward`
    pub prefix: Box<str>,
}

/// What is found at one site.
pub struct Reception {
    pub challenges: Challenges,
    /// Signing in, whose connections may change while it runs.
    pub login: Arc<Login>,
    /// Doorward's own pages.
    pub doors: axum::Router,
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
}

impl Observed {
    /// Finds the meters of this configuration's routes and upstreams.
    #[must_use]
    pub fn new(telemetry: &Telemetry, config: &Config, routes: &route::Table) -> Self {
        let metrics = &telemetry.metrics;
        let own = config.routes.iter().enumerate().filter(|(_, route)| route.upstream.is_some());
        let own = own.map(|(index, route)| route.name.clone().unwrap_or_else(|| format!("routes[{index}]")));
        Self {
            routes: routes.iter().map(|route| metrics.route(&route.name)).collect(),
            unrouted: metrics.route("none"),
            upstreams: std::iter::once("default".to_owned()).chain(own).map(|name| metrics.upstream(&name)).collect(),
            access_log: telemetry.access_log(&config.logging),
        }
    }
}
