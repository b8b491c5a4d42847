//! Accepting connections and handing them to the engine.
//!
//! Refuses to accept more than the limit at once and to wait long for a handshake, because idle strangers must not crowd out guests.

use std::net::IpAddr;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use ipnet::IpNet;
use pingora_core::apps::ServerApp;
use pingora_core::protocols::{ALPN, Stream};
use rustls::ServerConfig;
use tokio::sync::{Semaphore, watch};
use tokio_util::task::TaskTracker;

use super::client_addr::is_trusted;
use super::live::{LiveHandle, LiveStreams};
use super::patience::Spans;
use super::proxy_protocol::{self, ProxyProtocolError};
use super::socket::{Accepted, Socket, Underway};
use super::wire::HeadLimits;
use super::workers::Crew;
use super::{Connection, ConnectionFacts, Witness};
use crate::config::Limits;
use crate::telemetry::Metrics;

/// How a listener treats those who come.
#[derive(Clone)]
pub struct Welcome {
    /// TLS of new connections; swapped when certificates change. Empty: plain HTTP.
    pub tls: Arc<ArcSwapOption<ServerConfig>>,
    /// Without TLS: HTTP/2 by prior knowledge (RFC 9113 §3.3), and nothing else.
    pub h2c: bool,
    /// Peers that must begin with a PROXY protocol header.
    pub proxy_protocol_from: Arc<[IpNet]>,
    pub limits: Limits,
    /// One for each connection there may be, shared by all listeners.
    pub slots: Arc<Semaphore>,
    pub streams: LiveStreams,
    pub metrics: Arc<Metrics>,
    /// Told what is refused before it is a request.
    pub witness: Arc<dyn Witness>,
}

/// One address that is being listened on.
pub struct Listener {
    socket: Socket,
    welcome: Welcome,
}

impl Listener {
    #[must_use]
    pub fn new(socket: Socket, welcome: Welcome) -> Self {
        Self { socket, welcome }
    }

    /// Accepts until `stop` says so; connections live on in `connections`, each on one thread of the `crew`.
    pub async fn serve<A>(self, crew: Arc<Crew<A>>, mut stop: watch::Receiver<bool>, connections: TaskTracker)
    where
        A: ServerApp + Send + Sync + 'static,
    {
        loop {
            let Ok(slot) = Arc::clone(&self.welcome.slots).acquire_owned().await else { return };
            let (io, peer) = tokio::select! {
                _ = stop.changed() => return,
                accepted = self.socket.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        // Mostly: too many open files. Waiting a moment lets some close.
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    }
                },
            };
            let Some((thread, app)) = crew.next() else { return };
            let (app, stop, welcome) = (Arc::clone(app), stop.clone(), self.welcome.clone());
            let conversation = async move {
                let live = welcome.streams.handle();
                let meter = &welcome.metrics.connections;
                let _open = meter.open();
                let patience = welcome.limits.handshake_timeout.0;
                match tokio::time::timeout(patience, welcome.shake_hands(io, peer, live.clone())).await {
                    Ok(Ok(stream)) => converse(&app, stream, &stop, &live).await,
                    Ok(Err(error)) => {
                        meter.failed_handshakes.one();
                        tracing::debug!(%peer, %error, "the handshake failed");
                    }
                    Err(_) => {
                        meter.failed_handshakes.one();
                        tracing::debug!(%peer, "the handshake took too long");
                    }
                }
                drop(slot);
            };
            connections.spawn_on(conversation, thread);
        }
    }
}

/// Serves the connection until it ends, or was told to and did not.
async fn converse<A: ServerApp + Send + Sync + 'static>(
    app: &Arc<A>,
    stream: Stream,
    stop: &watch::Receiver<bool>,
    live: &LiveHandle,
) {
    let serve = async {
        let mut next = Some(stream);
        while let Some(stream) = next {
            next = app.process_new(stream, stop).await;
        }
    };
    tokio::select! {
        biased;
        () = serve => {}
        () = live.overdue() => tracing::debug!("a stream was cut"),
    }
    live.end();
}

/// Why a connection did not come to a first request.
#[derive(Debug, thiserror::Error)]
enum HandshakeError {
    #[error(transparent)]
    ProxyProtocol(#[from] ProxyProtocolError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Engine(#[from] Box<pingora::Error>),
}

impl Welcome {
    async fn shake_hands(&self, io: Underway, peer: IpAddr, live: LiveHandle) -> Result<Stream, HandshakeError> {
        let mut io = Accepted::here(io)?;
        let mut facts = ConnectionFacts::plain(peer, live);
        if is_trusted(peer, &self.proxy_protocol_from)
            && let Some(client) = proxy_protocol::read(&mut io).await?
        {
            facts.peer = client;
        }
        let head =
            HeadLimits { bytes: self.limits.header_bytes, fields: self.limits.header_count, target: self.limits.target_bytes };
        let spans = Spans::from(&self.limits);
        let descriptor = io.as_raw_fd();
        let witness = Arc::clone(&self.witness);
        let Some(tls) = self.tls.load_full() else {
            let alpn = self.h2c.then_some(ALPN::H2);
            return Ok(Box::new(Connection::new(io, &descriptor, alpn, facts, head, spans, witness)?));
        };
        let stream = tokio_rustls::TlsAcceptor::from(tls).accept(io).await?;
        let (_, session) = stream.get_ref();
        let alpn = match session.alpn_protocol() {
            Some(b"h2") => ALPN::H2,
            _ => ALPN::H1,
        };
        facts.secure = true;
        facts.tls_version = match session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => Some("1.2"),
            Some(rustls::ProtocolVersion::TLSv1_3) => Some("1.3"),
            _ => None,
        };
        facts.server_name = session.server_name().map(|name| name.to_ascii_lowercase().into());
        facts.client_chain = session.peer_certificates().unwrap_or_default().iter().map(|one| one.clone().into_owned()).collect();
        Ok(Box::new(Connection::new(stream, &descriptor, Some(alpn), facts, head, spans, witness)?))
    }
}
