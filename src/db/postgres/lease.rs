//! A connection on loan from a pool.
//!
//! Refuses to go back with a transaction open: what was not settled is closed instead, and the server undoes it.

use sqlx::pool::PoolConnection;
use sqlx::postgres::Postgres;

use crate::clock::Timestamp;
use crate::model::Change;

pub(in crate::db) struct Lease {
    pub(in crate::db) line: PoolConnection<Postgres>,
    /// What the transaction announces, numbered when it ends.
    pub(in crate::db) announced: Vec<(Change, Timestamp)>,
    /// Whether it may go back.
    pub(super) settled: bool,
}

impl Lease {
    pub(super) const fn new(line: PoolConnection<Postgres>) -> Self {
        Self { line, announced: Vec::new(), settled: false }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.settled {
            self.line.close_on_drop();
        }
    }
}
