//! From a permit to a request that the application can trust.
//!
//! Refuses to pass on anything only Doorward may say: such headers are removed from every request first, then set (threats H1–H3).

mod assertion;
mod headers;
mod upstream;

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderValue;
use http::request::Parts;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::{Error, ErrorType};

pub use assertion::Assertions;
pub use headers::{Headers, Origin};
pub use upstream::{Late, Lease, NO_AUTHORITIES, ServerState, Upstreams};

use crate::clock::Timestamp;
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
        let (route, identity, reported) = permit.spend();
        Outbound { route, identity, reported, now: clean.now, client: clean.client, origin, lease: None }
    }

    /// Rewrites the head that goes to the application.
    ///
    /// # Errors
    /// An internal error when a header cannot be set; the request does not go out then.
    pub fn request(&self, outbound: &Outbound, head: &mut RequestHeader) -> pingora::Result<()> {
        let Target::Upstream(index) = outbound.target() else {
            return Error::e_explain(ErrorType::InternalError, "a door has no upstream");
        };
        let assertion = self.assertion(outbound)?;
        // The engine keeps each name a second time as it was spelt and pays for it with two allocations for each field that is
        // set. Its plain parts do without, and hold an absolute-form target (RFC 9112 §3.2.2) as the path that was judged.
        let blank = RequestHeader::from(http::Request::new(()).into_parts().0);
        let mut parts: Parts = std::mem::replace(head, blank).into();
        self.headers.apply(outbound, assertion, &mut parts.headers);
        self.upstreams.apply(index, outbound.lease.as_ref(), &mut parts.headers);
        *head = parts.into();
        Ok(())
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
