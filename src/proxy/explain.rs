//! What would become of a request, and why, without sending it.
//!
//! Refuses to know better than the journey: the same stages are asked in the same order, only that a stand-in may take the place of
//! a credential.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use pingora::http::RequestHeader;
use serde::Serialize;

use super::gateway::Gateway;
use super::journey::{self, Passage};
use super::reject::{Cause, Rejection};
use crate::authn::StandIn;
use crate::config::access::{Access, Mode};
use crate::directory::{Directory, DirectoryError};
use crate::edge::Arrival;
use crate::forward::Outbound;
use crate::model::{CredentialKind, Identity, ProgramKind};
use crate::policy::role::{Grant, Roles};
use crate::route::{Route, Target};
use crate::telemetry::Decision;

/// The answer.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// Name of the route that decides; absent where it never came to that.
    pub route: Option<String>,
    pub rule: Option<Rule>,
    /// Kind of the credential that was seen.
    pub credential: Option<CredentialKind>,
    pub identity: Option<Who>,
    pub decision: &'static str,
    /// Stable snake_case name of what stood against it.
    pub reason: Option<&'static str>,
    /// In words.
    pub why: String,
    /// What a program would be answered; absent where the application answers.
    pub status: Option<u16>,
    /// `door`, or the place of the upstream: 0 is the file's.
    pub goes_to: Option<String>,
    /// As the application would get them.
    pub headers: Vec<(String, String)>,
}

/// What the route demands.
#[derive(Debug, Serialize)]
pub struct Rule {
    pub access: &'static str,
    pub report_only: bool,
    pub accept: Vec<CredentialKind>,
    pub roles: Vec<String>,
    pub groups: Vec<String>,
    pub scopes: Vec<String>,
    pub tenant: Option<String>,
    pub mfa: bool,
    /// Seconds.
    pub max_age: Option<u64>,
    pub networks: Vec<String>,
    /// Which answered requests are recorded: `none`, `all`, or the part that is.
    pub access_events: String,
}

/// Who the request would come from.
#[derive(Debug, Serialize)]
pub struct Who {
    pub subject: String,
    pub tenant: String,
    pub roles: Vec<String>,
    /// Why each of them is held.
    pub roles_from: Vec<Grant>,
    pub groups: Vec<String>,
    pub scopes: Vec<String>,
}

/// Where people and programs are known, and what their groups mean.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    pub directory: &'a dyn Directory,
    pub roles: &'a Roles,
}

/// Explains what would become of `arrival`, with `stand_in` taken as shown. `hidden`: names of headers whose values are not shown.
///
/// # Errors
/// Where the directory cannot be asked.
pub async fn explain(
    gateway: &Gateway,
    arrival: Arrival<'_>,
    known: Known<'_>,
    stand_in: Option<StandIn>,
    hidden: &[String],
) -> Result<Explanation, DirectoryError> {
    let shown = stand_in.as_ref().map(|stand_in| stand_in.roles().to_vec());
    let judged = match stand_in {
        None => journey::journey(gateway, arrival).await,
        Some(stand_in) => with_stand_in(gateway, arrival, known, stand_in).await,
    };
    let mut explanation = match &judged {
        Ok(passage) => passed(gateway, passage, arrival.head, hidden),
        Err(rejection) => stopped(rejection),
    };
    let identity = judged.as_ref().map_or_else(Rejection::identity, |passage| passage.outbound.identity.as_ref());
    if let (Some(who), Some(identity)) = (&mut explanation.identity, identity) {
        let direct = match shown {
            Some(roles) => roles,
            None => assigned(identity, known).await?,
        };
        let grants = known.roles.why(&identity.tenant, &direct, &identity.groups);
        // A key may have more roles than its owner has now, and a token fewer than its client: those that do not count have no reason.
        who.roles_from = grants.into_iter().filter(|grant| identity.roles.contains(&grant.role)).collect();
    }
    Ok(explanation)
}

/// The roles that the identity has of its own, beside those of groups: assigned in the directory, or by the credential itself.
async fn assigned(identity: &Identity, known: Known<'_>) -> Result<Vec<String>, DirectoryError> {
    let program = match identity.credential {
        CredentialKind::ApiKey => Some(ProgramKind::ApiKey),
        CredentialKind::ClientSecret => Some(ProgramKind::Client),
        // A token that names no issuer is Doorward's own, and its subject a client.
        CredentialKind::Bearer if identity.issuer.is_none() => Some(ProgramKind::Client),
        _ => None,
    };
    if let Some(kind) = program {
        return Ok(known.directory.program(kind, &identity.subject).await?.map(|program| program.roles).unwrap_or_default());
    }
    if let Some(user) = identity.user {
        return Ok(known.directory.user(user).await?.map(|user| user.roles).unwrap_or_default());
    }
    let by_groups = known.roles.of(&identity.tenant, &[], &identity.groups);
    Ok(identity.roles.iter().filter(|role| !by_groups.contains(role)).cloned().collect())
}

async fn with_stand_in(
    gateway: &Gateway,
    arrival: Arrival<'_>,
    known: Known<'_>,
    stand_in: StandIn,
) -> Result<Passage, Rejection> {
    let clean = gateway.hygiene.inspect(arrival)?;
    let route = gateway.routes.find(&clean);
    let identified = match gateway.credentials.takes(stand_in.credential(), route) {
        Ok(true) => stand_in.identify(known.directory, known.roles, &clean).await.map_err(Cause::from),
        Ok(false) => Ok(None),
        Err(error) => Err(error.into()),
    };
    journey::onward(gateway, &clean, route, identified)
}

fn passed(gateway: &Gateway, passage: &Passage, head: &RequestHeader, hidden: &[String]) -> Explanation {
    let Passage { outbound, reported } = passage;
    let (decision, why) = match reported {
        None => (Decision::Allowed, "it may pass".to_owned()),
        Some(rejection) => {
            (Decision::Reported, format!("it may pass because the route only reports; else: {}", rejection.explanation()))
        }
    };
    let (goes_to, headers) = match outbound.target() {
        Target::Door => ("door".to_owned(), Vec::new()),
        Target::Upstream(place) => (format!("upstream {place}"), headers(gateway, outbound, head, hidden)),
    };
    let described = described(Some(&outbound.route), outbound.identity.as_ref(), decision);
    Explanation {
        credential: described.credential.or_else(|| reported.as_ref().and_then(|rejection| rejection.refused_kind())),
        reason: reported.as_ref().map(|rejection| rejection.reason()),
        why,
        status: None,
        goes_to: Some(goes_to),
        headers,
        ..described
    }
}

fn stopped(rejection: &Rejection) -> Explanation {
    let described = described(rejection.route.as_ref(), rejection.identity(), rejection.decision());
    Explanation {
        credential: described.credential.or_else(|| rejection.refused_kind()),
        reason: Some(rejection.reason()),
        why: rejection.explanation(),
        status: Some(rejection.status().as_u16()),
        ..described
    }
}

fn described(route: Option<&Arc<Route>>, identity: Option<&Arc<Identity>>, decision: Decision) -> Explanation {
    Explanation {
        route: route.map(|route| route.name.to_string()),
        rule: route.map(|route| Rule::of(route)),
        credential: identity.map(|identity| identity.credential),
        identity: identity.map(|identity| Who::of(identity)),
        decision: decision.as_str(),
        reason: None,
        why: String::new(),
        status: None,
        goes_to: None,
        headers: Vec::new(),
    }
}

fn headers(gateway: &Gateway, outbound: &Outbound, head: &RequestHeader, hidden: &[String]) -> Vec<(String, String)> {
    let mut sent = head.headers.clone();
    if let Err(error) = gateway.forwarding.request(outbound, &mut sent) {
        return vec![("(error)".to_owned(), error.to_string())];
    }
    sent.iter().map(|(name, value)| (name.to_string(), shown(name, value, hidden))).collect()
}

/// A value that may be printed; a secret is none, whether its header's name says that it is one or whoever set it.
fn shown(name: &HeaderName, value: &HeaderValue, hidden: &[String]) -> String {
    if value.is_sensitive() || hidden.iter().any(|hidden| hidden.eq_ignore_ascii_case(name.as_str())) {
        return "***".to_owned();
    }
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

impl Rule {
    fn of(route: &Route) -> Self {
        Self {
            access: match route.access {
                Access::Public => "public",
                Access::Optional => "optional",
                Access::Required => "required",
                Access::Deny => "deny",
            },
            report_only: route.mode == Mode::Report,
            accept: route.accept.to_vec(),
            roles: route.roles.to_vec(),
            groups: route.groups.to_vec(),
            scopes: route.scopes.iter().map(ToString::to_string).collect(),
            tenant: route.tenant.as_ref().map(ToString::to_string),
            mfa: route.mfa,
            max_age: route.max_age.map(|age| age.as_secs()),
            networks: route.networks.iter().map(ToString::to_string).collect(),
            access_events: route.access_events.to_string(),
        }
    }
}

impl Who {
    fn of(identity: &Identity) -> Self {
        Self {
            subject: identity.user_name.clone().unwrap_or_else(|| identity.subject.clone()),
            tenant: identity.tenant.to_string(),
            roles: identity.roles.clone(),
            roles_from: Vec::new(),
            groups: identity.groups.clone(),
            scopes: identity.scopes.iter().map(ToString::to_string).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked_by_its_name_and_by_its_own_mark() {
        let (name, hidden) = (HeaderName::from_static("x-forwarded-access-token"), ["X-Legacy-Key".to_owned()]);
        let mut token = HeaderValue::from_static("eyJ");
        assert_eq!(shown(&name, &token, &hidden), "eyJ");
        token.set_sensitive(true);
        assert_eq!(shown(&name, &token, &hidden), "***");
        assert_eq!(shown(&HeaderName::from_static("x-legacy-key"), &HeaderValue::from_static("k"), &hidden), "***");
    }
}
