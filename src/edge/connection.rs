//! One accepted connection, as the engine wants it, carrying what the listener learned about it.
//!
//! Refuses to let facts travel as headers: address, SNI and client certificate go beside the bytes, because bytes can be forged.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::SslDigest;
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
};
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::gather::Gather;

/// What the listener learned about a connection.
#[derive(Clone, Debug)]
pub struct ConnectionFacts {
    /// The other end, or what a trusted PROXY protocol header said; IPv4-mapped addresses are IPv4 (threats P7). A Unix socket
    /// counts as the loopback address.
    pub peer: IpAddr,
    /// Whether the client's leg is encrypted.
    pub secure: bool,
    /// Server name of the TLS handshake, in lower case.
    pub server_name: Option<Box<str>>,
    /// The client's verified certificate, leaf first.
    pub client_chain: Arc<[CertificateDer<'static>]>,
}

impl ConnectionFacts {
    /// The facts of the connection that `session` came in on, on HTTP/1 and HTTP/2 alike.
    #[must_use]
    pub fn of(session: &Session) -> Option<&Self> {
        session.digest()?.proxy_digest.as_ref()?.user_data.as_ref()?.downcast_ref()
    }
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
}

impl<T: Transport> Connection<T> {
    /// A connection over `io`, whose socket is `socket`. `alpn` is what TLS negotiated, `None` without TLS.
    pub fn new(io: T, socket: &impl AsRawFd, alpn: Option<ALPN>, facts: ConnectionFacts) -> Result<Self, Box<pingora::Error>> {
        let descriptor = socket.as_raw_fd();
        let digest = SocketDigest::from_raw_fd(descriptor);
        let tls = facts.secure.then(|| Arc::new(SslDigest::new("", "", None, None, Vec::new())));
        // The engine's digest wants a response header of a CONNECT proxy; there is none, so an empty one stands in.
        let unused = ResponseHeader::build(200, Some(0))?;
        let facts = Arc::new(ProxyDigest::new(Box::new(unused), Some(Box::new(facts))));
        Ok(Self { io: Gather::new(io), descriptor, tls, alpn, facts, socket: Arc::new(digest) })
    }
}

impl<T> fmt::Debug for Connection<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({})", self.descriptor)
    }
}

impl<T: Transport> AsyncRead for Connection<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: Transport> AsyncWrite for Connection<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
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
