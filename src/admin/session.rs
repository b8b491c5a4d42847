//! Sessions of people: those that are live, and ending them.
//!
//! Refuses to end a session of another tenant, whoever has its handle.

use super::{Acting, Administration, Undone};
use crate::audit::Personal;
use crate::audit::what::SessionEnded;
use crate::model::{Session, SessionHandle, UserId};
use crate::session::SessionFilter;

/// Sessions of one person that are looked at.
const MOST: u32 = 1000;

impl Administration {
    /// The person's live sessions, newest first.
    pub async fn sessions(&self, acting: &Acting, user: UserId) -> Result<Vec<Session>, Undone> {
        self.user(acting, user).await?;
        self.live_sessions(acting, Some(user), MOST).await
    }

    /// Live sessions of the tenant, or of one person, newest first.
    pub async fn live_sessions(&self, acting: &Acting, user: Option<UserId>, limit: u32) -> Result<Vec<Session>, Undone> {
        let now = self.now();
        // The store does not know how long is too long without a request; the configuration does.
        let seen_after = Some(now.before(self.config.sessions.idle.0));
        let filter = SessionFilter { tenant: Some(acting.tenant.clone()), user, seen_after, limit };
        Ok(self.means.sessions.list(&filter, now).await?)
    }

    /// Ends one session of the tenant's; with a `user`, only if it is theirs.
    pub async fn end_session(&self, acting: &Acting, user: Option<UserId>, handle: &SessionHandle) -> Result<(), Undone> {
        let found = self.means.sessions.find_handle(handle).await?;
        let is_meant = |session: &Session| session.tenant == acting.tenant && user.is_none_or(|user| user == session.user);
        let Some(session) = found.filter(is_meant) else { return Err(Undone::Missing("session")) };
        // One that is over is none.
        if !self.means.sessions.end(handle, self.now()).await? {
            return Err(Undone::Missing("session"));
        }
        let what = SessionEnded { session: Some(handle.clone()), ..SessionEnded::default() };
        self.record(acting, &session.user.to_string(), what).await
    }

    /// Ends all of the person's sessions; says how many there were.
    pub async fn end_sessions(&self, acting: &Acting, user: UserId) -> Result<u64, Undone> {
        let person = self.user(acting, user).await?;
        let ended = self.means.sessions.end_all(user, self.now()).await?;
        if ended > 0 {
            let what =
                SessionEnded { user_name: Some(Personal(person.user_name)), sessions: Some(ended), ..SessionEnded::default() };
            self.record(acting, &user.to_string(), what).await?;
        }
        Ok(ended)
    }
}
