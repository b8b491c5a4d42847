//! What of a rejected request goes into the audit trail.
//!
//! Refuses to record what is no event: somebody who has yet to sign in, and a request that nobody can answer for.

use http::header;
use pingora::proxy::Session;

use super::account::Account;
use super::reject::Rejection;
use crate::audit::{Event, Kind, Outcome};
use crate::model::TenantId;
use crate::telemetry::Decision;

/// Longest `User-Agent` that is kept, in bytes.
const LONGEST_AGENT: usize = 256;

/// The event of a refused credential or a denied request.
pub(super) fn event(session: &Session, account: &Account, rejection: &Rejection) -> Option<Event> {
    let kind = match rejection.decision() {
        Decision::Refused => Kind::CredentialRefused,
        Decision::Denied => Kind::AccessDenied,
        _ => return None,
    };
    let identity = rejection.identity();
    let tenant = identity.map_or_else(TenantId::default, |identity| identity.tenant.clone());
    let mut event = Event::new(account.at(), kind, Outcome::Failure, &tenant);
    event.reason = Some(rejection.reason());
    if let Some(identity) = identity {
        event.actor = Some(identity.subject.clone());
        event.credential = Some(identity.credential);
        event.session = identity.session.as_ref().map(|session| session.0.clone());
    } else {
        event.credential = rejection.refused_kind();
    }
    event.target = rejection.route.as_ref().map(|route| route.name.to_string());
    event.source = account.client();
    event.user_agent = agent(session);
    event.request_id = Some(account.id().as_str().to_owned());
    let head = session.req_header();
    event.details.insert("method".to_owned(), head.method.as_str().into());
    event.details.insert("path".to_owned(), crate::telemetry::masked_path(head.uri.path()).into());
    Some(event)
}

fn agent(session: &Session) -> Option<String> {
    let sent = session.req_header().headers.get(header::USER_AGENT)?;
    let bytes = sent.as_bytes();
    Some(String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST_AGENT)]).into_owned())
}
