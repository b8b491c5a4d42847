//! Erasing a person: what is known of them goes, what they did stays under their id.
//!
//! Refuses to begin with the person: they go last, so that an erasure that failed half-way can be asked for again.

use super::{Acting, Administration, Undone};
use crate::audit::what::UserErased;
use crate::model::{EmailAddress, User, UserId};

impl Administration {
    /// Ends the person's sessions and keys and removes them from the directory, with factors, invitations, mailed links and what sessions and
    /// the audit trail tell of them. The id stays in the trail, and means nobody any more.
    pub async fn erase_user(&self, acting: &Acting, id: UserId) -> Result<(), Undone> {
        // Nobody signs in again while their traces are being removed.
        let (user, _) = self.amend(acting, id, None, |user| user.active = false).await?;
        self.means.sessions.forget_user(id, self.now()).await?;
        let named: Option<EmailAddress> = user.user_name.parse().ok();
        for address in user.email.iter().chain(&named) {
            self.means.links.forget_address(address).await?;
        }
        // What was noted in passing is to be found, too.
        if !self.means.audit.flush().await {
            return Err(Undone::Unavailable("the audit trail does not take what waits for it".into()));
        }
        self.means.trail.forget(id, &names(&user)).await?;
        self.means.directory.erase_user(&user).await?;
        self.record(acting, &id.to_string(), UserErased {}).await
    }
}

/// What the person was known by.
fn names(user: &User) -> Vec<String> {
    let link = user.link.as_ref().map(|link| link.subject.clone());
    let email = user.email.as_ref().map(ToString::to_string);
    [Some(user.user_name.clone()), email, user.name.clone(), link].into_iter().flatten().collect()
}
