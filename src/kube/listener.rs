//! Where API servers call: TLS and HTTP/1.1.
//!
//! Refuses plain text, and all that any listener refuses, because a webhook that does not answer stops every pod of the cluster.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::state::State;
use crate::listener::{self, Bounds};

const BOUNDS: Bounds = Bounds {
    places: 512,
    // Of one address there are four API servers at most, where a proxy stands before them (konnectivity); each keeps 25 idle
    // connections (client-go, `idleConnsPerHost`).
    share: 128,
    // Longer than Go's client, which API servers are, keeps an idle connection (90 s), so that it is never closed under a call.
    idle: Duration::from_secs(100),
};
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Serves until told to stop; then lets calls that are under way end within `grace`.
pub(super) async fn serve(socket: TcpListener, state: Arc<State>, pages: Router, stop: CancellationToken, grace: Duration) {
    let secure = move |stream| Box::pin(handshake(stream, Arc::clone(&state))) as _;
    listener::serve(socket, BOUNDS, pages, secure, stop, grace).await;
}

async fn handshake(stream: TcpStream, state: Arc<State>) -> Option<TlsStream<TcpStream>> {
    let Some(tls) = state.tls.load_full() else {
        tracing::debug!("a call before there is a certificate");
        return None;
    };
    match timeout(HANDSHAKE, TlsAcceptor::from(tls).accept(stream)).await.ok()? {
        Ok(stream) => Some(stream),
        Err(error) => {
            state.count("failed_handshake");
            tracing::debug!(%error, "a connection ended before a first call");
            None
        }
    }
}
