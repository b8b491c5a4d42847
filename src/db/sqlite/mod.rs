//! The embedded engine: one SQLite file, a pool of readers, one writer that commits in groups.
//!
//! Refuses to be shared over a network: its locks and its log are the file system's.

mod open;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::watch;

pub(super) use open::file_of;

use super::job::Job;
use super::statement::{Pool, Wire};
use super::{Connection, DEADLINE, OpenError, Readers, Unavailable, query};
use crate::model::Listeners;

/// How long SQLite waits for another process's lock; a batch that waits this long in the queue and again at the lock still
/// answers before [`DEADLINE`].
const LOCK_WAIT: Duration = Duration::from_millis(1500);

/// Tries to empty the log while others read from it, and the time between two.
const LOG_TRIES: usize = 10;
const LOG_PAUSE: Duration = Duration::from_millis(50);

/// An open file. Clones share it; when the last is gone, so is the writer.
#[derive(Clone)]
pub(super) struct Sqlite {
    readers: Readers,
    writer: writer::Writer,
    /// Who hears of a change before its maker is answered.
    listeners: Listeners,
    options: SqliteConnectOptions,
    /// Holds a database in memory, which would end with its last connection.
    _held: Option<Arc<SqliteConnection>>,
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("file", &self.options.get_filename()).finish_non_exhaustive()
    }
}

impl Sqlite {
    pub(super) async fn open(url: &str) -> Result<Self, OpenError> {
        Ok(Self::of(open::open(url).await?, None))
    }

    pub(super) async fn in_memory() -> Result<Self, OpenError> {
        let (opened, held) = open::open_in_memory().await?;
        Ok(Self::of(opened, Some(Arc::new(held))))
    }

    fn of(opened: open::Opened, held: Option<Arc<SqliteConnection>>) -> Self {
        let open::Opened { options, connection, readers } = opened;
        let listeners = Listeners::default();
        let writer = writer::Writer::start(Wire::Sqlite(connection).into(), options.clone(), listeners.clone());
        Self { readers: Readers(Pool::Sqlite(readers)), writer, listeners, options, _held: held }
    }

    pub(super) const fn readers(&self) -> &Readers {
        &self.readers
    }

    pub(super) const fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    pub(super) fn submit(&self, job: Box<dyn Job>) -> Result<(), Unavailable> {
        self.writer.submit(job)
    }

    pub(super) fn commits(&self) -> watch::Receiver<u64> {
        self.writer.commits()
    }

    /// Empties the log, which holds what pages were before. Says whether nobody was still reading from it.
    pub(super) async fn empty_log(&self) -> Result<bool, sqlx::Error> {
        let mut connection = Connection::from(Wire::Sqlite(self.options.connect().await?));
        for _ in 0..LOG_TRIES {
            let (busy, _, _): (i64, i64, i64) = query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut connection).await?;
            if busy == 0 {
                return Ok(true);
            }
            tokio::time::sleep(LOG_PAUSE).await;
        }
        Ok(false)
    }

    pub(super) async fn reader(&self) -> Result<Connection, sqlx::Error> {
        Ok(Wire::Sqlite(open::reading(&self.options).connect().await?).into())
    }
}
