//! `doorward user`: people with an account here.
//!
//! Refuses a password on the command line; it is made, asked for, or read from standard input.

use std::path::Path;

use anyhow::{anyhow, bail};
use clap::{ArgGroup, Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::Exit;
use super::break_glass::BreakGlass;
use super::change;
use super::factor;
use super::invitation::{Invitations, Invite, Uninvite};
use super::password::PasswordSource;
use super::role;
use super::session::end_all;
use super::store::{self, Store, explained, undone};
use super::table::{Table, facts, listed, or_dash};
use crate::audit::Kind;
use crate::crypto::{Secret, random};
use crate::directory::DirectoryError;
use crate::model::{EmailAddress, TenantId, User, UserId};

/// Tries at a change that others keep overtaking.
const TRIES: usize = 5;

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
    List(List),
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
    #[arg(long, default_value = "default")]
    tenant: TenantId,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[arg(long, default_value = "default")]
    tenant: TenantId,
    /// A JSON array instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// The name the person signs in with, or their id.
    pub(super) user: String,
    #[arg(long, default_value = "default")]
    pub(super) tenant: TenantId,
    /// One JSON object instead of text.
    #[arg(long)]
    pub(super) json: bool,
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
            Self::List(command) => command.run(store).await,
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
        store.check_tenant(&self.tenant)?;
        store.check_roles(&self.roles)?;
        let user_name = self.name.or_else(|| self.email.as_ref().map(ToString::to_string));
        let user_name = user_name.ok_or_else(|| anyhow!("give a --name or an --email"))?.trim().to_owned();
        if user_name.is_empty() || user_name.len() > 254 || user_name.contains(char::is_control) {
            bail!("a user name has 1 to 254 bytes and no control characters");
        }
        let chosen = if self.no_password { None } else { Some(self.password.choose()?) };
        let (hash, generated) = chosen.map_or((None, None), |chosen| (Some(chosen.hash), chosen.generated));
        let user = User {
            id: UserId(uuid::Builder::from_random_bytes(random::bytes()?).into_uuid()),
            tenant: self.tenant,
            user_name,
            email: self.email,
            name: self.full_name,
            active: true,
            groups: self.groups,
            directory_groups: Vec::new(),
            provisioned_by: None,
            roles: self.roles,
            link: None,
            password_hash: hash,
            created_at: store.now,
            updated_at: store.now,
        };
        store.directory().create_user(&user).await.map_err(explained)?;
        let details = json!({ "user_name": user.user_name, "roles": user.roles, "groups": user.groups });
        store.record(Kind::UserCreated, &user.tenant, &user.id.to_string(), details).await?;
        reveal(&user, generated.as_ref(), self.json, "was created")
    }
}

fn reveal(user: &User, password: Option<&Secret>, json: bool, done: &str) -> anyhow::Result<()> {
    if json {
        return store::print_json(&Revealed { user, password: password.map(Secret::expose) });
    }
    let shown = password.map(|password| format!("\npassword  {}\n\nIt is shown this once: keep it now.", password.expose()));
    store::say(format!("{} {done} ({}){}", user.user_name, user.id, shown.unwrap_or_default()))
}

impl List {
    async fn run(self, store: &Store) -> anyhow::Result<()> {
        let next = async |page: &_| store.directory().users(&self.tenant, page).await;
        let users = store::all(next, |user: &User| user.id.to_string()).await?;
        if self.json {
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
    async fn show(self, store: &Store) -> anyhow::Result<()> {
        let user = store.person(&self.tenant, &self.user).await?;
        if self.json {
            return store::print_json(&user);
        }
        let (way, groups) = (way(&user), user.all_groups());
        store::say(facts([
            ("id", user.id.to_string()),
            ("state", state(&user).to_owned()),
            ("user name", user.user_name),
            ("name", or_dash(user.name)),
            ("email", or_dash(user.email)),
            ("tenant", user.tenant.to_string()),
            ("roles", listed(user.roles)),
            ("groups", listed(groups)),
            ("signs in with", way),
            ("created", user.created_at.to_string()),
            ("changed", user.updated_at.to_string()),
        ]))
    }

    async fn set_active(self, store: &Store, active: bool) -> anyhow::Result<()> {
        let id = store.person(&self.tenant, &self.user).await?.id;
        let (administration, acting) = store.administration(&self.tenant);
        let (user, ended) = if active {
            (administration.reactivate_user(&acting, id).await.map_err(undone)?, 0)
        } else {
            administration.deactivate_user(&acting, id).await.map_err(undone)?
        };
        if self.json {
            return store::print_json(&user);
        }
        store::say(format!("{} is {}; {ended} sessions ended", user.user_name, state(&user)))
    }

    async fn delete(self, store: &Store) -> anyhow::Result<()> {
        let id = store.person(&self.tenant, &self.user).await?.id;
        let (administration, acting) = store.administration(&self.tenant);
        let user = administration.delete_user(&acting, id).await.map_err(undone)?;
        if self.json {
            return store::print_json(&json!({ "deleted": user.id }));
        }
        store::say(format!("{} is removed; running servers refuse them within a second", user.user_name))
    }

    async fn erase(self, store: &Store) -> anyhow::Result<()> {
        let id = store.person(&self.tenant, &self.user).await?.id;
        let (administration, acting) = store.administration(&self.tenant);
        administration.erase_user(&acting, id).await.map_err(undone)?;
        if self.json {
            return store::print_json(&json!({ "erased": id }));
        }
        store::say(format!("{id} is all that is left of them, in the audit trail"))
    }

    /// Changes the person, again and again if somebody else changes them at the same time.
    pub(super) async fn amend(&self, store: &Store, change: impl Fn(&mut User)) -> anyhow::Result<User> {
        for _ in 1..TRIES {
            match self.try_amend(store, &change).await? {
                Err(DirectoryError::Stale(_)) => {}
                settled => return settled.map_err(explained),
            }
        }
        self.try_amend(store, &change).await?.map_err(explained)
    }

    async fn try_amend(&self, store: &Store, change: impl Fn(&mut User)) -> anyhow::Result<Result<User, DirectoryError>> {
        let mut user = store.person(&self.tenant, &self.user).await?;
        change(&mut user);
        Ok(store.directory().update_user(&user).await)
    }
}

impl SetPassword {
    async fn run(self, store: &Store) -> anyhow::Result<()> {
        let named = self.named;
        if let Some(link) = store.person(&named.tenant, &named.user).await?.link {
            bail!("{} signs in with {}; a password would be a way around it", named.user, link.connection);
        }
        let chosen = self.password.choose()?;
        let user = named.amend(store, |user| user.password_hash = Some(chosen.hash.clone())).await?;
        store.record(Kind::UserChanged, &user.tenant, &user.id.to_string(), json!({ "password": "changed" })).await?;
        end_all(store, &user).await?;
        reveal(&user, chosen.generated.as_ref(), named.json, "has a new password, and all sessions were ended")
    }
}
