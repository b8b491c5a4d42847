//! The journey of a request.
//!
//! Refuses shortcuts: each stage takes what the one before made, so that none can be left out.

use crate::authn::Authn;
use crate::credential;
use crate::edge::{Arrival, Hygiene};
use crate::forward::{Forwarding, Outbound};
use crate::policy;
use crate::route;

use super::reject::Rejection;

/// The compiled configuration of the journey.
pub struct Gateway {
    pub hygiene: Hygiene,
    pub routes: route::Table,
    pub credentials: credential::Sources,
    pub authn: Authn,
    pub forwarding: Forwarding,
    /// Doorward's own pages.
    pub doors: axum::Router,
    /// `https://app.example.com`
    pub public_url: Box<str>,
    /// `/.doorward`
    pub prefix: Box<str>,
}

/// From what arrived to what may go out.
pub async fn journey(gateway: &Gateway, arrival: Arrival<'_>) -> Result<Outbound, Rejection> {
    let clean = gateway.hygiene.inspect(arrival)?;
    let route = gateway.routes.find(&clean);
    let credential = gateway.credentials.present(&clean, route).map_err(|error| Rejection::from(error).on(route))?;
    let identity = gateway.authn.identify(credential, &clean).await.map_err(|error| Rejection::from(error).on(route))?;
    let permit = policy::decide(route, &clean, identity).map_err(|denied| Rejection::from(denied).on(route))?;
    Ok(gateway.forwarding.prepare(permit, &clean))
}
