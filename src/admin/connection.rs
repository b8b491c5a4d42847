//! Ways to sign in: those of the configuration file, and those that the store keeps.
//!
//! Refuses to change what the file says, and to show a secret, even to who typed it.

use serde_json::{Value, json};

use super::{Acting, Administration, Undone};
use crate::audit::Kind;
use crate::config::connection::{Connection, opened};
use crate::model::{ConnectionId, StoredConnection};

/// One of them.
#[derive(Clone, Debug)]
pub struct KnownConnection {
    pub id: ConnectionId,
    /// `oidc`, `saml`…; `None` where it cannot be told.
    pub kind: Option<&'static str>,
    pub display_name: Option<String>,
    pub domains: Vec<String>,
    pub hidden: bool,
    /// Where it is kept; `None`: in the configuration file.
    pub stored: Option<StoredConnection>,
    /// Why it is not in force.
    pub unusable: Option<String>,
}

impl KnownConnection {
    fn of(connection: &Connection) -> Self {
        Self {
            id: connection.id.clone(),
            kind: connection.kind().map(|(key, _)| key),
            display_name: connection.display_name.clone(),
            domains: connection.domains.iter().map(ToString::to_string).collect(),
            hidden: connection.hidden,
            stored: None,
            unusable: None,
        }
    }

    /// What was typed, without its secrets; `None` of the file's.
    #[must_use]
    pub fn document(&self) -> Option<&Value> {
        self.stored.as_ref().map(|stored| &stored.document)
    }
}

impl Administration {
    /// The tenant's: those of the file in its order, then those of the store.
    pub async fn connections(&self, acting: &Acting) -> Result<Vec<KnownConnection>, Undone> {
        let own = self.config.connections.iter().filter(|connection| connection.tenant == acting.tenant);
        let mut known: Vec<KnownConnection> = own.map(KnownConnection::of).collect();
        let master = self.config.secret_key.expose().as_bytes();
        for stored in self.means.connections.connections().await? {
            if stored.tenant != acting.tenant {
                continue;
            }
            let covered = self.config.connections.iter().any(|own| own.id == stored.id);
            let hidden = || "the configuration file has a connection with this id".to_owned();
            let (mut connection, why) = match opened(&stored, master) {
                Ok(connection) => (KnownConnection::of(&connection), covered.then(hidden)),
                Err(error) => (unreadable(&stored), Some(error.to_string())),
            };
            connection.unusable = why;
            connection.stored = Some(stored);
            known.push(connection);
        }
        Ok(known)
    }

    pub async fn connection(&self, acting: &Acting, id: &str) -> Result<KnownConnection, Undone> {
        let all = self.connections(acting).await?;
        all.into_iter().find(|connection| connection.id.as_str() == id).ok_or(Undone::Missing("connection"))
    }

    /// Removes one that the store keeps. Who signed in by it stays signed in until their session ends.
    pub async fn remove_connection(&self, acting: &Acting, id: &str) -> Result<(), Undone> {
        let all = self.connections(acting).await?;
        let mut named = all.into_iter().filter(|connection| connection.id.as_str() == id).peekable();
        if named.peek().is_none() {
            return Err(Undone::Missing("connection"));
        }
        let Some(kept) = named.find(|connection| connection.stored.is_some()) else {
            return Err(Undone::Standing(format!("{id} is in the configuration file: it is changed there")));
        };
        self.means.connections.delete_connection(&kept.id).await?;
        self.record(acting, Kind::ConnectionRemoved, kept.id.as_str(), json!({})).await
    }
}

/// What can be said of one that does not open.
fn unreadable(stored: &StoredConnection) -> KnownConnection {
    KnownConnection {
        id: stored.id.clone(),
        kind: None,
        display_name: None,
        domains: Vec::new(),
        hidden: false,
        stored: None,
        unusable: None,
    }
}
