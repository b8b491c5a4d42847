//! Where API servers call: TLS and HTTP/1.1.
//!
//! Refuses plain text, more connections than it has places, and who is slow to say what it wants, because a webhook that does not answer
//! stops every pod of the cluster.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use super::state::State;

/// Connections at once.
const PLACES: usize = 512;
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Longer than Go's client, which API servers are, keeps an idle connection (90 s), so that it is never closed under a call.
const HEAD: Duration = Duration::from_secs(100);
const LARGEST_HEAD: usize = 32 * 1024;

/// Serves until told to stop; then lets calls that are under way end within `grace`.
pub(super) async fn serve(
    socket: TcpListener,
    state: Arc<State>,
    router: Router,
    mut stop: watch::Receiver<bool>,
    grace: Duration,
) {
    let places = Arc::new(Semaphore::new(PLACES));
    let (graceful, handshakes) = (GracefulShutdown::new(), TaskTracker::new());
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
        let stream = tokio::select! {
            _ = stop.changed() => break,
            accepted = socket.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Mostly: too many open files. Waiting a moment lets some close.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        handshakes.spawn(converse(stream, Arc::clone(&state), router.clone(), graceful.watcher(), place));
    }
    drop(socket);
    if timeout(grace, graceful.shutdown()).await.is_err() {
        tracing::warn!("some calls did not end within the grace");
    }
}

async fn converse(
    stream: TcpStream,
    state: Arc<State>,
    router: Router,
    watcher: hyper_util::server::graceful::Watcher,
    _place: OwnedSemaphorePermit,
) {
    let Some(tls) = state.tls.load_full() else {
        tracing::debug!("a call before there is a certificate");
        return;
    };
    let stream = match timeout(HANDSHAKE, TlsAcceptor::from(tls).accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            state.count("failed_handshake");
            tracing::debug!(%error, "a connection ended before a first call");
            return;
        }
        Err(_) => return,
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}
