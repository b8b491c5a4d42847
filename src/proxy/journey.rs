//! The journey of a request.
//!
//! Refuses shortcuts: each stage takes what the one before made, so that none can be left out.

use std::sync::Arc;

use super::gateway::Gateway;
use super::reject::{Cause, Rejection};
use crate::authn::AuthnError;
use crate::config::access::Mode;
use crate::edge::{Arrival, Clean};
use crate::forward::Outbound;
use crate::model::Identity;
use crate::policy;
use crate::route::Route;

/// A request that may go out.
#[derive(Debug)]
pub struct Passage {
    pub outbound: Outbound,
    /// What would have kept it in, were its route not in report mode.
    pub reported: Option<Box<Rejection>>,
}

/// From what arrived to what may go out.
pub async fn journey(gateway: &Gateway, arrival: Arrival<'_>) -> Result<Passage, Rejection> {
    let clean = gateway.hygiene.inspect(arrival)?;
    let route = gateway.routes.find(&clean);
    let identified = identify(gateway, &clean, route).await;
    onward(gateway, &clean, route, identified)
}

async fn identify(gateway: &Gateway, clean: &Clean<'_>, route: &Route) -> Result<Option<Arc<Identity>>, Cause> {
    let credential = gateway.credentials.present(clean, route)?;
    Ok(gateway.authn.identify(credential, clean).await?)
}

/// From who it is, or why that cannot be said, to what may go out.
pub(super) fn onward(
    gateway: &Gateway,
    clean: &Clean<'_>,
    route: &Arc<Route>,
    identified: Result<Option<Arc<Identity>>, Cause>,
) -> Result<Passage, Rejection> {
    let reject = |cause| Rejection::on(cause, route, clean, gateway.standing.tenancy.at(&clean.host));
    let (identity, excused) = match identified {
        // To report is to judge without refusing; what could not be judged at all is still no answer.
        Err(cause @ (Cause::Credential(_) | Cause::Authn(AuthnError::Refused { .. } | AuthnError::TooMany { .. })))
            if route.mode == Mode::Report =>
        {
            (None, Some(cause))
        }
        identified => (identified.map_err(reject)?, None),
    };
    let permit = policy::decide(&gateway.standing, route, clean, identity).map_err(|denied| reject(denied.into()))?;
    // What would have come first is what is told.
    let reported = excused.or_else(|| permit.reported().map(Cause::from));
    let reported = reported.map(|cause| Box::new(reject(cause)));
    Ok(Passage { outbound: gateway.forwarding.prepare(permit, clean), reported })
}
