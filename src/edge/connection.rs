//! One accepted connection, as the engine wants it, carrying what the listener learned about it.
//!
//! Refuses to let facts travel as headers: address, SNI and client certificate go beside the bytes, because bytes can be forged.
//! Refuses bytes with two readings and clients that take for ever, because here they cost the least.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use http::HeaderValue;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorSource, ErrorType};
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::SslDigest;
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
};
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::churn::Churn;
use super::farewell::Farewell;
use super::frames::Frames;
use super::gather::Gather;
use super::hygiene::{Unclean, refuse};
use super::live::LiveHandle;
use super::patience::{Patience, Spans};
use super::wire::{Awaited, HeadLimits, Reader, Wire};
use super::witness::{Refused, Witness, first_line};
use crate::config::Limits;

/// What the listener learned about a connection.
#[derive(Clone, Debug)]
pub struct ConnectionFacts {
    /// The other end, or what a trusted PROXY protocol header said; IPv4-mapped addresses are IPv4 (threats P7). A Unix socket
    /// counts as the loopback address.
    pub peer: IpAddr,
    /// Whether the client's leg is encrypted.
    pub secure: bool,
    /// `1.2` or `1.3`; `None` without TLS.
    pub tls_version: Option<&'static str>,
    /// Server name of the TLS handshake, in lower case.
    pub server_name: Option<Box<str>>,
    /// The client's verified certificate, leaf first.
    pub client_chain: Arc<[CertificateDer<'static>]>,
    /// What the stream and the stages tell each other about requests on an HTTP/1 connection.
    pub wire: Arc<Wire>,
    /// How to end a long answer on an HTTP/1 connection from elsewhere.
    pub live: LiveHandle,
    /// How the streams of an HTTP/2 connection end.
    pub churn: Arc<Churn>,
    /// The peer as a field's value, written down once for all requests.
    pub(crate) peer_text: OnceLock<HeaderValue>,
}

impl ConnectionFacts {
    /// Facts of an unencrypted connection from `peer`.
    #[must_use]
    pub fn plain(peer: IpAddr, live: LiveHandle) -> Self {
        Self {
            peer: peer.to_canonical(),
            secure: false,
            tls_version: None,
            server_name: None,
            client_chain: Arc::new([]),
            wire: Arc::default(),
            churn: Arc::new(Churn::of(live.clone())),
            live,
            peer_text: OnceLock::new(),
        }
    }

    /// [`Self::peer`] as a field's value.
    #[must_use]
    pub fn peer_field(&self) -> HeaderValue {
        self.peer_text.get_or_init(|| peer_field(self.peer)).clone()
    }

    /// The facts of the connection that `session` came in on, on HTTP/1 and HTTP/2 alike.
    #[must_use]
    pub fn of(session: &Session) -> Option<&Self> {
        session.digest()?.proxy_digest.as_ref()?.user_data.as_ref()?.downcast_ref()
    }
}

/// An address as a field's value.
#[must_use]
pub fn peer_field(peer: IpAddr) -> HeaderValue {
    HeaderValue::try_from(peer.to_string()).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

/// Sets the engine's own timers for a request that begins: the stream keeps the time, but for what only the engine sees.
pub fn engage(session: &mut Session, limits: &Limits) {
    if let Some(facts) = ConnectionFacts::of(session) {
        facts.wire.hear();
    }
    let downstream = session.as_downstream_mut();
    // Keep-alive without end, as far as the engine is concerned; a client that asked to close stays asked.
    if downstream.get_keepalive().is_some() {
        downstream.set_keepalive(Some(0));
    }
    downstream.set_read_timeout(None);
    // A closed HTTP/2 window stalls one stream while the connection goes on (threats D5).
    if downstream.is_http2() {
        downstream.set_write_timeout(Some(limits.write_timeout.0));
    }
    // What an early answer leaves unread of the request (threats F8, F11).
    downstream.set_total_drain_timeout(Some(limits.body_timeout.0));
}

/// Notes that a request was served, `after` so long and with this error if it came to none: the next bytes begin another, and a
/// long answer is one no more.
pub fn settled(session: &Session, after: Duration, error: Option<&Error>) {
    if let Some(facts) = ConnectionFacts::of(session) {
        facts.wire.rest();
        if session.as_downstream().is_http2() {
            facts.churn.note(after, error.is_some_and(is_reset));
        }
    }
    if let Some(live) = LiveHandle::of(session) {
        live.end();
    }
}

/// Whether the client gave up its stream. The engine does not keep what ended one; that it was nobody's slowness is known.
fn is_reset(error: &Error) -> bool {
    error.esource == ErrorSource::Downstream && !matches!(error.etype, ErrorType::ReadTimedout | ErrorType::WriteTimedout)
}

/// Any byte stream a listener accepts.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send + Sync {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync> Transport for T {}

/// A connection in the shape the engine takes.
pub struct Connection<T> {
    io: Gather<T>,
    descriptor: RawFd,
    tls: Option<Arc<SslDigest>>,
    alpn: Option<ALPN>,
    facts: Arc<ProxyDigest>,
    socket: Arc<SocketDigest>,
    /// Judges what arrives; none on HTTP/2, which the engine frames.
    reader: Option<Reader>,
    wire: Arc<Wire>,
    live: LiveHandle,
    /// Follows what is written, once it goes on for long.
    frames: Option<Frames>,
    patience: Patience,
    /// What is still to be said before the connection ends.
    farewell: Option<Farewell>,
    /// When the last request began to arrive.
    begun: Instant,
    witness: Arc<dyn Witness>,
}

impl<T: Transport> Connection<T> {
    /// A connection over `io`, whose socket is `socket`. `alpn` is what TLS negotiated, `None` without TLS.
    pub fn new(
        io: T,
        socket: &impl AsRawFd,
        alpn: Option<ALPN>,
        facts: ConnectionFacts,
        limits: HeadLimits,
        spans: Spans,
        witness: Arc<dyn Witness>,
    ) -> Result<Self, Box<Error>> {
        let descriptor = socket.as_raw_fd();
        let digest = SocketDigest::from_raw_fd(descriptor);
        let tls = facts.secure.then(|| Arc::new(SslDigest::new("", "", None, None, Vec::new())));
        let reader = (!matches!(alpn, Some(ALPN::H2))).then(|| Reader::new(limits));
        let (wire, live) = (Arc::clone(&facts.wire), facts.live.clone());
        // The engine's digest wants a response header of a CONNECT proxy; there is none, so an empty one stands in.
        let unused = ResponseHeader::build(200, Some(0))?;
        let facts = Arc::new(ProxyDigest::new(Box::new(unused), Some(Box::new(facts))));
        Ok(Self {
            io: Gather::new(io),
            descriptor,
            tls,
            alpn,
            facts,
            socket: Arc::new(digest),
            reader,
            wire,
            live,
            frames: None,
            patience: Patience::new(spans),
            farewell: None,
            begun: Instant::now(),
            witness,
        })
    }

    /// Says the last words if it is time for them, and until they are said nothing else happens.
    fn poll_farewell(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.farewell.is_none() && self.live.is_long() {
            self.live.listen(cx.waker());
            let due = self.live.reason().zip(self.frames.as_ref()).filter(|(_, frames)| frames.at_boundary());
            self.farewell = due.map(|(reason, frames)| Farewell::saying(frames.last_words(reason)));
        }
        match &mut self.farewell {
            None => Poll::Ready(Ok(())),
            Some(farewell) => {
                ready!(Pin::new(farewell).poll_say(cx, &mut self.io));
                Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
            }
        }
    }

    /// How many of `bytes` may be written now: all, but in a long answer that is to end only what completes a frame.
    fn allowance(&mut self, bytes: &[u8]) -> usize {
        if !self.live.is_long() {
            self.frames = None;
            return bytes.len();
        }
        let frames = self.frames.get_or_insert_default();
        if self.live.reason().is_some() { frames.boundary_in(bytes) } else { bytes.len() }
    }

    /// Judges what arrived beyond `before`; what has two readings is answered, or reported as an error, and not passed on.
    fn judge(&mut self, buf: &mut ReadBuf<'_>, before: usize) -> io::Result<()> {
        let Some(reader) = &mut self.reader else { return Ok(()) };
        let (begun, new) = (self.wire.busy(), reader.awaited(&self.wire) == Awaited::Request);
        if new {
            self.begun = Instant::now();
        }
        let Err(flaw) = reader.read(&buf.filled()[before..], &self.wire) else { return Ok(()) };
        if begun {
            buf.set_filled(before);
            self.wire.spoil(flaw);
            // An answer may be under way already; whoever reads the body learns of it.
            return Err(io::Error::new(io::ErrorKind::InvalidData, flaw));
        }
        let (method, target) = if new { first_line(&buf.filled()[before..]) } else { ("", "") };
        self.refuse(flaw, method, target);
        buf.set_filled(before);
        Ok(())
    }

    /// Answers what no stage will, and has it recorded.
    fn refuse(&mut self, flaw: Unclean, method: &str, target: &str) {
        self.wire.spoil(flaw);
        let facts = self.facts.user_data.as_ref().and_then(|facts| facts.downcast_ref());
        let refused = facts.map(|facts| Refused { facts, flaw, method, target, took: self.begun.elapsed() });
        self.farewell = refused.map(|refused| Farewell::refusing(flaw, &self.witness.refused(&refused)));
    }
}

impl<T> fmt::Debug for Connection<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({})", self.descriptor)
    }
}

impl<T: Transport> AsyncRead for Connection<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(this.poll_farewell(cx))?;
        let before = buf.filled().len();
        let arrived = Pin::new(&mut this.io).poll_read(cx, buf)?.is_ready();
        if arrived {
            this.judge(buf, before)?;
        }
        this.patience.turn(this.reader.as_ref().map_or(Awaited::Frames, |reader| reader.awaited(&this.wire)));
        if arrived {
            this.patience.arrived(buf.filled().len() - before);
            return this.poll_farewell(cx);
        }
        if let Some(flaw) = ready!(this.patience.poll_waiting(cx)) {
            this.wire.spoil(flaw);
            if this.wire.busy() {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, flaw)));
            }
            this.refuse(flaw, "", "");
            return this.poll_farewell(cx);
        }
        // Nothing was asked for, so nothing is answered.
        Poll::Ready(Ok(()))
    }
}

impl<T: Transport> AsyncWrite for Connection<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.reader.is_some() && this.farewell.is_none() && this.wire.is_unheard() {
            // The engine could not read the head, and would answer in its own name.
            this.refuse(refuse(400, "request_head"), "", "");
        }
        ready!(this.poll_farewell(cx))?;
        let allowed = this.allowance(buf);
        let written = Pin::new(&mut this.io).poll_write(cx, &buf[..allowed])?;
        this.patience.poll_writing(cx, written).map_ok(|written| {
            if let Some(frames) = &mut this.frames {
                frames.pass(&buf[..written]);
            }
            written
        })
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let flushed = Pin::new(&mut this.io).poll_flush(cx)?;
        this.patience.poll_writing(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.farewell.is_some() || self.live.is_long() || self.wire.is_unheard() {
            let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| buf);
            return self.poll_write(cx, first);
        }
        let this = &mut *self;
        let written = Pin::new(&mut this.io).poll_write_vectored(cx, bufs)?;
        this.patience.poll_writing(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[async_trait]
impl<T: Transport> Shutdown for Connection<T> {
    async fn shutdown(&mut self) {
        // The peer may be gone already; there is nobody left to tell.
        let _ = AsyncWriteExt::shutdown(self).await;
    }
}

impl<T> UniqueID for Connection<T> {
    fn id(&self) -> i32 {
        self.descriptor
    }
}

impl<T> Ssl for Connection<T> {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.tls.clone()
    }
    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.alpn.clone()
    }
}

impl<T> GetTimingDigest for Connection<T> {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl<T> GetProxyDigest for Connection<T> {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(Arc::clone(&self.facts))
    }
}

impl<T> GetSocketDigest for Connection<T> {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(Arc::clone(&self.socket))
    }
}

#[async_trait]
impl<T: Transport> Peek for Connection<T> {}
