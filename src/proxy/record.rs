//! What of a rejected request goes into the audit trail.
//!
//! Refuses to record what is no event: somebody who has yet to sign in, and a request that nobody can answer for.

use std::sync::Arc;

use http::header;
use pingora::proxy::Session;

use super::account::Account;
use super::gateway::Gateway;
use super::reject::Rejection;
use crate::audit::what::{AccessDenied, CredentialRefused, RequestRefused, What};
use crate::audit::{Event, Outcome, Personal};
use crate::model::{Identity, TenantId};
use crate::telemetry::Decision;

/// Longest `User-Agent` that is kept, in bytes.
const LONGEST_AGENT: usize = 256;

/// The event of a refused credential, a denied request, or one that was none. `mode`: `report` if it was let through nevertheless, because
/// its route only reports.
pub(super) fn event(
    session: &Session,
    gateway: &Gateway,
    account: &Account,
    rejection: &Rejection,
    mode: Option<&'static str>,
) -> Option<Event> {
    // Whose door it was tried at: who has no name yet is their matter, and so is a neighbour who does not belong there.
    let owner = gateway.standing.tenancy.site(rejection.site).tenant.as_ref();
    let host_of = owner.filter(|owner| rejection.identity().is_some_and(|identity| identity.tenant != **owner)).cloned();
    let (method, path) = asked(session);
    let what: What = match (rejection.decision(), mode) {
        (Decision::Refused, _) => CredentialRefused { method, path, host_of, mode }.into(),
        (Decision::Denied, _) | (Decision::Unidentified, Some(_)) => AccessDenied { method, path, host_of, mode }.into(),
        (Decision::Malformed, _) => RequestRefused { method, path, host_of, left_out: None }.into(),
        _ => return None,
    };
    let mut event = describe(session, account, what, rejection.reason(), rejection.identity());
    if let (Some(owner), None) = (owner, rejection.identity()) {
        event.tenant = owner.to_string();
    }
    event.credential = event.credential.or(rejection.refused_kind());
    event.target = rejection.route.as_ref().map(|route| route.name.to_string());
    Some(event)
}

fn describe(
    session: &Session,
    account: &Account,
    what: impl Into<What>,
    reason: &'static str,
    identity: Option<&Arc<Identity>>,
) -> Event {
    let tenant = identity.map_or_else(TenantId::default, |identity| identity.tenant.clone());
    let mut event = Event::new(account.at(), what, Outcome::Failure, &tenant);
    event.reason = Some(reason.into());
    if let Some(identity) = identity {
        event.actor = Some(identity.subject.clone());
        event.credential = Some(identity.credential);
        event.session = identity.session.as_ref().map(|session| session.0.clone());
    }
    event.source = account.client();
    event.user_agent = agent(session);
    event.request_id = Some(account.id().as_str().to_owned());
    event
}

/// The method and the path.
fn asked(session: &Session) -> (Option<String>, Option<Personal<String>>) {
    let head = session.req_header();
    let path = crate::telemetry::masked_path(head.uri.path());
    (Some(head.method.as_str().to_owned()), Some(Personal(path.to_string())))
}

fn agent(session: &Session) -> Option<String> {
    let sent = session.req_header().headers.get(header::USER_AGENT)?;
    let bytes = sent.as_bytes();
    Some(String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST_AGENT)]).into_owned())
}
