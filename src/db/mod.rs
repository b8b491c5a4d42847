//! The database: where statements are read and written, whichever engine keeps it.
//!
//! Refuses to acknowledge what is not on the disk and to wait for ever: a write returns after its transaction was synced, or
//! says [`Unavailable`] within seconds, because a front door that hangs is as closed as one that lies is open.

pub mod changes;
mod row;
mod sqlite;
mod statement;
mod value;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::watch;

use crate::clock::{SharedClock, Timestamp};

pub use row::{Column, FromRow, Row};
pub use sqlite::OpenError;
pub use sqlx::types::Json;
pub use statement::{Connection, On, Query, Readers, list, query};
pub use value::{Bind, Value};

/// No caller waits longer than this for an answer.
const DEADLINE: Duration = Duration::from_secs(4);

/// The database did not do what was asked; whether it did a write is unknown only if its answer came too late.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unavailable {
    #[error("the database failed")]
    Failed(#[source] Arc<sqlx::Error>),
    #[error("the database did not answer within {} s", DEADLINE.as_secs())]
    Late,
    #[error("too many writes are waiting for the database")]
    Overloaded,
    #[error("the database is closed")]
    Closed,
}

impl From<sqlx::Error> for Unavailable {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(Arc::new(error))
    }
}

/// Why a piece of writing left no trace.
#[derive(Debug)]
pub enum Failure<E> {
    Unavailable(Unavailable),
    /// The work itself said no.
    Refused(E),
}

impl<E> From<sqlx::Error> for Failure<E> {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(error.into())
    }
}

/// An open database. Clones share it.
#[derive(Clone)]
pub struct Database {
    sqlite: sqlite::Sqlite,
    clock: SharedClock,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("engine", &self.sqlite).finish_non_exhaustive()
    }
}

impl Database {
    /// Opens what `url` names (`sqlite:/path` is made if it is new) and brings its tables up to date.
    ///
    /// # Errors
    /// [`OpenError`] says which store and what to do.
    pub async fn open(url: &str, clock: SharedClock) -> Result<Self, OpenError> {
        Ok(Self { sqlite: sqlite::Sqlite::open(url).await?, clock })
    }

    /// A new database in memory, which ends with the process.
    ///
    /// # Errors
    /// [`OpenError`], only in a broken build.
    pub async fn in_memory(clock: SharedClock) -> Result<Self, OpenError> {
        Ok(Self { sqlite: sqlite::Sqlite::in_memory().await?, clock })
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    #[must_use]
    pub const fn readers(&self) -> &Readers {
        self.sqlite.readers()
    }

    /// Waits for a query on [`Self::readers`], seconds at most.
    ///
    /// # Errors
    /// [`Unavailable`] when it failed or took too long.
    pub async fn read<T>(&self, query: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Unavailable> {
        tokio::time::timeout(DEADLINE, query).await.map_err(|_| Unavailable::Late)?.map_err(Unavailable::from)
    }

    /// Does `work` in a transaction and returns when that is on the disk. Work that fails leaves no trace and disturbs no other
    /// work that shares the transaction.
    ///
    /// # Errors
    /// [`Failure::Refused`] with what `work` refused; [`Failure::Unavailable`] when the database could not.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, Failure<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, Failure<E>>> + Send + 'static,
    {
        self.sqlite.write(work).await
    }

    /// Counts the commits of this process's writer; a change means there may be something new to read.
    #[must_use]
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.sqlite.commits()
    }

    /// One more connection that only reads.
    pub(crate) async fn reader(&self) -> Result<Connection, Unavailable> {
        self.read(self.sqlite.reader()).await
    }
}
