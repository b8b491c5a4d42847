//! One life of the server: read, understand, listen, reload, drain.
//!
//! Refuses to start with a problem; a reload with one is told and changes nothing.

use std::net::TcpListener as Socket;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::memory::Memory;
use super::operations;
use super::plan::{self, Plan};
use super::run::{self, Running, StartError};
use super::upkeep;
use crate::clock::{SharedClock, SystemClock};
use crate::config::{self, LoadError, Report};
use crate::db::OpenError;
use crate::telemetry;

/// Sockets that were opened before, in the order of `listeners`; what is missing is opened as configured.
#[derive(Debug, Default)]
pub struct Sockets {
    pub listeners: Vec<Socket>,
    pub operations: Option<Socket>,
}

/// Where it listens.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Ready {
    pub listeners: Vec<String>,
    pub operations: Option<String>,
}

/// Why it did not come up, or went down.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("{0}")]
    Unreadable(LoadError),
    #[error("{0}")]
    Invalid(Report),
    #[error("the store cannot be opened")]
    Store(#[from] OpenError),
    #[error(transparent)]
    Start(#[from] StartError),
    /// What has to be there before could not be made.
    #[error(transparent)]
    Preparation(Box<dyn std::error::Error + Send + Sync>),
    #[error("`logging.level` is no filter")]
    Logging(#[source] tracing_subscriber::filter::ParseError),
    #[error("signals cannot be heard")]
    Signals(#[source] std::io::Error),
}

impl From<LoadError> for ServeError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Invalid { report, .. } => Self::Invalid(report),
            unreadable @ LoadError::Unreadable { .. } => Self::Unreadable(unreadable),
        }
    }
}

impl ServeError {
    /// Whether the configuration is to blame.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        matches!(self, Self::Unreadable(_) | Self::Invalid(_))
    }
}

/// Serves with the configuration in `file` until a signal says to stop. `ready` is called once everything listens.
pub async fn serve(file: PathBuf, sockets: Sockets, ready: impl FnOnce(&Ready)) -> Result<(), ServeError> {
    let mut signals = Signals::listen().map_err(ServeError::Signals)?;
    let clock: SharedClock = Arc::new(SystemClock);
    let plan = understand(&file)?;
    telemetry::log::start(&plan.config.logging).map_err(ServeError::Logging)?;
    let memory = Memory::open(&plan.config, &clock).await?;
    let delay = plan.config.shutdown.delay.0;
    let _upkeep = upkeep::start(memory.clone(), Arc::clone(&clock), plan.config.audit.retention.0);
    let operations = operate(&plan, &memory, sockets.operations).await?;
    let running = run::start(plan, memory, clock, sockets.listeners).await?;
    ready(&Ready { listeners: running.addresses.clone(), operations });
    while let Heard::Reload = signals.next().await {
        reload(&file, &running).await;
    }
    tracing::info!("stopping");
    tokio::select! {
        _ = signals.next() => tracing::warn!("told twice to stop: stopping at once"),
        cut = async { tokio::time::sleep(delay).await; running.drain().await } => tracing::info!(cut, "stopped"),
    }
    Ok(())
}

/// Reads and understands the file.
pub fn understand(file: &Path) -> Result<Plan, ServeError> {
    let loaded = config::load(file)?;
    plan::compile(loaded.config).map_err(|problems| ServeError::Invalid(loaded.sources.report(&problems)))
}

async fn reload(file: &Path, running: &Running) {
    match understand(file) {
        Ok(plan) => {
            running.replace(plan).await;
            tracing::info!("the configuration was reloaded");
        }
        Err(error) => tracing::error!(%error, "the configuration was not reloaded; the old one stays in force"),
    }
}

async fn operate(plan: &Plan, memory: &Memory, bound: Option<Socket>) -> Result<Option<String>, StartError> {
    let Some(typed) = &plan.config.operations else { return Ok(None) };
    let error = |source| StartError { address: typed.address.clone(), source };
    let socket = match bound {
        Some(socket) => run::adopt(socket).map_err(error)?,
        None => TcpListener::bind(&typed.address).await.map_err(error)?,
    };
    let address = socket.local_addr().map_err(error)?;
    let router = operations::router(memory.clone());
    tokio::spawn(async move {
        if let Err(error) = axum::serve(socket, router).await {
            tracing::error!(%error, "the operations listener ended");
        }
    });
    Ok(Some(address.to_string()))
}

/// What a signal asks for.
enum Heard {
    Reload,
    Stop,
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Heard {
        tokio::select! {
            _ = self.hangup.recv() => Heard::Reload,
            _ = self.terminate.recv() => Heard::Stop,
            _ = self.interrupt.recv() => Heard::Stop,
        }
    }
}
