//! Who asks: what the journey found out about the caller.
//!
//! Refuses a request that did not come through the journey, and one without an identity, whatever the route's rule was.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::header;
use http::request::Parts;

use super::problem::Problem;
use crate::admin::Acting;
use crate::forward::Outbound;
use crate::telemetry::RequestId;

/// Longest `User-Agent` that is kept, in letters.
const LONGEST_AGENT: usize = 256;

/// The caller.
pub(super) struct Caller(pub Acting);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(parts)
    }
}

impl Caller {
    /// Whoever sent the request with this head.
    pub(super) fn of(parts: &Parts) -> Result<Self, Problem> {
        let judged = parts.extensions.get::<Arc<Outbound>>().ok_or(Problem::INTERNAL)?;
        let identity = judged.identity.as_ref().ok_or(Problem::INTERNAL)?;
        let agent = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        Ok(Self(Acting {
            actor: identity.subject.clone(),
            tenant: identity.tenant.clone(),
            credential: Some(identity.credential),
            session: identity.session.clone(),
            source: Some(judged.client),
            user_agent: agent.map(|agent| agent.chars().take(LONGEST_AGENT).collect()),
            request_id: parts.extensions.get::<RequestId>().map(|id| id.as_str().to_owned()),
        }))
    }
}
