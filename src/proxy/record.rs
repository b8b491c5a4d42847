//! What of a rejected request goes into the audit trail.
//!
//! Refuses to record what is no event: somebody who has yet to sign in, and a request that nobody can answer for.

use std::sync::Arc;

use http::header;
use pingora::proxy::Session;

use super::account::Account;
use super::gateway::Gateway;
use super::reject::Rejection;
use crate::audit::{Event, Kind, Outcome};
use crate::forward::Outbound;
use crate::model::{Identity, TenantId};
use crate::telemetry::Decision;

/// Longest `User-Agent` that is kept, in bytes.
const LONGEST_AGENT: usize = 256;

/// The event of a refused credential, a denied request, or one that was none.
pub(super) fn event(session: &Session, gateway: &Gateway, account: &Account, rejection: &Rejection) -> Option<Event> {
    let kind = match rejection.decision() {
        Decision::Refused => Kind::CredentialRefused,
        Decision::Denied => Kind::AccessDenied,
        Decision::Malformed => Kind::RequestRefused,
        _ => return None,
    };
    let mut event = describe(session, account, kind, rejection.reason(), rejection.identity());
    // Whose door it was tried at: who has no name yet is their matter, and so is a neighbour who does not belong there.
    if let Some(owner) = &gateway.standing.tenancy.site(rejection.site).tenant {
        if rejection.identity().is_none() {
            event.tenant = owner.to_string();
        } else if *owner.as_str() != *event.tenant {
            event.details.insert("host_of".to_owned(), owner.as_str().into());
        }
    }
    event.credential = event.credential.or(rejection.refused_kind());
    event.target = rejection.route.as_ref().map(|route| route.name.to_string());
    Some(event)
}

/// The event of a request that was let through though its route's rule, which is in report mode, denies it.
pub(super) fn reported(session: &Session, account: &Account, outbound: &Outbound) -> Option<Event> {
    let reason = outbound.reported?.reason();
    let mut event = describe(session, account, Kind::AccessDenied, reason, outbound.identity.as_ref());
    event.target = Some(outbound.route.name.to_string());
    event.details.insert("mode".to_owned(), "report".into());
    Some(event)
}

fn describe(session: &Session, account: &Account, kind: Kind, reason: &'static str, identity: Option<&Arc<Identity>>) -> Event {
    let tenant = identity.map_or_else(TenantId::default, |identity| identity.tenant.clone());
    let mut event = Event::new(account.at(), kind, Outcome::Failure, &tenant);
    event.reason = Some(reason.into());
    if let Some(identity) = identity {
        event.actor = Some(identity.subject.clone());
        event.credential = Some(identity.credential);
        event.session = identity.session.as_ref().map(|session| session.0.clone());
    }
    event.source = account.client();
    event.user_agent = agent(session);
    event.request_id = Some(account.id().as_str().to_owned());
    let head = session.req_header();
    event.details.insert("method".to_owned(), head.method.as_str().into());
    event.details.insert("path".to_owned(), crate::telemetry::masked_path(head.uri.path()).into());
    event
}

fn agent(session: &Session) -> Option<String> {
    let sent = session.req_header().headers.get(header::USER_AGENT)?;
    let bytes = sent.as_bytes();
    Some(String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST_AGENT)]).into_owned())
}
