//! Listeners beside the front door: HTTP/1.1 for probes, scrapes and the calls of API servers.
//!
//! Refuses more connections than it has places, more of them to one address than its share, and who is slow to say what it wants, because
//! what can be filled from one place takes the descriptors that the front door needs, and answers nobody else.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use futures::future::BoxFuture;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Longest wait for the first request of a connection.
const FIRST: Duration = Duration::from_secs(10);
const LARGEST_HEAD: usize = 32 * 1024;

/// How much a listener bears.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at once.
    pub places: usize,
    /// How many of them one address may have.
    pub share: usize,
    /// Longest wait for another request on a connection that had one.
    pub idle: Duration,
}

/// Serves `pages` until `stop`; then lets calls that are under way end within `grace`. `secure` makes of a connection what is read from;
/// `None`: nothing is.
pub async fn serve<H, S>(socket: TcpListener, bounds: Bounds, pages: Router, secure: H, stop: CancellationToken, grace: Duration)
where
    H: Fn(TcpStream) -> BoxFuture<'static, Option<S>>,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let places = Arc::new(Semaphore::new(bounds.places));
    let shares = Arc::new(Shares { most: bounds.share, taken: Mutex::default() });
    let conversations = TaskTracker::new();
    while let Some(accepted) = stop.run_until_cancelled(accept(&socket, &places)).await {
        let (stream, peer, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Mostly: too many open files. Waiting a moment lets some close.
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Some(share) = shares.take(peer) else {
            tracing::debug!(%peer, "an address has all the connections that it may have");
            continue;
        };
        let (secured, pages, stop) = (secure(stream), pages.clone(), stop.clone());
        conversations.spawn(async move {
            if let Some(stream) = secured.await {
                converse(stream, pages, bounds.idle, stop).await;
            }
            drop((place, share));
        });
    }
    drop(socket);
    conversations.close();
    if timeout(grace, conversations.wait()).await.is_err() {
        tracing::warn!("some calls did not end within the grace");
    }
}

async fn accept(socket: &TcpListener, places: &Arc<Semaphore>) -> io::Result<(TcpStream, IpAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = socket.accept().await?;
    Ok((stream, peer.ip().to_canonical(), place))
}

async fn converse<S>(stream: S, pages: Router, idle: Duration, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let begun = Arc::new(Notify::new());
    let (pages, told) = (TowerToHyperService::new(pages), Arc::clone(&begun));
    let answer = service_fn(move |request: Request<hyper::body::Incoming>| {
        told.notify_one();
        pages.call(request)
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(idle)
            .max_buf_size(LARGEST_HEAD)
            .serve_connection(TokioIo::new(stream), answer)
    );
    tokio::select! {
        ended = connection.as_mut() => return tell(ended),
        () = begun.notified() => {}
        () = stop.cancelled() => {}
        () = sleep(FIRST) => return,
    }
    tell(tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    });
}

fn tell(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// How many connections each address has.
struct Shares {
    most: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// One of them.
struct Share {
    of: Arc<Shares>,
    peer: IpAddr,
}

impl Shares {
    fn take(self: &Arc<Self>, peer: IpAddr) -> Option<Share> {
        let mut taken = self.lock();
        let its = taken.entry(peer).or_default();
        (*its < self.most).then(|| {
            *its += 1;
            Share { of: Arc::clone(self), peer }
        })
    }

    /// A thread that died while counting has left the counts whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.of.lock();
        if let Some(its) = taken.get_mut(&self.peer) {
            *its -= 1;
            if *its == 0 {
                taken.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_share_until_it_gives_some_back_and_leaves_nothing_behind() {
        let shares = Arc::new(Shares { most: 2, taken: Mutex::default() });
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let (first, second) = (shares.take(one), shares.take(one));
        assert!(first.is_some() && second.is_some() && shares.take(one).is_none());
        assert!(shares.take(other).is_some());
        drop(first);
        let third = shares.take(one);
        assert!(third.is_some() && shares.take(one).is_none());
        drop((second, third));
        assert!(shares.lock().is_empty());
    }
}
