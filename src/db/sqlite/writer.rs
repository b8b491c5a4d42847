//! The one writer: it gathers what waits into one transaction and answers everybody after the commit.
//!
//! Refuses more than a bounded queue, because the disk syncs a few hundred times a second however many wait.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::{mpsc, oneshot, watch};

use super::{Connection, DEADLINE, Failure, Unavailable, Wire};
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

    pub(super) async fn write<T, E, F>(&self, work: F) -> Result<T, Failure<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, Failure<E>>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Write { work: Some(work), outcome: None, reply });
        self.queue.try_send(job).map_err(|refused| {
            Failure::Unavailable(match refused {
                mpsc::error::TrySendError::Full(_) => Unavailable::Overloaded,
                mpsc::error::TrySendError::Closed(_) => Unavailable::Closed,
            })
        })?;
        match tokio::time::timeout(DEADLINE, answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Failure::Unavailable(Unavailable::Closed)),
            Err(_) => Err(Failure::Unavailable(Unavailable::Late)),
        }
    }
}

/// One caller's work, its types forgotten so that different ones share a queue.
trait Job: Send {
    /// Whether the caller still waits; work whose caller was told "unavailable" is not begun.
    fn is_awaited(&self) -> bool;
    /// Does the work within a savepoint that the verdict then keeps or undoes.
    fn perform<'a>(&'a mut self, connection: &'a mut Connection) -> BoxFuture<'a, Verdict>;
    /// Hands the caller the outcome, or why the whole transaction failed.
    fn answer(self: Box<Self>, fate: Result<(), Unavailable>);
}

enum Verdict {
    Keep,
    Undo,
    /// The transaction itself is in doubt.
    Broken(Unavailable),
}

struct Write<T, E, F> {
    work: Option<F>,
    outcome: Option<Result<T, Failure<E>>>,
    reply: oneshot::Sender<Result<T, Failure<E>>>,
}

impl<T, E, F> Job for Write<T, E, F>
where
    T: Send,
    E: Send,
    F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, Failure<E>>> + Send,
{
    fn is_awaited(&self) -> bool {
        !self.reply.is_closed()
    }

    fn perform<'a>(&'a mut self, connection: &'a mut Connection) -> BoxFuture<'a, Verdict> {
        async move {
            let Some(work) = self.work.take() else { return Verdict::Undo };
            let outcome = work(connection).await;
            let verdict = match &outcome {
                Ok(_) => Verdict::Keep,
                Err(Failure::Unavailable(error)) if is_fatal(error) => Verdict::Broken(error.clone()),
                Err(_) => Verdict::Undo,
            };
            self.outcome = Some(outcome);
            verdict
        }
        .boxed()
    }

    fn answer(self: Box<Self>, fate: Result<(), Unavailable>) {
        let outcome = match fate {
            Ok(()) => self.outcome.unwrap_or(Err(Failure::Unavailable(Unavailable::Closed))),
            Err(error) => Err(Failure::Unavailable(error)),
        };
        // A caller that has gone away does not want to know.
        let _ = self.reply.send(outcome);
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
    for job in batch {
        execute(connection, "SAVEPOINT job").await?;
        let announced = connection.announced.len();
        match job.perform(connection).await {
            Verdict::Keep => {}
            Verdict::Undo => {
                connection.announced.truncate(announced);
                execute(connection, "ROLLBACK TO job").await?;
            }
            Verdict::Broken(error) => return Err(error),
        }
        execute(connection, "RELEASE job").await?;
    }
    execute(connection, "COMMIT").await
}

async fn execute(connection: &mut Connection, statement: &'static str) -> Result<(), Unavailable> {
    query(statement).execute(connection).await.map(drop).map_err(Unavailable::from)
}
