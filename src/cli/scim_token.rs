//! `doorward scim-token`: the tokens of companies' directories, and what they last asked.
//!
//! Refuses to show a token again: only its digest is kept. A rotation has two phases, so that the directory can be given the new token
//! while the old one still works.

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::place::Place;
use super::store::{self, Store, explained, undone};
use super::table::{Table, facts, or_dash};
use crate::admin::scim_token::NewScimToken;
use crate::admin::{Acting, Administration};
use crate::config::Span;
use crate::model::{ConnectionId, ScimToken, TenantId};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make one; it is printed once.
    Create(Create),
    /// Those there are, revoked ones too.
    List(Place),
    /// Exchange the secret in two phases.
    #[command(subcommand)]
    Rotate(Rotate),
    /// Refuse it from now on, for ever.
    Revoke(Named),
    /// Revoke all tokens of a connection; people and groups stay as they are.
    Disable(Disable),
    /// The last calls with it: request and answer.
    Calls(Calls),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// The connection whose people it provisions.
    #[arg(long)]
    connection: ConnectionId,
    /// What it is for, for people to recognise.
    #[arg(long, default_value = "directory")]
    name: String,
    /// How long it works, such as `365d`. Without it, until revoked.
    #[arg(long, value_name = "SPAN")]
    expires: Option<Span>,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// Its id, as `list` shows it.
    id: String,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Rotate {
    /// Make a new secret; the old one works as well until `complete`.
    Start(Named),
    /// Stop the old secret.
    Complete(Named),
    /// Stop the new secret.
    Cancel(Named),
}

#[derive(Debug, Args)]
pub(super) struct Disable {
    #[arg(long)]
    connection: ConnectionId,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(super) struct Calls {
    /// The token's id, as `list` shows it.
    id: String,
    #[arg(long, default_value = "20")]
    limit: u32,
    /// A JSON array with requests and answers instead of one line for each.
    #[arg(long)]
    json: bool,
}

/// A token that is shown now and never again.
#[derive(Serialize)]
struct Revealed<'t> {
    #[serde(flatten)]
    token: &'t ScimToken,
    secret: &'t str,
}

impl Command {
    pub(super) async fn run(self, store: &Store) -> anyhow::Result<()> {
        match self {
            Self::Create(command) => command.run(store).await,
            Self::List(place) => list(store, &place).await,
            Self::Rotate(command) => command.run(store).await,
            Self::Revoke(command) => command.revoke(store).await,
            Self::Disable(command) => command.run(store).await,
            Self::Calls(command) => command.run(store).await,
        }
    }
}

fn reveal(token: &ScimToken, secret: &str, json: bool, what: &str, address: &str) -> anyhow::Result<()> {
    if json {
        return store::print_json(&Revealed { token, secret });
    }
    let shown = facts([
        ("id", token.id.clone()),
        ("connection", token.connection.to_string()),
        ("address", address.to_owned()),
        ("token", secret.to_owned()),
    ]);
    store::say(format!("{what} It is not shown again.\n{shown}"))
}

impl Create {
    async fn run(self, store: &Store) -> anyhow::Result<()> {
        let (administration, acting) = store.administration(&self.tenant(store).await?);
        let expires_at = self.expires.map(|span| store.now.after(span.0));
        let new = NewScimToken { connection: self.connection, name: self.name, expires_at };
        let (token, secret) = administration.create_scim_token(&acting, new).await.map_err(undone)?;
        let address = administration.scim_address(&acting);
        reveal(&token, secret.expose(), self.json, "The directory may provision with this token.", &address)
    }

    /// Whose connection it is.
    async fn tenant(&self, store: &Store) -> anyhow::Result<TenantId> {
        if let Some(typed) = store.config.connections.iter().find(|typed| typed.id == self.connection) {
            return Ok(typed.tenant.clone());
        }
        let stored = store.memory.connections.connections().await.map_err(explained)?;
        match stored.into_iter().find(|stored| stored.id == self.connection) {
            Some(stored) => Ok(stored.tenant),
            None => bail!("there is no connection {}; `doorward connection list` shows those there are", self.connection),
        }
    }
}

async fn list(store: &Store, place: &Place) -> anyhow::Result<()> {
    let (administration, acting) = place.administration(store);
    let tokens = administration.scim_tokens(&acting).await.map_err(undone)?;
    if place.json {
        return store::print_json(&tokens);
    }
    let mut table = Table::new(&["ID", "STATE", "CONNECTION", "NAME", "CREATED", "EXPIRES", "LAST USED"]);
    for token in tokens {
        table.row([
            token.id.clone(),
            token.state(store.now).to_owned(),
            token.connection.to_string(),
            token.name.clone(),
            token.created_at.to_string(),
            or_dash(token.expires_at),
            or_dash(token.last_used_at),
        ]);
    }
    store::say(table)
}

impl Rotate {
    async fn run(self, store: &Store) -> anyhow::Result<()> {
        let (Self::Start(named) | Self::Complete(named) | Self::Cancel(named)) = &self;
        let (administration, acting) = named.administration(store).await?;
        match &self {
            Self::Start(named) => {
                let (token, secret) = administration.start_scim_rotation(&acting, &named.id).await.map_err(undone)?;
                let what =
                    "Give the directory this token, and then run `doorward scim-token rotate complete`; until then both work.";
                reveal(&token, secret.expose(), named.json, what, &administration.scim_address(&acting))
            }
            Self::Complete(named) => {
                let token = administration.complete_scim_rotation(&acting, &named.id).await.map_err(undone)?;
                named.told(&token, "only the new secret works now")
            }
            Self::Cancel(named) => {
                let token = administration.cancel_scim_rotation(&acting, &named.id).await.map_err(undone)?;
                named.told(&token, "only the old secret works now")
            }
        }
    }
}

/// The operations of administrators in the tenant of the token with this id.
async fn administration_of(store: &Store, id: &str) -> anyhow::Result<(Administration, Acting)> {
    let found = store.memory.scim_tokens.scim_token(id).await.map_err(explained)?;
    let token = found.ok_or_else(|| anyhow!("there is no SCIM token {id}; `doorward scim-token list` shows those there are"))?;
    Ok(store.administration(&token.tenant))
}

impl Named {
    async fn administration(&self, store: &Store) -> anyhow::Result<(Administration, Acting)> {
        administration_of(store, &self.id).await
    }

    fn told(&self, token: &ScimToken, what: &str) -> anyhow::Result<()> {
        if self.json { store::print_json(token) } else { store::say(format!("{}: {what}", token.id)) }
    }

    async fn revoke(self, store: &Store) -> anyhow::Result<()> {
        let (administration, acting) = self.administration(store).await?;
        administration.revoke_scim_token(&acting, &self.id).await.map_err(undone)?;
        let token = administration.scim_token(&acting, &self.id).await.map_err(undone)?;
        self.told(&token, "is revoked; people and groups stay as they are")
    }
}

impl Disable {
    async fn run(self, store: &Store) -> anyhow::Result<()> {
        let (administration, acting) = self.place.administration(store);
        let revoked = administration.disable_scim(&acting, &self.connection).await.map_err(undone)?;
        if self.place.json {
            return store::print_json(&revoked);
        }
        store::say(format!("{} tokens of {} are revoked; people and groups stay as they are", revoked.len(), self.connection))
    }
}

impl Calls {
    async fn run(self, store: &Store) -> anyhow::Result<()> {
        let (administration, acting) = administration_of(store, &self.id).await?;
        let calls = administration.scim_calls(&acting, &self.id, self.limit).await.map_err(undone)?;
        if self.json {
            return store::print_json(&calls);
        }
        let mut table = Table::new(&["AT", "STATUS", "TOOK", "METHOD", "TARGET"]);
        for call in calls {
            let took = format!("{} ms", call.took);
            table.row([call.at.to_string(), call.status.to_string(), took, call.method, call.target]);
        }
        store::say(table)
    }
}
