//! Tries that have not succeeded, in a row: of a password, a second factor, a break-glass account.
//!
//! Refuses to be counted by each process for itself, because whoever guesses would have as many tries as there are replicas, and all of
//! them again after a restart. A try counts before it is checked: many at once are not one.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::sql::{Outcome, PURGED_AT_ONCE};
use super::{SessionStoreError, SqlSessions};
use crate::clock::Timestamp;
use crate::db::{Connection, query};
use crate::limit::Party;

/// How many in a row are borne, and how long all then wait.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    pub tries: u32,
    pub lasts: Duration,
}

/// What becomes of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It may go on. `last`: should it fail, all have to wait.
    Goes { last: bool },
    /// Nobody may try for so long.
    Waits(Duration),
}

/// Where they are counted. A write has been made durable when it returns.
#[async_trait]
pub trait Tries: fmt::Debug + Send + Sync {
    /// Counts a try, unless there were too many.
    async fn begin(&self, party: Party, bound: Bound, now: Timestamp) -> Result<Begun, SessionStoreError>;
    /// Forgets the row after a success.
    async fn clear(&self, party: Party) -> Result<(), SessionStoreError>;
    /// Takes back one try, which could not be checked. Those before it still count: whoever can make a check fail could otherwise try
    /// without end.
    async fn take_back(&self, party: Party) -> Result<(), SessionStoreError>;
    /// Removes what does not count any more. Says how many.
    async fn purge_tries(&self, now: Timestamp) -> Result<u64, SessionStoreError>;
}

#[async_trait]
impl Tries for SqlSessions {
    async fn begin(&self, party: Party, bound: Bound, now: Timestamp) -> Result<Begun, SessionStoreError> {
        let key = party.digest();
        // Whoever goes on trying costs a look and no write.
        let standing = query(STANDING).bind(key.as_bytes().as_slice());
        let standing = self.database().read(standing.fetch_optional(self.database().readers())).await?;
        if let Some(wait) = waits(standing, bound, now) {
            return Ok(Begun::Waits(wait));
        }
        let key = *key.as_bytes();
        Ok(self.database().write(move |connection| Box::pin(begin(connection, key, bound, now))).await?)
    }

    async fn clear(&self, party: Party) -> Result<(), SessionStoreError> {
        let key = *party.digest().as_bytes();
        Ok(self
            .database()
            .write(move |connection| Box::pin(change(connection, "DELETE FROM tries WHERE party = $1", key)))
            .await?)
    }

    async fn take_back(&self, party: Party) -> Result<(), SessionStoreError> {
        let (key, less) = (*party.digest().as_bytes(), "UPDATE tries SET failed = failed - 1 WHERE party = $1 AND failed > 0");
        Ok(self.database().write(move |connection| Box::pin(change(connection, less, key))).await?)
    }

    async fn purge_tries(&self, now: Timestamp) -> Result<u64, SessionStoreError> {
        let mut all = 0;
        loop {
            let gone = self.database().write(move |connection| Box::pin(purge(connection, now))).await?;
            all += gone;
            if gone < u64::from(PURGED_AT_ONCE) {
                return Ok(all);
            }
        }
    }
}

const STANDING: &str = "SELECT failed, last_at FROM tries WHERE party = $1";

/// How long the party has to wait that failed so often, the last time then.
fn waits(standing: Option<(i64, i64)>, bound: Bound, now: Timestamp) -> Option<Duration> {
    let (_, last_at) = standing.filter(|(failed, _)| *failed >= i64::from(bound.tries))?;
    Some(bound.lasts.saturating_sub(now.since(Timestamp::from_millis(last_at)))).filter(|wait| !wait.is_zero())
}

async fn begin(connection: &mut Connection, key: [u8; 32], bound: Bound, now: Timestamp) -> Outcome<Begun> {
    let counted: Option<i64> = query(
        "INSERT INTO tries (party, failed, last_at, expires_at) VALUES ($1, 1, $2, $3) \
         ON CONFLICT (party) DO UPDATE SET failed = CASE WHEN tries.last_at > $4 THEN tries.failed + 1 ELSE 1 END, \
         last_at = excluded.last_at, expires_at = excluded.expires_at \
         WHERE tries.last_at <= $4 OR tries.failed < $5 RETURNING failed",
    )
    .bind(key.as_slice())
    .bind(now.millis())
    .bind(now.after(bound.lasts).millis())
    .bind(now.before(bound.lasts).millis())
    .bind(i64::from(bound.tries))
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(counted) = counted {
        return Ok(Begun::Goes { last: counted >= i64::from(bound.tries) });
    }
    let standing = query(STANDING).bind(key.as_slice()).fetch_optional(connection).await?;
    Ok(Begun::Waits(waits(standing, bound, now).unwrap_or(bound.lasts)))
}

async fn change(connection: &mut Connection, statement: &'static str, key: [u8; 32]) -> Outcome<()> {
    query(statement).bind(key.as_slice()).execute(connection).await?;
    Ok(())
}

async fn purge(connection: &mut Connection, now: Timestamp) -> Outcome<u64> {
    let some = query("DELETE FROM tries WHERE party IN (SELECT party FROM tries WHERE expires_at <= $1 LIMIT $2)");
    Ok(some.bind(now.millis()).bind(PURGED_AT_ONCE).execute(connection).await?)
}
