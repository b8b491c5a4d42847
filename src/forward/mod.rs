//! From a permit to a request that the application can trust.
//!
//! Refuses to pass on anything only Doorward may say: such headers are removed from every request first, then set (threats H1–H3).

mod headers;
mod upstream;

use std::net::IpAddr;
use std::sync::Arc;

pub use headers::Headers;
pub use upstream::Upstreams;

use crate::config::{Config, Problems};
use crate::credential::Sources;
use crate::edge::Clean;
use crate::model::Identity;
use crate::policy::{Denial, Permit};
use crate::route::{Route, Target};

/// A request that may go out, and what it is to carry.
#[derive(Debug)]
pub struct Outbound {
    pub route: Arc<Route>,
    pub identity: Option<Arc<Identity>>,
    /// What would have refused it, were the route not in report mode.
    pub reported: Option<Denial>,
    pub client: IpAddr,
    pub secure: bool,
}

impl Outbound {
    #[must_use]
    pub fn target(&self) -> Target {
        self.route.target
    }
}

/// How requests go out.
#[derive(Debug)]
pub struct Forwarding {
    pub headers: Headers,
    pub upstreams: Upstreams,
}

impl Forwarding {
    pub fn compile(config: &Config, credentials: &Sources, problems: &mut Problems) -> Self {
        Self { headers: Headers::compile(config, credentials, problems), upstreams: Upstreams::compile(config, problems) }
    }

    /// Spends the permit.
    #[must_use]
    pub fn prepare(&self, permit: Permit, clean: &Clean<'_>) -> Outbound {
        let (route, identity, reported) = permit.spend();
        Outbound { route, identity, reported, client: clean.client, secure: clean.secure }
    }
}
