//! The one writer: it gathers what waits into one transaction and answers everybody after the commit.
//!
//! Refuses more than a bounded queue, because the disk syncs a few hundred times a second however many wait.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::{mpsc, watch};

use super::{Connection, Unavailable, Wire};
use crate::db::job::{Job, Performed};
use crate::db::query;
use crate::model::Listeners;

/// Writes that may wait; more are refused at once.
const QUEUE: usize = 4096;
/// Writes that share a transaction.
const BATCH: usize = 1024;

#[derive(Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn Job>>,
    commits: watch::Receiver<u64>,
}

impl Writer {
    pub(super) fn start(connection: Connection, options: SqliteConnectOptions, listeners: Listeners) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let (committed, commits) = watch::channel(0);
        tokio::spawn(Committer { connection: Some(connection), options, listeners, committed, failing: false }.run(jobs));
        Self { queue, commits }
    }

    pub(super) fn commits(&self) -> watch::Receiver<u64> {
        self.commits.clone()
    }

    /// Puts a job into the queue.
    pub(super) fn submit(&self, job: Box<dyn Job>) -> Result<(), Unavailable> {
        self.queue.try_send(job).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => Unavailable::Overloaded,
            mpsc::error::TrySendError::Closed(_) => Unavailable::Closed,
        })
    }
}

/// Whether the error says something about the database rather than about one statement.
fn is_fatal(error: &Unavailable) -> bool {
    let Unavailable::Failed(error) = error else { return true };
    match &**error {
        sqlx::Error::Database(error) => {
            // The primary result code is the low byte of the extended one.
            let code = error.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or(0) & 0xff;
            // ERROR (SQL), TOOBIG, CONSTRAINT, MISMATCH, RANGE undo only their own statement.
            !matches!(code, 1 | 18 | 19 | 20 | 25)
        }
        sqlx::Error::RowNotFound
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::Decode(_)
        | sqlx::Error::Encode(_)
        | sqlx::Error::TypeNotFound { .. } => false,
        _ => true,
    }
}

struct Committer {
    /// `None` after a failure: the next batch opens a fresh one, so that recovery needs no restart.
    connection: Option<Connection>,
    options: SqliteConnectOptions,
    listeners: Listeners,
    committed: watch::Sender<u64>,
    /// Whether the last batch failed: trouble is told when it begins and when it ends, not a thousand times between.
    failing: bool,
}

impl Committer {
    async fn run(mut self, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
        let mut batch = Vec::new();
        // While one commit syncs, the next batch gathers: that is all the grouping it takes.
        while jobs.recv_many(&mut batch, BATCH).await > 0 {
            batch.retain(|job| job.is_awaited());
            let fate = if batch.is_empty() { Ok(()) } else { self.commit(&mut batch).await };
            for job in batch.drain(..) {
                job.answer(fate.clone());
            }
        }
        self.hang_up().await;
    }

    async fn commit(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), Unavailable> {
        let fate = self.try_commit(batch).await;
        match &fate {
            Ok(()) => {
                self.committed.send_modify(|commits| *commits += 1);
                if std::mem::replace(&mut self.failing, false) {
                    tracing::info!("the store takes writes again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    let why = std::error::Error::source(error).map(ToString::to_string);
                    tracing::error!(%error, why, "the store does not take writes");
                }
                self.hang_up().await;
            }
        }
        fate
    }

    async fn try_commit(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), Unavailable> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            empty => empty.insert(Wire::Sqlite(self.options.connect().await?).into()),
        };
        transact(connection, batch).await?;
        for (change, _) in connection.announced.drain(..) {
            self.listeners.tell(&change);
        }
        Ok(())
    }

    /// Closing rolls back whatever is left open.
    async fn hang_up(&mut self) {
        if let Some(Connection { wire: Wire::Sqlite(connection), .. }) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::debug!(%error, "the store's connection did not close cleanly");
        }
    }
}

async fn transact(connection: &mut Connection, batch: &mut [Box<dyn Job>]) -> Result<(), Unavailable> {
    execute(connection, "BEGIN IMMEDIATE").await?;
    // Each within a savepoint, so that one that fails undoes none of the others.
    for job in batch {
        execute(connection, "SAVEPOINT job").await?;
        let announced = connection.announced.len();
        match job.perform(connection).await {
            Performed::Done => {}
            Performed::Failed(error) if is_fatal(&error) => return Err(error),
            Performed::Failed(_) | Performed::Refused => {
                connection.announced.truncate(announced);
                execute(connection, "ROLLBACK TO job").await?;
            }
        }
        execute(connection, "RELEASE job").await?;
    }
    execute(connection, "COMMIT").await
}

async fn execute(connection: &mut Connection, statement: &'static str) -> Result<(), Unavailable> {
    query(statement).execute(connection).await.map(drop).map_err(Unavailable::from)
}
