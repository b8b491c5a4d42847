//! `doorward scim-token`: the tokens of companies' directories, and what they last asked.
//!
//! Refuses to show a token again: only its digest is kept. A rotation has two phases, so that the directory can be given the new token
//! while the old one still works.

use anyhow::bail;
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::store::{self, Store, explained};
use super::table::{Table, facts, or_dash};
use crate::audit::Kind;
use crate::clock::Timestamp;
use crate::config::Span;
use crate::crypto::token;
use crate::directory::Rotation;
use crate::model::{ConnectionId, ScimToken, TenantId};
use crate::policy::tenancy::Tenancy;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make one; it is printed once.
    Create(Create),
    /// Those there are, revoked ones too.
    List(List),
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
pub(super) struct List {
    #[arg(long, default_value = "default")]
    tenant: TenantId,
    /// A JSON array instead of text.
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
    #[arg(long, default_value = "default")]
    tenant: TenantId,
    /// A JSON array of the ids instead of text.
    #[arg(long)]
    json: bool,
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
            Self::List(command) => command.run(store).await,
            Self::Rotate(command) => command.run(store).await,
            Self::Revoke(command) => command.revoke(store).await,
            Self::Disable(command) => command.run(store).await,
            Self::Calls(command) => command.run(store).await,
        }
    }
}

fn state(token: &ScimToken, now: Timestamp) -> &'static str {
    match token {
        ScimToken { revoked_at: Some(_), .. } => "revoked",
        token if !token.is_live(now) => "expired",
        ScimToken { next: Some(_), .. } => "rotating",
        _ => "live",
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

/// What the directory is told: where its tenant is at home.
fn address(store: &Store, tenant: &TenantId) -> String {
    let tenancy = Tenancy::compile(&store.config);
    format!("{}{}/scim/v2", tenancy.site(tenancy.home(tenant)).public_url, store.config.prefix)
}

impl Create {
    async fn run(self, store: &Store) -> anyhow::Result<()> {
        let tenant = self.tenant(store).await?;
        let id = token::new_id()?;
        let (secret, digest) = token::new_scim_token(&id)?;
        let token = ScimToken {
            id,
            tenant,
            connection: self.connection,
            name: self.name,
            digest,
            next: None,
            created_at: store.now,
            rotating_since: None,
            expires_at: self.expires.map(|span| store.now.after(span.0)),
            revoked_at: None,
            last_used_at: None,
        };
        store.memory.scim_tokens.create_scim_token(&token).await.map_err(explained)?;
        let details = json!({ "connection": token.connection.as_str(), "name": token.name });
        store.record(Kind::ScimTokenCreated, &token.tenant, &token.id, details).await?;
        reveal(&token, secret.expose(), self.json, "The directory may provision with this token.", &address(store, &token.tenant))
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

impl List {
    async fn run(self, store: &Store) -> anyhow::Result<()> {
        let tokens = store.memory.scim_tokens.scim_tokens(&self.tenant).await.map_err(explained)?;
        if self.json {
            return store::print_json(&tokens);
        }
        let mut table = Table::new(&["ID", "STATE", "CONNECTION", "NAME", "CREATED", "EXPIRES", "LAST USED"]);
        for token in tokens {
            table.row([
                token.id.clone(),
                state(&token, store.now).to_owned(),
                token.connection.to_string(),
                token.name.clone(),
                token.created_at.to_string(),
                or_dash(token.expires_at),
                or_dash(token.last_used_at),
            ]);
        }
        store::say(table)
    }
}

impl Rotate {
    async fn run(self, store: &Store) -> anyhow::Result<()> {
        match self {
            Self::Start(named) => {
                let (secret, digest) = token::new_scim_token(&named.id)?;
                let token = named.rotate(store, Rotation::Start(digest), "start").await?;
                let what =
                    "Give the directory this token, and then run `doorward scim-token rotate complete`; until then both work.";
                reveal(&token, secret.expose(), named.json, what, &address(store, &token.tenant))
            }
            Self::Complete(named) => {
                let token = named.rotate(store, Rotation::Complete, "complete").await?;
                named.told(&token, "only the new secret works now")
            }
            Self::Cancel(named) => {
                let token = named.rotate(store, Rotation::Cancel, "cancel").await?;
                named.told(&token, "only the old secret works now")
            }
        }
    }
}

impl Named {
    async fn rotate(&self, store: &Store, rotation: Rotation, phase: &str) -> anyhow::Result<ScimToken> {
        let token = store.memory.scim_tokens.rotate_scim_token(&self.id, rotation).await.map_err(explained)?;
        let details = json!({ "connection": token.connection.as_str(), "phase": phase });
        store.record(Kind::ScimTokenRotated, &token.tenant, &token.id, details).await?;
        Ok(token)
    }

    fn told(&self, token: &ScimToken, what: &str) -> anyhow::Result<()> {
        if self.json { store::print_json(token) } else { store::say(format!("{}: {what}", token.id)) }
    }

    async fn revoke(self, store: &Store) -> anyhow::Result<()> {
        let tokens = &store.memory.scim_tokens;
        tokens.revoke_scim_token(&self.id, store.now).await.map_err(explained)?;
        let Some(token) = tokens.scim_token(&self.id).await.map_err(explained)? else { bail!("there is no token {}", self.id) };
        let details = json!({ "connection": token.connection.as_str() });
        store.record(Kind::ScimTokenRevoked, &token.tenant, &token.id, details).await?;
        self.told(&token, "is revoked; people and groups stay as they are")
    }
}

impl Disable {
    async fn run(self, store: &Store) -> anyhow::Result<()> {
        let tokens = &store.memory.scim_tokens;
        let revoked = tokens.disable_scim(&self.tenant, &self.connection, store.now).await.map_err(explained)?;
        for id in &revoked {
            let details = json!({ "connection": self.connection.as_str(), "disabled": true });
            store.record(Kind::ScimTokenRevoked, &self.tenant, id, details).await?;
        }
        if self.json {
            return store::print_json(&revoked);
        }
        store::say(format!("{} tokens of {} are revoked; people and groups stay as they are", revoked.len(), self.connection))
    }
}

impl Calls {
    async fn run(self, store: &Store) -> anyhow::Result<()> {
        let calls = store.memory.scim_tokens.scim_calls(&self.id, self.limit).await.map_err(explained)?;
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
