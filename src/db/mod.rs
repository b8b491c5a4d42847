//! The database: where statements are read and written, whichever engine keeps it.
//!
//! Refuses to acknowledge what is not on the disk and to wait for ever: a write returns after its transaction was synced, or
//! says [`Unavailable`] within seconds, because a front door that hangs is as closed as one that lies is open.

pub mod changes;
mod compatibility;
mod copy;
mod error;
mod job;
mod postgres;
mod recorded;
mod row;
mod sqlite;
mod statement;
mod value;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use sqlx::postgres::PgListener;
use tokio::sync::watch;

use crate::clock::{SharedClock, Timestamp};
use crate::config::postgres::is_postgres;
use crate::model::Listeners;

pub use copy::{CopyError, copy};
pub use error::OpenError;
pub use postgres::Terms;
pub use row::{Column, FromRow, Row};
pub use sqlx::types::Json;
pub use statement::{Connection, On, Query, Readers, list, query};
pub use value::{Bind, Value};

/// The file of the embedded store that `url` names; `None`: it names none.
#[must_use]
pub fn file(url: &str) -> Option<PathBuf> {
    sqlite::file_of(url).ok()
}

/// No caller waits longer than this for an answer. Where a server has fallen silent it is [`Terms::patience`] that ends the waiting.
const DEADLINE: Duration = Duration::from_secs(4);

/// The database did not do what was asked; whether it did a write is unknown only if its answer came too late.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unavailable {
    #[error("the database failed")]
    Failed(#[source] Arc<sqlx::Error>),
    #[error("the database did not answer in time")]
    Late,
    #[error("too many writes are waiting for the database")]
    Overloaded,
    #[error("the database is closed")]
    Closed,
    /// The server has not been reached since the start.
    #[error("the database is not there yet")]
    Unprepared,
}

impl Unavailable {
    /// Whether the database is well and was given a text that none can keep.
    #[must_use]
    pub fn is_unfit_text(&self) -> bool {
        matches!(self, Self::Failed(error) if matches!(&**error, sqlx::Error::Encode(why) if why.is::<value::NulInText>()))
    }
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
#[derive(Clone, Debug)]
pub struct Database {
    engine: Engine,
    clock: SharedClock,
}

#[derive(Clone, Debug)]
enum Engine {
    Sqlite(Box<sqlite::Sqlite>),
    Postgres(postgres::Postgres),
}

impl Database {
    /// Opens what `url` names (`sqlite:/path` is made if it is new, `postgres://user@host/database` has to be there) and brings its tables up to
    /// date.
    ///
    /// # Errors
    /// [`OpenError`] says which store and what to do.
    pub async fn open(url: &str, clock: SharedClock) -> Result<Self, OpenError> {
        Self::open_on(url, &Terms::default(), clock).await
    }

    /// The same, where more is said than the URL does. A PostgreSQL server that cannot be reached is tried again until it can; meanwhile
    /// everything is [`Unavailable`].
    ///
    /// # Errors
    /// [`OpenError`] says which store and what to do.
    pub async fn open_on(url: &str, terms: &Terms, clock: SharedClock) -> Result<Self, OpenError> {
        let engine = if is_postgres(url) {
            Engine::Postgres(postgres::Postgres::open(url, terms).await?)
        } else {
            Engine::Sqlite(Box::new(sqlite::Sqlite::open(url).await?))
        };
        Ok(Self { engine, clock })
    }

    /// A new database in memory, which ends with the process.
    ///
    /// # Errors
    /// [`OpenError`], only in a broken build.
    pub async fn in_memory(clock: SharedClock) -> Result<Self, OpenError> {
        Ok(Self { engine: Engine::Sqlite(Box::new(sqlite::Sqlite::in_memory().await?)), clock })
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    #[must_use]
    pub fn readers(&self) -> &Readers {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.readers(),
            Engine::Postgres(postgres) => postgres.readers(),
        }
    }

    /// Waits for a query on [`Self::readers`], seconds at most.
    ///
    /// # Errors
    /// [`Unavailable`] when it failed or took too long.
    pub async fn read<T>(&self, query: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Unavailable> {
        let patience = match &self.engine {
            Engine::Sqlite(_) => DEADLINE,
            Engine::Postgres(postgres) => {
                postgres.check()?;
                postgres.patience()
            }
        };
        tokio::time::timeout(patience, query).await.map_err(|_| Unavailable::Late)?.map_err(Unavailable::from)
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
        let span = recorded::transaction(if self.is_embedded() { recorded::SQLITE } else { recorded::POSTGRES });
        let (job, answer) = job::job(work);
        let submitted = match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.submit(job),
            Engine::Postgres(postgres) => postgres.submit(job),
        };
        let outcome = match submitted {
            Err(error) => Err(Failure::Unavailable(error)),
            Ok(()) => match tokio::time::timeout(DEADLINE, answer).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => Err(Failure::Unavailable(Unavailable::Closed)),
                Err(_) => Err(Failure::Unavailable(Unavailable::Late)),
            },
        };
        recorded::end_transaction(span, &outcome);
        outcome
    }

    /// Who hears of a change that was made here once it is committed, and before its maker is answered.
    #[must_use]
    pub const fn listeners(&self) -> &Listeners {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.listeners(),
            Engine::Postgres(postgres) => postgres.listeners(),
        }
    }

    /// Counts the commits of this process's writers; a change means there may be something new to read.
    #[must_use]
    pub fn commits(&self) -> watch::Receiver<u64> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.commits(),
            Engine::Postgres(postgres) => postgres.commits(),
        }
    }

    /// Whether it is a file, and no server.
    #[must_use]
    pub const fn is_embedded(&self) -> bool {
        matches!(self.engine, Engine::Sqlite(_))
    }

    /// Sees to it that what was removed is in none of the engine's files that it could be read from. Says whether that could be done now;
    /// otherwise it comes about by and by, as the log is written over.
    ///
    /// # Errors
    /// [`Unavailable`] when the database failed.
    pub async fn scrub(&self) -> Result<bool, Unavailable> {
        match &self.engine {
            Engine::Sqlite(sqlite) => match tokio::time::timeout(DEADLINE, sqlite.empty_log()).await {
                Ok(emptied) => Ok(emptied?),
                Err(_) => Ok(false),
            },
            // The server's own cleaning overwrites it, when no transaction can see it any more.
            Engine::Postgres(_) => Ok(true),
        }
    }

    /// One more connection that only reads.
    pub(crate) async fn reader(&self) -> Result<Connection, Unavailable> {
        match &self.engine {
            Engine::Sqlite(sqlite) => self.read(sqlite.reader()).await,
            Engine::Postgres(postgres) => self.read(postgres.reader()).await,
        }
    }

    /// What the server says when something was announced; `None` where no server is.
    pub(crate) async fn listen(&self) -> Result<Option<PgListener>, Unavailable> {
        match &self.engine {
            Engine::Sqlite(_) => Ok(None),
            Engine::Postgres(postgres) => self.read(postgres.listen()).await.map(Some),
        }
    }
}
