//! Syslog by UDP: one message in each datagram (RFC 5426).
//!
//! Refuses nothing and promises nothing: what is lost on the way nobody hears of. Only a receiver's machine that says that nobody
//! listens there is heeded.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::UdpSocket;
use tokio::sync::Mutex;

use super::place::Place;

/// A socket that is opened again, and its address looked up again, after each failure.
#[derive(Debug)]
pub(super) struct Datagrams {
    place: Place,
    socket: Mutex<Option<UdpSocket>>,
}

impl Datagrams {
    pub(super) fn new(place: Place) -> Self {
        Self { place, socket: Mutex::default() }
    }

    pub(super) async fn send(&self, messages: &[Vec<u8>]) -> io::Result<()> {
        let mut kept = self.socket.lock().await;
        let socket = match kept.take() {
            Some(socket) => socket,
            None => self.connected().await?,
        };
        for message in messages {
            socket.send(message).await?;
        }
        // That nobody listens is told by the answer to an earlier datagram (ICMP).
        if let Some(error) = socket.take_error()? {
            return Err(error);
        }
        *kept = Some(socket);
        Ok(())
    }

    async fn connected(&self) -> io::Result<UdpSocket> {
        let mut last = io::ErrorKind::NotFound.into();
        for address in tokio::net::lookup_host((self.place.host.as_str(), self.place.port)).await? {
            let any: SocketAddr =
                if address.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
            let socket = UdpSocket::bind(any).await?;
            match socket.connect(address).await {
                Ok(()) => return Ok(socket),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}
