//! Why the store cannot be opened.
//!
//! Refuses to name a password: a server is named by host and port alone, a file by its path.

use std::io;
use std::path::PathBuf;

use sqlx::migrate::MigrateError;

/// Why the database could not be opened, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("`store.url` has to be `sqlite:/path/to/doorward.db` or `postgres://user@host/database`")]
    Url,
    #[error("the store's folder {0} does not exist: make it, and let the user that runs Doorward write there")]
    Folder(PathBuf),
    #[error("the store's file {file} cannot be opened: {source}")]
    File { file: PathBuf, source: io::Error },
    #[error("the store {file} cannot be opened as a database: name a file of its own in `store.url`, or restore a backup")]
    Database { file: PathBuf, source: sqlx::Error },
    #[error("the store {0} was written by a newer Doorward: run that version, or restore a backup made before the upgrade")]
    Newer(PathBuf),
    #[error("the store {file} could not be brought up to date")]
    Migration { file: PathBuf, source: MigrateError },
    #[error("the store cannot be read")]
    Unreadable(#[from] super::Unavailable),
    #[error("another process has been bringing the store {0} up to date for too long: look for one that hangs")]
    Waiting(PathBuf),
    #[error("`store.url`: {0}; it is written `postgres://user@host/database`")]
    Postgres(&'static str),
    #[error("the store's server {server} cannot be reached")]
    Unreachable { server: String, source: sqlx::Error },
    #[error("the store's server {server} does not let Doorward in: check user, password, database and `sslmode`")]
    Server { server: String, source: sqlx::Error },
    #[error("the store's tables on {server} could not be brought up to date")]
    Tables { server: String, source: MigrateError },
    #[error("the store on {0} was changed by a newer Doorward that this one cannot work beside: run that version")]
    NewerServer(String),
}
