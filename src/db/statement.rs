//! A statement: one text for both engines, its values, and where it is executed.
//!
//! Refuses to be told apart by engine but for one thing, locking: SQLite has one writer, PostgreSQL has many. sqlx's own `Any` would
//! do, if it knew JSON and the types of absent values.

use sqlx::postgres::{PgArguments, PgPool, Postgres};
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection, SqlitePool};
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use super::postgres::{Lease, answered};
use super::recorded;
use super::row::FromRow;
use super::value::{Bind, Value};
use crate::clock::Timestamp;
use crate::model::Change;

/// Values of a statement that may each have a name in SQLite.
const NAMES: usize = 16;

/// A statement in the making.
///
/// The text is what both engines understand: `$1` for values, `"user"` and `"groups"` quoted, `ON CONFLICT`, `RETURNING`,
/// `count(*) FILTER (WHERE …)`.
pub struct Query {
    text: SqlStr,
    values: Vec<Value>,
    locks: bool,
}

/// Begins a statement.
#[must_use]
pub fn query(text: impl SqlSafeStr) -> Query {
    Query { text: text.into_sql_str(), values: Vec::new(), locks: false }
}

/// `$first, …` for as many values as `count`, to stand within `IN (…)`.
#[must_use]
pub fn list(first: usize, count: usize) -> String {
    (first..first + count).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ")
}

/// A connection within a transaction.
pub struct Connection {
    pub(super) wire: Wire,
    /// What the transaction has announced; told once it is committed.
    pub(super) announced: Vec<(Change, Timestamp)>,
}

pub(super) enum Wire {
    Sqlite(SqliteConnection),
    Postgres(Lease),
}

/// Connections that read.
#[derive(Clone, Debug)]
pub struct Readers(pub(super) Pool);

#[derive(Clone, Debug)]
pub(super) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Where a statement is executed.
pub enum On<'c> {
    Connection(&'c mut Connection),
    Readers(&'c Readers),
}

impl From<Wire> for Connection {
    fn from(wire: Wire) -> Self {
        Self { wire, announced: Vec::new() }
    }
}

impl<'c> From<&'c mut Connection> for On<'c> {
    fn from(connection: &'c mut Connection) -> Self {
        Self::Connection(connection)
    }
}

impl<'c> From<&'c Readers> for On<'c> {
    fn from(readers: &'c Readers) -> Self {
        Self::Readers(readers)
    }
}

/// Runs `$run` of the engine's own query where `$on` says, and makes `$made` of what comes of it.
macro_rules! run {
    ($query:ident on $on:ident: $run:ident, $outcome:ident => $made:expr) => {
        match $on.into() {
            On::Connection(Connection { wire: Wire::Sqlite(connection), .. }) => {
                let $outcome = $query.for_sqlite()?.$run(connection).await?;
                $made
            }
            On::Readers(Readers(Pool::Sqlite(pool))) => {
                let span = recorded::statement(recorded::SQLITE, $query.text.as_str());
                let asked = $query.for_sqlite()?.$run(pool).await;
                recorded::end(span, &asked);
                let $outcome = asked?;
                $made
            }
            On::Connection(Connection { wire: Wire::Postgres(connection), .. }) => {
                let asked = $query.for_postgres()?.$run(&mut *connection.line);
                let $outcome = answered(connection.patience, asked).await?;
                $made
            }
            On::Readers(Readers(Pool::Postgres(pool))) => {
                let span = recorded::statement(recorded::POSTGRES, $query.text.as_str());
                let asked = $query.for_postgres()?.$run(pool).await;
                recorded::end(span, &asked);
                let $outcome = asked?;
                $made
            }
        }
    };
}

impl Query {
    /// The value of the next `$n`.
    #[must_use]
    pub fn bind(mut self, value: impl Bind) -> Self {
        self.values.push(value.into_value());
        self
    }

    /// Locks the rows it reads until the transaction ends: for whoever then writes what depends on them. SQLite's one writer needs none.
    #[must_use]
    pub const fn for_update(mut self) -> Self {
        self.locks = true;
        self
    }

    /// How many rows it changed.
    ///
    /// # Errors
    /// The engine's own.
    pub async fn execute<'c>(self, on: impl Into<On<'c>>) -> Result<u64, sqlx::Error> {
        Ok(run!(self on on: execute, done => done.rows_affected()))
    }

    /// Every row.
    ///
    /// # Errors
    /// The engine's own, or a row that is no `T`.
    pub async fn fetch_all<'c, T: FromRow>(self, on: impl Into<On<'c>>) -> Result<Vec<T>, sqlx::Error> {
        if self.looks_in_vain() {
            return Ok(Vec::new());
        }
        run!(self on on: fetch_all, rows => rows.into_iter().map(|row| T::from_row(&row.into())).collect())
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// The engine's own, or a row that is no `T`.
    pub async fn fetch_optional<'c, T: FromRow>(self, on: impl Into<On<'c>>) -> Result<Option<T>, sqlx::Error> {
        if self.looks_in_vain() {
            return Ok(None);
        }
        run!(self on on: fetch_optional, row => row.map(|row| T::from_row(&row.into())).transpose())
    }

    /// The first row.
    ///
    /// # Errors
    /// The engine's own, no row, or one that is no `T`.
    pub async fn fetch_one<'c, T: FromRow>(self, on: impl Into<On<'c>>) -> Result<T, sqlx::Error> {
        run!(self on on: fetch_one, row => T::from_row(&row.into()))
    }

    /// Whether it only looks, and for a text that no store holds.
    fn looks_in_vain(&self) -> bool {
        self.text.as_str().starts_with("SELECT ") && self.values.iter().any(Value::holds_nul)
    }

    fn for_sqlite(self) -> Result<sqlx::query::Query<'static, Sqlite, SqliteArguments>, sqlx::Error> {
        let mut arguments = SqliteArguments::default();
        let values = self.values.len();
        for value in self.values {
            value.add_to_sqlite(&mut arguments).map_err(sqlx::Error::Encode)?;
        }
        let nameless = if values > NAMES { nameless(self.text.as_str()) } else { None };
        let text = nameless.map_or(self.text, |text| AssertSqlSafe(text).into_sql_str());
        Ok(sqlx::query_with(text, arguments))
    }

    fn for_postgres(self) -> Result<sqlx::query::Query<'static, Postgres, PgArguments>, sqlx::Error> {
        let mut arguments = PgArguments::default();
        for value in self.values {
            value.add_to_postgres(&mut arguments).map_err(sqlx::Error::Encode)?;
        }
        // The text was safe, and so is its end.
        let locking = || AssertSqlSafe(format!("{} FOR UPDATE", self.text.as_str())).into_sql_str();
        let text = if self.locks { locking() } else { self.text };
        // Not prepared to be used again: a newer replica's migration changes what `*` means, and a pooler in between forgets.
        Ok(sqlx::query_with(text, arguments).persistent(false))
    }
}

/// The same text with `?` for each value; `None` where they are not written in the order in which they are bound. To bind a value that has a
/// name (`$1`), SQLite goes through the names of all: with thousands of values that takes longer than to write them.
fn nameless(text: &str) -> Option<String> {
    let mut pieces = text.split('$');
    let mut written = pieces.next()?.to_owned();
    for (place, piece) in pieces.enumerate() {
        let digits = piece.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(piece.len());
        let (number, rest) = piece.split_at(digits);
        if number.parse() != Ok(place + 1) {
            return None;
        }
        written.push('?');
        written.push_str(rest);
    }
    Some(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lose_their_names_only_where_they_are_bound_in_the_order_of_the_text() {
        assert_eq!(nameless("VALUES ($1, $2), ($3,$4)").as_deref(), Some("VALUES (?, ?), (?,?)"));
        let many = format!("IN ({})", list(1, 120));
        assert_eq!(
            nameless(&many),
            Some(
                many.split('$').map(|piece| piece.trim_start_matches(|c: char| c.is_ascii_digit())).collect::<Vec<_>>().join("?")
            )
        );
        for other in ["a = $2 AND b = $1", "a = $1 OR b = $1", "a = $2", "a = $1 AND b = '$x'", "a = $1 AND b = 'x$'"] {
            assert_eq!(nameless(other), None, "{other}");
        }
    }
}
