//! `doorward connection`: ways to sign in, those of the file and those that the store keeps.
//!
//! Refuses to add what a server would leave out: a connection is checked together with all others before it is written. Secrets are never shown.

use std::path::PathBuf;

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::store::{self, Store, explained, undone};
use super::table::Table;
use crate::config::connection::{Connection, opened, written};
use crate::config::{Config, LoadError};
use crate::model::{ConnectionId, StoredConnection, TenantId};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// All connections: whose they are, and where they are kept.
    List(List),
    /// One connection, without its secrets.
    Show(Show),
    /// Keep a connection in the store; running servers take it over within a second.
    Add(Add),
    /// Remove a connection from the store.
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only this tenant's.
    #[arg(long)]
    tenant: Option<TenantId>,
    /// A JSON array instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    id: ConnectionId,
    #[arg(long, default_value = "default")]
    tenant: TenantId,
    /// One JSON object instead of YAML.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// A YAML file with what would stand as one item under `connections`. Values kept elsewhere (`{ env: NAME }`, `{ file: path }`) are read
    /// now and kept sealed.
    #[arg(long)]
    file: PathBuf,
    /// In the place of the one that has this id.
    #[arg(long)]
    replace: bool,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    id: ConnectionId,
    #[arg(long, default_value = "default")]
    tenant: TenantId,
}

impl Command {
    pub(super) async fn run(self, store: &Store) -> anyhow::Result<()> {
        match self {
            Self::List(command) => command.run(store).await,
            Self::Show(command) => command.run(store).await,
            Self::Add(command) => command.run(store).await,
            Self::Remove(command) => command.run(store).await,
        }
    }
}

/// One line of the list.
fn line(connection: &Connection, kept: &str) -> Value {
    let kind = connection.kind().map_or("-", |(key, _)| key);
    let domains: Vec<String> = connection.domains.iter().map(ToString::to_string).collect();
    json!({
        "id": connection.id.as_str(), "kind": kind, "display_name": connection.display_name, "tenant": connection.tenant.as_str(),
        "domains": domains, "hidden": connection.hidden, "kept": kept,
    })
}

impl List {
    async fn run(self, store: &Store) -> anyhow::Result<()> {
        let mut lines: Vec<Value> = store.config.connections.iter().map(|connection| line(connection, "file")).collect();
        for stored in all(store).await? {
            let covered = in_file(&store.config, &stored.id);
            let kept = if covered { "store (the file's is used)" } else { "store" };
            lines.push(match opened(&stored, master(&store.config)) {
                Ok(connection) => line(&connection, kept),
                Err(error) => json!({ "id": stored.id.as_str(), "kind": "-", "tenant": stored.tenant.as_str(), "domains": [],
                    "kept": format!("store (cannot be used: {error})") }),
            });
        }
        lines.retain(|line| self.tenant.as_ref().is_none_or(|tenant| line["tenant"] == tenant.as_str()));
        if self.json {
            return store::print_json(&lines);
        }
        let mut table = Table::new(&["ID", "KIND", "NAME", "TENANT", "DOMAINS", "KEPT IN"]);
        for line in &lines {
            let text = |key: &str| line[key].as_str().unwrap_or("-").to_owned();
            let domains: Vec<&str> = line["domains"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let domains = if domains.is_empty() { "-".to_owned() } else { domains.join(", ") };
            table.row([text("id"), text("kind"), text("display_name"), text("tenant"), domains, text("kept")]);
        }
        store::say(table)
    }
}

impl Show {
    async fn run(self, store: &Store) -> anyhow::Result<()> {
        match all(store).await?.into_iter().find(|stored| stored.id == self.id && stored.tenant == self.tenant) {
            Some(stored) if self.json => store::print_json(&stored),
            Some(stored) => store::say(serde_yaml::to_string(&stored.document)?),
            None if in_file(&store.config, &self.id) => bail!("{} is in the configuration file: look there", self.id),
            None => bail!(
                "the store has no connection {} of tenant {}; `doorward connection list` shows those there are",
                self.id,
                self.tenant
            ),
        }
    }
}

impl Add {
    async fn run(self, store: &Store) -> anyhow::Result<()> {
        let new = written(&self.file).map_err(|error| match error {
            LoadError::Invalid { report, .. } => anyhow!("this connection cannot be used\n{report}"),
            unreadable @ LoadError::Unreadable { .. } => anyhow!(unreadable),
        })?;
        let (id, tenant) = (&new.connection.id, &new.connection.tenant);
        let before = all(store).await?.into_iter().find(|other| other.id == *id).filter(|_| self.replace);
        if let Some(before) = before.as_ref().filter(|before| before.tenant != *tenant && store.config.has_tenant(tenant)) {
            // Its people would come along, and they are of the tenant that it was of.
            bail!("{id} is of tenant {}, and a connection does not change tenants; choose another id", before.tenant);
        }
        let (administration, acting) = store.administration(tenant);
        let kept = match before {
            Some(before) if before.tenant == *tenant => administration.replace_connection(&acting, new).await,
            _ => administration.create_connection(&acting, new).await,
        };
        let new = kept.map_err(undone)?;
        if self.json {
            return store::print_json(&new);
        }
        store::say(format!("{} is kept: running servers take it over within a second", new.id))
    }
}

impl Remove {
    async fn run(self, store: &Store) -> anyhow::Result<()> {
        let found = all(store).await?.into_iter().find(|stored| stored.id == self.id && stored.tenant == self.tenant);
        let Some(stored) = found else {
            bail!(
                "the store has no connection {} of tenant {}; `doorward connection list` shows those there are",
                self.id,
                self.tenant
            )
        };
        let (administration, acting) = store.administration(&stored.tenant);
        administration.remove_connection(&acting, self.id.as_str()).await.map_err(undone)?;
        store::say(format!("{} is removed; who signed in by it stays signed in until their session ends", self.id))
    }
}

async fn all(store: &Store) -> anyhow::Result<Vec<StoredConnection>> {
    store.memory.connections.connections().await.map_err(explained)
}

fn in_file(config: &Config, id: &ConnectionId) -> bool {
    config.connections.iter().any(|own| own.id == *id)
}

fn master(config: &Config) -> &[u8] {
    config.secret_key.expose().as_bytes()
}
