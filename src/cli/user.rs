//! `doorward user`: people with an account here.
//!
//! Refuses a password on the command line; it is made, asked for, or read from standard input.

use std::path::Path;

use anyhow::anyhow;
use clap::{ArgGroup, Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::Exit;
use super::break_glass::BreakGlass;
use super::change;
use super::factor;
use super::invitation::{Invitations, Invite, Uninvite};
use super::password::PasswordSource;
use super::place::Place;
use super::role;
use super::store::{self, Store, undone};
use super::table::{Table, facts, listed, or_dash};
use crate::admin::user::NewUser;
use crate::crypto::Secret;
use crate::directory::{Page, UserFilter};
use crate::model::{EmailAddress, User};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    #[command(flatten)]
    Kept(Kept),
    /// Make an account that signs in with the identity provider, the mail and the store down; or list or remove such accounts.
    BreakGlass(BreakGlass),
}

/// What is done in the store.
#[derive(Debug, Subcommand)]
pub(super) enum Kept {
    /// Make an account.
    Create(Create),
    /// Everybody, deactivated people too.
    List(Place),
    /// One person.
    Show(Named),
    /// Refuse this person from now on and end their sessions; what belongs to them stops working too.
    Deactivate(Named),
    /// Let this person in again, with the roles they had.
    #[command(alias = "reactivate")]
    Activate(Named),
    /// Change what is known of this person.
    Update(change::Update),
    /// Remove this person: their sessions end, and their keys are revoked.
    Delete(Named),
    /// Remove this person and everything that is known of them. The audit trail keeps what happened, under their id.
    Erase(Named),
    /// Give this person roles, besides those that their groups give; they count from the next request.
    Grant(role::Change),
    /// Take roles from this person that were given to them; those that their groups give stay.
    Revoke(role::Change),
    /// Let somebody have an account: a letter with a link goes to their address.
    Invite(Invite),
    /// Who was invited, and what came of it.
    Invitations(Invitations),
    /// Take an invitation back.
    Uninvite(Uninvite),
    /// Give this person another password and end their sessions.
    SetPassword(SetPassword),
    /// Second factors of people.
    #[command(subcommand)]
    Mfa(factor::Command),
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("called").required(true).multiple(true).args(["name", "email"])))]
pub(super) struct Create {
    /// What the person types to sign in; without it, the e-mail address.
    #[arg(long)]
    name: Option<String>,
    #[arg(long)]
    email: Option<EmailAddress>,
    /// What the person is called.
    #[arg(long, value_name = "NAME")]
    full_name: Option<String>,
    /// A role the person has. Can be repeated.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// A group the person is in. Can be repeated.
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    #[command(flatten)]
    password: PasswordSource,
    /// No password: the person signs in with an identity provider that asserts this e-mail address.
    #[arg(long, conflicts_with_all = ["password_stdin", "password_prompt"])]
    no_password: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// The name the person signs in with, or their id.
    pub(super) user: String,
    #[command(flatten)]
    pub(super) place: Place,
}

#[derive(Debug, Args)]
pub(super) struct SetPassword {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    password: PasswordSource,
}

/// A person with a password that is shown now and never again.
#[derive(Serialize)]
struct Revealed<'u> {
    #[serde(flatten)]
    user: &'u User,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'u str>,
}

/// A person with the roles that count.
#[derive(Serialize)]
struct Shown<'u> {
    #[serde(flatten)]
    user: &'u User,
    effective_roles: Vec<String>,
}

impl Command {
    pub(super) fn run(self, config: &Path) -> anyhow::Result<Exit> {
        match self {
            Self::Kept(command) => store::with(config, async |store| Box::pin(command.run(store)).await),
            Self::BreakGlass(command) => command.run(config),
        }
    }
}

impl Kept {
    async fn run(self, store: &Store) -> anyhow::Result<()> {
        match self {
            Self::Create(command) => command.run(store).await,
            Self::List(place) => list(store, &place).await,
            Self::Show(command) => command.show(store).await,
            Self::Deactivate(command) => command.set_active(store, false).await,
            Self::Activate(command) => command.set_active(store, true).await,
            Self::Update(command) => command.run(store).await,
            Self::Delete(command) => command.delete(store).await,
            Self::Erase(command) => command.erase(store).await,
            Self::Grant(command) => command.grant(store).await,
            Self::Revoke(command) => command.revoke(store).await,
            Self::Invite(command) => command.run(store).await,
            Self::Invitations(command) => command.run(store).await,
            Self::Uninvite(command) => command.run(store).await,
            Self::SetPassword(command) => command.run(store).await,
            Self::Mfa(command) => command.run(store).await,
        }
    }
}

impl Create {
    async fn run(self, store: &Store) -> anyhow::Result<()> {
        store.check_tenant(&self.place.tenant)?;
        let user_name = self.name.or_else(|| self.email.as_ref().map(ToString::to_string));
        let user_name = user_name.ok_or_else(|| anyhow!("give a --name or an --email"))?;
        let chosen = if self.no_password { None } else { Some(self.password.choose()?) };
        let (password_hash, generated) = chosen.map_or((None, None), |chosen| (Some(chosen.hash), chosen.generated));
        let (email, name, groups, roles) = (self.email, self.full_name, self.groups, self.roles);
        let new = NewUser { user_name, email, name, groups, roles, password_hash };
        let (administration, acting) = self.place.administration(store);
        let user = administration.create_user(&acting, new).await.map_err(undone)?;
        reveal(&user, generated.as_ref(), self.place.json, "was created")
    }
}

fn reveal(user: &User, password: Option<&Secret>, json: bool, done: &str) -> anyhow::Result<()> {
    if json {
        return store::print_json(&Revealed { user, password: password.map(Secret::expose) });
    }
    let shown = password.map(|password| format!("\npassword  {}\n\nIt is shown this once: keep it now.", password.expose()));
    store::say(format!("{} {done} ({}){}", user.user_name, user.id, shown.unwrap_or_default()))
}

async fn list(store: &Store, place: &Place) -> anyhow::Result<()> {
    let (administration, acting) = place.administration(store);
    let next = async |page: &Page| administration.users(&acting, &UserFilter::default(), page).await;
    let users = store::all(next, |user: &User| user.id.to_string()).await?;
    if place.json {
        return store::print_json(&users);
    }
    let mut table = Table::new(&["ID", "STATE", "USER NAME", "NAME", "EMAIL", "ROLES", "GROUPS"]);
    for user in users {
        let groups = user.all_groups();
        table.row([
            user.id.to_string(),
            state(&user).to_owned(),
            user.user_name,
            or_dash(user.name),
            or_dash(user.email),
            listed(user.roles),
            listed(groups),
        ]);
    }
    store::say(table)
}

/// How the person signs in.
fn way(user: &User) -> String {
    match (&user.link, &user.password_hash) {
        (Some(link), _) => link.connection.to_string(),
        (None, Some(_)) => "a password".to_owned(),
        (None, None) => "an identity provider, not yet".to_owned(),
    }
}

const fn state(user: &User) -> &'static str {
    if user.active { "active" } else { "deactivated" }
}

impl Named {
    pub(super) async fn find(&self, store: &Store) -> anyhow::Result<User> {
        store.person(&self.place.tenant, &self.user).await
    }

    async fn show(self, store: &Store) -> anyhow::Result<()> {
        let user = self.find(store).await?;
        let effective_roles = self.place.administration(store).0.roles_of(&user);
        if self.place.json {
            return store::print_json(&Shown { user: &user, effective_roles });
        }
        let (way, groups) = (way(&user), user.all_groups());
        store::say(facts([
            ("id", user.id.to_string()),
            ("state", state(&user).to_owned()),
            ("user name", user.user_name),
            ("name", or_dash(user.name)),
            ("email", or_dash(user.email)),
            ("tenant", user.tenant.to_string()),
            ("roles", listed(effective_roles)),
            ("assigned", listed(user.roles)),
            ("groups", listed(groups)),
            ("signs in with", way),
            ("created", user.created_at.to_string()),
            ("changed", user.updated_at.to_string()),
        ]))
    }

    async fn set_active(self, store: &Store, active: bool) -> anyhow::Result<()> {
        let id = self.find(store).await?.id;
        let (administration, acting) = self.place.administration(store);
        let (user, ended) = if active {
            (administration.reactivate_user(&acting, id).await.map_err(undone)?, 0)
        } else {
            administration.deactivate_user(&acting, id).await.map_err(undone)?
        };
        if self.place.json {
            return store::print_json(&user);
        }
        store::say(format!("{} is {}; {ended} sessions ended", user.user_name, state(&user)))
    }

    async fn delete(self, store: &Store) -> anyhow::Result<()> {
        let id = self.find(store).await?.id;
        let (administration, acting) = self.place.administration(store);
        let user = administration.delete_user(&acting, id).await.map_err(undone)?;
        if self.place.json {
            return store::print_json(&json!({ "deleted": user.id }));
        }
        store::say(format!("{} is removed; running servers refuse them within a second", user.user_name))
    }

    async fn erase(self, store: &Store) -> anyhow::Result<()> {
        let id = self.find(store).await?.id;
        let (administration, acting) = self.place.administration(store);
        administration.erase_user(&acting, id).await.map_err(undone)?;
        if self.place.json {
            return store::print_json(&json!({ "erased": id }));
        }
        store::say(format!("{id} is all that is left of them, in the audit trail"))
    }
}

impl SetPassword {
    async fn run(self, store: &Store) -> anyhow::Result<()> {
        let named = self.named;
        let id = named.find(store).await?.id;
        let chosen = self.password.choose()?;
        let (administration, acting) = named.place.administration(store);
        let user = administration.set_password(&acting, id, &chosen.hash).await.map_err(undone)?;
        reveal(&user, chosen.generated.as_ref(), named.place.json, "has a new password, and all sessions were ended")
    }
}
