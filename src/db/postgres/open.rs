//! Opening PostgreSQL: where it is, how it is spoken to, and its tables.
//!
//! Refuses what a URL could ask for and this does not know; and to speak in the clear with another machine unless told to.

use std::net::IpAddr;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgSslMode};
use tokio::sync::watch;
use url::Url;

use super::Secret;
use crate::config::postgres::flaw;
use crate::db::compatibility::{self, Standing};
use crate::db::{DEADLINE, OpenError};

static MIGRATIONS: Migrator = {
    let mut migrator = sqlx::migrate!("migrations/postgres");
    // A newer replica may have gone ahead; whether that is borne says the table `compatibility`.
    migrator.ignore_missing = true;
    migrator
};
/// How long the server may take to answer at the start.
const REACHED_WITHIN: Duration = Duration::from_secs(5);
/// How long another replica may take to bring the tables up to date.
const MIGRATION_WAIT: &str = "30s";
const AGAIN: Duration = Duration::from_secs(1);

/// What is said besides the URL.
#[derive(Clone, Debug)]
pub struct Terms {
    pub password: Option<Secret>,
    /// At most so many connections, besides the two that look and listen.
    pub connections: u32,
    /// How long the server may take to let a connection be used, and to answer.
    pub patience: Duration,
}

/// For commands and tools, behind which no request waits.
impl Default for Terms {
    fn default() -> Self {
        Self { password: None, connections: 16, patience: DEADLINE }
    }
}

pub(super) fn options(text: &str, terms: &Terms) -> Result<PgConnectOptions, OpenError> {
    if let Some(why) = flaw(text) {
        return Err(OpenError::Postgres(why));
    }
    let url = Url::parse(text).map_err(|_| OpenError::Url)?;
    let mut options = PgConnectOptions::from_url(&url).map_err(|_| OpenError::Url)?;
    if !url.query_pairs().any(|(name, _)| name == "sslmode") {
        options = options.ssl_mode(if is_here(&url) { PgSslMode::Prefer } else { PgSslMode::VerifyFull });
    }
    // Nothing from the environment or a file of passwords that the configuration does not name.
    let typed = url.password().map(|_| ());
    options = match (&terms.password, typed) {
        (Some(password), _) => options.password(password.expose()),
        (None, Some(())) => options,
        (None, None) => options.password(""),
    };
    Ok(options.application_name("doorward"))
}

/// Whether nobody else's wire lies in between.
fn is_here(url: &Url) -> bool {
    let socket = url.query_pairs().any(|(name, value)| name == "host" && value.starts_with('/'));
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    socket || host.is_empty() || host == "localhost" || host.starts_with("%2F") || address.is_ok_and(|one| one.is_loopback())
}

pub(super) struct Pools {
    pub readers: PgPool,
    pub writers: PgPool,
    pub watchers: PgPool,
}

pub(super) fn pools(options: &PgConnectOptions, terms: &Terms) -> Pools {
    let pool = |most: u32| PgPoolOptions::new().max_connections(most).acquire_timeout(terms.patience);
    // The server lets go as soon as nobody waits any more, so that a lock is never held by the forgotten.
    let within = |span: Duration| format!("{}ms", span.as_millis());
    let timed = options.clone().options([
        ("statement_timeout", within(terms.patience).as_str()),
        ("lock_timeout", within(terms.patience * 3 / 4).as_str()),
        ("idle_in_transaction_session_timeout", within(DEADLINE * 2).as_str()),
        ("synchronous_commit", "on"),
    ]);
    let reading = timed.clone().options([("default_transaction_read_only", "on")]);
    let half = (terms.connections / 2).max(1);
    Pools {
        readers: pool(half).connect_lazy_with(reading.clone()),
        writers: pool(terms.connections.saturating_sub(half).max(1)).connect_lazy_with(timed),
        watchers: pool(2).max_lifetime(None).idle_timeout(None).connect_lazy_with(reading),
    }
}

/// Reaches the server and brings the tables up to date, under the lock that replicas take in turn.
pub(super) async fn prepare(options: &PgConnectOptions) -> Result<(), OpenError> {
    let server = format!("{}:{}", options.get_host(), options.get_port());
    let waiting = options.clone().options([("lock_timeout", MIGRATION_WAIT)]);
    let connected = tokio::time::timeout(REACHED_WITHIN, waiting.connect()).await;
    let mut connection = match connected {
        Ok(Ok(connection)) => connection,
        Ok(Err(source)) if is_passing(&source) => return Err(OpenError::Unreachable { server, source }),
        Ok(Err(source)) => return Err(OpenError::Server { server, source }),
        Err(_) => return Err(OpenError::Unreachable { server, source: sqlx::Error::PoolTimedOut }),
    };
    MIGRATIONS.run_direct(None, &mut connection, false).await.map_err(|source| match source {
        MigrateError::Execute(source) if is_passing(&source) => OpenError::Unreachable { server: server.clone(), source },
        source => OpenError::Tables { server: server.clone(), source },
    })?;
    let oldest = sqlx::query_scalar(compatibility::OLDEST).fetch_one(&mut connection).await;
    let oldest = oldest.map_err(|source| OpenError::Unreachable { server: server.clone(), source })?;
    match compatibility::standing(oldest, &MIGRATIONS) {
        Standing::Known => Ok(()),
        Standing::Newer => Err(OpenError::NewerServer(server)),
    }
}

/// One connection to a database whose tables are up to date, for work that takes as long as it takes.
pub(in crate::db) async fn alone(url: &str, terms: &Terms) -> Result<PgConnection, OpenError> {
    let options = options(url, terms)?;
    prepare(&options).await?;
    let server = format!("{}:{}", options.get_host(), options.get_port());
    options.connect().await.map_err(|source| OpenError::Unreachable { server, source })
}

/// Whether it may be otherwise in a moment: nobody answers, or the server is starting, stopping or full.
fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        // A certificate that is not believed is invalid data.
        sqlx::Error::Io(error) => error.kind() != std::io::ErrorKind::InvalidData,
        sqlx::Error::PoolTimedOut => true,
        sqlx::Error::Database(error) => {
            // Class 57P: operator intervention; 53: insufficient resources; 55P03: the lock was waited for too long.
            error.code().is_some_and(|code| code.starts_with("57P") || code.starts_with("53") || code == "55P03")
        }
        _ => false,
    }
}

/// Tries until it is done.
pub(super) async fn prepare_at_last(options: PgConnectOptions, told: watch::Sender<bool>) {
    let mut silent = true;
    loop {
        tokio::time::sleep(AGAIN).await;
        match prepare(&options).await {
            Ok(()) => {
                tracing::info!("the store is reached and up to date");
                told.send_replace(true);
                return;
            }
            Err(OpenError::Unreachable { .. }) => {}
            Err(error) if silent => {
                silent = false;
                tracing::error!(%error, "the store is reached and cannot be used; trying again");
            }
            Err(_) => {}
        }
    }
}
