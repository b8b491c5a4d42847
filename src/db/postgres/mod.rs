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

use futures::future::BoxFuture;
use sqlx::postgres::{PgListener, PgPool};
use tokio::sync::{Semaphore, TryAcquireError, watch};
use tokio_util::task::AbortOnDropHandle;

use super::statement::{Pool, Wire};
use super::{Connection, DEADLINE, Failure, OpenError, Readers, Unavailable, changes, query};
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

    pub(super) async fn write<T, E, F>(&self, work: F) -> Result<T, Failure<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, Failure<E>>> + Send + 'static,
    {
        self.check().map_err(Failure::Unavailable)?;
        let place = Arc::clone(&self.waiting).try_acquire_owned().map_err(|refused| {
            Failure::Unavailable(match refused {
                TryAcquireError::NoPermits => Unavailable::Overloaded,
                TryAcquireError::Closed => Unavailable::Closed,
            })
        })?;
        let (writers, patience) = (self.writers.clone(), self.patience);
        let (committed, listeners) = (self.committed.clone(), self.listeners.clone());
        // Goes on where the caller goes away: half a change is none, but a whole one is not undone.
        let done = tokio::spawn(async move {
            let _place = place;
            let work = tokio::time::timeout(DEADLINE, transact(&writers, patience, work)).await;
            let (value, announced) = work.unwrap_or(Err(Failure::Unavailable(Unavailable::Late)))?;
            for (change, _) in &announced {
                listeners.tell(change);
            }
            if !announced.is_empty() {
                committed.send_modify(|commits| *commits += 1);
            }
            Ok(value)
        });
        done.await.unwrap_or(Err(Failure::Unavailable(Unavailable::Closed)))
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

/// What `work` came to, and what it announced. Whatever is left open is closed with the connection.
async fn transact<T, E, F>(writers: &PgPool, patience: Duration, work: F) -> Result<(T, Announced), Failure<E>>
where
    F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, Failure<E>>>,
{
    let mut connection = Connection::from(Wire::Postgres(Lease::new(writers.acquire().await?, patience)));
    match attempt(&mut connection, work).await {
        Ok(value) => {
            end(&mut connection, "COMMIT").await?;
            Ok((value, connection.announced))
        }
        Err(failure) => {
            // Whoever is not heard does not undo anything either; and what is not undone now is undone with the connection.
            if answers(&failure) {
                let _ = end(&mut connection, "ROLLBACK").await;
            }
            Err(failure)
        }
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
fn answers<E>(failure: &Failure<E>) -> bool {
    match failure {
        Failure::Refused(_) => true,
        Failure::Unavailable(Unavailable::Failed(error)) => !matches!(**error, sqlx::Error::Io(_) | sqlx::Error::Protocol(_)),
        Failure::Unavailable(_) => false,
    }
}

async fn attempt<T, E, F>(connection: &mut Connection, work: F) -> Result<T, Failure<E>>
where
    F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, Failure<E>>>,
{
    query("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE").execute(&mut *connection).await?;
    let value = work(connection).await?;
    changes::publish(connection).await?;
    Ok(value)
}
