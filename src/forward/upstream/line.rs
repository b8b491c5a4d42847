//! The first-byte deadline: connections to servers that can be cut while the engine reads from them.
//!
//! Refuses to measure silence after the answer began with the same clock as the wait for it: the engine knows one read timeout
//! for both, so that one is set to the longer (`idle`), and a server that owes its answer for longer than `first_byte` has its
//! connection shut down from here; so is it where the client of an HTTP/2 stream, which the engine reads without a timer, takes too
//! long over its request (threats D6). An HTTP/2 connection that carries many requests is never cut for one of them.

use std::collections::HashMap;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::upstreams::peer::{Tracer, Tracing};
use pingora::{Error, ErrorType};
use pingora_core::connectors::L4Connect;
use socket2::Socket;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;

use crate::edge::patience::PER_BYTE;

/// The open connections to one server.
#[derive(Debug)]
pub(super) struct Lines {
    open: Mutex<HashMap<RawFd, Arc<Line>>>,
    /// What `Line::due` counts from.
    epoch: Instant,
    first_byte: Duration,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Line {
    /// A second handle on the engine's socket; it is let go of when the engine drops its own.
    twin: Socket,
    /// Milliseconds after `Lines::epoch` at which the answer is overdue; `u64::MAX`: nothing is owed.
    due: AtomicU64,
    /// The same for the rest of the request, where the stream it comes on has no timer of its own.
    rest_due: AtomicU64,
    cut: AtomicU8,
    /// Which request it serves, counted.
    turn: AtomicU64,
}

/// One request's time on a connection.
#[derive(Debug)]
pub(super) struct Turn {
    line: Arc<Line>,
    number: u64,
}

impl Turn {
    /// The connection, until it serves the next request: an HTTP/2 one does so before this one's answer to its client is written.
    pub(super) fn line(&self) -> Option<&Line> {
        (self.line.turn.load(Ordering::Relaxed) == self.number).then_some(&self.line)
    }
}

/// Who kept the other waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// The server with its answer.
    Answer,
    /// The client with its request.
    Request,
}

const NOT_CUT: u8 = 0;
const ANSWER_LATE: u8 = 1;
const REQUEST_LATE: u8 = 2;

const NOTHING_OWED: u64 = u64::MAX;

impl Lines {
    pub(super) fn new(first_byte: Duration) -> Self {
        Self { open: Mutex::default(), epoch: Instant::now(), first_byte }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<RawFd, Arc<Line>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(NOTHING_OWED - 1)
    }

    /// From now on the connection with this descriptor owes an answer.
    pub(super) fn await_answer(&self, descriptor: RawFd) -> Option<Turn> {
        let line = self.open().get(&descriptor).map(Arc::clone)?;
        line.cut.store(NOT_CUT, Ordering::Relaxed);
        line.rest_due.store(NOTHING_OWED, Ordering::Relaxed);
        let number = line.turn.fetch_add(1, Ordering::Relaxed) + 1;
        self.renew(&line);
        Some(Turn { line, number })
    }

    /// The request is still being sent: the time for its answer begins anew.
    pub(super) fn renew(&self, line: &Line) {
        let patience = u64::try_from(self.first_byte.as_millis()).unwrap_or(NOTHING_OWED);
        line.due.store(self.now().saturating_add(patience), Ordering::Relaxed);
    }

    /// The client has so long for the rest of its request.
    pub(super) fn await_rest(&self, line: &Line, within: Duration) {
        let within = u64::try_from(within.as_millis()).unwrap_or(NOTHING_OWED);
        line.rest_due.store(self.now().saturating_add(within), Ordering::Relaxed);
    }

    /// Cuts what is overdue.
    pub(super) fn sweep(&self) {
        let now = self.now();
        let late = |line: &Arc<Line>| {
            let due = |at: &AtomicU64| at.load(Ordering::Relaxed) <= now;
            let why = if due(&line.rest_due) { Some(REQUEST_LATE) } else { due(&line.due).then_some(ANSWER_LATE) };
            why.map(|why| (Arc::clone(line), why))
        };
        for (line, why) in self.open().values().filter_map(late) {
            line.settle();
            line.cut.store(why, Ordering::Relaxed);
            // It may be closed already, which is what was wanted.
            let _ = line.twin.shutdown(Shutdown::Both);
        }
    }

    /// How often to sweep: late by a tenth at most, and not needlessly often.
    pub(super) fn sweep_every(&self) -> Duration {
        (self.first_byte / 10).clamp(Duration::from_millis(10), Duration::from_millis(500))
    }

    fn enter(self: &Arc<Self>, socket: &(impl AsFd + AsRawFd)) -> io::Result<Tracer> {
        let twin = Socket::from(socket.as_fd().try_clone_to_owned()?);
        let descriptor = socket.as_raw_fd();
        let line = Arc::new(Line {
            twin,
            due: AtomicU64::new(NOTHING_OWED),
            rest_due: AtomicU64::new(NOTHING_OWED),
            cut: AtomicU8::new(NOT_CUT),
            turn: AtomicU64::new(0),
        });
        self.open().insert(descriptor, Arc::clone(&line));
        Ok(Tracer(Box::new(Entry { lines: Arc::clone(self), descriptor, line })))
    }
}

impl Line {
    /// The answer's head is here, or nobody waits for it any more.
    pub(super) fn settle(&self) {
        self.due.store(NOTHING_OWED, Ordering::Relaxed);
        self.rest_due.store(NOTHING_OWED, Ordering::Relaxed);
    }

    /// So much of the rest has come, which earns the client time for what follows; or the end of it.
    pub(super) fn take_rest(&self, bytes: usize, end: bool) {
        let due = self.rest_due.load(Ordering::Relaxed);
        if due != NOTHING_OWED {
            let earned = PER_BYTE.saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX));
            let later = due.saturating_add(u64::try_from(earned.as_millis()).unwrap_or(NOTHING_OWED));
            self.rest_due.store(if end { NOTHING_OWED } else { later }, Ordering::Relaxed);
        }
    }

    pub(super) fn owes(&self) -> bool {
        self.due.load(Ordering::Relaxed) != NOTHING_OWED
    }

    /// What did not come in time, if it was cut for that.
    pub(super) fn was_cut(&self) -> Option<Late> {
        match self.cut.load(Ordering::Relaxed) {
            ANSWER_LATE => Some(Late::Answer),
            REQUEST_LATE => Some(Late::Request),
            _ => None,
        }
    }
}

/// Connects, and keeps a second handle on the connection while the engine has it.
#[derive(Debug)]
pub(super) struct Dialer(pub(super) Arc<Lines>);

#[async_trait]
impl L4Connect for Dialer {
    async fn connect(&self, address: &SocketAddr) -> pingora::Result<Stream> {
        let (mut stream, tracer) = match address {
            SocketAddr::Inet(address) => {
                let tcp = TcpStream::connect(address).await.map_err(refused)?;
                let tracer = self.0.enter(&tcp).map_err(refused)?;
                (Stream::from(tcp), tracer)
            }
            SocketAddr::Unix(address) => {
                let path =
                    address.as_pathname().ok_or_else(|| Error::explain(ErrorType::SocketError, "a socket without a path"))?;
                let unix = UnixStream::connect(path).await.map_err(refused)?;
                let tracer = self.0.enter(&unix).map_err(refused)?;
                (Stream::from(unix), tracer)
            }
        };
        stream.tracer = Some(tracer);
        Ok(stream)
    }
}

#[expect(clippy::unnecessary_box_returns, reason = "the engine's results hold boxed errors")]
fn refused(error: io::Error) -> Box<Error> {
    let kind = match error.kind() {
        io::ErrorKind::ConnectionRefused => ErrorType::ConnectRefused,
        io::ErrorKind::TimedOut => ErrorType::ConnectTimedout,
        _ => ErrorType::ConnectError,
    };
    Error::because(kind, "connecting to the application", error)
}

/// Takes the line off the list when the engine drops the connection.
#[derive(Clone, Debug)]
struct Entry {
    lines: Arc<Lines>,
    descriptor: RawFd,
    line: Arc<Line>,
}

impl Tracing for Entry {
    fn on_connected(&self) {}

    fn on_disconnected(&self) {
        let mut open = self.lines.open();
        if open.get(&self.descriptor).is_some_and(|line| Arc::ptr_eq(line, &self.line)) {
            open.remove(&self.descriptor);
        }
    }

    fn boxed_clone(&self) -> Box<dyn Tracing> {
        Box::new(self.clone())
    }
}
