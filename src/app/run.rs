//! Running: listeners up, a new configuration in place of the old, drained at the end.
//!
//! Refuses new connections once it was told to stop, and cuts what has not ended within the grace.

use std::net::TcpListener as Opened;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use pingora::proxy::{HttpProxy, http_proxy};
use pingora_core::apps::{HttpServerOptions, ServerApp as _};
use pingora_core::server::configuration::ServerConf;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::memory::Memory;
use super::plan::Plan;
use super::severance::{self, Judges};
use crate::audit::Recorder;
use crate::clock::SharedClock;
use crate::config::{Limits, Store};
use crate::edge::front::Front;
use crate::edge::listener::{Listener, Welcome};
use crate::edge::redirect::{Destination, Redirect};
use crate::edge::socket::Socket;
use crate::edge::workers::{Crew, Workers};
use crate::edge::{CloseReason, LiveStreams, Witness};
use crate::forward::NO_AUTHORITIES;
use crate::login::Login;
use crate::model::Change;
use crate::proxy::Doorward;
use crate::proxy::gateway::{Gateway, Overlapping};
use crate::proxy::unheard::Unheard;
use crate::revocation::{Bus, Subscription};
use crate::telemetry::Telemetry;

/// Between two tries to read the connections of the store.
const AGAIN: Duration = Duration::from_secs(1);

/// A running front door.
pub struct Running {
    /// In the order of `listeners`.
    pub addresses: Vec<String>,
    /// What `memory` was opened from.
    store: Option<Store>,
    memory: Memory,
    telemetry: Arc<Telemetry>,
    gateway: Arc<ArcSwap<Gateway>>,
    tls: Vec<Arc<ArcSwapOption<ServerConfig>>>,
    stop: watch::Sender<bool>,
    destination: Arc<ArcSwap<Destination>>,
    crew: Arc<Crew<Front<HttpProxy<Doorward>>>>,
    streams: LiveStreams,
    listeners: TaskTracker,
    connections: TaskTracker,
    /// Ends with the server.
    _following: AbortOnDropHandle<()>,
    _severing: AbortOnDropHandle<()>,
    grace: Duration,
}

/// Why it did not come up.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address}")]
    Listen {
        address: String,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot start the threads that serve")]
    Threads(#[source] std::io::Error),
    #[error(transparent)]
    Pages(#[from] Overlapping),
}

/// Brings the listeners up; the first of them on sockets that were opened `before`.
pub async fn start(
    mut plan: Plan,
    memory: Memory,
    telemetry: Arc<Telemetry>,
    clock: SharedClock,
    before: Vec<Opened>,
) -> Result<Running, StartError> {
    let limits = plan.config.limits;
    let grace = plan.config.shutdown.grace.0;
    let store = plan.config.store.clone();
    let planned = std::mem::take(&mut plan.listeners);
    let sinks = std::mem::take(&mut plan.sinks);
    telemetry.export.apply(plan.export.take());
    let destination = Arc::new(ArcSwap::from_pointee(plan.destination()));
    let gateway = Arc::new(ArcSwap::from_pointee(plan.gateway(&memory, &telemetry)?));
    gateway.load().authn.warm_up(clock.now());
    gateway.load().forwarding.upstreams.begin().await;
    let streams = LiveStreams::default();
    forget(memory.bus(), &gateway);
    let changed = memory.bus().subscribe();
    take_over(&gateway.load()).await;
    let following = tokio::spawn(follow(changed, Arc::clone(&gateway)));
    let judges = Judges { memory: memory.clone(), gateway: Arc::clone(&gateway), clock: Arc::clone(&clock) };
    let severing = tokio::spawn(severance::watch(memory.bus().subscribe(), streams.clone(), judges));
    let workers = Arc::new(Workers::start().map_err(StartError::Threads)?);
    let app = || Doorward::new(Arc::clone(&gateway), Arc::clone(&clock), Arc::clone(&telemetry), memory.audit.clone());
    let unheard = Unheard::new(Arc::clone(&gateway), Arc::clone(&clock), Arc::clone(&telemetry), memory.audit.clone());
    let witness: Arc<dyn Witness> = Arc::new(unheard);
    let redirect = Arc::new(Redirect::new(Arc::clone(&destination), Arc::clone(&clock), Arc::clone(&witness)));
    let redirect = Arc::new(Crew::new(Arc::clone(&workers), || Arc::clone(&redirect)));
    let crew = Arc::new(Crew::new(workers, || engine(app(), &limits)));
    let (stop, stopped) = watch::channel(false);
    let (listeners, connections) = (TaskTracker::new(), TaskTracker::new());
    let slots = Arc::new(Semaphore::new(limits.connections));
    let (mut addresses, mut swaps) = (Vec::new(), Vec::new());
    let mut before = before.into_iter();
    for typed in planned {
        let error = |source| StartError::Listen { address: typed.address.clone(), source };
        let socket = match before.next() {
            Some(socket) => adopt(socket).map(Socket::from).map_err(error)?,
            None => Socket::bind(&typed.address).await.map_err(error)?,
        };
        addresses.push(socket.address().map_err(error)?);
        let tls = Arc::new(ArcSwapOption::new(typed.tls));
        swaps.push(Arc::clone(&tls));
        let (slots, streams, metrics) = (Arc::clone(&slots), streams.clone(), Arc::clone(&telemetry.metrics));
        let witness = Arc::clone(&witness);
        let proxy_protocol_from = typed.proxy_protocol_from;
        let h2c = typed.h2c;
        let listener = Listener::new(socket, Welcome { tls, h2c, proxy_protocol_from, limits, slots, streams, metrics, witness });
        if typed.redirect {
            listeners.spawn(listener.serve(Arc::clone(&redirect), stopped.clone(), connections.clone()));
        } else {
            listeners.spawn(listener.serve(Arc::clone(&crew), stopped.clone(), connections.clone()));
        }
    }
    memory.deliver(sinks);
    memory.watch();
    Ok(Running {
        addresses,
        store,
        memory,
        telemetry,
        gateway,
        tls: swaps,
        stop,
        destination,
        crew,
        streams,
        listeners,
        connections,
        _following: AbortOnDropHandle::new(following),
        _severing: AbortOnDropHandle::new(severing),
        grace,
    })
}

impl Running {
    /// Puts a new plan in place of the old for all requests and handshakes that begin from now on. Addresses stay as they are.
    pub async fn replace(&self, mut plan: Plan) -> Result<(), Overlapping> {
        let planned = std::mem::take(&mut plan.listeners);
        let sinks = std::mem::take(&mut plan.sinks);
        self.telemetry.export.apply(plan.export.take());
        let destination = plan.destination();
        let gateway = plan.gateway(&self.memory, &self.telemetry)?;
        self.memory.deliver(sinks);
        gateway.forwarding.upstreams.begin().await;
        take_over(&gateway).await;
        gateway.authn.inherit(&self.gateway.load().authn);
        for (swap, planned) in self.tls.iter().zip(&planned) {
            swap.store(planned.tls.clone());
        }
        self.destination.store(Arc::new(destination));
        let former = self.gateway.swap(Arc::new(gateway));
        // No store tells of a break-glass account that is gone, so that its streams are looked at whenever it may be.
        for user in former.authn.break_glass() {
            self.memory.bus().publish(Change::User(user));
        }
        // What changed in between was told to the old one.
        take_over(&self.gateway.load_full()).await;
        Ok(())
    }

    /// The store that stays until the end.
    #[must_use]
    pub fn store(&self) -> &Option<Store> {
        &self.store
    }

    /// Where it is recorded what becomes of the server.
    #[must_use]
    pub fn audit(&self) -> &Recorder {
        &self.memory.audit
    }

    /// The journey as it stands at each moment.
    #[must_use]
    pub fn gateway(&self) -> &Arc<ArcSwap<Gateway>> {
        &self.gateway
    }

    /// The long answers that are under way, for those who must end some of them.
    #[must_use]
    pub fn streams(&self) -> &LiveStreams {
        &self.streams
    }

    /// Stops accepting, ends long answers politely, lets requests in flight end within the grace, and says how many connections
    /// had to be cut.
    pub async fn drain(self) -> usize {
        self.stop.send_replace(true);
        self.listeners.close();
        self.listeners.wait().await;
        for engine in self.crew.apps() {
            engine.cleanup().await;
        }
        self.streams.close_all(CloseReason::GoingAway);
        self.connections.close();
        // What is left after the grace is cut when the runtime ends.
        let _ = tokio::time::timeout(self.grace, self.connections.wait()).await;
        self.memory.settle().await;
        self.connections.len()
    }
}

/// Passes on what changed in the store to whatever is remembered from it, for as long as the server lives.
fn forget(bus: &Bus, gateway: &Arc<ArcSwap<Gateway>>) {
    let gateway = Arc::downgrade(gateway);
    bus.forget_by(move |change| {
        if let Some(gateway) = gateway.upgrade() {
            gateway.load().authn.forget(change);
        }
    });
}

/// Takes over the connections of the store whenever they change, or may have.
async fn follow(mut changes: Subscription, gateway: Arc<ArcSwap<Gateway>>) {
    while let Some(change) = changes.next().await {
        if matches!(change, Change::Connections | Change::Everything) {
            while !take_over(&gateway.load_full()).await {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// Puts the store's connections in force; says whether they could be read.
async fn take_over(gateway: &Gateway) -> bool {
    let done = Login::take_over_connections(gateway.logins()).await;
    if let Err(error) = &done {
        tracing::warn!(%error, "the connections of the store could not be read");
    }
    done.is_ok()
}

/// Takes over a socket that was opened before the runtime.
pub fn adopt(socket: Opened) -> std::io::Result<TcpListener> {
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket)
}

fn engine(app: Doorward, limits: &Limits) -> Arc<Front<HttpProxy<Doorward>>> {
    let conf = ServerConf {
        threads: 1,
        upstream_keepalive_pool_size: 256,
        max_retries: 3,
        ca_file: Some(NO_AUTHORITIES.to_owned()),
        ..ServerConf::default()
    };
    let mut proxy = http_proxy(&Arc::new(conf), app);
    // CONNECT is refused by the journey; the engine would refuse it in its own name.
    let mut options = HttpServerOptions::default();
    options.allow_connect_method_proxying = true;
    proxy.server_options = Some(options);
    Arc::new(Front::new(Arc::new(proxy), limits))
}
