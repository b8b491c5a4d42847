//! One life of the injector: listen, get a certificate, answer, stop in peace.
//!
//! Refuses to be ready before API servers can call it; after that, what goes wrong is said and tried again, and the certificate that there
//! is goes on being used.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::api::Api;
use super::files::Files;
use super::keeper::Keeper;
use super::settings::{Native, Settings};
use super::state::State;
use super::{listener, webhook};
use crate::clock::SharedClock;
use crate::config::inject::{Inject, SidecarKind, WebhookCertificate};
use crate::config::{Watch, inject};
use crate::telemetry::{self, operations};

/// How often it is looked whether everything is as it should be.
const ROUND: Duration = Duration::from_secs(60);
/// How soon again after a failure, and after another replica was faster.
const AGAIN: Duration = Duration::from_secs(3);
const SOON: Duration = Duration::from_millis(200);

/// Where it listens.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Ready {
    pub listen: String,
    pub operations: Option<String>,
}

/// Why it did not come up.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("cannot listen on {address}")]
    Listen {
        address: String,
        #[source]
        source: std::io::Error,
    },
    #[error("`logging.level` is no filter")]
    Logging(#[source] tracing_subscriber::filter::ParseError),
    #[error("signals cannot be heard")]
    Signals(#[source] std::io::Error),
    #[error("files cannot be watched")]
    Watch(#[source] notify::Error),
    #[error("`certificate.self_managed` needs `api_server` outside of a cluster")]
    NoApiServer,
}

/// Serves until a signal says to stop. `tell` is called once everything listens, before there need be a certificate.
pub async fn run(typed: Inject, clock: SharedClock, tell: impl FnOnce(&Ready)) -> Result<(), RunError> {
    telemetry::log::start(&typed.logging).map_err(RunError::Logging)?;
    let mut signals = Signals::listen()?;
    let api = typed.api_server.clone().or_else(inject::in_cluster).map(Api::new);
    let settings = Settings::new(&typed);
    let state = State::new(settings, clock);
    let source = source(&typed.certificate, api.clone(), &state)?;
    let (socket, listen) = bind(&typed.listen).await?;
    let probed = match &typed.operations {
        None => None,
        Some(address) => Some(bind(address).await?),
    };
    let (probed, address) = probed.unzip();
    let _probes = probed
        .map(|socket| AbortOnDropHandle::new(tokio::spawn(operations::serve(socket, Arc::default(), Arc::clone(&state) as _))));
    tell(&Ready { listen, operations: address });
    let nudge = Arc::new(Notify::new());
    let version = Version { kind: typed.sidecar, api, state: Arc::clone(&state) };
    version.look().await;
    let _keeping = AbortOnDropHandle::new(tokio::spawn(keep(source, version, Arc::clone(&state), Arc::clone(&nudge))));
    let stop = CancellationToken::new();
    let pages = webhook::router(Arc::clone(&state), typed.logging.access);
    let mut serving = tokio::spawn(listener::serve(socket, Arc::clone(&state), pages, stop.clone(), typed.shutdown.grace.0));
    while signals.next().await == Heard::LookAgain {
        nudge.notify_one();
    }
    tracing::info!("stopping");
    state.stopping.store(true, Ordering::Relaxed);
    tokio::select! {
        () = signals.stop() => return Ok(()),
        () = tokio::time::sleep(typed.shutdown.delay.0) => {}
    }
    stop.cancel();
    tokio::select! {
        () = signals.stop() => {}
        _ = &mut serving => {}
    }
    Ok(())
}

async fn bind(address: &str) -> Result<(TcpListener, String), RunError> {
    let error = |source| RunError::Listen { address: address.to_owned(), source };
    let socket = TcpListener::bind(address).await.map_err(error)?;
    let address = socket.local_addr().map_err(error)?.to_string();
    Ok((socket, address))
}

/// Where certificates come from.
enum Source {
    Own(Box<Keeper>),
    Files(Files, Box<Watch>),
}

fn source(typed: &WebhookCertificate, api: Option<Api>, state: &Arc<State>) -> Result<Source, RunError> {
    if let (Some(cert), Some(key)) = (&typed.cert, &typed.key) {
        let files = Files::new(cert.clone(), key.clone());
        let watch = Watch::new(&files.all()).map_err(RunError::Watch)?;
        return Ok(Source::Files(files, Box::new(watch)));
    }
    let (Some(own), Some(api)) = (&typed.self_managed, api) else { return Err(RunError::NoApiServer) };
    Ok(Source::Own(Box::new(Keeper::new(api, own.clone(), Arc::clone(state)))))
}

/// An error and all that led to it.
fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}

/// Looks at the certificate and the version, again and again.
async fn keep(mut source: Source, version: Version, state: Arc<State>, nudge: Arc<Notify>) {
    loop {
        let again = match source.turn(&state).await {
            Ok(again) => again,
            Err(trouble) => {
                tracing::warn!(reason = trouble, "the certificate could not be looked after");
                state.has_trouble(Some(trouble));
                AGAIN
            }
        };
        tokio::select! {
            () = tokio::time::sleep(again) => {}
            () = nudge.notified() => {}
            () = source.changed() => {}
        }
        version.look().await;
    }
}

impl Source {
    /// Mends what is to be mended; says when to look again, or what is wrong.
    async fn turn(&mut self, state: &Arc<State>) -> Result<Duration, String> {
        match self {
            Self::Own(keeper) => match keeper.turn().await {
                Err(error) if error.is_conflict() => return Ok(SOON),
                done => done.map_err(|error| told(&error))?,
            },
            Self::Files(files, _) => files.take_over(state).await.map_err(|error| told(&error))?,
        }
        state.has_trouble(None);
        Ok(ROUND)
    }

    /// When there is reason to look again before it is time.
    async fn changed(&mut self) {
        match self {
            Self::Own(_) => std::future::pending().await,
            Self::Files(_, watch) => watch.changed().await,
        }
    }
}

/// Which kind of sidecar the cluster can have.
struct Version {
    kind: SidecarKind,
    api: Option<Api>,
    state: Arc<State>,
}

impl Version {
    /// Asks the API server, if that decides; what it cannot say stays as it was.
    async fn look(&self) {
        let (SidecarKind::Auto, Some(api)) = (self.kind, &self.api) else { return };
        match api.version().await {
            Ok(version) => {
                let (native, former) = (Native::of(version), self.state.settings.load_full());
                if former.native != native {
                    tracing::info!(?version, ?native, "the cluster's version decides whether sidecars are native");
                    self.state.settings.store(Arc::new(Settings { native, ..Settings::clone(&former) }));
                }
            }
            Err(error) => tracing::warn!(reason = told(&error), "the cluster's version is not known"),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    LookAgain,
    Stop,
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self, RunError> {
        let listen = |kind| signal(kind).map_err(RunError::Signals);
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Heard {
        tokio::select! {
            _ = self.hangup.recv() => Heard::LookAgain,
            _ = self.terminate.recv() => Heard::Stop,
            _ = self.interrupt.recv() => Heard::Stop,
        }
    }

    async fn stop(&mut self) {
        while self.next().await == Heard::LookAgain {}
    }
}
