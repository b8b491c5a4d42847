//! Opening the file: where it is, who may read it, and its tables.
//!
//! Refuses a file that others could read and a folder that does not exist, because a store made in the wrong place looks like
//! an empty one.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _};

use super::{DEADLINE, LOCK_WAIT};
use crate::db::OpenError;
use crate::db::compatibility::{self, Standing};

static MIGRATIONS: Migrator = {
    let mut migrator = sqlx::migrate!("migrations/sqlite");
    // A newer version may have gone ahead; whether that is borne says the table `compatibility`.
    migrator.ignore_missing = true;
    migrator
};
/// Who may read at the same time; look-ups are cached before they come here. On fewer processors fewer are of use, and each
/// has a thread and a cache of its own.
const READERS: std::ops::RangeInclusive<usize> = 2..=4;
/// How long another process may take to bring the tables up to date.
const MIGRATION_WAIT: Duration = Duration::from_secs(30);

pub(super) struct Opened {
    pub options: SqliteConnectOptions,
    pub connection: SqliteConnection,
    pub readers: SqlitePool,
}

pub(super) async fn open(url: &str) -> Result<Opened, OpenError> {
    let file = file_of(url)?;
    let alone = lock_folder(&file).await?;
    create(&file)?;
    let options = options(&file);
    let mut connection = options.connect().await.map_err(|source| OpenError::Database { file: file.clone(), source })?;
    sort_beside(&file, &mut connection).await;
    let opened = opened(&file, connection, options).await?;
    drop(alone);
    Ok(opened)
}

/// A database in this process's memory: nothing of it is on a disk, and all of it is gone once its last connection is.
pub(super) async fn open_in_memory() -> Result<(Opened, SqliteConnection), OpenError> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = PathBuf::from(format!("/doorward-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
    // SQLite's own file system in memory shares what has a name between connections, under the locks of files.
    let options = options(&name).vfs("memdb").journal_mode(SqliteJournalMode::Memory).create_if_missing(true);
    // What is sorted has no other place either.
    let options = options.pragma("temp_store", "MEMORY");
    let connect = || async { options.connect().await.map_err(|source| OpenError::Database { file: name.clone(), source }) };
    let held = connect().await?;
    let opened = opened(&name, connect().await?, options.clone()).await?;
    Ok((opened, held))
}

/// Brings the tables up to date.
async fn opened(file: &Path, mut connection: SqliteConnection, options: SqliteConnectOptions) -> Result<Opened, OpenError> {
    // `run` asks for a connection of any lifetime, which no future that is `Send` can promise.
    let migrated = MIGRATIONS.run_direct(None, &mut connection, false).await;
    migrated.map_err(|source| OpenError::Migration { file: file.to_owned(), source })?;
    let oldest = sqlx::query_scalar(compatibility::OLDEST).fetch_one(&mut connection).await;
    let oldest = oldest.map_err(|source| OpenError::Database { file: file.to_owned(), source })?;
    if matches!(compatibility::standing(oldest, &MIGRATIONS), Standing::Newer) {
        return Err(OpenError::Newer(file.to_owned()));
    }
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let readers = u32::try_from(processors.clamp(*READERS.start(), *READERS.end())).unwrap_or(1);
    let readers =
        SqlitePoolOptions::new().max_connections(readers).acquire_timeout(DEADLINE).connect_lazy_with(reading(&options));
    Ok(Opened { options, connection, readers })
}

pub(in crate::db) fn file_of(url: &str) -> Result<PathBuf, OpenError> {
    let path = url.strip_prefix("sqlite:").ok_or(OpenError::Url)?;
    let path = path.strip_prefix("//").unwrap_or(path);
    let plain = !path.is_empty() && !path.ends_with('/') && !path.contains(['?', '#', '\0']) && path != ":memory:";
    plain.then(|| PathBuf::from(path)).ok_or(OpenError::Url)
}

/// A transaction is on the disk when it is acknowledged (`synchronous = FULL` syncs the log at each commit).
fn options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(LOCK_WAIT)
        // A file that shrinks or fails under a memory map is a signal, not an error that can be answered.
        .pragma("mmap_size", "0")
        // What is removed is overwritten, not only unlinked.
        .pragma("secure_delete", "ON")
}

pub(super) fn reading(options: &SqliteConnectOptions) -> SqliteConnectOptions {
    options.clone().pragma("query_only", "ON")
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Lets SQLite sort what does not fit into its cache beside the file, because in an empty image with a read-only root there is no other
/// place, and what is sorted is no business of whoever reads `/tmp`. In memory it would grow with the store. The setting is the whole
/// process's, under a lock of SQLite's own.
async fn sort_beside(file: &Path, connection: &mut SqliteConnection) {
    let folder = folder_of(file).display().to_string().replace('\'', "''");
    let set = sqlx::query(AssertSqlSafe(format!("PRAGMA temp_store_directory = '{folder}'"))).execute(connection).await;
    if let Err(error) = set {
        tracing::warn!(%error, "what SQLite sorts goes to wherever it finds a place");
    }
}

/// SQLite's migrations are not safe against a second process; the folder's lock makes them so and leaves no file behind.
/// The database file itself must not be locked this way: closing it would drop SQLite's own locks.
async fn lock_folder(file: &Path) -> Result<File, OpenError> {
    let folder = folder_of(file);
    let failed = |source| OpenError::File { file: file.to_owned(), source };
    let lock = File::open(folder).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => OpenError::Folder(folder.to_owned()),
        _ => failed(error),
    })?;
    let give_up = tokio::time::Instant::now() + MIGRATION_WAIT;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
            Err(TryLockError::WouldBlock) if tokio::time::Instant::now() > give_up => {
                return Err(OpenError::Waiting(file.to_owned()));
            }
            Err(TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Made by hand so that nobody else can ever read it; SQLite gives its log the same permissions.
fn create(file: &Path) -> Result<(), OpenError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(OpenError::File { file: file.to_owned(), source }),
    }
}
