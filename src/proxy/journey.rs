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

/// From what arrived to what may go out.
pub async fn journey(gateway: &Gateway, arrival: Arrival<'_>) -> Result<Outbound, Rejection> {
    let clean = gateway.hygiene.inspect(arrival)?;
    let route = gateway.routes.find(&clean);
    let site = || gateway.standing.tenancy.at(&clean.host);
    onward(gateway, &clean, route).await.map_err(|cause| Rejection::on(cause, route, &clean, site()))
}

/// From a route to what may go out.
async fn onward(gateway: &Gateway, clean: &Clean<'_>, route: &Arc<Route>) -> Result<Outbound, Cause> {
    let identity = match identify(gateway, clean, route).await {
        // To report is to judge without refusing; what could not be judged at all is still no answer.
        Err(Cause::Credential(_) | Cause::Authn(AuthnError::Refused { .. } | AuthnError::TooMany { .. }))
            if route.mode == Mode::Report =>
        {
            None
        }
        identity => identity?,
    };
    let permit = policy::decide(&gateway.standing, route, clean, identity)?;
    Ok(gateway.forwarding.prepare(permit, clean))
}

async fn identify(gateway: &Gateway, clean: &Clean<'_>, route: &Route) -> Result<Option<Arc<Identity>>, Cause> {
    let credential = gateway.credentials.present(clean, route)?;
    Ok(gateway.authn.identify(credential, clean).await?)
}
