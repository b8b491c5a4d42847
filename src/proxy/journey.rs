//! The journey of a request.
//!
//! Refuses shortcuts: each stage takes what the one before made, so that none can be left out.

use super::gateway::Gateway;
use super::reject::Rejection;
use crate::edge::Arrival;
use crate::forward::Outbound;
use crate::policy;

/// From what arrived to what may go out.
pub async fn journey(gateway: &Gateway, arrival: Arrival<'_>) -> Result<Outbound, Rejection> {
    let clean = gateway.hygiene.inspect(arrival)?;
    let route = gateway.routes.find(&clean);
    let credential = gateway.credentials.present(&clean, route).map_err(|error| Rejection::from(error).on(route))?;
    let identity = gateway.authn.identify(credential, &clean).await.map_err(|error| Rejection::from(error).on(route))?;
    let permit = policy::decide(route, &clean, identity).map_err(|denied| Rejection::from(denied).on(route))?;
    Ok(gateway.forwarding.prepare(permit, &clean))
}
