//! Accepting connections and handing them to the engine.
//!
//! Refuses to accept more than the limit at once and to wait long for a handshake, because idle strangers must not crowd out guests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use pingora_core::apps::ServerApp;
use pingora_core::protocols::{ALPN, Stream};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_util::task::TaskTracker;

use super::{Connection, ConnectionFacts};

/// One address that is being listened on.
pub struct Listener {
    socket: TcpListener,
    /// TLS of new connections; swapped when certificates change. Empty: plain HTTP.
    tls: Arc<ArcSwapOption<ServerConfig>>,
    handshake_timeout: Duration,
    slots: Arc<Semaphore>,
}

impl Listener {
    #[must_use]
    pub fn new(
        socket: TcpListener,
        tls: Arc<ArcSwapOption<ServerConfig>>,
        handshake_timeout: Duration,
        slots: Arc<Semaphore>,
    ) -> Self {
        Self { socket, tls, handshake_timeout, slots }
    }

    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Accepts until `stop` says so; connections live on in `connections`.
    pub async fn serve<A>(self, app: Arc<A>, mut stop: watch::Receiver<bool>, connections: TaskTracker)
    where
        A: ServerApp + Send + Sync + 'static,
    {
        loop {
            let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else { return };
            let (tcp, peer) = tokio::select! {
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
            let (app, stop, tls, patience) = (Arc::clone(&app), stop.clone(), self.tls.load_full(), self.handshake_timeout);
            connections.spawn(async move {
                match shake_hands(tcp, peer, tls, patience).await {
                    Ok(stream) => converse(&app, stream, &stop).await,
                    Err(error) => tracing::debug!(%peer, %error, "the handshake failed"),
                }
                drop(slot);
            });
        }
    }
}

async fn converse<A: ServerApp + Send + Sync + 'static>(app: &Arc<A>, stream: Stream, stop: &watch::Receiver<bool>) {
    let mut next = Some(stream);
    while let Some(stream) = next {
        next = app.process_new(stream, stop).await;
    }
}

/// Why a connection did not come to a first request.
#[derive(Debug, thiserror::Error)]
enum HandshakeError {
    #[error("it took too long")]
    Slow(#[from] tokio::time::error::Elapsed),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Engine(#[from] Box<pingora::Error>),
}

async fn shake_hands(
    tcp: TcpStream,
    peer: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    patience: Duration,
) -> Result<Stream, HandshakeError> {
    tcp.set_nodelay(true)?;
    let mut facts =
        ConnectionFacts { peer: peer.ip().to_canonical(), secure: tls.is_some(), server_name: None, client_chain: Arc::new([]) };
    let Some(tls) = tls else {
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(&tcp);
        return Ok(Box::new(Connection::new(tcp, &descriptor, None, facts)?));
    };
    let stream = tokio::time::timeout(patience, tokio_rustls::TlsAcceptor::from(tls).accept(tcp)).await??;
    let (tcp, session) = stream.get_ref();
    let alpn = match session.alpn_protocol() {
        Some(b"h2") => ALPN::H2,
        _ => ALPN::H1,
    };
    facts.server_name = session.server_name().map(|name| name.to_ascii_lowercase().into());
    facts.client_chain = session.peer_certificates().unwrap_or_default().iter().map(|one| one.clone().into_owned()).collect();
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(tcp);
    Ok(Box::new(Connection::new(stream, &descriptor, Some(alpn), facts)?))
}
