//! From a permit to a request that the application can trust.
//!
//! Refuses to pass on anything only Doorward may say: such headers are removed from every request first, then set (threats H1–H3).

mod assertion;
mod headers;
mod upstream;

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use pingora::http::ResponseHeader;
use pingora::{Error, ErrorType};

pub use assertion::Assertions;
pub use headers::{Headers, Origin, Told};
pub use upstream::{Late, Lease, NO_AUTHORITIES, Pool, ServerState, Upstreams, Way};

use crate::clock::Timestamp;
use crate::config::{Config, Problems};
use crate::credential::Sources;
use crate::edge::Clean;
use crate::model::Identity;
use crate::policy::tenancy::SiteId;
use crate::policy::{Permit, Spent};
use crate::route::{Route, Target};

/// A request that may go out, and what it is to carry.
#[derive(Debug)]
pub struct Outbound {
    pub route: Arc<Route>,
    pub identity: Option<Arc<Identity>>,
    /// Whose host it is for.
    pub site: SiteId,
    /// When it was judged.
    pub now: Timestamp,
    /// Where it comes from, after trusted proxies.
    pub client: IpAddr,
    pub origin: Origin,
    /// Its place at a server, once one was chosen.
    pub lease: Option<Lease>,
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
    pub assertions: Option<Arc<Assertions>>,
    pub upstreams: Upstreams,
}

impl Forwarding {
    pub fn compile(config: &Config, credentials: &Sources, problems: &mut Problems) -> Self {
        Self {
            headers: Headers::compile(config, credentials, problems),
            assertions: Assertions::compile(config, problems).map(Arc::new),
            upstreams: Upstreams::compile(config, problems),
        }
    }

    /// Spends the permit.
    #[must_use]
    pub fn prepare(&self, permit: Permit, clean: &Clean<'_>) -> Outbound {
        let origin = Origin::of(clean);
        let Spent { route, identity, site } = permit.spend();
        Outbound { route, identity, site, now: clean.now, client: clean.client, origin, lease: None }
    }

    /// Rewrites the fields that go to the application.
    ///
    /// # Errors
    /// An internal error when a header cannot be set; the request does not go out then.
    pub fn request(&self, outbound: &Outbound, fields: &mut HeaderMap) -> pingora::Result<()> {
        let Target::Upstream(index) = outbound.target() else {
            return Error::e_explain(ErrorType::InternalError, "a door has no upstream");
        };
        let assertion = self.assertion(outbound)?;
        self.headers.apply(outbound, assertion, fields);
        self.upstreams.apply(index, outbound.lease.as_ref(), fields);
        Ok(())
    }

    /// What a proxy that forwards by itself is told about the fields that were `sent`.
    ///
    /// # Errors
    /// An internal error when a header cannot be made; the request may not pass then.
    pub fn tell(&self, outbound: &Outbound, sent: &HeaderMap) -> pingora::Result<Told> {
        let assertion = self.assertion(outbound)?;
        Ok(self.headers.tell(outbound, assertion, sent))
    }

    /// Whether some application would read one of the fields as what only Doorward says, though no proxy takes it away.
    #[must_use]
    pub fn holds_alias(&self, sent: &HeaderMap) -> bool {
        self.headers.alias(sent).is_some()
    }

    fn assertion(&self, outbound: &Outbound) -> pingora::Result<Option<HeaderValue>> {
        let (Some(assertions), Some(identity)) = (&self.assertions, &outbound.identity) else { return Ok(None) };
        let minted = assertions.of(identity, outbound.now);
        minted.map(Some).map_err(|error| Error::because(ErrorType::InternalError, "no assertion", error))
    }

    /// Rewrites the head of the application's answer.
    ///
    /// # Errors
    /// An internal error when a header cannot be set.
    pub fn answer(&self, head: &mut ResponseHeader) -> pingora::Result<()> {
        Headers::answer(head)
    }

    /// The doors of this stage: the assertion's public keys at `{prefix}/jwks.json`.
    pub fn jwks_router(&self, prefix: &str) -> axum::Router {
        assertion::jwks_router(self.assertions.clone(), prefix)
    }
}
