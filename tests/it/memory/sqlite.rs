//! The embedded database passes the suite that every store has to pass.

use std::sync::Arc;

use async_trait::async_trait;
use doorward::audit::SqliteAudit;
use doorward::clock::SystemClock;
use doorward::db::Database;
use doorward::directory::SqliteDirectory;
use doorward::revocation::Follower;
use doorward::session::SqliteSessions;

use super::conformance::{Backend, Outcome, Stores, conformance};

pub(crate) struct Sqlite(tempfile::TempDir);

#[async_trait]
impl Backend for Sqlite {
    async fn fresh() -> Outcome<Self> {
        Ok(Self(tempfile::tempdir()?))
    }

    async fn open(&self) -> Outcome<Stores> {
        let url = format!("sqlite:{}", self.0.path().join("doorward.db").display());
        let database = Database::open(&url, Arc::new(SystemClock)).await?;
        let follower = Follower::start(database.clone()).await?;
        Ok(Stores {
            directory: Arc::new(SqliteDirectory::new(database.clone())),
            factors: Arc::new(SqliteDirectory::new(database.clone())),
            connections: Arc::new(SqliteDirectory::new(database.clone())),
            sessions: Arc::new(SqliteSessions::new(database.clone())),
            links: Arc::new(SqliteSessions::new(database.clone())),
            invitations: Arc::new(SqliteDirectory::new(database.clone())),
            audit: Arc::new(SqliteAudit::new(database)),
            bus: follower.bus().clone(),
            _keeper: Box::new(follower),
        })
    }
}

conformance!(crate::memory::sqlite::Sqlite);
