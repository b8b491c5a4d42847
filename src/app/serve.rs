//! One life of the server: read, understand, listen, reload, drain.
//!
//! Refuses to start with a problem; a reload with one is told and changes nothing.

use std::net::TcpListener as Socket;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::expiry;
use super::insight::View;
use super::memory::{Memory, MemoryError};
use super::plan::Plan;
use super::reload::{self, Changes};
use super::run::{self, StartError};
use super::upkeep;
use crate::audit::Occasion;
use crate::clock::{SharedClock, SystemClock};
use crate::config::{LoadError, Report};
use crate::telemetry::{self, Telemetry, TelemetryError, operations as pages};

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
    Store(#[from] MemoryError),
    #[error(transparent)]
    Start(#[from] StartError),
    /// What has to be there before could not be made.
    #[error(transparent)]
    Preparation(Box<dyn std::error::Error + Send + Sync>),
    #[error("`logging.level` is no filter")]
    Logging(#[source] tracing_subscriber::filter::ParseError),
    #[error("telemetry cannot begin")]
    Telemetry(#[from] TelemetryError),
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

/// The number of the signal that a process gets whose file reached its limit; the same on every architecture of Linux but MIPS.
const SIGXFSZ: i32 = 25;
/// How long writing what was gathered may take when stopping at once.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long the OTLP receiver may take for the last spans and metrics.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// How it went down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Told to stop, and did so in peace.
    Drained,
    /// Told twice to stop; the signal's number.
    Cut(i32),
}

/// Where the access lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLines {
    StandardOutput,
    /// Where standard output is taken by an answer for a program.
    StandardError,
}

/// Serves with the configuration in `file` until a signal says to stop. `ready` is called once everything listens.
pub async fn serve(file: PathBuf, sockets: Sockets, lines: AccessLines, ready: impl FnOnce(&Ready)) -> Result<Ended, ServeError> {
    let mut signals = Signals::listen().map_err(ServeError::Signals)?;
    let clock: SharedClock = Arc::new(SystemClock);
    let (plan, sources) = reload::understand(&file)?;
    let mut changes = Changes::of(&sources);
    telemetry::log::start(&plan.config.logging).map_err(ServeError::Logging)?;
    let telemetry = Arc::new(match lines {
        AccessLines::StandardOutput => Telemetry::start(std::io::stdout())?,
        AccessLines::StandardError => Telemetry::start(std::io::stderr())?,
    });
    let mut memory = Memory::open(&plan.config, &clock).await?;
    memory.keep_journal(&plan.config)?;
    let delay = plan.config.shutdown.delay.0;
    let _upkeep = upkeep::start(memory.clone(), Arc::clone(&clock), plan.config.audit.retention.0);
    let _expiry = expiry::tell(memory.clone(), Arc::clone(&clock), plan.config.sessions.idle.0);
    let _checkpoints = upkeep::checkpoints(&memory);
    let _giving_back = upkeep::give_back();
    let _spool = plan.config.sign_in.break_glass_file.as_deref().map(|file| upkeep::follow_spool(&memory, file));
    let operations = bind_operations(&plan, sockets.operations).await?;
    let running =
        Box::pin(run::start(plan, memory.clone(), Arc::clone(&telemetry), Arc::clone(&clock), sockets.listeners)).await?;
    let stopping = Arc::new(AtomicBool::new(false));
    let view = Arc::new(View::new(memory.clone(), Arc::clone(running.gateway()), Arc::clone(&clock), Arc::clone(&stopping)));
    telemetry.export.start(view.clone(), Arc::clone(&clock));
    let (operations, address) = operations.unzip();
    if let Some(socket) = operations {
        tokio::spawn(pages::serve(socket, Arc::clone(&telemetry.metrics), view));
    }
    ready(&Ready { listeners: running.addresses.clone(), operations: address });
    while let Heard::Reload = heard(&mut signals, &mut changes).await {
        Box::pin(reload::reload(&file, &running, &telemetry, &clock, &mut changes)).await;
    }
    tracing::info!("stopping");
    stopping.store(true, Ordering::Relaxed);
    let ended = tokio::select! {
        signal = signals.next_stop() => {
            tracing::warn!("told twice to stop: stopping at once");
            // What was acknowledged or seen is still written down, if that is quick.
            if tokio::time::timeout(LAST_WORDS, memory.settle()).await.is_err() {
                tracing::warn!("what was gathered could not be written in time");
            }
            Ended::Cut(signal.as_raw_value())
        }
        cut = async { tokio::time::sleep(delay).await; running.drain().await } => {
            tracing::info!(cut, "stopped");
            Ended::Drained
        }
    };
    if let (Ended::Drained, Some(proof)) = (ended, &memory.proof)
        && let Err(error) = proof.checkpoint(Occasion::End).await
    {
        tracing::warn!(%error, "it could not be stated where the audit trail stands");
    }
    telemetry.export.finish(LAST_SPANS).await;
    telemetry.close();
    Ok(ended)
}

async fn bind_operations(plan: &Plan, bound: Option<Socket>) -> Result<Option<(TcpListener, String)>, StartError> {
    let Some(typed) = &plan.config.operations else { return Ok(None) };
    let error = |source| StartError::Listen { address: typed.address.clone(), source };
    let socket = match bound {
        Some(socket) => run::adopt(socket).map_err(error)?,
        None => TcpListener::bind(&typed.address).await.map_err(error)?,
    };
    let address = socket.local_addr().map_err(error)?;
    Ok(Some((socket, address.to_string())))
}

/// What is asked for.
enum Heard {
    Reload,
    Stop(SignalKind),
}

/// A signal, or a changed file.
async fn heard(signals: &mut Signals, changes: &mut Changes) -> Heard {
    tokio::select! {
        heard = signals.next() => heard,
        () = changes.next() => Heard::Reload,
    }
}

struct Signals {
    /// Heard so that it does not kill: a file that may not grow is a failed write like any other (setrlimit(2)).
    _file_too_large: Signal,
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            _file_too_large: signal(SignalKind::from_raw(SIGXFSZ))?,
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Heard {
        tokio::select! {
            _ = self.hangup.recv() => Heard::Reload,
            _ = self.terminate.recv() => Heard::Stop(SignalKind::terminate()),
            _ = self.interrupt.recv() => Heard::Stop(SignalKind::interrupt()),
        }
    }

    /// The next signal to stop; while stopping there is nothing to reload.
    async fn next_stop(&mut self) -> SignalKind {
        loop {
            if let Heard::Stop(signal) = self.next().await {
                return signal;
            }
        }
    }
}
