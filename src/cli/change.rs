//! `doorward user update`: what is known of a person.
//!
//! Refuses to change nothing: what is to be different has to be said.

use anyhow::bail;
use clap::Args;

use super::store::{self, Store, undone};
use super::user::Named;
use crate::admin::user::UserChange;
use crate::model::EmailAddress;

#[derive(Debug, Args)]
pub(super) struct Update {
    #[command(flatten)]
    named: Named,
    /// What the person types to sign in.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[arg(long, conflicts_with = "no_email")]
    email: Option<EmailAddress>,
    /// The person has no e-mail address any more.
    #[arg(long)]
    no_email: bool,
    /// What the person is called.
    #[arg(long, value_name = "NAME", conflicts_with = "no_full_name")]
    full_name: Option<String>,
    /// The person is called nothing any more.
    #[arg(long)]
    no_full_name: bool,
    /// A group the person is in, and no others. Can be repeated.
    #[arg(long = "group", value_name = "GROUP", conflicts_with = "no_groups")]
    groups: Vec<String>,
    /// The person is in no group.
    #[arg(long)]
    no_groups: bool,
}

impl Update {
    pub(super) async fn run(self, store: &Store) -> anyhow::Result<()> {
        let change = UserChange {
            user_name: self.name,
            email: if self.no_email { Some(None) } else { self.email.map(Some) },
            name: if self.no_full_name { Some(None) } else { self.full_name.map(Some) },
            groups: (self.no_groups || !self.groups.is_empty()).then_some(self.groups),
            roles: None,
        };
        if change == UserChange::default() {
            bail!("say what is to be different: --name, --email, --full-name or --group");
        }
        let id = self.named.find(store).await?.id;
        let (administration, acting) = self.named.place.administration(store);
        let user = administration.change_user(&acting, id, None, change).await.map_err(undone)?;
        if self.named.place.json { store::print_json(&user) } else { store::say(format!("{} is changed", user.user_name)) }
    }
}
