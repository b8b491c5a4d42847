//! Checkpoints: a signed statement of where the chains stand.
//!
//! Refuses to be only in the database: each is a line of the log and an event that sinks get, because whoever can put back an older
//! database puts back its statements, too.

use std::sync::Arc;

use super::append::{self, Prepared, Repeated};
use super::chain::Source;
use super::event::fact::Fact as _;
use super::statement::{Book, Signed, Stand, What};
use super::what::AuditCheckpoint;
use super::{Event, Outcome, SqlAudit};
use crate::clock::Timestamp;
use crate::db::{Connection, Failure, FromRow, Row, query};
use crate::model::TenantId;

/// When a checkpoint is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// Every minute when something has happened. It is an event, too.
    Regular,
    /// The end of the server: no event follows the last.
    End,
}

impl FromRow for Stand {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        let hash = append::digest(row.try_get("hash")?)?;
        Ok(Self { chain: row.try_get("chain")?, link: row.try_get("link")?, hash: hash.to_hex() })
    }
}

impl SqlAudit {
    /// States where the chains stand that have moved, whoever moved them. `None` where none has.
    ///
    /// # Errors
    /// [`super::AuditError`] when the trail cannot be written; the next one says it, too.
    pub async fn checkpoint(&self, occasion: Occasion) -> Result<Option<Signed>, super::AuditError> {
        let (source, at) = (self.source().clone(), self.database().now());
        let work = self.database().write(move |connection| Box::pin(checkpoint(connection, source, at, occasion)));
        let signed: Result<Option<Signed>, Failure<Repeated>> = work.await;
        let signed = signed?;
        if let Some(signed) = &signed {
            tracing::info!(target: "audit", statement = %signed.value(), "checkpoint");
        }
        Ok(signed)
    }
}

async fn checkpoint(
    connection: &mut Connection,
    source: Source,
    at: Timestamp,
    occasion: Occasion,
) -> Result<Option<Signed>, Failure<Repeated>> {
    if moved(connection).await?.is_empty() {
        return Ok(None);
    }
    let mut book = Book::open(connection, &source, at).await?;
    // Another replica may have been faster.
    let heads = moved(book.connection).await?;
    if heads.is_empty() {
        return Ok(None);
    }
    let signed = book.state(What::Checkpoint { heads: heads.clone() }).await?;
    for head in heads {
        settle(connection, &head.chain, head.link).await?;
    }
    if occasion == Occasion::Regular {
        let left = append::append(connection, source.clone(), Arc::new([event(&signed, at)?]), false, at).await?.left;
        // That there was a checkpoint is no reason for another.
        settle(connection, &source.chain, left.link).await?;
    }
    Ok(Some(signed))
}

async fn moved(connection: &mut Connection) -> Result<Vec<Stand>, sqlx::Error> {
    query("SELECT chain, link, hash FROM audit_heads WHERE link <> stated ORDER BY chain").fetch_all(connection).await
}

async fn settle(connection: &mut Connection, chain: &str, link: i64) -> Result<(), sqlx::Error> {
    let settled = query("UPDATE audit_heads SET stated = $2 WHERE chain = $1").bind(chain).bind(link);
    settled.execute(connection).await.map(drop)
}

fn event(signed: &Signed, at: Timestamp) -> Result<Prepared, sqlx::Error> {
    let checkpoint = AuditCheckpoint { statement: Some(signed.clone()) };
    let event = Event::new(at, checkpoint, Outcome::Success, &TenantId::default());
    Prepared::new(event).map_err(|error| sqlx::Error::Encode(Box::new(error)))
}
