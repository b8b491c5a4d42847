//! What keeps state over requests and reloads.
//!
//! Refuses a store it does not know; the embedded one is SQLite.

use std::sync::Arc;

use crate::clock::SharedClock;
use crate::config::Config;
use crate::db::{Database, OpenError};
use crate::directory::{Directory, SqliteDirectory};
use crate::session::{SessionStore, SqliteSessions};

/// The stores, opened.
#[derive(Clone, Debug)]
pub struct Memory {
    pub directory: Arc<dyn Directory>,
    pub sessions: Arc<dyn SessionStore>,
}

impl Memory {
    /// Opens what `store.url` names.
    pub async fn open(config: &Config, clock: &SharedClock) -> Result<Self, OpenError> {
        let database = Database::open(config.store.url.expose(), Arc::clone(clock)).await?;
        Ok(Self {
            directory: Arc::new(SqliteDirectory::new(database.clone())),
            sessions: Arc::new(SqliteSessions::new(database)),
        })
    }
}
