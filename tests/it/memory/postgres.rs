//! PostgreSQL passes the suite that every store has to pass, on a real server with a database for each test.

use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use doorward::clock::SystemClock;
use doorward::db::Database;
use doorward::revocation::Follower;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};
use uuid::Uuid;

use super::conformance::{Backend, Outcome, Stores, conformance};
use crate::support::{Part, part_at_port};

/// The URL of the server that most tests share; it ends with this process.
fn shared() -> &'static str {
    static SERVER: OnceLock<(String, Mutex<Part>)> = OnceLock::new();
    let (url, _) = SERVER.get_or_init(|| {
        let server = part_at_port("postgres", &[]);
        (server.ready["url"].as_str().unwrap().to_owned(), Mutex::new(server))
    });
    url
}

/// A connection of another program's.
pub(crate) async fn stranger(url: &str) -> Outcome<PgConnection> {
    Ok(PgConnection::connect(url).await?)
}

/// A new, empty database on the server that `url` names another one of; its URL.
pub(crate) async fn beside(url: &str) -> Outcome<String> {
    let name = format!("d{}", Uuid::new_v4().simple());
    let mut connection = stranger(url).await?;
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await?;
    Ok(format!("{}/{name}", url.rsplit_once('/').ok_or("no database in the URL")?.0))
}

/// A new database on the shared server.
pub(crate) async fn fresh() -> Outcome<String> {
    beside(tokio::task::spawn_blocking(shared).await?).await
}

pub(crate) async fn open(url: &str) -> Outcome<Database> {
    Ok(Database::open(url, Arc::new(SystemClock)).await?)
}

pub(crate) struct Postgres(String);

#[async_trait]
impl Backend for Postgres {
    async fn fresh() -> Outcome<Self> {
        Ok(Self(fresh().await?))
    }

    async fn open(&self) -> Outcome<Stores> {
        let database = open(&self.0).await?;
        let follower = Follower::start(database.clone()).await?;
        Ok(super::sqlite::stores(database, follower))
    }
}

impl Postgres {
    pub(crate) fn url(&self) -> &str {
        &self.0
    }
}

conformance!(crate::memory::postgres::Postgres);
