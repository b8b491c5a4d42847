//! One server: where it is, whether it is well, how busy it is.
//!
//! Refuses to look up a name while a request waits: addresses are looked up beforehand and again in the background.

use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::HeaderValue;
use pingora::upstreams::peer::HttpPeer;

use super::address::{Address, Place, Scheme};
use super::line::{Dialer, Late, Line, Lines, Turn};
use super::tls::Trust;
use crate::clock::Timestamp;
use crate::config::upstream::{HttpVersion, Timeouts};

/// How long a server that refused a connection is passed over while another is well.
const SHUNNED: Duration = Duration::from_secs(5);
/// How long a connection may wait unused for the next request.
pub(super) const KEPT: Duration = Duration::from_secs(60);
/// How long an answer to a body over HTTP/2 may pause, whose wait the engine does not tell from the time that the body takes.
const UPLOAD: Duration = Duration::from_hours(1);
/// Requests at once on one HTTP/2 connection.
const STREAMS: usize = 100;
/// Bytes in flight towards Doorward for one HTTP/2 stream and for a connection: what a slow reader can make it hold.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// One server of an upstream.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: Address,
    pub(super) label: Box<str>,
    /// What its `Host` is.
    pub(super) authority: HeaderValue,
    /// Empty while its name cannot be looked up.
    peers: ArcSwapOption<Peers>,
    pub(super) lines: Arc<Lines>,
    shape: Shape,
    in_flight: AtomicUsize,
    /// What the health checks last concluded; true without checks.
    well: AtomicBool,
    /// Milliseconds since the epoch until which it is passed over, after it refused a connection.
    shunned_until: AtomicI64,
}

/// How to talk to it.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) http: HttpVersion,
    pub(super) timeouts: Timeouts,
    pub(super) trust: Trust,
}

/// Its addresses, ready to connect to.
#[derive(Debug)]
struct Peers {
    addresses: Vec<SocketAddr>,
    /// One for each address.
    ready: Vec<Ways>,
    next: AtomicUsize,
}

/// The ways to one address.
#[derive(Debug)]
struct Ways {
    usual: Arc<Way>,
    /// For what goes by HTTP/2 or not at all.
    newer: Arc<Way>,
    /// For what has a body.
    upload: Arc<Way>,
}

/// What a request needs of its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Nothing,
    /// HTTP/2 from end to end.
    Http2,
    /// Time for its body.
    Upload,
}

/// How to get to one address of a server.
#[derive(Debug)]
pub struct Way {
    pub peer: HttpPeer,
    /// Its own: a connection serves on the way it was made for, and so under the limits and the trust of its configuration. The
    /// engine's pool is told the same.
    pub(super) key: u64,
}

impl Way {
    pub(super) fn new(mut peer: HttpPeer) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let key = NEXT.fetch_add(1, Ordering::Relaxed);
        peer.group_key = key;
        Arc::new(Self { peer, key })
    }
}

impl Server {
    pub(super) fn new(address: Address, label: &str, shape: Shape, well: bool) -> Self {
        let authority = HeaderValue::try_from(address.authority()).unwrap_or_else(|_| HeaderValue::from_static("localhost"));
        let lines = Arc::new(Lines::new(shape.timeouts.first_byte.0));
        let server = Self {
            address,
            lines,
            label: label.into(),
            authority,
            peers: ArcSwapOption::empty(),
            shape,
            in_flight: AtomicUsize::new(0),
            well: AtomicBool::new(well),
            shunned_until: AtomicI64::new(i64::MIN),
        };
        match &server.address.place {
            Place::Ip(address) => server.settle(vec![*address]),
            Place::Socket(path) => server.settle_at_socket(path),
            Place::Name { .. } => {}
        }
        server
    }

    /// Takes over what its name was looked up to be, unless it is what is known already.
    pub(super) fn settle(&self, mut addresses: Vec<SocketAddr>) {
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.is_empty() || self.peers.load().as_ref().is_some_and(|known| known.addresses == addresses) {
            return;
        }
        let tls = self.address.scheme == Scheme::Https;
        // Without TLS there is no name to check, and an empty one costs nothing to copy.
        let name = if tls { self.server_name() } else { String::new() };
        let ready = addresses.iter().map(|address| self.shaped(HttpPeer::new(*address, tls, name.clone()))).collect();
        self.peers.store(Some(Arc::new(Peers { addresses, ready, next: AtomicUsize::new(0) })));
    }

    fn server_name(&self) -> String {
        self.shape.trust.server_name.clone().unwrap_or_else(|| self.address.server_name())
    }

    fn settle_at_socket(&self, path: &str) {
        if let Ok(peer) = HttpPeer::new_uds(path, false, String::new()) {
            let peers = Peers { addresses: Vec::new(), ready: vec![self.shaped(peer)], next: AtomicUsize::new(0) };
            self.peers.store(Some(Arc::new(peers)));
        }
    }

    fn shaped(&self, mut peer: HttpPeer) -> Ways {
        let (shape, options) = (&self.shape, &mut peer.options);
        options.connection_timeout = Some(shape.timeouts.connect.0);
        options.total_connection_timeout = Some(shape.timeouts.connect.0);
        options.custom_l4 = Some(Arc::new(Dialer(Arc::clone(&self.lines))));
        // Silence once the answer has begun; the wait for it is bounded by the connection's line.
        let silence = shape.timeouts.idle.0.max(shape.timeouts.first_byte.0);
        options.read_timeout = Some(silence);
        options.write_timeout = Some(silence);
        options.idle_timeout = Some(KEPT);
        options.max_h2_streams = STREAMS;
        options.h2_stream_window_size = Some(STREAM_WINDOW);
        options.h2_connection_window_size = Some(CONNECTION_WINDOW);
        options.ca.clone_from(&shape.trust.authorities);
        peer.client_cert_key.clone_from(&shape.trust.certificate);
        let (usual, newer) = self.versions();
        let speaking = |(newest, oldest)| {
            let mut peer = peer.clone();
            peer.options.set_http_version(newest, oldest);
            peer
        };
        let way = Way::new(speaking(usual));
        let newer = if newer == usual { Arc::clone(&way) } else { Way::new(speaking(newer)) };
        let upload = if self.is_http1() {
            Arc::clone(&way)
        } else {
            let mut peer = speaking(usual);
            // Over HTTP/2 the engine counts the time for an answer from the head of its request on, however long the body takes. So
            // it is given plenty, and the connection, which serves this request alone, keeps the time as it does on HTTP/1.1.
            peer.options.read_timeout = Some(silence.max(UPLOAD));
            peer.options.max_h2_streams = 1;
            Way::new(peer)
        };
        Ways { usual: way, newer, upload }
    }

    /// The newest and the oldest version of HTTP to speak to it, for ordinary requests and for those that need HTTP/2.
    const fn versions(&self) -> ((u8, u8), (u8, u8)) {
        match (self.address.scheme, self.shape.http) {
            (_, HttpVersion::Http2) | (Scheme::H2c, _) => ((2, 2), (2, 2)),
            (Scheme::Https, HttpVersion::Auto) => ((1, 1), (2, 1)),
            (Scheme::Http | Scheme::Https | Scheme::Unix, _) => ((1, 1), (1, 1)),
        }
    }

    /// Whether ordinary requests to it are sent in HTTP/1.1.
    pub(super) const fn is_http1(&self) -> bool {
        matches!(self.versions(), ((1, _), _))
    }

    /// The way to one of its addresses, as far as the configuration leaves it open.
    pub(super) fn way(&self, need: Need) -> Option<Arc<Way>> {
        let peers = self.peers.load();
        let peers = peers.as_ref()?;
        let turn = if peers.ready.len() == 1 { 0 } else { peers.next.fetch_add(1, Ordering::Relaxed) % peers.ready.len() };
        let ways = peers.ready.get(turn)?;
        Some(Arc::clone(match need {
            Need::Nothing => &ways.usual,
            Need::Http2 => &ways.newer,
            Need::Upload => &ways.upload,
        }))
    }

    pub(super) fn is_known(&self) -> bool {
        self.peers.load().is_some()
    }

    pub(super) fn is_well(&self) -> bool {
        self.well.load(Ordering::Relaxed)
    }

    /// Says whether that is news.
    pub(super) fn set_well(&self, well: bool) -> bool {
        self.well.swap(well, Ordering::Relaxed) != well
    }

    /// Whether it should be given a request, others being there.
    pub(super) fn is_fit(&self, now: Timestamp) -> bool {
        self.is_well() && self.is_known() && self.shunned_until.load(Ordering::Relaxed) <= now.millis()
    }

    /// It did not take a connection.
    pub(super) fn shun(&self, now: Timestamp) {
        self.shunned_until.store(now.after(SHUNNED).millis(), Ordering::Relaxed);
    }

    pub(super) fn load(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
}

/// A request's place at a server; given back when dropped.
#[derive(Debug)]
pub struct Lease {
    pub(super) server: Arc<Server>,
    /// How many servers were tried before this one.
    pub(super) tries: usize,
    /// Its turn on the connection it is on, where that is its own for the time being.
    turn: Option<Turn>,
}

impl Lease {
    pub(super) fn new(server: Arc<Server>, tries: usize) -> Self {
        server.in_flight.fetch_add(1, Ordering::Relaxed);
        Self { server, tries, turn: None }
    }

    /// The request goes out on the connection with this descriptor; its answer is awaited from now on. Says whether the wait for
    /// the answer's head is bounded thereby.
    pub fn connected(&mut self, descriptor: RawFd, peer: &HttpPeer) -> bool {
        if peer.options.alpn.get_max_http_version() == 1 || peer.options.max_h2_streams == 1 {
            self.turn = self.server.lines.await_answer(descriptor);
        }
        self.turn.is_some()
    }

    fn line(&self) -> Option<&Line> {
        self.turn.as_ref().and_then(Turn::line)
    }

    /// The client has so long for the rest of its request, beside what it earns by sending.
    pub fn await_rest(&self, within: Duration) {
        if let Some(line) = self.line() {
            self.server.lines.await_rest(line, within);
        }
    }

    /// So many bytes of the request's body go out, or the end of it: its answer is awaited from now on.
    pub fn sending(&self, bytes: usize, end: bool) {
        if let Some(line) = self.line().filter(|line| line.owes()) {
            self.server.lines.renew(line);
            line.take_rest(bytes, end);
        }
    }

    /// The head of the answer is here.
    pub fn answered(&self) {
        if let Some(line) = self.line() {
            line.settle();
        }
    }

    /// What did not come in time, if its connection was cut for that.
    #[must_use]
    pub fn overdue(&self) -> Option<Late> {
        self.line()?.was_cut()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.answered();
        self.server.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
