//! A connection on loan from a pool.
//!
//! Refuses to go back with a transaction open: what was not settled is closed instead, and the server undoes it. And it refuses to wait for
//! a server that has fallen silent, because whoever asked is waiting, too.

use std::future::Future;
use std::io;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::Postgres;

pub(in crate::db) struct Lease {
    pub(in crate::db) line: PoolConnection<Postgres>,
    /// How long one answer may take.
    pub(in crate::db) patience: Duration,
    /// Whether it may go back.
    pub(super) settled: bool,
}

/// The server's answer, unless it takes longer than `patience`; then the connection is of no more use.
pub(in crate::db) async fn answered<T>(
    patience: Duration,
    asked: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let late = |_| sqlx::Error::Io(io::ErrorKind::TimedOut.into());
    tokio::time::timeout(patience, asked).await.map_err(late)?
}

impl Lease {
    pub(super) const fn new(line: PoolConnection<Postgres>, patience: Duration) -> Self {
        Self { line, patience, settled: false }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.settled {
            self.line.close_on_drop();
        }
    }
}
