//! The connections as they stand: those of the file, and those that the store keeps.
//!
//! Refuses to let the store's speak over the file's: on the same id, or for the same domain, the file's wins. One that cannot be used is left out
//! and told, because a mistake in one company's connection must not lock out the others.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

use super::Login;
use super::connection::{Connection, Connections};
use super::return_to::Origins;
use super::tenants::Tenants;
use crate::clock::Timestamp;
use crate::config::connection::{StoredError, opened, review_last, within_last};
use crate::config::{Config, Problems};
use crate::directory::DirectoryError;
use crate::model::{ConnectionId, StoredConnection};

/// All connections, replaced as a whole when the store's change.
#[derive(Debug)]
pub(super) struct Book {
    config: Arc<Config>,
    /// Whose people sign in here.
    tenants: Tenants,
    own: Connections,
    current: ArcSwap<Connections>,
    /// Those of the store by id, with the version they were compiled from: what has not changed keeps what it knows of its provider.
    stored: Mutex<Stored>,
}

type Stored = HashMap<ConnectionId, (Timestamp, Arc<Connection>)>;

impl Book {
    pub(super) fn new(config: &Arc<Config>, own: Connections, tenants: Tenants) -> Self {
        let current = ArcSwap::from_pointee(own.clone());
        Self { config: Arc::clone(config), tenants, own, current, stored: Mutex::default() }
    }

    /// The file's, in its order.
    pub(super) fn own(&self) -> &Connections {
        &self.own
    }

    pub(super) fn current(&self) -> Arc<Connections> {
        self.current.load_full()
    }

    /// Puts `all` that the store has in force, beside the file's.
    pub(super) async fn take_over(&self, all: &[StoredConnection], origins: &Origins) {
        let mut known = self.stored.lock().await;
        let (mut config, mut kept, mut more) = (None, Stored::new(), Vec::new());
        let in_file = |id: &ConnectionId| self.config.connections.iter().any(|connection| connection.id == *id);
        for stored in all.iter().filter(|stored| self.tenants.serves(&stored.tenant) && !in_file(&stored.id)) {
            let before = known.get(&stored.id).filter(|(version, _)| *version == stored.updated_at).map(|(_, known)| known);
            match compile(config.get_or_insert_with(|| Config::clone(&self.config)), stored, before, origins) {
                Ok(connection) => {
                    more.push(Arc::clone(&connection));
                    kept.insert(stored.id.clone(), (stored.updated_at, connection));
                }
                Err(error) => tracing::warn!(connection = %stored.id, %error, "a connection of the store is left out"),
            }
        }
        self.current.store(Arc::new(self.own.with(more)));
        *known = kept;
    }
}

/// The connection, and `config` with it; or why not, and `config` as it was.
fn compile(
    config: &mut Config,
    stored: &StoredConnection,
    before: Option<&Arc<Connection>>,
    origins: &Origins,
) -> Result<Arc<Connection>, StoredError> {
    config.connections.push(opened(stored, config.secret_key.expose().as_bytes())?);
    let problems = review_last(config);
    let mut found = Problems::default();
    let compiled = match before {
        _ if !problems.is_empty() => None,
        Some(before) => Some(Arc::clone(before)),
        None => Connections::compile_last(config, origins, &mut found),
    };
    compiled.ok_or_else(|| {
        let mut said: Vec<String> = problems.iter().map(|problem| problem.message.clone()).collect();
        said.extend(within_last(config, &found).iter().map(|problem| problem.message.clone()));
        config.connections.pop();
        StoredError::Problems(said.join("; "))
    })
}

/// What is wrong with the last of `config`'s connections, by paths within it: words and meaning.
#[must_use]
pub fn check_last(config: &Config) -> Problems {
    let problems = review_last(config);
    let Some(origins) = Origins::of(config, &config.public_url).filter(|_| problems.is_empty()) else { return problems };
    let mut found = Problems::default();
    Connections::compile_last(config, &origins, &mut found);
    within_last(config, &found)
}

impl Login {
    /// Puts the connections that the store keeps now in force at all sites, each at its tenant's.
    pub async fn take_over_connections(sites: impl IntoIterator<Item = &Self>) -> Result<(), DirectoryError> {
        let mut all = None;
        for login in sites {
            let all = match &mut all {
                Some(all) => all,
                None => all.insert(login.means.connections.connections().await?),
            };
            login.rules.connections.take_over(all, &login.rules.origins).await;
        }
        Ok(())
    }
}
