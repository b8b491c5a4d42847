//! A row of either engine, and what can be made of one.
//!
//! Refuses a column of another type than asked for; nothing is converted on the way.

use sqlx::postgres::{PgRow, Postgres};
use sqlx::sqlite::{Sqlite, SqliteRow};
use sqlx::types::Json;
use sqlx::{ColumnIndex, Decode, Row as _, Type};

/// A row that a statement answered with.
pub struct Row(Line);

enum Line {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl From<SqliteRow> for Row {
    fn from(row: SqliteRow) -> Self {
        Self(Line::Sqlite(row))
    }
}

impl From<PgRow> for Row {
    fn from(row: PgRow) -> Self {
        Self(Line::Postgres(row))
    }
}

/// What both engines can read from a column: `i64`, `bool`, `String`, `&str`, `Vec<u8>`, `&[u8]`, [`Json`], and `Option`s of them.
pub trait Column<'r>: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres> {}

impl<'r, T> Column<'r> for T where T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres> {}

impl Row {
    /// The value of a column, by its name or its place.
    ///
    /// # Errors
    /// When there is no such column, or it holds something else.
    pub fn try_get<'r, T: Column<'r>>(
        &'r self,
        column: impl ColumnIndex<SqliteRow> + ColumnIndex<PgRow>,
    ) -> Result<T, sqlx::Error> {
        match &self.0 {
            Line::Sqlite(row) => row.try_get(column),
            Line::Postgres(row) => row.try_get(column),
        }
    }
}

/// What a row becomes: a type of ours, a tuple of columns, or the value of the only one.
pub trait FromRow: Sized {
    /// # Errors
    /// When the row is not one of these.
    fn from_row(row: &Row) -> Result<Self, sqlx::Error>;
}

/// What a whole column may be on its own.
macro_rules! scalar {
    ($($type:ty),*) => {$(
        impl FromRow for $type {
            fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
                row.try_get(0)
            }
        }
    )*};
}

scalar!(i64, bool, String, Vec<u8>, Option<i64>, Option<String>, Option<Vec<u8>>);

impl<T> FromRow for Json<T>
where
    Self: for<'r> Column<'r>,
{
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        row.try_get(0)
    }
}

macro_rules! tuple {
    ($($name:ident $place:literal),*) => {
        impl<$($name),*> FromRow for ($($name,)*)
        where
            $($name: for<'r> Column<'r>,)*
        {
            fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
                Ok(($(row.try_get::<$name>($place)?,)*))
            }
        }
    };
}

tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
