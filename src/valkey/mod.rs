//! Valkey, or Redis, as a place for sessions: one home for reaching it, asking it and waiting for it.
//!
//! Refuses to wait for ever and to ask a server that cannot keep what it is told: a cluster, or a replica that only follows. What is
//! asked is a command or one script, because the server does each of them whole or not at all.

mod address;
pub mod changes;
mod line;
mod open;
mod recorded;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, FromRedisValue, Value};

use writer::Writer;

pub(crate) use line::Line;

pub use address::{Address, AddressError, review};
pub use open::OpenError;

use crate::model::Listeners;

/// No caller waits longer than this, with the connection that may have to be made first and others who write at the same time.
const DEADLINE: Duration = Duration::from_secs(3);
/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_millis(1500);
/// What all keys begin with, so that a server can have other guests, and rules on what this one may touch.
pub const PREFIX: &str = "doorward:";

/// The server did not do what was asked; whether it did a change is unknown only if its answer was lost or came too late.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unavailable {
    #[error("the session server failed")]
    Failed(#[source] redis::RedisError),
    #[error("the session server cannot be reached")]
    Unreachable(#[source] Arc<line::ConnectError>),
    #[error("the session server did not answer within {} s", DEADLINE.as_secs())]
    Late,
    #[error("the session server has not written the change to its disk")]
    NotKept,
}

impl From<redis::RedisError> for Unavailable {
    fn from(error: redis::RedisError) -> Self {
        Self::Failed(error)
    }
}

/// A server that was reached and can keep sessions. Clones share its connections.
#[derive(Clone)]
pub struct Valkey {
    address: Arc<Address>,
    line: Arc<Line>,
    /// Where changes go that are not on the server's disk by the time it answers.
    writer: Option<Writer>,
    /// Who hears of a change before its maker is answered.
    listeners: Listeners,
}

impl fmt::Debug for Valkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Valkey").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Valkey {
    /// Reaches the server and looks whether it can keep sessions. What it may forget in a crash is told in the log.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong and what to do.
    pub async fn open(address: Address) -> Result<Self, OpenError> {
        let address = Arc::new(address);
        let line = Arc::new(Line::new(Arc::clone(&address), PATIENCE));
        let to_disk = || Line::new(Arc::clone(&address), writer::PATIENCE);
        let waits = open::examine(&line, &to_disk()).await?;
        let writer = waits.then(|| Writer::start(to_disk()));
        Ok(Self { address, line, writer, listeners: Listeners::default() })
    }

    /// The answer to a command that changes nothing. Asked once more where the connection was lost on the way.
    ///
    /// # Errors
    /// [`Unavailable`] within seconds.
    pub async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Unavailable> {
        let asked = async {
            match self.line.ask(command).await {
                Err(Unavailable::Failed(error)) if error.is_unrecoverable_error() => self.line.ask(command).await,
                answer => answer,
            }
        };
        let span = recorded::begin(command);
        let answer = within_deadline(asked).await;
        recorded::end(span, &answer);
        read(answer?)
    }

    /// The answer to a command or script that changes something, once the change is as safe as the server makes it.
    ///
    /// # Errors
    /// [`Unavailable`] within seconds.
    pub async fn change<T: FromRedisValue>(&self, command: Cmd) -> Result<T, Unavailable> {
        let span = recorded::begin(&command);
        let answer = match &self.writer {
            Some(writer) => within_deadline(writer.write(command)).await,
            None => within_deadline(self.line.ask(&command)).await,
        };
        recorded::end(span, &answer);
        read(answer?)
    }

    /// Who hears of a change that was made here, before its maker is answered; told by whoever made it.
    #[must_use]
    pub const fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// A connection of its own, for one who waits on it.
    pub(crate) fn line(&self) -> Line {
        Line::new(Arc::clone(&self.address), PATIENCE)
    }
}

fn read<T: FromRedisValue>(answer: Value) -> Result<T, Unavailable> {
    T::from_redis_value(answer).map_err(|error| Unavailable::Failed(error.into()))
}

async fn within_deadline(asked: impl Future<Output = Result<Value, Unavailable>>) -> Result<Value, Unavailable> {
    tokio::time::timeout(DEADLINE, asked).await.map_err(|_| Unavailable::Late)?
}
