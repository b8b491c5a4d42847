//! Sessions that end by themselves, in the audit trail: nobody asks for that, so somebody has to look.
//!
//! Refuses to tell one twice: the event's id follows from the session, so that whichever replica or process finds it again adds nothing.

use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

use super::memory::Memory;
use crate::audit::what::SessionExpired;
use crate::audit::{Event, Outcome};
use crate::clock::{SharedClock, Timestamp};
use crate::model::Session;
use crate::session::{Overdue, SessionStoreError};

const EVERY: Duration = Duration::from_secs(300);
/// How late it may be known that a session was seen: it has not ended for as long as that.
const LATE: Duration = Duration::from_secs(60);
/// How far back is looked at the start.
const BACK: Duration = Duration::from_secs(24 * 3600);

/// Tells of sessions that end after `idle` without a request, or when their time is over, until the handle is dropped.
pub(super) fn tell(memory: Memory, clock: SharedClock, idle: Duration) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        let mut after = clock.now().before(BACK);
        loop {
            let until = clock.now().before(LATE);
            match told(&memory, Overdue { idle, after, until }, clock.now()).await {
                Ok(()) => after = until,
                Err(error) => tracing::warn!(%error, "it could not be told which sessions have expired; trying again"),
            }
            tokio::time::sleep(EVERY).await;
        }
    }))
}

async fn told(memory: &Memory, over: Overdue, now: Timestamp) -> Result<(), SessionStoreError> {
    let mut from = None;
    loop {
        let (sessions, next) = memory.sessions.overdue(over, from).await?;
        let events = sessions.iter().map(|session| event(session, over.idle, now)).collect();
        if let Err(error) = memory.audit.record_done(events).await {
            tracing::warn!(%error, "events about expired sessions wait for the store");
        }
        if next.is_none() {
            return Ok(());
        }
        from = next;
    }
}

fn event(session: &Session, idle: Duration, now: Timestamp) -> Event {
    let idled = session.last_seen_at.after(idle);
    let (reason, ended_at) = if idled < session.expires_at { ("idle", idled) } else { ("absolute", session.expires_at) };
    let what = SessionExpired { ended_at: Some(ended_at), connection: Some(session.connection.clone()) };
    let event = Event::new(now, what, Outcome::Success, &session.tenant);
    let mut event = event.once(session.created_at, &session.handle.0);
    event.reason = Some(reason.into());
    event.target = Some(session.user.to_string());
    event.session = Some(session.handle.to_string());
    event
}
