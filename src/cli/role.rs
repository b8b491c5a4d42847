//! `doorward user grant` and `doorward user revoke`: roles that are a person's own.
//!
//! Refuses a role that the configuration does not declare, and to touch what groups give: that changes with the groups.

use clap::Args;

use super::store::{self, Store, undone};
use super::table::listed;
use super::user::Named;

#[derive(Debug, Args)]
pub(super) struct Change {
    #[command(flatten)]
    named: Named,
    /// The role. Can be repeated.
    #[arg(long = "role", value_name = "ROLE", required = true)]
    roles: Vec<String>,
}

impl Change {
    pub(super) async fn grant(self, store: &Store) -> anyhow::Result<()> {
        self.run(store, true).await
    }

    /// A role that is no longer declared can be taken, too.
    pub(super) async fn revoke(self, store: &Store) -> anyhow::Result<()> {
        self.run(store, false).await
    }

    async fn run(self, store: &Store, are_given: bool) -> anyhow::Result<()> {
        let mut user = self.named.find(store).await?;
        let (administration, acting) = self.named.place.administration(store);
        if are_given {
            // Before the first of them is given.
            administration.check_roles(&self.roles).map_err(undone)?;
        }
        for role in &self.roles {
            let changed = if are_given {
                administration.assign_role(&acting, user.id, role).await
            } else {
                administration.unassign_role(&acting, user.id, role).await
            };
            user = changed.map_err(undone)?;
        }
        if self.named.place.json {
            return store::print_json(&user);
        }
        store::say(format!("{} has these roles of their own: {}", user.user_name, listed(&user.roles)))
    }
}
