//! How far each sink is in each chain, and who takes it further.
//!
//! Refuses to move a cursor for whoever does not hold it: two that deliver the same chain would send everything twice.

use std::time::Duration;

use super::letter::{self, Letter};
use crate::audit::{AuditError, Head};
use crate::clock::Timestamp;
use crate::config::sink::From;
use crate::db::{Connection, Database, Failure, FromRow, Row, query};

/// How long a holder may be silent before somebody else takes over. The clocks of replicas may differ by a part of it.
pub(super) const LEASE: Duration = Duration::from_secs(10);
/// The chain of the row that says that a sink was there before; no replica has this name.
const KNOWN: &str = "";

type Done<T> = Result<T, Failure<AuditError>>;

/// A sink's place in a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub sink: String,
    pub chain: String,
    /// The last link that was taken, or that was not for the sink.
    pub link: i64,
    pub holder: String,
    pub until: Timestamp,
    pub sent: i64,
    pub refused: i64,
    pub lost: i64,
    pub moved_at: Option<Timestamp>,
    pub failing_since: Option<Timestamp>,
    pub error: Option<String>,
}

impl FromRow for Cursor {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        let moment = |column| Ok::<_, sqlx::Error>(row.try_get::<Option<i64>>(column)?.map(Timestamp::from_millis));
        Ok(Self {
            sink: row.try_get("sink")?,
            chain: row.try_get("chain")?,
            link: row.try_get("link")?,
            holder: row.try_get("holder")?,
            until: Timestamp::from_millis(row.try_get("until")?),
            sent: row.try_get("sent")?,
            refused: row.try_get("refused")?,
            lost: row.try_get("lost")?,
            moved_at: moment("moved_at")?,
            failing_since: moment("failing_since")?,
            error: row.try_get("error")?,
        })
    }
}

/// The cursors in the store.
#[derive(Clone, Debug)]
pub struct Cursors(pub(super) Database);

impl Cursors {
    #[must_use]
    pub const fn new(database: Database) -> Self {
        Self(database)
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.now()
    }

    /// Every cursor of `sink`, or of all sinks, in the order of sinks and chains.
    ///
    /// # Errors
    /// [`AuditError`] when the store cannot be read.
    pub async fn list(&self, sink: Option<&str>) -> Result<Vec<Cursor>, AuditError> {
        let all = query("SELECT * FROM audit_cursors WHERE chain <> '' AND ($1 IS NULL OR sink = $1) ORDER BY sink, chain");
        Ok(self.0.read(all.bind(sink).fetch_all(self.0.readers())).await?)
    }

    /// Puts a sink that was never there before where it is to begin.
    pub(super) async fn begin(&self, sink: &str, from: From, heads: Vec<Head>) -> Result<(), AuditError> {
        let sink = sink.to_owned();
        Ok(self.0.write(move |connection| Box::pin(begin(connection, sink, from, heads))).await?)
    }

    /// The cursor, held by `holder` from now on; `None` while somebody else holds it.
    pub(super) async fn take(&self, sink: &str, chain: &str, holder: &str) -> Result<Option<Cursor>, AuditError> {
        let (sink, chain, holder, now) = (sink.to_owned(), chain.to_owned(), holder.to_owned(), self.now());
        Ok(self.0.write(move |connection| Box::pin(take(connection, sink, chain, holder, now))).await?)
    }

    /// Keeps what `cursor` says, and the letters that were refused on the way. Says whether its holder still holds it; otherwise nothing is kept.
    pub(super) async fn keep(&self, cursor: &Cursor, letters: Vec<Letter>) -> Result<bool, AuditError> {
        let cursor = cursor.clone();
        Ok(self.0.write(move |connection| Box::pin(keep(connection, cursor, letters))).await?)
    }

    /// Lets others have it at once.
    pub(super) async fn release(&self, cursor: &Cursor) -> Result<(), AuditError> {
        let (sink, chain, holder) = (cursor.sink.clone(), cursor.chain.clone(), cursor.holder.clone());
        Ok(self.0.write(move |connection| Box::pin(release(connection, sink, chain, holder))).await?)
    }
}

async fn begin(connection: &mut Connection, sink: String, from: From, heads: Vec<Head>) -> Done<()> {
    let insert = "INSERT INTO audit_cursors (sink, chain, link) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    let begun = query(insert).bind(&sink).bind(KNOWN).bind(0_i64).execute(&mut *connection).await?;
    if begun == 0 {
        return Ok(());
    }
    for head in heads {
        let link = match from {
            From::Newest => head.link,
            // What retention had removed before was never to be delivered.
            From::Beginning => head.first_link - 1,
        };
        query(insert).bind(&sink).bind(head.chain).bind(link).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn take(connection: &mut Connection, sink: String, chain: String, holder: String, now: Timestamp) -> Done<Option<Cursor>> {
    query("INSERT INTO audit_cursors (sink, chain, link) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING")
        .bind(&sink)
        .bind(&chain)
        .execute(&mut *connection)
        .await?;
    let taken = query(
        "UPDATE audit_cursors SET holder = $3, until = $4 WHERE sink = $1 AND chain = $2 AND (holder = $3 OR until <= $5) RETURNING *",
    );
    let taken = taken.bind(sink).bind(chain).bind(holder).bind(now.after(LEASE).millis()).bind(now.millis());
    Ok(taken.fetch_optional(connection).await?)
}

async fn keep(connection: &mut Connection, cursor: Cursor, letters: Vec<Letter>) -> Done<bool> {
    let kept = query(
        "UPDATE audit_cursors SET link = $4, until = $5, sent = $6, refused = $7, lost = $8, moved_at = $9, failing_since = $10, \
         error = $11 WHERE sink = $1 AND chain = $2 AND holder = $3",
    )
    .bind(&cursor.sink)
    .bind(&cursor.chain)
    .bind(&cursor.holder)
    .bind(cursor.link)
    .bind(cursor.until.millis())
    .bind(cursor.sent)
    .bind(cursor.refused)
    .bind(cursor.lost)
    .bind(cursor.moved_at.map(Timestamp::millis))
    .bind(cursor.failing_since.map(Timestamp::millis))
    .bind(cursor.error)
    .execute(&mut *connection)
    .await?;
    if kept == 1 {
        for letter in letters {
            letter::keep(connection, letter).await?;
        }
    }
    Ok(kept == 1)
}

async fn release(connection: &mut Connection, sink: String, chain: String, holder: String) -> Done<()> {
    let released = query("UPDATE audit_cursors SET holder = '', until = 0 WHERE sink = $1 AND chain = $2 AND holder = $3");
    released.bind(sink).bind(chain).bind(holder).execute(connection).await?;
    Ok(())
}
