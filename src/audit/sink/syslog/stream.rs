//! Syslog over a connection: TCP with octet counting or line feeds (RFC 6587 §3.4), within TLS if so configured (RFC 5425).
//!
//! Refuses to believe that what was written was taken: no receiver says so. What was sent shortly before a connection ended is sent
//! again on the next, because a message twice can be told by its id and a message never cannot.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;
use std::{fmt, io};

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, oneshot, watch};
use tokio::task::JoinError;
use tokio::time::Instant;

use super::place::{Place, PlaceError};
use super::trust::{Trust, TrustError};
use crate::config::sink::Framing;

/// How long a message counts as under way after it was written: in buffers on the way, or in those of a receiver that ends at once.
const UNDER_WAY: Duration = Duration::from_secs(60);
/// Bytes of messages that are kept for that.
const KEPT: usize = 8 * 1024 * 1024;
/// Bytes that the system may hold back for us; with what a peer's system holds by default, less than [`KEPT`].
const HELD_BACK: usize = 256 * 1024;
/// How long a peer may leave what it was sent unacknowledged before it counts as gone.
const UNHEARD: Duration = Duration::from_secs(20);
/// How long a new connection has to last before it is trusted: by TLS 1.3 a client hears only after the handshake that its certificate
/// was refused (RFC 8446 §4.4.2.4), and some servers welcome everybody and then think better of it.
const PROBATION: Duration = Duration::from_millis(300);
/// Wait before what is under way is sent again, when no new message comes; twice as long after each failure.
const AGAIN: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

trait Socket: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug> Socket for S {}

/// A connection that is made again whenever it ended.
#[derive(Debug)]
pub(super) struct Stream {
    place: Place,
    framing: Framing,
    tls: Option<Trust>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: Option<Open>,
    under_way: VecDeque<Sent>,
    kept: usize,
}

/// What was written together.
#[derive(Debug)]
struct Sent {
    at: Instant,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Open {
    writer: WriteHalf<Box<dyn Socket>>,
    /// When the peer ended it.
    over: watch::Receiver<Option<Instant>>,
    /// Ends the watching when it is dropped.
    _watched: oneshot::Sender<()>,
}

/// Why nothing could be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamError {
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error(transparent)]
    Tls(#[from] TrustError),
    #[error("cannot connect to {to}: {source}")]
    Connect { to: String, source: io::Error },
    #[error("no TLS with {to}: {source}")]
    Handshake { to: String, source: io::Error },
    #[error("the connection to {to} ended: {source}")]
    Write { to: String, source: io::Error },
    #[error("{to} ended the connection at once; does it take this client's certificate?")]
    Dismissed { to: String },
    #[error("what was under way was not sent again")]
    Task(#[from] JoinError),
}

impl Stream {
    pub(super) fn new(place: Place, framing: Framing, tls: Option<Trust>) -> Arc<Self> {
        Arc::new(Self { place, framing, tls, state: Mutex::default() })
    }

    /// Writes `messages`, after what may have been lost with the connection before. A call that is given up in the middle ends the
    /// connection, so that the peer does not take the next message for the rest of this one.
    pub(super) async fn send(self: &Arc<Self>, messages: &[Vec<u8>]) -> Result<(), StreamError> {
        if self.state.lock().await.is_torn() {
            // On its own: it may take longer than this call is waited for.
            let stream = Arc::clone(self);
            tokio::spawn(async move { stream.mend().await }).await??;
        }
        let mut state = self.state.lock().await;
        if state.is_torn() {
            return Err(StreamError::Dismissed { to: self.place.to_string() });
        }
        let mut open = match state.open.take() {
            // One that ends at this very moment is mended with what is under way on it.
            Some(open) if open.is_up() || !state.under_way.is_empty() => open,
            _ => self.connect().await?,
        };
        let bytes = framed(messages, self.framing);
        self.write(&mut open, &bytes).await?;
        state.open = Some(open);
        state.keep(bytes);
        Ok(())
    }

    /// Sends again what was under way when the connection ended.
    async fn mend(self: &Arc<Self>) -> Result<(), StreamError> {
        let mut state = self.state.lock().await;
        if !state.is_torn() {
            return Ok(());
        }
        let mut open = within(self.connect(), &self.place).await?;
        for sent in &state.under_way {
            within(self.write(&mut open, &sent.bytes), &self.place).await?;
        }
        open.outlast(PROBATION, &self.place).await?;
        let now = Instant::now();
        state.under_way.iter_mut().for_each(|sent| sent.at = now);
        state.open = Some(open);
        tracing::info!(to = %self.place, bytes = state.kept, "a connection had ended; what was under way was sent again");
        Ok(())
    }

    async fn connect(self: &Arc<Self>) -> Result<Open, StreamError> {
        let failed = |source| StreamError::Connect { to: self.place.to_string(), source };
        let socket = TcpStream::connect((self.place.host.as_str(), self.place.port)).await.map_err(failed)?;
        watched(&socket).map_err(failed)?;
        let stream: Box<dyn Socket> = match &self.tls {
            None => Box::new(socket),
            Some(trust) => {
                let connector = trust.connector().await?;
                let shaken = connector.connect(self.place.name()?, socket).await;
                Box::new(shaken.map_err(|source| StreamError::Handshake { to: self.place.to_string(), source })?)
            }
        };
        let (reader, writer) = tokio::io::split(stream);
        let (ended, over) = watch::channel(None);
        let (watched, given_up) = oneshot::channel();
        tokio::spawn(watching(Arc::downgrade(self), reader, ended, given_up));
        let mut open = Open { writer, over, _watched: watched };
        open.outlast(PROBATION, &self.place).await?;
        Ok(open)
    }

    async fn write(&self, open: &mut Open, bytes: &[u8]) -> Result<(), StreamError> {
        let written = async {
            open.writer.write_all(bytes).await?;
            open.writer.flush().await
        };
        written.await.map_err(|source| StreamError::Write { to: self.place.to_string(), source })
    }
}

/// What makes no progress for so long has failed.
async fn within<T>(work: impl Future<Output = Result<T, StreamError>>, to: &Place) -> Result<T, StreamError> {
    let late = |_| StreamError::Write { to: to.to_string(), source: io::ErrorKind::TimedOut.into() };
    tokio::time::timeout(UNHEARD, work).await.map_err(late)?
}

impl Open {
    /// Waits for a while whether the peer ends it.
    async fn outlast(&mut self, span: Duration, to: &Place) -> Result<(), StreamError> {
        match tokio::time::timeout(span, self.over.wait_for(Option::is_some)).await {
            Err(_) => Ok(()),
            Ok(_) => Err(StreamError::Dismissed { to: to.to_string() }),
        }
    }

    fn is_up(&self) -> bool {
        self.over.borrow().is_none()
    }
}

impl State {
    /// Whether something was under way on a connection that is no more.
    fn is_torn(&mut self) -> bool {
        let over = match &self.open {
            Some(open) => *open.over.borrow(),
            None => return !self.under_way.is_empty(),
        };
        self.settle(over.unwrap_or_else(Instant::now));
        over.is_some() && !self.under_way.is_empty()
    }

    fn keep(&mut self, bytes: Vec<u8>) {
        self.kept += bytes.len();
        self.under_way.push_back(Sent { at: Instant::now(), bytes });
        while self.kept > KEPT && self.under_way.len() > 1 {
            self.forget_first();
        }
    }

    /// The connection was open at `moment`: what was written long enough before has arrived.
    fn settle(&mut self, moment: Instant) {
        while self.under_way.front().is_some_and(|sent| moment.saturating_duration_since(sent.at) > UNDER_WAY) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some(sent) = self.under_way.pop_front() {
            self.kept -= sent.bytes.len();
        }
    }
}

/// `MSG-LEN SP SYSLOG-MSG`, or `SYSLOG-MSG LF`, one after the other. No message has a line feed in it: see [`super::message`].
fn framed(messages: &[Vec<u8>], framing: Framing) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(messages.iter().map(|message| message.len() + 8).sum());
    for message in messages {
        match framing {
            Framing::OctetCounting => {
                bytes.extend_from_slice(format!("{} ", message.len()).as_bytes());
                bytes.extend_from_slice(message);
            }
            Framing::Newline => {
                bytes.extend_from_slice(message);
                bytes.push(b'\n');
            }
        }
    }
    bytes
}

/// Lets the system look after a peer that went without a word.
fn watched(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let socket = socket2::SockRef::from(socket);
    socket.set_send_buffer_size(HELD_BACK)?;
    socket.set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(UNHEARD).with_interval(UNHEARD / 4))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNHEARD))?;
    Ok(())
}

/// Boxed, because it may end in a connection that is watched in turn.
fn watching(
    stream: Weak<Stream>,
    reader: ReadHalf<Box<dyn Socket>>,
    over: watch::Sender<Option<Instant>>,
    given_up: oneshot::Receiver<()>,
) -> BoxFuture<'static, ()> {
    Box::pin(watch(stream, reader, over, given_up))
}

/// Waits for the end of a connection, on which the peer has nothing to say, and then sees to what was under way.
async fn watch(
    stream: Weak<Stream>,
    mut reader: ReadHalf<Box<dyn Socket>>,
    over: watch::Sender<Option<Instant>>,
    given_up: oneshot::Receiver<()>,
) {
    let listening = async {
        let mut unheeded = [0; 512];
        while let Ok(1..) = reader.read(&mut unheeded).await {}
    };
    tokio::select! {
        () = listening => drop(over.send_replace(Some(Instant::now()))),
        _ = given_up => return,
    };
    drop(reader);
    let mut wait = AGAIN;
    loop {
        tokio::time::sleep(wait).await;
        let Some(stream) = stream.upgrade() else { return };
        match stream.mend().await {
            Ok(()) => return,
            Err(error) => tracing::debug!(%error, "what was under way cannot be sent again yet"),
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}
