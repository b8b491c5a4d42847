//! What happened.
//!
//! Refuses to tell of another tenant.

use super::{Acting, Administration, Undone};
use crate::audit::{AuditFilter, Listing};
use crate::model::UserId;

impl Administration {
    /// Events of the tenant that fit. `user` is a person's id or the name they sign in with: what they did, and what was done to them.
    pub async fn events(&self, acting: &Acting, filter: AuditFilter, user: Option<&str>) -> Result<Listing, Undone> {
        let users = match user {
            Some(user) => self.known_as(acting, user).await?,
            None => Vec::new(),
        };
        let own = AuditFilter { tenant: Some(acting.tenant.to_string()), users, ..filter };
        Ok(self.means.trail.search(&own).await?)
    }

    /// What the trail may call a person: of whoever is gone, or never was, it knows what was typed.
    pub async fn known_as(&self, acting: &Acting, user: &str) -> Result<Vec<String>, Undone> {
        let mut names = vec![user.to_owned()];
        if user.parse::<UserId>().is_err() {
            let known = self.means.directory.user_by_name(&acting.tenant, user).await?;
            names.extend(known.map(|known| known.id.to_string()));
        }
        Ok(names)
    }
}
