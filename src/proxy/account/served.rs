//! The event of an answered request, on a route that has its requests recorded.
//!
//! Refuses the query, which may hold what is secret, and to be waited for: the request is over when its event is handed over.

use std::time::Duration;

use http::HeaderValue;

use super::Account;
use super::exchanged::Exchanged;
use crate::audit::what::RequestServed;
use crate::audit::{Event, Outcome, Personal};
use crate::model::TenantId;
use crate::proxy::gateway::Gateway;
use crate::route::Sampling;
use crate::telemetry::masked_path;

/// Longest path that is kept, in bytes.
const LONGEST_PATH: usize = 1024;
/// Longest `User-Agent` that is kept, in bytes.
const LONGEST_AGENT: usize = 256;
/// The first status that says that something failed (RFC 9110 §15.5).
const FAILURES: u16 = 400;

impl Account {
    /// `None` if it is not to be recorded, or there was no answer.
    pub(super) fn served(&self, exchanged: &Exchanged<'_>, gateway: &Gateway, took: Duration) -> Option<Event> {
        let route = self.route.as_ref().filter(|route| route.access_events != Sampling::NONE)?;
        let answered = exchanged.status > 0 && route.access_events.takes(self.telemetry.ids.chance());
        answered.then(|| {
            let outcome = if exchanged.status < FAILURES { Outcome::Success } else { Outcome::Failure };
            let owner = || gateway.standing.tenancy.site(self.site).tenant.clone().unwrap_or_default();
            let tenant: TenantId = self.identity.as_ref().map_or_else(owner, |identity| identity.tenant.clone());
            let mut event = Event::new(self.at, asked(exchanged, took), outcome, &tenant);
            event.reason = self.reason.map(Into::into);
            if let Some(identity) = &self.identity {
                event.actor = Some(identity.subject.clone());
                event.credential = Some(identity.credential);
                event.session = identity.session.as_ref().map(|session| session.0.clone());
            }
            event.target = Some(route.name.to_string());
            event.source = self.client;
            event.user_agent = exchanged.agent.map(agent);
            event.request_id = Some(self.id.as_str().to_owned());
            event
        })
    }
}

fn agent(sent: &HeaderValue) -> String {
    let bytes = sent.as_bytes();
    String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST_AGENT)]).into_owned()
}

fn asked(exchanged: &Exchanged<'_>, took: Duration) -> RequestServed {
    let mut path = masked_path(exchanged.uri.path()).into_owned();
    path.truncate(path.floor_char_boundary(LONGEST_PATH));
    RequestServed {
        method: Some(exchanged.method.as_str().to_owned()),
        path: Some(Personal(path)),
        status: Some(exchanged.status.into()),
        bytes_in: Some(exchanged.received),
        bytes_out: Some(exchanged.sent),
        duration_us: Some(u64::try_from(took.as_micros()).unwrap_or(u64::MAX)),
    }
}
