//! `doorward user grant` and `doorward user revoke`: roles that are a person's own.
//!
//! Refuses a role that the configuration does not declare, and to touch what groups give: that changes with the groups.

use clap::Args;
use serde_json::json;

use super::store::{self, Store};
use super::table::listed;
use super::user::Named;
use crate::audit::Kind;
use crate::model::User;

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
        store.check_roles(&self.roles)?;
        let given = |user: &mut User| {
            let new = self.roles.iter().filter(|role| !user.roles.contains(role)).cloned().collect::<Vec<_>>();
            user.roles.extend(new);
        };
        let user = self.named.amend(store, given).await?;
        self.tell(store, &user, "roles_granted").await
    }

    /// A role that is no longer declared can be taken, too.
    pub(super) async fn revoke(self, store: &Store) -> anyhow::Result<()> {
        let user = self.named.amend(store, |user| user.roles.retain(|role| !self.roles.contains(role))).await?;
        self.tell(store, &user, "roles_revoked").await
    }

    async fn tell(&self, store: &Store, user: &User, what: &str) -> anyhow::Result<()> {
        let details = json!({ what: self.roles, "roles": user.roles });
        store.record(Kind::UserChanged, &user.tenant, &user.id.to_string(), details).await?;
        if self.named.json {
            return store::print_json(user);
        }
        store::say(format!("{} has these roles of their own: {}", user.user_name, listed(&user.roles)))
    }
}
