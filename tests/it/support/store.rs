//! The door's embedded store, looked into by another program while the door uses it.

use std::path::Path;

use sqlx::Connection as _;
use sqlx::sqlite::{Sqlite, SqliteConnection};

/// The first value that `query` finds.
#[track_caller]
pub(crate) fn look<T>(folder: &Path, query: &'static str) -> T
where
    T: for<'r> sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite> + Send + Unpin,
{
    within(folder, async |connection| sqlx::query_scalar(query).fetch_one(connection).await)
}

#[track_caller]
pub(crate) fn change(folder: &Path, statement: &'static str) {
    within(folder, async |connection| sqlx::query(statement).execute(connection).await.map(drop));
}

/// Does something while the door cannot write.
#[track_caller]
pub(crate) fn locked<T>(folder: &Path, work: impl FnOnce() -> T) -> T {
    within(folder, async |connection| {
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
        let done = work();
        sqlx::query("ROLLBACK").execute(connection).await?;
        Ok(done)
    })
}

#[track_caller]
fn within<T>(folder: &Path, work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>) -> T {
    let store = format!("sqlite:{}", folder.join("doorward.db").display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { work(&mut SqliteConnection::connect(&store).await.unwrap()).await.unwrap() })
}
