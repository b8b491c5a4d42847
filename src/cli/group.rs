//! `doorward group`: groups of the directory, and who is in them.
//!
//! Refuses to change what a company's directory provisions: it is changed there.

use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::place::Place;
use super::store::{self, Store, undone};
use super::table::{Table, facts, listed, or_dash};
use crate::admin::group::GroupChange;
use crate::directory::Page;
use crate::model::{Group, GroupId, User, UserId};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// All groups: those that administrators keep, and those of companies' directories.
    List(Place),
    /// One group and who is in it.
    Show(Named),
    /// Make a group. The roles that it gives count from its members' next requests.
    Create(Create),
    /// Call a group otherwise.
    Rename(Rename),
    /// Remove a group.
    Delete(Named),
    /// Take people into a group.
    AddMember(Members),
    /// Take people out of a group.
    RemoveMember(Members),
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// The group's name or id.
    group: String,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// What the configuration maps roles from; unique in the tenant whatever its case.
    name: String,
    /// Who is in it: a user name or id. Can be repeated.
    #[arg(long = "member", value_name = "USER")]
    members: Vec<String>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(super) struct Rename {
    #[command(flatten)]
    named: Named,
    /// The new name.
    #[arg(long)]
    name: String,
}

#[derive(Debug, Args)]
pub(super) struct Members {
    #[command(flatten)]
    named: Named,
    /// A user name or id. Can be repeated.
    #[arg(long = "user", value_name = "USER", required = true)]
    users: Vec<String>,
}

/// A group with its members.
#[derive(Serialize)]
struct Shown<'g> {
    #[serde(flatten)]
    group: &'g Group,
    members: Vec<&'g User>,
}

impl Command {
    pub(super) async fn run(self, store: &Store) -> anyhow::Result<()> {
        match self {
            Self::List(place) => list(store, &place).await,
            Self::Show(named) => named.show(store).await,
            Self::Create(command) => command.run(store).await,
            Self::Rename(command) => command.run(store).await,
            Self::Delete(named) => named.delete(store).await,
            Self::AddMember(command) => command.run(store, true).await,
            Self::RemoveMember(command) => command.run(store, false).await,
        }
    }
}

async fn list(store: &Store, place: &Place) -> anyhow::Result<()> {
    let groups = all(store, place, None).await?;
    if place.json {
        return store::print_json(&groups);
    }
    let mut table = Table::new(&["ID", "NAME", "KEPT BY", "EXTERNAL ID", "CHANGED"]);
    for group in groups {
        let keeper = keeper(&group);
        table.row([group.id.to_string(), group.display_name, keeper, or_dash(group.external_id), group.updated_at.to_string()]);
    }
    store::say(table)
}

async fn all(store: &Store, place: &Place, text: Option<&str>) -> anyhow::Result<Vec<Group>> {
    let (administration, acting) = place.administration(store);
    let next = async |page: &Page| administration.groups(&acting, text, page).await;
    store::all(next, |group: &Group| group.id.to_string()).await
}

fn keeper(group: &Group) -> String {
    group.connection.as_ref().map_or_else(|| "administrators".to_owned(), ToString::to_string)
}

impl Named {
    async fn find(&self, store: &Store) -> anyhow::Result<Group> {
        let (wanted, tenant) = (&self.group, &self.place.tenant);
        let found = match wanted.parse::<GroupId>() {
            Ok(id) => {
                let (administration, acting) = self.place.administration(store);
                Some(administration.group(&acting, id).await.map_err(undone)?)
            }
            Err(_) => all(store, &self.place, Some(wanted))
                .await?
                .into_iter()
                .find(|group| group.display_name.to_lowercase() == wanted.to_lowercase()),
        };
        found.ok_or_else(|| {
            anyhow!(
                "there is no group {wanted} in tenant {tenant}; `doorward group list --tenant {tenant}` shows those there are"
            )
        })
    }

    async fn show(self, store: &Store) -> anyhow::Result<()> {
        let group = self.find(store).await?;
        let (administration, acting) = self.place.administration(store);
        let next = async |page: &Page| administration.group_members(&acting, group.id, page).await;
        let people = store::all(next, |user: &User| user.id.to_string()).await?;
        if self.place.json {
            return store::print_json(&Shown { group: &group, members: people.iter().collect() });
        }
        let keeper = keeper(&group);
        store::say(facts([
            ("id", group.id.to_string()),
            ("name", group.display_name),
            ("tenant", group.tenant.to_string()),
            ("kept by", keeper),
            ("external id", or_dash(group.external_id)),
            ("members", listed(people.iter().map(|user| &user.user_name))),
            ("created", group.created_at.to_string()),
            ("changed", group.updated_at.to_string()),
        ]))
    }

    async fn delete(self, store: &Store) -> anyhow::Result<()> {
        let id = self.find(store).await?.id;
        let (administration, acting) = self.place.administration(store);
        let gone = administration.delete_group(&acting, id).await.map_err(undone)?;
        tell(&gone, &self.place, "is removed: what it gave is gone within a second")
    }
}

fn tell(group: &Group, place: &Place, done: &str) -> anyhow::Result<()> {
    if place.json { store::print_json(group) } else { store::say(format!("{} {done} ({})", group.display_name, group.id)) }
}

/// The ids of these people.
async fn people(store: &Store, place: &Place, users: &[String]) -> anyhow::Result<Vec<UserId>> {
    let mut ids = Vec::new();
    for who in users {
        ids.push(store.person(&place.tenant, who).await?.id);
    }
    Ok(ids)
}

impl Create {
    async fn run(self, store: &Store) -> anyhow::Result<()> {
        store.check_tenant(&self.place.tenant)?;
        let members = people(store, &self.place, &self.members).await?;
        let (administration, acting) = self.place.administration(store);
        let group = administration.create_group(&acting, &self.name, &members).await.map_err(undone)?;
        tell(&group, &self.place, "was created")
    }
}

impl Rename {
    async fn run(self, store: &Store) -> anyhow::Result<()> {
        let Self { named, name } = self;
        let id = named.find(store).await?.id;
        let (administration, acting) = named.place.administration(store);
        let change = GroupChange { name: Some(name), members: None };
        let group = administration.change_group(&acting, id, None, change).await.map_err(undone)?;
        tell(&group, &named.place, "is its name now")
    }
}

impl Members {
    async fn run(self, store: &Store, are_in: bool) -> anyhow::Result<()> {
        let Self { named, users } = self;
        let mut group = named.find(store).await?;
        let (administration, acting) = named.place.administration(store);
        for user in people(store, &named.place, &users).await? {
            let changed = if are_in {
                administration.join_group(&acting, group.id, user).await
            } else {
                administration.leave_group(&acting, group.id, user).await
            };
            group = changed.map_err(undone)?;
        }
        tell(&group, &named.place, if are_in { "has them as members" } else { "is without them" })
    }
}
