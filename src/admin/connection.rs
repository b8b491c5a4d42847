//! Ways to sign in: those of the configuration file, and those that the store keeps.
//!
//! Refuses to change what the file says, to keep what a server would leave out, and to show a secret, even to who typed it.

use serde_json::Value;
use url::Url;

use super::{Acting, Administration, Undone};
use crate::audit::what::{ConnectionCreated, ConnectionRemoved, ConnectionUpdated};
use crate::clock::Timestamp;
use crate::config::LoadError;
use crate::config::connection::{Connection, StoredError, Written, keep_secrets, opened, received};
use crate::http_client::leads_inside;
use crate::login;
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
        let all = self.means.connections.connections().await?;
        known.extend(all.into_iter().filter(|stored| stored.tenant == acting.tenant).map(|stored| self.kept(stored)));
        Ok(known)
    }

    /// What there is to say of one that the store keeps.
    #[must_use]
    pub fn kept(&self, stored: StoredConnection) -> KnownConnection {
        let covered = self.config.connections.iter().any(|own| own.id == stored.id);
        let hidden = || "the configuration file has a connection with this id".to_owned();
        let (mut connection, why) = match opened(&stored, self.master()) {
            Ok(connection) => (KnownConnection::of(&connection), covered.then(hidden)),
            Err(error) => (unreadable(&stored), Some(error.to_string())),
        };
        connection.unusable = why;
        connection.stored = Some(stored);
        connection
    }

    pub async fn connection(&self, acting: &Acting, id: &str) -> Result<KnownConnection, Undone> {
        let all = self.connections(acting).await?;
        all.into_iter().find(|connection| connection.id.as_str() == id).ok_or(Undone::Missing("connection"))
    }

    /// Keeps a connection in the store; running servers take it over within a second.
    pub async fn create_connection(&self, acting: &Acting, new: Written) -> Result<StoredConnection, Undone> {
        self.check_connection(acting, &new).await?;
        let stored = self.sealed(&new, self.now())?;
        self.means.connections.create_connection(&stored).await?;
        self.record(acting, stored.id.as_str(), ConnectionCreated {}).await?;
        Ok(stored)
    }

    /// The same of one that was sent as JSON: it is the tenant's, whatever it says.
    pub async fn create_received(&self, acting: &Acting, document: Value) -> Result<StoredConnection, Undone> {
        self.create_connection(acting, read(acting, document)?).await
    }

    /// Puts a connection in the place of the one with its id that the store keeps.
    pub async fn replace_connection(&self, acting: &Acting, new: Written) -> Result<StoredConnection, Undone> {
        let before = self.kept_connection(acting, new.connection.id.as_str()).await?;
        self.replace(acting, &before, &new).await
    }

    /// The same of one that was sent as JSON; with a `version`, only in the place of the one that was read as that. Where a secret is
    /// `null` the one before is kept, if nothing beside it is different.
    pub async fn replace_received(
        &self,
        acting: &Acting,
        id: &str,
        version: Option<Timestamp>,
        mut document: Value,
    ) -> Result<StoredConnection, Undone> {
        let before = self.kept_connection(acting, id).await?;
        if version.is_some_and(|version| version != before.updated_at) {
            return Err(Undone::Stale("connection"));
        }
        keep_secrets(&mut document, &before, self.master()).map_err(|error| match error {
            StoredError::Beside(_) => Undone::unfit("connection", error.to_string()),
            error => Undone::internal(error),
        })?;
        if document.get("id").is_some_and(|typed| typed != id) {
            return Err(Undone::unfit("id", "a connection keeps its id; remove this one and make another"));
        }
        document["id"] = id.into();
        self.replace(acting, &before, &read(acting, document)?).await
    }

    async fn replace(&self, acting: &Acting, before: &StoredConnection, new: &Written) -> Result<StoredConnection, Undone> {
        self.check_connection(acting, new).await?;
        let mut stored = self.sealed(new, before.updated_at)?;
        stored.created_at = before.created_at;
        let stored = self.means.connections.update_connection(&stored).await?;
        self.record(acting, stored.id.as_str(), ConnectionUpdated {}).await?;
        Ok(stored)
    }

    fn sealed(&self, new: &Written, at: Timestamp) -> Result<StoredConnection, Undone> {
        let id = new.connection.id.clone();
        let secrets = new.document.seal(id.as_str(), self.master()).map_err(Undone::internal)?;
        let (tenant, document) = (new.connection.tenant.clone(), new.document.open.clone());
        Ok(StoredConnection { id, tenant, document, secrets, created_at: at, updated_at: at })
    }

    pub(super) fn master(&self) -> &[u8] {
        self.config.secret_key.expose().as_bytes()
    }

    /// Judges the connection together with all others, as a server would.
    async fn check_connection(&self, acting: &Acting, new: &Written) -> Result<(), Undone> {
        let connection = &new.connection;
        if connection.tenant != acting.tenant {
            return Err(Undone::unfit("tenant", format!("this is done in the tenant {}", acting.tenant)));
        }
        match self.config.connections.iter().find(|own| own.id == connection.id) {
            Some(own) if own.tenant == acting.tenant => {
                let id = &own.id;
                let why = format!("the configuration file has a connection {id}, which would be used instead; choose another id");
                return Err(Undone::Standing(why));
            }
            Some(own) => return Err(Undone::Conflict(format!("the connection id {}", own.id))),
            None => {}
        }
        let mut config = (*self.config).clone();
        for other in self.means.connections.connections().await? {
            if other.id != connection.id && !config.connections.iter().any(|known| known.id == other.id) {
                // One that cannot be used stands in nobody's way.
                config.connections.extend(opened(&other, self.master()).ok());
            }
        }
        config.connections.push(connection.clone());
        // Keys and authorities are read, which takes a while.
        let problems = tokio::task::spawn_blocking(move || login::check_last(&config)).await.map_err(Undone::internal)?;
        if problems.is_empty() { Ok(()) } else { Err(Undone::Flawed(Box::new(new.sources.report(&problems)))) }
    }

    /// One of the tenant's that the store keeps.
    async fn kept_connection(&self, acting: &Acting, id: &str) -> Result<StoredConnection, Undone> {
        let all = self.connections(acting).await?;
        let mut named = all.into_iter().filter(|connection| connection.id.as_str() == id).peekable();
        if named.peek().is_none() {
            return Err(Undone::Missing("connection"));
        }
        let kept = named.find_map(|connection| connection.stored);
        kept.ok_or_else(|| Undone::Standing(format!("{id} is in the configuration file: it is changed there")))
    }

    /// Removes one that the store keeps, with its directory's tokens. Who signed in by it stays signed in until their session ends.
    pub async fn remove_connection(&self, acting: &Acting, id: &str) -> Result<(), Undone> {
        let kept = self.kept_connection(acting, id).await?;
        // First, so that a failure in between leaves something that can be removed again.
        if !self.config.connections.iter().any(|own| own.id == kept.id) {
            self.disable_scim(acting, &kept.id).await?;
        }
        self.means.connections.delete_connection(&kept.id).await?;
        self.record(acting, kept.id.as_str(), ConnectionRemoved {}).await
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

/// What was sent, as a connection of the tenant.
fn read(acting: &Acting, mut document: Value) -> Result<Written, Undone> {
    if document.get("tenant").is_some_and(|typed| typed != acting.tenant.as_str()) {
        return Err(Undone::unfit("tenant", format!("this is done in the tenant {}", acting.tenant)));
    }
    document["tenant"] = acting.tenant.as_str().into();
    if let Some(address) = inside(&document) {
        let why =
            "an address of this machine or of a private network is for the configuration file and `doorward connection add`";
        return Err(Undone::unfit("connection", format!("`{address}`: {why}")));
    }
    received(&document).map_err(|error| match error {
        LoadError::Invalid { report, .. } => Undone::Flawed(Box::new(report)),
        unreadable @ LoadError::Unreadable { .. } => Undone::internal(unreadable),
    })
}

/// The first address in what was sent that the server, but not its sender, could reach (threats L5).
fn inside(sent: &Value) -> Option<&str> {
    match sent {
        Value::String(text) => Url::parse(text).is_ok_and(|url| leads_inside(&url)).then_some(text),
        Value::Array(values) => values.iter().find_map(inside),
        Value::Object(fields) => fields.values().find_map(inside),
        _ => None,
    }
}
