//! HTTP/1.1 connections to servers that wait for their next request.
//!
//! Refuses to give each of them a task that watches it, because starting and ending one for every request costs more than the
//! request: a connection is looked at when it is taken, and all of them now and then, so that what a server closed does not stay.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::FutureExt as _;
use pingora_core::connectors::{ConnectorOptions, TransportConnector};
use pingora_core::protocols::Stream;
use tokio::io::AsyncReadExt as _;
use tokio::time::Instant;

use super::NO_AUTHORITIES;
use super::server::{KEPT, Way};

/// Connections that wait for one server, at most.
const MOST: usize = 256;
/// How often those are let go of that wait for too long or that the server closed.
const LOOKED_AFTER_EVERY: Duration = Duration::from_secs(5);

/// The connections of one thread, whose runtime they belong to.
pub struct Pool {
    /// By [`Way::key`]; the one that has waited longest comes first.
    waiting: Mutex<HashMap<u64, Vec<Waiting>>>,
    connector: TransportConnector,
}

struct Waiting {
    stream: Stream,
    since: Instant,
}

impl Pool {
    #[must_use]
    pub fn new() -> Arc<Self> {
        let options = ConnectorOptions { ca_file: Some(NO_AUTHORITIES.to_owned()), ..ConnectorOptions::new(1) };
        Arc::new(Self { waiting: Mutex::default(), connector: TransportConnector::new(Some(options)) })
    }

    /// A connection, and whether it served before.
    ///
    /// # Errors
    /// The engine's, when none can be made.
    pub async fn connect(&self, way: &Way) -> pingora::Result<(Stream, bool)> {
        match self.take(way) {
            Some(stream) => Ok((stream, true)),
            None => Ok((self.connector.new_stream(&way.peer).await?, false)),
        }
    }

    /// The connection that served last and is still whole.
    fn take(&self, way: &Way) -> Option<Stream> {
        let mut all = self.waiting();
        let here = all.get_mut(&way.key)?;
        while let Some(mut waiting) = here.pop() {
            if waiting.is_whole() {
                return Some(waiting.stream);
            }
        }
        None
    }

    /// Keeps a connection whose last answer was read to its end.
    pub fn keep(self: &Arc<Self>, way: &Way, stream: Stream) {
        let mut all = self.waiting();
        if all.is_empty() {
            tokio::spawn(look_after(Arc::downgrade(self)));
        }
        let here = all.entry(way.key).or_default();
        if here.len() < MOST {
            here.push(Waiting { stream, since: Instant::now() });
        }
    }

    /// Lets go of what is of no more use; says whether anything is left.
    fn tidy(&self) -> bool {
        let mut all = self.waiting();
        all.retain(|_, here| {
            here.retain_mut(|waiting| waiting.since.elapsed() < KEPT && waiting.is_whole());
            !here.is_empty()
        });
        !all.is_empty()
    }

    /// A panic elsewhere leaves the map whole: each change is one call.
    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, Vec<Waiting>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Whether the server has neither closed it nor said anything without being asked, which would be taken for an answer.
    fn is_whole(&mut self) -> bool {
        // Outside the runtime's budget, so that pending means that nothing is there.
        tokio::task::unconstrained(self.stream.read(&mut [0])).now_or_never().is_none()
    }
}

async fn look_after(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(LOOKED_AFTER_EVERY).await;
        if !pool.upgrade().is_some_and(|pool| pool.tidy()) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use pingora::upstreams::peer::HttpPeer;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// A server that was connected to once, and the door's end and its own end of that connection.
    async fn connected(pool: &Arc<Pool>) -> (TcpListener, Arc<Way>, Stream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let way = Way::new(HttpPeer::new(listener.local_addr().unwrap(), false, String::new()));
        let (ours, theirs) = tokio::join!(pool.connect(&way), listener.accept());
        let (stream, reused) = ours.unwrap();
        assert!(!reused);
        (listener, way, stream, theirs.unwrap().0)
    }

    /// Waits until the runtime knows what happened on the wire, which it learns while it waits.
    async fn settled(pool: &Pool, whole: usize) {
        for _ in 0..1000 {
            let counted = AtomicUsize::new(0);
            for waiting in pool.waiting().values_mut().flatten() {
                counted.fetch_add(usize::from(waiting.is_whole()), Ordering::Relaxed);
            }
            if counted.into_inner() == whole {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("never {whole} whole connections");
    }

    #[tokio::test]
    async fn the_connection_that_served_last_serves_next() {
        let pool = Pool::new();
        let (listener, way, first, _theirs) = connected(&pool).await;
        let (second, reused) = pool.connect(&way).await.unwrap();
        assert!(!reused);
        let _accepted = listener.accept().await.unwrap();
        let descriptor = second.id();
        pool.keep(&way, first);
        pool.keep(&way, second);
        let (stream, reused) = pool.connect(&way).await.unwrap();
        assert!(reused);
        assert_eq!(stream.id(), descriptor);
        let (_other, reused) = pool.connect(&way).await.unwrap();
        assert!(reused);
        assert!(!pool.connect(&way).await.unwrap().1, "there were only two");
    }

    #[tokio::test]
    async fn a_connection_of_one_server_does_not_serve_another() {
        let pool = Pool::new();
        let (_one, way, stream, _theirs) = connected(&pool).await;
        let (_two, other, _stream, _theirs) = connected(&pool).await;
        pool.keep(&way, stream);
        assert!(!pool.connect(&other).await.unwrap().1);
        let renewed = Way::new(way.peer.clone());
        assert!(!pool.connect(&renewed).await.unwrap().1, "nor the same one under another configuration");
        assert!(pool.connect(&way).await.unwrap().1);
    }

    #[tokio::test]
    async fn what_the_server_closed_or_spoke_on_unasked_is_not_used_and_does_not_stay() {
        let pool = Pool::new();
        for unasked in [false, true] {
            let (_listener, way, stream, mut theirs) = connected(&pool).await;
            pool.keep(&way, stream);
            settled(&pool, 1).await;
            if unasked {
                theirs.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            } else {
                drop(theirs);
            }
            settled(&pool, 0).await;
            assert!(pool.take(&way).is_none(), "unasked {unasked}");
            assert!(!pool.tidy());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_long_is_let_go_of() {
        let pool = Pool::new();
        let (_listener, way, stream, mut theirs) = connected(&pool).await;
        pool.keep(&way, stream);
        tokio::time::sleep(KEPT + LOOKED_AFTER_EVERY * 2).await;
        assert_eq!(theirs.read(&mut [0]).await.unwrap(), 0, "it is still open");
        assert!(pool.take(&way).is_none());
    }
}
