//! Dead letters: events that a receiver refuses for good.
//!
//! Refuses to keep what the events say, because the trail has it and an erasure looks for it there; and more than a bound of them, at which
//! the sink waits instead.

use serde::Serialize;

use super::cursor::Cursors;
use crate::audit::AuditError;
use crate::clock::Timestamp;
use crate::db::{Connection, Failure, FromRow, Row, query};

/// Dead letters of one sink. A receiver that refuses more is wrong about something else than the events.
pub(super) const MOST: i64 = 10_000;
/// Sent again in one go.
const AGAIN: u32 = 100;

type Done<T> = Result<T, Failure<AuditError>>;

/// An event that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Letter {
    pub sink: String,
    pub chain: String,
    pub link: i64,
    /// The event's id.
    pub event: String,
    pub kind: String,
    pub refused_at: Timestamp,
    /// What the receiver said.
    pub why: String,
    /// When it was asked for that it is sent again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub again_at: Option<Timestamp>,
}

impl FromRow for Letter {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            sink: row.try_get("sink")?,
            chain: row.try_get("chain")?,
            link: row.try_get("link")?,
            event: row.try_get("event")?,
            kind: row.try_get("kind")?,
            refused_at: Timestamp::from_millis(row.try_get("refused_at")?),
            why: row.try_get("why")?,
            again_at: row.try_get::<Option<i64>>("again_at")?.map(Timestamp::from_millis),
        })
    }
}

impl Cursors {
    /// The dead letters of `sink`, or of all sinks, in the order of sinks, chains and links.
    ///
    /// # Errors
    /// [`AuditError`] when the store cannot be read.
    pub async fn letters(&self, sink: Option<&str>) -> Result<Vec<Letter>, AuditError> {
        let all = query("SELECT * FROM audit_dead_letters WHERE ($1 IS NULL OR sink = $1) ORDER BY sink, chain, link");
        Ok(self.0.read(all.bind(sink).fetch_all(self.0.readers())).await?)
    }

    /// Has the dead letters of `sink` sent again, all or the one of `event`. Says how many.
    ///
    /// # Errors
    /// [`AuditError`] when the store cannot be written.
    pub async fn retry(&self, sink: &str, event: Option<&str>) -> Result<u64, AuditError> {
        let (sink, event, now) = (sink.to_owned(), event.map(str::to_owned), self.now());
        Ok(self.0.write(move |connection| Box::pin(ask_again(connection, sink, event, now))).await?)
    }

    /// Gives up the dead letters of `sink`, all or the one of `event`. Says how many.
    ///
    /// # Errors
    /// [`AuditError`] when the store cannot be written.
    pub async fn give_up(&self, sink: &str, event: Option<&str>) -> Result<u64, AuditError> {
        let (sink, event) = (sink.to_owned(), event.map(str::to_owned));
        Ok(self.0.write(move |connection| Box::pin(give_up(connection, sink, event))).await?)
    }

    /// How many dead letters `sink` has.
    pub(super) async fn count(&self, sink: &str) -> Result<i64, AuditError> {
        let count = query("SELECT count(*) FROM audit_dead_letters WHERE sink = $1").bind(sink);
        Ok(self.0.read(count.fetch_one(self.0.readers())).await?)
    }

    /// Some of those that are to be sent again.
    pub(super) async fn asked(&self, sink: &str) -> Result<Vec<Letter>, AuditError> {
        let asked = query(
            "SELECT * FROM audit_dead_letters WHERE sink = $1 AND again_at IS NOT NULL ORDER BY again_at, chain, link LIMIT $2",
        );
        Ok(self.0.read(asked.bind(sink).bind(AGAIN).fetch_all(self.0.readers())).await?)
    }

    /// Keeps that `letter` was refused again.
    pub(super) async fn refused_again(&self, letter: Letter) -> Result<(), AuditError> {
        Ok(self.0.write(move |connection| Box::pin(keep(connection, letter))).await?)
    }
}

pub(super) async fn keep(connection: &mut Connection, letter: Letter) -> Done<()> {
    query(
        "INSERT INTO audit_dead_letters (sink, chain, link, event, kind, refused_at, why) VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (sink, chain, link) DO UPDATE SET refused_at = excluded.refused_at, why = excluded.why, again_at = NULL",
    )
    .bind(letter.sink)
    .bind(letter.chain)
    .bind(letter.link)
    .bind(letter.event)
    .bind(letter.kind)
    .bind(letter.refused_at.millis())
    .bind(letter.why)
    .execute(connection)
    .await?;
    Ok(())
}

async fn ask_again(connection: &mut Connection, sink: String, event: Option<String>, now: Timestamp) -> Done<u64> {
    let asked = query("UPDATE audit_dead_letters SET again_at = $3 WHERE sink = $1 AND ($2 IS NULL OR event = $2)");
    Ok(asked.bind(sink).bind(event).bind(now.millis()).execute(connection).await?)
}

async fn give_up(connection: &mut Connection, sink: String, event: Option<String>) -> Done<u64> {
    let gone = query("DELETE FROM audit_dead_letters WHERE sink = $1 AND ($2 IS NULL OR event = $2)");
    Ok(gone.bind(sink).bind(event).execute(connection).await?)
}
