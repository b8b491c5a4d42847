//! The embedded database passes the suite that every store has to pass.

use std::sync::Arc;

use async_trait::async_trait;
use doorward::audit::SqlAudit;
use doorward::clock::SystemClock;
use doorward::db::Database;
use doorward::directory::SqlDirectory;
use doorward::revocation::Follower;
use doorward::session::SqlSessions;

use super::conformance::{Backend, Outcome, Stores, conformance, source};

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
        Ok(stores(database, follower))
    }
}

/// The stores on `database`, whichever engine keeps it.
pub(crate) fn stores(database: Database, follower: Follower) -> Stores {
    Stores {
        directory: Arc::new(SqlDirectory::new(database.clone())),
        factors: Arc::new(SqlDirectory::new(database.clone())),
        connections: Arc::new(SqlDirectory::new(database.clone())),
        sessions: Arc::new(SqlSessions::new(database.clone())),
        links: Arc::new(SqlSessions::new(database.clone())),
        tries: Arc::new(SqlSessions::new(database.clone())),
        invitations: Arc::new(SqlDirectory::new(database.clone())),
        answers: Arc::new(SqlDirectory::new(database.clone())),
        provisioning: Arc::new(SqlDirectory::new(database.clone())),
        networks: Arc::new(SqlDirectory::new(database.clone())),
        audit: Arc::new(SqlAudit::new(database, source())),
        bus: follower.bus().clone(),
        _keeper: Box::new(follower),
    }
}

conformance!(crate::memory::sqlite::Sqlite);
