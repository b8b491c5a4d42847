//! A statement: one text for both engines, its values, and where it is executed.
//!
//! Refuses to be told apart by engine but for one thing, locking: SQLite has one writer, PostgreSQL has many. sqlx's own `Any` would
//! do, if it knew JSON and the types of absent values.

use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection, SqlitePool};
use sqlx::{SqlSafeStr, SqlStr};

use super::row::FromRow;
use super::value::{Bind, Value};

/// A statement in the making.
///
/// The text is what both engines understand: `$1` for values, `"user"` and `"groups"` quoted, `ON CONFLICT`, `RETURNING`,
/// `count(*) FILTER (WHERE …)`.
pub struct Query {
    text: SqlStr,
    values: Vec<Value>,
}

/// Begins a statement.
#[must_use]
pub fn query(text: impl SqlSafeStr) -> Query {
    Query { text: text.into_sql_str(), values: Vec::new() }
}

/// `$first, …` for as many values as `count`, to stand within `IN (…)`.
#[must_use]
pub fn list(first: usize, count: usize) -> String {
    (first..first + count).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ")
}

/// A connection within a transaction.
pub struct Connection(pub(super) Wire);

pub(super) enum Wire {
    Sqlite(SqliteConnection),
}

/// Connections that read.
#[derive(Clone, Debug)]
pub struct Readers(pub(super) Pool);

#[derive(Clone, Debug)]
pub(super) enum Pool {
    Sqlite(SqlitePool),
}

/// Where a statement is executed.
pub enum On<'c> {
    Connection(&'c mut Connection),
    Readers(&'c Readers),
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
            On::Connection(Connection(Wire::Sqlite(connection))) => {
                let $outcome = $query.for_sqlite()?.$run(connection).await?;
                $made
            }
            On::Readers(Readers(Pool::Sqlite(pool))) => {
                let $outcome = $query.for_sqlite()?.$run(pool).await?;
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
    pub const fn for_update(self) -> Self {
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
        run!(self on on: fetch_all, rows => rows.into_iter().map(|row| T::from_row(&row.into())).collect())
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// The engine's own, or a row that is no `T`.
    pub async fn fetch_optional<'c, T: FromRow>(self, on: impl Into<On<'c>>) -> Result<Option<T>, sqlx::Error> {
        run!(self on on: fetch_optional, row => row.map(|row| T::from_row(&row.into())).transpose())
    }

    /// The first row.
    ///
    /// # Errors
    /// The engine's own, no row, or one that is no `T`.
    pub async fn fetch_one<'c, T: FromRow>(self, on: impl Into<On<'c>>) -> Result<T, sqlx::Error> {
        run!(self on on: fetch_one, row => T::from_row(&row.into()))
    }

    fn for_sqlite(self) -> Result<sqlx::query::Query<'static, Sqlite, SqliteArguments>, sqlx::Error> {
        let mut arguments = SqliteArguments::default();
        for value in self.values {
            value.add_to_sqlite(&mut arguments).map_err(sqlx::Error::Encode)?;
        }
        Ok(sqlx::query_with(self.text, arguments))
    }
}
