//! Copying an embedded store into a PostgreSQL database.
//!
//! Refuses a target that holds anything, and to leave half a copy: it is one transaction, whose last act is to count. The source takes no writes
//! meanwhile, so that what is copied is a moment and not a stretch of time.

use std::collections::BTreeMap;
use std::path::PathBuf;

use futures::TryStreamExt as _;
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use super::postgres::{self, Terms};
use super::sqlite::{self, file_of};
use super::value::Value;
use super::{Bind, Json, OpenError, Row, list};

/// Rows of one statement; a statement has room for 65,535 values.
const ROWS: usize = 500;
/// What is no part of the store's contents: which migrations ran, and what they promise.
const OF_THE_TABLES: &str = "('_sqlx_migrations', 'compatibility')";
/// Counters that only PostgreSQL keeps in tables, and the tables whose numbers they count.
const COUNTERS: [(&str, &str); 2] = [("change_counter", "changes"), ("audit_counter", "audit")];

/// Why nothing was copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error("there is no store {0}")]
    NoSource(PathBuf),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the target's table {0} is not empty: copy into a new database")]
    NotEmpty(String),
    #[error("the source could not be read")]
    Source(#[source] sqlx::Error),
    #[error("the target could not be written")]
    Target(#[source] sqlx::Error),
    #[error("a row of {table} cannot be kept by PostgreSQL: {source}")]
    Unfit { table: String, source: sqlx::Error },
    #[error("{table}: {read} rows were read and {written} are there, so everything was undone")]
    Count { table: String, read: i64, written: i64 },
}

/// A column of the target and its type there.
type Columns = Vec<(String, String)>;

/// Copies everything from the file that `from` names to the database that `to` names; how many rows of which table.
///
/// # Errors
/// [`CopyError`]; then the target is as it was.
pub async fn copy(from: &str, to: &str, terms: &Terms) -> Result<BTreeMap<String, i64>, CopyError> {
    let file = file_of(from)?;
    if !file.is_file() {
        return Err(CopyError::NoSource(file));
    }
    // Brings its tables up to date; nothing of it stays open.
    drop(sqlite::Sqlite::open(from).await?);
    let mut target = postgres::alone(to, terms).await?;
    let mut source = SqliteConnectOptions::new().filename(&file).connect().await.map_err(CopyError::Source)?;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut source).await.map_err(CopyError::Source)?;
    let mut transaction = target.begin().await.map_err(CopyError::Target)?;
    let copied = transfer(&mut source, &mut transaction).await?;
    transaction.commit().await.map_err(CopyError::Target)?;
    Ok(copied)
}

async fn transfer(source: &mut SqliteConnection, target: &mut PgConnection) -> Result<BTreeMap<String, i64>, CopyError> {
    let tables = tables(target).await.map_err(CopyError::Target)?;
    let names: Vec<String> = tables.keys().map(|table| format!("\"{table}\"")).collect();
    // Nobody may begin to use it meanwhile.
    execute(target, format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", names.join(", "))).await?;
    for table in tables.keys() {
        if count(target, table).await? > 0 {
            return Err(CopyError::NotEmpty(table.clone()));
        }
    }
    let mut copied = BTreeMap::new();
    for (table, columns) in &tables {
        let read = copy_table(source, target, table, columns).await?;
        let written = count(target, table).await?;
        if read != written {
            return Err(CopyError::Count { table: table.clone(), read, written });
        }
        copied.insert(table.clone(), read);
    }
    for (counter, table) in COUNTERS {
        let newest: Option<i64> = sqlx::query_scalar("SELECT seq FROM sqlite_sequence WHERE name = $1")
            .bind(table)
            .fetch_optional(&mut *source)
            .await
            .map_err(CopyError::Source)?;
        execute(target, format!("UPDATE {counter} SET newest = {}", newest.unwrap_or_default())).await?;
    }
    Ok(copied)
}

/// The tables of the target and their columns, but for counters.
async fn tables(target: &mut PgConnection) -> Result<BTreeMap<String, Columns>, sqlx::Error> {
    let columns: Vec<(String, String, String)> = sqlx::query_as(AssertSqlSafe(format!(
        "SELECT table_name::TEXT, column_name::TEXT, data_type::TEXT FROM information_schema.columns \
         WHERE table_schema = current_schema() AND table_name NOT IN {OF_THE_TABLES} ORDER BY table_name, ordinal_position"
    )))
    .fetch_all(target)
    .await?;
    let mut tables: BTreeMap<String, Columns> = BTreeMap::new();
    for (table, column, kind) in columns {
        if !COUNTERS.iter().any(|(counter, _)| *counter == table) {
            tables.entry(table).or_default().push((column, kind));
        }
    }
    Ok(tables)
}

async fn copy_table(
    source: &mut SqliteConnection,
    target: &mut PgConnection,
    table: &str,
    columns: &Columns,
) -> Result<i64, CopyError> {
    let names = columns.iter().map(|(column, _)| format!("\"{column}\"")).collect::<Vec<_>>().join(", ");
    let text = AssertSqlSafe(format!("SELECT {names} FROM \"{table}\""));
    let mut rows = sqlx::query(text).fetch(source);
    let (mut read, mut values) = (0, Vec::new());
    loop {
        let row = rows.try_next().await.map_err(CopyError::Source)?.map(Row::from);
        let ended = row.is_none();
        if let Some(row) = row {
            read += 1;
            for (column, kind) in columns {
                let value = value_of(&row, column, kind).map_err(CopyError::Source)?;
                values.push(value);
            }
        }
        let gathered = values.len() / columns.len().max(1);
        if gathered >= ROWS || (ended && gathered > 0) {
            insert(target, table, &names, columns.len(), std::mem::take(&mut values)).await?;
        }
        if ended {
            return Ok(read);
        }
    }
}

/// What is in `column`, as the target's type of that name has it.
fn value_of(row: &Row, column: &str, kind: &str) -> Result<Value, sqlx::Error> {
    Ok(match kind {
        "bigint" => row.try_get::<Option<i64>>(column)?.into_value(),
        "boolean" => row.try_get::<Option<bool>>(column)?.into_value(),
        "bytea" => row.try_get::<Option<Vec<u8>>>(column)?.into_value(),
        "jsonb" => row.try_get::<Option<Json<serde_json::Value>>>(column)?.into_value(),
        _ => row.try_get::<Option<String>>(column)?.into_value(),
    })
}

async fn insert(target: &mut PgConnection, table: &str, names: &str, width: usize, values: Vec<Value>) -> Result<(), CopyError> {
    let rows = values.len() / width;
    let places = (0..rows).map(|row| format!("({})", list(row * width + 1, width))).collect::<Vec<_>>().join(", ");
    let unfit = |source| CopyError::Unfit { table: table.to_owned(), source };
    let mut arguments = PgArguments::default();
    for value in values {
        value.add_to_postgres(&mut arguments).map_err(|error| unfit(sqlx::Error::Encode(error)))?;
    }
    let text = AssertSqlSafe(format!("INSERT INTO \"{table}\" ({names}) VALUES {places}"));
    sqlx::query_with(text, arguments).persistent(false).execute(target).await.map(drop).map_err(unfit)
}

async fn count(target: &mut PgConnection, table: &str) -> Result<i64, CopyError> {
    let text = AssertSqlSafe(format!("SELECT count(*) FROM \"{table}\""));
    sqlx::query_scalar(text).fetch_one(target).await.map_err(CopyError::Target)
}

async fn execute(target: &mut PgConnection, text: String) -> Result<(), CopyError> {
    sqlx::query(AssertSqlSafe(text)).execute(target).await.map(drop).map_err(CopyError::Target)
}
