//! The end of sessions whose holders a directory has put out.
//!
//! Refuses to answer before they have ended: the client is told "done" when nobody is in any more.

use futures::{StreamExt as _, TryStreamExt as _};

use super::Scim;
use super::error::ScimError;
use crate::clock::Timestamp;
use crate::model::UserId;

/// People whose sessions are ended at the same time.
const AT_ONCE: usize = 64;

impl Scim {
    /// Ends all sessions of these people. Whatever streams they hold is cut by whoever hears of it.
    pub(super) async fn sign_out(&self, people: &[UserId], now: Timestamp) -> Result<(), ScimError> {
        let sessions = &self.means.sessions;
        let ended = futures::stream::iter(people.to_vec()).map(|user| async move { sessions.end_all(user, now).await });
        ended.buffer_unordered(AT_ONCE).try_for_each(|_| std::future::ready(Ok(()))).await?;
        Ok(())
    }
}
