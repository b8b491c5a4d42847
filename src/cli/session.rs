//! `doorward session`: who is signed in, and ending that.
//!
//! Refuses to end everybody's sessions at once by mistake: a handle or a person has to be named.

use anyhow::{Context as _, anyhow, bail};
use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;

use super::store::{self, Store};
use super::table::{Table, or_dash};
use crate::audit::Kind;
use crate::model::{Session, TenantId};
use crate::session::SessionFilter;

const HINT: &str = "nothing was changed; is the disk full, the database down, or does another program hold the store? Try again";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Live sessions, newest first.
    List(List),
    /// End a session, or all of a person's.
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only this person's: their user name or id.
    #[arg(long)]
    user: Option<String>,
    #[arg(long, default_value = "default")]
    tenant: TenantId,
    /// At most so many.
    #[arg(long, default_value_t = 1000)]
    limit: u32,
    /// A JSON array instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("whose").required(true).args(["handle", "user"])))]
pub(super) struct Revoke {
    /// The session's handle, as `list` shows it.
    handle: Option<String>,
    /// All sessions of this person: their user name or id.
    #[arg(long)]
    user: Option<String>,
    #[arg(long, default_value = "default")]
    tenant: TenantId,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

impl Command {
    pub(super) async fn run(self, store: &Store) -> anyhow::Result<()> {
        match self {
            Self::List(command) => command.run(store).await,
            Self::Revoke(command) => command.run(store).await,
        }
    }
}

impl List {
    async fn run(self, store: &Store) -> anyhow::Result<()> {
        let user = match &self.user {
            Some(who) => Some(store.person(&self.tenant, who).await?.id),
            None => None,
        };
        // The store does not know how long is too long without a request; the configuration does.
        let seen_after = Some(store.now.before(store.config.sessions.idle.0));
        let filter = SessionFilter { tenant: Some(self.tenant), user, seen_after, limit: self.limit };
        let sessions = store.memory.sessions.list(&filter, store.now).await.context(HINT)?;
        if self.json {
            return store::print_json(&sessions);
        }
        store::say(table(&sessions))
    }
}

fn table(sessions: &[Session]) -> Table {
    let mut table = Table::new(&["HANDLE", "USER", "CONNECTION", "SIGNED IN", "LAST SEEN", "ENDS", "ADDRESS", "AGENT"]);
    for session in sessions {
        table.row([
            session.handle.to_string(),
            session.user.to_string(),
            session.connection.to_string(),
            session.authenticated_at.to_string(),
            session.last_seen_at.to_string(),
            session.expires_at.to_string(),
            or_dash(session.client_address.as_ref()),
            or_dash(session.user_agent.as_ref()),
        ]);
    }
    table
}

impl Revoke {
    async fn run(self, store: &Store) -> anyhow::Result<()> {
        let ended = match (&self.handle, &self.user) {
            (Some(handle), _) => self.end_one(store, handle).await?,
            (None, Some(who)) => {
                let person = store.person(&self.tenant, who).await?;
                end_all(store, &person).await?
            }
            (None, None) => bail!("name a session's handle, or a person with --user"),
        };
        if self.json {
            return store::print_json(&json!({ "ended": ended }));
        }
        store::say(format!("{ended} ended: running servers refuse them within a second"))
    }

    async fn end_one(&self, store: &Store, handle: &str) -> anyhow::Result<u64> {
        // Only this tenant's: whoever ends a session says whose people they mean.
        let filter = SessionFilter { tenant: Some(self.tenant.clone()), limit: u32::MAX, ..SessionFilter::default() };
        let own = store.memory.sessions.list(&filter, store.now).await.context(HINT)?;
        let handle =
            own.iter().map(|session| &session.handle).find(|own| own.0 == handle).ok_or_else(|| unknown(&self.tenant, handle))?;
        if !store.memory.sessions.end(handle, store.now).await.context(HINT)? {
            return Err(unknown(&self.tenant, &handle.0));
        }
        store.record(Kind::SessionEnded, &self.tenant, &handle.0, json!({})).await?;
        Ok(1)
    }
}

fn unknown(tenant: &TenantId, handle: &str) -> anyhow::Error {
    anyhow!(
        "there is no live session {handle} in tenant {tenant}; `doorward session list --tenant {tenant}` shows those there are"
    )
}

/// Ends and records all sessions of a person.
pub(super) async fn end_all(store: &Store, person: &crate::model::User) -> anyhow::Result<u64> {
    let ended = store.memory.sessions.end_all(person.id, store.now).await.context(HINT)?;
    if ended > 0 {
        let details = json!({ "user_name": person.user_name, "sessions": ended });
        store.record(Kind::SessionEnded, &person.tenant, &person.id.to_string(), details).await?;
    }
    Ok(ended)
}
