//! The end of sessions whose holders a directory has put out.
//!
//! Refuses to answer before they have ended: the client is told "done" when nobody is in any more.

use super::Scim;
use super::error::ScimError;
use crate::clock::Timestamp;
use crate::model::UserId;

/// People whose sessions are ended in one piece.
const AT_ONCE: usize = 500;

impl Scim {
    /// Ends all sessions of these people, and says how many. Whatever streams they hold is cut by whoever hears of it.
    pub(super) async fn sign_out(&self, people: &[UserId], now: Timestamp) -> Result<u64, ScimError> {
        let mut ended = 0;
        for people in people.chunks(AT_ONCE) {
            ended += self.means.sessions.end_all_of(people, now).await?;
        }
        Ok(ended)
    }
}
