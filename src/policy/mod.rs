//! Whether a request may pass.
//!
//! Refuses by default: [`decide`] is the only maker of a [`Permit`], and nothing is forwarded without one.

pub mod mfa;
pub mod role;
pub mod tenancy;

use std::sync::Arc;

use self::mfa::Demands;
use self::tenancy::{SiteId, Tenancy};
use crate::clock::Timestamp;
use crate::config::access::{Access, Mode};
use crate::edge::Clean;
use crate::model::{ConnectionId, Identity};
use crate::route::Route;

/// Proof that a request was judged and may pass. Made only here, spent by `forward`.
#[derive(Debug)]
pub struct Permit {
    route: Arc<Route>,
    identity: Option<Arc<Identity>>,
    /// What would have refused it, were the route not in report mode.
    reported: Option<Denial>,
    site: SiteId,
}

/// What a permit holds.
#[derive(Debug)]
pub struct Spent {
    pub route: Arc<Route>,
    pub identity: Option<Arc<Identity>>,
    pub site: SiteId,
}

impl Permit {
    /// Takes the permit apart; it can be spent once.
    #[must_use]
    pub fn spend(self) -> Spent {
        let Self { route, identity, reported: _, site } = self;
        Spent { route, identity, site }
    }

    /// What would have refused it, were the route not in report mode.
    #[must_use]
    pub fn reported(&self) -> Option<Denied> {
        self.reported.map(|denial| Denied { denial, identity: self.identity.clone() })
    }
}

/// Why a request may not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// Nobody may (HTTP 403).
    #[error("nobody may go there")]
    Closed,
    /// It needs somebody, and nobody was named (HTTP 401, or sign-in for a browser).
    #[error("an identity is needed")]
    IdentityNeeded,
    #[error("the source network is not allowed")]
    Network,
    #[error("the tenant is another one")]
    Tenant,
    /// The host is another tenant's. No route in report mode changes that.
    #[error("the host is not this tenant's")]
    ForeignHost,
    #[error("none of the needed roles is held")]
    Role,
    #[error("none of the needed groups is held")]
    Group,
    #[error("a needed scope is not held")]
    Scope,
    /// A person can mend it by signing in again with a second factor.
    #[error("a second factor is needed")]
    SecondFactor,
    /// A person can mend it by signing in again.
    #[error("the sign-in is too long ago")]
    SignInTooOld,
}

impl Denial {
    /// Stable snake_case name for records and metrics.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::IdentityNeeded => "identity_needed",
            Self::Network => "network",
            Self::Tenant => "tenant",
            Self::ForeignHost => "foreign_host",
            Self::Role => "role",
            Self::Group => "group",
            Self::Scope => "scope",
            Self::SecondFactor => "second_factor",
            Self::SignInTooOld => "sign_in_too_old",
        }
    }
}

/// Who was denied where, and why.
#[derive(Debug)]
pub struct Denied {
    pub denial: Denial,
    pub identity: Option<Arc<Identity>>,
}

/// Rules that hold on every route.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Who needs a second factor.
    pub second_factors: Demands,
    pub tenancy: Arc<Tenancy>,
}

/// Judges a request by its host's tenant and its route's rule.
pub fn decide(
    standing: &Standing,
    route: &Arc<Route>,
    clean: &Clean<'_>,
    identity: Option<Arc<Identity>>,
) -> Result<Permit, Denied> {
    let site = standing.tenancy.at(&clean.host);
    if identity.as_ref().is_some_and(|identity| !standing.tenancy.admits(site, identity)) {
        return Err(Denied { denial: Denial::ForeignHost, identity });
    }
    let reported = match (judge(&standing.second_factors, route, clean, identity.as_deref()), route.mode) {
        (Ok(()), _) => None,
        (Err(denial), Mode::Report) => Some(denial),
        (Err(denial), Mode::Enforce) => return Err(Denied { denial, identity }),
    };
    Ok(Permit { route: Arc::clone(route), identity, reported, site })
}

/// Whether it is the account for when nothing else works.
fn is_break_glass(identity: &Identity) -> bool {
    identity.connection.as_ref().is_some_and(ConnectionId::is_break_glass)
}

fn judge(demands: &Demands, route: &Route, clean: &Clean<'_>, identity: Option<&Identity>) -> Result<(), Denial> {
    if !route.networks.is_empty() && !route.networks.iter().any(|network| network.contains(&clean.client)) {
        return Err(Denial::Network);
    }
    match (route.access, identity) {
        (Access::Deny, _) => Err(Denial::Closed),
        (Access::Public, _) | (Access::Optional, None) => Ok(()),
        (Access::Required, None) => Err(Denial::IdentityNeeded),
        (Access::Optional | Access::Required, Some(identity)) => judge_identity(demands, route, identity, clean.now),
    }
}

fn judge_identity(demands: &Demands, route: &Route, identity: &Identity, now: Timestamp) -> Result<(), Denial> {
    let any_of = |needed: &[String], held: &[String]| needed.is_empty() || needed.iter().any(|one| held.contains(one));
    if route.tenant.as_ref().is_some_and(|tenant| *tenant != identity.tenant) {
        return Err(Denial::Tenant);
    }
    if !(any_of(&route.roles, &identity.roles) || route.administers && is_break_glass(identity)) {
        return Err(Denial::Role);
    }
    if !any_of(&route.groups, &identity.groups) {
        return Err(Denial::Group);
    }
    if !route.scopes.iter().all(|needed| identity.scopes.iter().any(|held| held.covers(needed))) {
        return Err(Denial::Scope);
    }
    if demands.of(route, identity) && !identity.mfa {
        return Err(Denial::SecondFactor);
    }
    match route.max_age {
        Some(age) if identity.authenticated_at.is_none_or(|at| at.after(age) < now) => Err(Denial::SignInTooOld),
        _ => Ok(()),
    }
}
