//! `doorward session`: who is signed in, and ending that.
//!
//! Refuses to end everybody's sessions at once by mistake: a handle or a person has to be named.

use anyhow::{anyhow, bail};
use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;

use super::place::Place;
use super::store::{self, Store, undone};
use super::table::{Table, or_dash};
use crate::admin::Undone;
use crate::model::{Session, SessionHandle};

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
    /// At most so many.
    #[arg(long, default_value_t = 1000)]
    limit: u32,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("whose").required(true).args(["handle", "user"])))]
pub(super) struct Revoke {
    /// The session's handle, as `list` shows it.
    handle: Option<String>,
    /// All sessions of this person: their user name or id.
    #[arg(long)]
    user: Option<String>,
    #[command(flatten)]
    place: Place,
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
            Some(who) => Some(store.person(&self.place.tenant, who).await?.id),
            None => None,
        };
        let (administration, acting) = self.place.administration(store);
        let sessions = administration.live_sessions(&acting, user, self.limit).await.map_err(undone)?;
        if self.place.json { store::print_json(&sessions) } else { store::say(table(&sessions)) }
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
        let (administration, acting) = self.place.administration(store);
        let ended = match (self.handle, &self.user) {
            (Some(handle), _) => {
                let handle = SessionHandle(handle);
                administration.end_session(&acting, None, &handle).await.map_err(|error| self.place.unended(&handle, error))?;
                1
            }
            (None, Some(who)) => {
                let person = store.person(&self.place.tenant, who).await?;
                administration.end_sessions(&acting, person.id).await.map_err(undone)?
            }
            (None, None) => bail!("name a session's handle, or a person with --user"),
        };
        if self.place.json {
            return store::print_json(&json!({ "ended": ended }));
        }
        store::say(format!("{ended} ended: running servers refuse them within a second"))
    }
}

impl Place {
    fn unended(&self, handle: &SessionHandle, error: Undone) -> anyhow::Error {
        let tenant = &self.tenant;
        match error {
            Undone::Missing(_) => anyhow!(
                "there is no live session {handle} in tenant {tenant}; `doorward session list --tenant {tenant}` shows those there are"
            ),
            error => undone(error),
        }
    }
}
