//! Sessions on a Valkey or Redis server pass the suite that every store has to pass; people are in the embedded database beside it.

mod durable;
mod failure;
mod feed;
mod open;

use std::sync::Arc;

use async_trait::async_trait;
use doorward::clock::SystemClock;
use doorward::revocation::ValkeyFollower;
use doorward::session::ValkeySessions;
use doorward::valkey::{Address, Valkey};

use super::conformance::{Backend, Outcome, Stores, conformance};
use super::sqlite::Sqlite;
use crate::support::valkey::ValkeyServer;

pub(crate) struct BesideSqlite {
    server: ValkeyServer,
    sqlite: Sqlite,
}

pub(crate) async fn connected(server: &ValkeyServer) -> Outcome<Valkey> {
    Ok(Valkey::open(Address::new(&server.url(), None)?).await?)
}

/// A handle on the sessions of a server.
pub(crate) async fn sessions_on(server: &ValkeyServer) -> Outcome<Arc<ValkeySessions>> {
    Ok(Arc::new(ValkeySessions::new(connected(server).await?, Arc::new(SystemClock))))
}

#[async_trait]
impl Backend for BesideSqlite {
    async fn fresh() -> Outcome<Self> {
        Ok(Self { server: ValkeyServer::start(), sqlite: Sqlite::fresh().await? })
    }

    async fn open(&self) -> Outcome<Stores> {
        let stores = self.sqlite.open().await?;
        let server = connected(&self.server).await?;
        let follower = ValkeyFollower::start(&server, stores.bus.clone(), Arc::new(SystemClock)).await?;
        let sessions = Arc::new(ValkeySessions::new(server, Arc::new(SystemClock)));
        Ok(Stores { sessions, _keeper: Box::new((follower, stores._keeper)), ..stores })
    }
}

conformance!(sessions of crate::memory::valkey::BesideSqlite);
