//! The tables of both engines.
//!
//! They differ in types only, and in what a server needs besides: every migration exists for both, and leaves the same tables and columns.

use std::collections::BTreeSet;
use std::path::Path;

use super::conformance::Outcome;
use super::{file, postgres};

/// What only a server has: the counter that SQLite keeps by itself.
const OF_THE_SERVER: [&str; 1] = ["change_counter"];

fn migrations(engine: &str) -> Outcome<BTreeSet<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(engine);
    let names = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect()
}

#[test]
fn every_migration_exists_for_both_engines() -> Outcome {
    let (sqlite, postgres) = (migrations("sqlite")?, migrations("postgres")?);
    assert!(sqlite.len() > 5, "too few to be believed");
    assert_eq!(sqlite, postgres);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn both_engines_have_the_same_tables_columns_and_indexes() -> Outcome {
    let folder = tempfile::tempdir()?;
    drop(file::open(folder.path()).await?);
    let embedded: Vec<(String, String)> = sqlx::query_as(
        "SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%'",
    )
    .fetch_all(&mut file::stranger(folder.path()).await?)
    .await?;
    let url = postgres::fresh().await?;
    drop(postgres::open(&url).await?);
    let mut connection = postgres::stranger(&url).await?;
    let server: Vec<(String, String)> = sqlx::query_as(
        "SELECT table_name::TEXT, column_name::TEXT FROM information_schema.columns WHERE table_schema = 'public'",
    )
    .fetch_all(&mut connection)
    .await?;
    let embedded: BTreeSet<_> = embedded.into_iter().collect();
    let server: BTreeSet<_> = server.into_iter().filter(|(table, _)| !OF_THE_SERVER.contains(&table.as_str())).collect();
    assert!(embedded.len() > 80, "too few to be believed");
    assert_eq!(embedded, server);

    let mut other = file::stranger(folder.path()).await?;
    let embedded: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name")
            .fetch_all(&mut other)
            .await?;
    let server: Vec<String> = sqlx::query_scalar(
        "SELECT indexname::TEXT FROM pg_indexes WHERE schemaname = 'public' \
         AND indexname NOT LIKE '%_pkey' AND indexname NOT LIKE '%_key' ORDER BY indexname COLLATE \"C\"",
    )
    .fetch_all(&mut connection)
    .await?;
    assert_eq!(embedded, server);
    Ok(())
}

/// Uniqueness, order and look-ups must not depend on the locale of a database.
#[tokio::test(flavor = "multi_thread")]
async fn texts_on_the_server_are_compared_byte_by_byte() -> Outcome {
    let url = postgres::fresh().await?;
    drop(postgres::open(&url).await?);
    let others: Vec<(String, String)> = sqlx::query_as(
        "SELECT table_name::TEXT, column_name::TEXT FROM information_schema.columns WHERE table_schema = 'public' \
         AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C' AND table_name <> '_sqlx_migrations'",
    )
    .fetch_all(&mut postgres::stranger(&url).await?)
    .await?;
    assert_eq!(others, []);
    Ok(())
}

/// What another version's replica does to the tables while this one serves: whoever selects everything must go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_a_newer_replica_adds_disturbs_nobody() -> Outcome {
    use super::conformance::{Backend as _, somebody};
    let backend = postgres::Postgres::fresh().await?;
    let stores = backend.open().await?;
    let ada = somebody("default", "ada")?;
    stores.directory.create_user(&ada).await?;
    for _ in 0..20 {
        assert_eq!(stores.directory.user(ada.id).await?.as_ref(), Some(&ada));
    }
    let mut newer = postgres::stranger(backend.url()).await?;
    sqlx::query("ALTER TABLE users ADD COLUMN of_tomorrow BIGINT").execute(&mut newer).await?;
    for _ in 0..20 {
        assert_eq!(stores.directory.user(ada.id).await?.as_ref(), Some(&ada));
    }
    stores.directory.update_user(&ada).await?;
    // The older version starts again beside the newer one, until that says that it cannot.
    drop(backend.open().await?);
    sqlx::query("UPDATE compatibility SET oldest = 9999").execute(&mut newer).await?;
    assert!(backend.open().await.is_err());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_replicas_can_make_a_new_store_at_once() -> Outcome {
    let url = postgres::fresh().await?;
    for opened in futures::future::join_all((0..8).map(|_| postgres::open(&url))).await {
        opened?;
    }
    Ok(())
}
