//! The engine of many replicas: PostgreSQL, a pool that reads and a pool that writes.
//!
//! Refuses a write that rests on what somebody else changes meanwhile. Transactions are READ COMMITTED: what decides a write is in the
//! statement that writes (`UPDATE … WHERE … RETURNING`), or was read with [`for_update`](super::Query::for_update), which holds the row until the
//! transaction ends. That was chosen over SERIALIZABLE because nothing then has to be tried again. Changes are numbered at the very end of a
//! transaction, under the one lock that all of them take last, so that numbers follow commits and nobody waits for anybody in a circle.

mod lease;
mod open;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, watch};
use tokio_util::task::AbortOnDropHandle;

use super::job::{Job, Performed};
use super::statement::{Pool, Wire};
use super::{Connection, DEADLINE, OpenError, Readers, Unavailable, changes, query};
use crate::clock::Timestamp;
use crate::crypto::Secret;
use crate::model::{Change, Listeners};

pub(super) use lease::{Lease, answered};
pub use open::Terms;
pub(super) use open::alone;

/// Writes that may wait; more are refused at once.
const QUEUE: usize = 4096;
/// What changes are announced on, within the database; a number to read is not said, because nothing may be believed but the table.
pub(super) const CHANNEL: &str = "doorward_changes";

/// An open database. Clones share it.
#[derive(Clone)]
pub(super) struct Postgres {
    readers: Readers,
    writers: PgPool,
    /// For those that look and listen without end.
    watchers: PgPool,
    waiting: Arc<Semaphore>,
    /// How long the server may take to let somebody in, and to answer.
    patience: Duration,
    committed: watch::Sender<u64>,
    /// Who hears of a change before its maker is answered.
    listeners: Listeners,
    /// Whether the tables are known to be what this version needs.
    prepared: watch::Receiver<bool>,
    _preparing: Option<Arc<AbortOnDropHandle<()>>>,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("prepared", &*self.prepared.borrow()).finish_non_exhaustive()
    }
}

impl Postgres {
    /// Opens it and brings its tables up to date. A server that cannot be reached is tried for as long as this lives; until then
    /// everything is [`Unavailable`].
    pub(super) async fn open(url: &str, terms: &Terms) -> Result<Self, OpenError> {
        let options = open::options(url, terms)?;
        let (told, prepared) = watch::channel(false);
        let preparing = match open::prepare(&options).await {
            Ok(()) => {
                told.send_replace(true);
                None
            }
            Err(OpenError::Unreachable { server, source }) => {
                tracing::error!(%server, why = %source, "the store cannot be reached; trying again until it can");
                Some(Arc::new(AbortOnDropHandle::new(tokio::spawn(open::prepare_at_last(options.clone(), told)))))
            }
            Err(error) => return Err(error),
        };
        let open::Pools { readers, writers, watchers } = open::pools(&options, terms);
        Ok(Self {
            readers: Readers(Pool::Postgres(readers)),
            writers,
            watchers,
            waiting: Arc::new(Semaphore::new(QUEUE)),
            patience: terms.patience,
            committed: watch::Sender::new(0),
            listeners: Listeners::default(),
            prepared,
            _preparing: preparing,
        })
    }

    pub(super) fn readers(&self) -> &Readers {
        &self.readers
    }

    pub(super) const fn patience(&self) -> Duration {
        self.patience
    }

    pub(super) const fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    pub(super) fn check(&self) -> Result<(), Unavailable> {
        if *self.prepared.borrow() { Ok(()) } else { Err(Unavailable::Unprepared) }
    }

    /// Has a job done. It is answered in any case, in [`DEADLINE`] at the latest.
    pub(super) fn submit(&self, job: Box<dyn Job>) -> Result<(), Unavailable> {
        self.check()?;
        let place = Arc::clone(&self.waiting).try_acquire_owned().map_err(|refused| match refused {
            TryAcquireError::NoPermits => Unavailable::Overloaded,
            TryAcquireError::Closed => Unavailable::Closed,
        })?;
        // Goes on where the caller goes away: half a change is none, but a whole one is not undone.
        tokio::spawn(carry_out(self.clone(), job, place));
        Ok(())
    }

    pub(super) fn commits(&self) -> watch::Receiver<u64> {
        self.committed.subscribe()
    }

    pub(super) async fn reader(&self) -> Result<Connection, sqlx::Error> {
        Ok(Wire::Postgres(Lease::new(self.watchers.acquire().await?, self.patience)).into())
    }

    /// Hears that something was announced, for as long as the connection lasts.
    pub(super) async fn listen(&self) -> Result<PgListener, sqlx::Error> {
        let mut listener = PgListener::connect_with(&self.watchers).await?;
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        Ok(listener)
    }
}

/// What a transaction announced.
type Announced = Vec<(Change, Timestamp)>;

async fn carry_out(engine: Postgres, mut job: Box<dyn Job>, _place: OwnedSemaphorePermit) {
    let work = tokio::time::timeout(DEADLINE, transact(&engine.writers, engine.patience, &mut *job)).await;
    let fate = work.unwrap_or(Err(Unavailable::Late)).map(|announced| {
        for (change, _) in &announced {
            engine.listeners.tell(change);
        }
        if !announced.is_empty() {
            engine.committed.send_modify(|commits| *commits += 1);
        }
    });
    job.answer(fate);
}

/// Does the job and says what it announced; of work that failed nothing stays. Whatever is left open is closed with the connection.
async fn transact(writers: &PgPool, patience: Duration, job: &mut dyn Job) -> Result<Announced, Unavailable> {
    let mut connection = Connection::from(Wire::Postgres(Lease::new(writers.acquire().await?, patience)));
    query("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE").execute(&mut connection).await?;
    let performed = match job.perform(&mut connection).await {
        Performed::Done => match changes::publish(&mut connection).await {
            Ok(()) => {
                end(&mut connection, "COMMIT").await?;
                return Ok(connection.announced);
            }
            Err(error) => Performed::Failed(error.into()),
        },
        other => other,
    };
    // Whoever is not heard does not undo anything either; and what is not undone now is undone with the connection.
    if answers(&performed) {
        let _ = end(&mut connection, "ROLLBACK").await;
    }
    match performed {
        // It tells its caller itself.
        Performed::Done | Performed::Refused => Ok(Announced::new()),
        Performed::Failed(error) => Err(error),
    }
}

async fn end(connection: &mut Connection, how: &'static str) -> Result<(), sqlx::Error> {
    query(how).execute(&mut *connection).await?;
    if let Wire::Postgres(lease) = &mut connection.wire {
        lease.settled = true;
    }
    Ok(())
}

/// Whether the server was still there when the work failed.
fn answers(performed: &Performed) -> bool {
    match performed {
        Performed::Done | Performed::Refused => true,
        Performed::Failed(Unavailable::Failed(error)) => !matches!(**error, sqlx::Error::Io(_) | sqlx::Error::Protocol(_)),
        Performed::Failed(_) => false,
    }
}
