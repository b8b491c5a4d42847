//! The store's file: who may read it, who may open it, and what cannot be done to it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use doorward::audit::{AuditFilter, AuditStore as _, Event, Kind, Outcome as Ending, SqlAudit};
use doorward::clock::SystemClock;
use doorward::db::{Database, Failure, OpenError, query};
use doorward::model::TenantId;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::conformance::{Outcome, at, source};

pub(crate) async fn open(folder: &Path) -> Result<Database, OpenError> {
    Database::open(&format!("sqlite:{}", folder.join("doorward.db").display()), Arc::new(SystemClock)).await
}

/// A connection of another program's.
pub(crate) async fn stranger(folder: &Path) -> Outcome<SqliteConnection> {
    Ok(SqliteConnectOptions::new().filename(folder.join("doorward.db")).connect().await?)
}

#[tokio::test]
async fn only_its_owner_can_read_the_file_and_its_log() -> Outcome {
    let folder = tempfile::tempdir()?;
    let database = open(folder.path()).await?;
    SqlAudit::new(database, source())
        .append(vec![Event::new(at(0), Kind::SignIn, Ending::Success, &TenantId::default())])
        .await?;
    for name in ["doorward.db", "doorward.db-wal", "doorward.db-shm"] {
        let mode = std::fs::metadata(folder.path().join(name))?.permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn a_commit_is_synced_before_it_is_acknowledged() -> Outcome {
    let folder = tempfile::tempdir()?;
    let database = open(folder.path()).await?;
    let pragmas: Result<(i64, String, i64, i64), Failure<()>> = database
        .write(|connection| {
            Box::pin(async move {
                Ok((
                    query("PRAGMA synchronous").fetch_one(&mut *connection).await?,
                    query("PRAGMA journal_mode").fetch_one(&mut *connection).await?,
                    query("PRAGMA foreign_keys").fetch_one(&mut *connection).await?,
                    query("PRAGMA mmap_size").fetch_one(&mut *connection).await?,
                ))
            })
        })
        .await;
    let full = 2;
    assert!(matches!(pragmas, Ok((synchronous, journal, 1, 0)) if synchronous == full && journal == "wal"));
    let refused = query("DELETE FROM users").execute(database.readers()).await;
    assert!(refused.is_err(), "the readers only read");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_can_open_a_new_store_at_once() -> Outcome {
    let folder = tempfile::tempdir()?;
    let opened = futures::future::join_all((0..16).map(|_| open(folder.path()))).await;
    for database in opened {
        database?;
    }
    Ok(())
}

#[tokio::test]
async fn what_is_no_store_is_refused_with_a_remedy() -> Outcome {
    let folder = tempfile::tempdir()?;
    let refused = async |url: String| match Database::open(&url, Arc::new(SystemClock)).await {
        Ok(_) => "opened".to_owned(),
        Err(error) => error.to_string().replace(&folder.path().display().to_string(), "FOLDER"),
    };
    let path = folder.path().display();
    std::fs::write(folder.path().join("text.db"), "this is no database, and long enough for a header ".repeat(100))?;
    std::fs::create_dir(folder.path().join("folder.db"))?;
    let said = [
        refused("mysql://localhost/doorward".to_owned()).await,
        refused("postgres://localhost/doorward".to_owned()).await,
        refused("postgres://doorward@localhost".to_owned()).await,
        refused("postgres://doorward@localhost/doorward?sslmode=maybe".to_owned()).await,
        refused("postgres://doorward@localhost/doorward?target_session_attrs=any".to_owned()).await,
        refused("sqlite::memory:".to_owned()).await,
        refused(format!("sqlite:{path}/a.db?mode=ro")).await,
        refused(format!("sqlite:{path}/no/where.db")).await,
        refused(format!("sqlite:{path}/text.db")).await,
        refused(format!("sqlite:{path}/folder.db")).await,
    ];
    insta::assert_snapshot!(said.join("\n"), @r"
    `store.url` has to be `sqlite:/path/to/doorward.db` or `postgres://user@host/database`
    `store.url`: the URL names no user; it is written `postgres://user@host/database`
    `store.url`: the URL names no database; it is written `postgres://user@host/database`
    `store.url`: `sslmode` is one of `disable`, `require`, `verify-ca`, `verify-full`; it is written `postgres://user@host/database`
    `store.url`: the URL has a parameter besides `sslmode`, `sslrootcert`, `sslcert`, `sslkey`, `host`; it is written `postgres://user@host/database`
    `store.url` has to be `sqlite:/path/to/doorward.db` or `postgres://user@host/database`
    `store.url` has to be `sqlite:/path/to/doorward.db` or `postgres://user@host/database`
    the store's folder FOLDER/no does not exist: make it, and let the user that runs Doorward write there
    the store FOLDER/text.db cannot be opened as a database: name a file of its own in `store.url`, or restore a backup
    the store FOLDER/folder.db cannot be opened as a database: name a file of its own in `store.url`, or restore a backup
    ");
    Ok(())
}

/// What a newer version has added is borne, so that two versions can serve during an upgrade; what it has changed is not.
#[tokio::test]
async fn a_store_that_a_newer_version_changed_is_left_alone_and_one_it_added_to_is_not() -> Outcome {
    let folder = tempfile::tempdir()?;
    drop(open(folder.path()).await?);
    let mut connection = stranger(folder.path()).await?;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', 1, x'00', 0)",
    )
    .execute(&mut connection)
    .await?;
    drop(open(folder.path()).await?);
    sqlx::query("UPDATE compatibility SET oldest = 9999").execute(&mut connection).await?;
    assert!(matches!(open(folder.path()).await, Err(OpenError::Newer(_))));
    Ok(())
}

#[tokio::test]
async fn no_statement_changes_or_removes_an_audit_event() -> Outcome {
    let folder = tempfile::tempdir()?;
    let audit = SqlAudit::new(open(folder.path()).await?, source());
    let events = [1, 2, 3].map(|seconds| Event::new(at(seconds), Kind::SignIn, Ending::Success, &TenantId::default()));
    audit.append(events.to_vec()).await?;
    let everything = AuditFilter { limit: 10, ..AuditFilter::default() };
    let before = audit.list(&everything).await?;
    let mut connection = stranger(folder.path()).await?;
    for statement in [
        "UPDATE audit SET outcome = 'failure'",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE seq = 2",
        "INSERT OR REPLACE INTO audit (seq, at, kind, outcome, tenant, details) VALUES (2, 0, 'x', 'x', 'x', '{}')",
        "REPLACE INTO audit (seq, at, kind, outcome, tenant, details) SELECT seq, 0, kind, outcome, tenant, details FROM audit",
        "INSERT INTO audit (seq, at, kind, outcome, tenant, details) VALUES (2, 0, 'x', 'x', 'x', '{}') \
         ON CONFLICT (seq) DO UPDATE SET at = 0",
    ] {
        let refused = sqlx::query(statement).execute(&mut connection).await;
        assert!(refused.is_err_and(|error| error.to_string().contains("append-only")), "{statement}");
    }
    connection.close().await?;
    assert_eq!(audit.list(&everything).await?, before);
    Ok(())
}
