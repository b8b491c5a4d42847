//! The PROXY protocol, versions 1 and 2: a balancer's word on whose connection this is.
//!
//! Refuses a connection from a peer that must speak it and does not, exactly and soon; from all other peers the bytes are never
//! looked at, because then anybody could claim any address.

use std::net::IpAddr;

use ppp::v2::{Addresses as Binary, Command};
use ppp::{HeaderResult, v1};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The specification's longest text header (§2.1).
const TEXT_BYTES: usize = 107;
/// Longest binary header taken: addresses, and some type-length-values.
const BINARY_BYTES: usize = 2048;
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Why what came was no PROXY header.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProxyProtocolError {
    #[error("the connection does not begin with a PROXY protocol header")]
    Missing,
    #[error("the PROXY protocol header is malformed")]
    Malformed,
    #[error("the PROXY protocol header is too long")]
    TooLong,
    #[error("the connection ended within the PROXY protocol header")]
    Io(#[from] std::io::Error),
}

/// Reads exactly the header and says who the client is; `None` if the balancer speaks for itself, as in its health checks.
pub(super) async fn read<T: AsyncRead + Unpin>(io: &mut T) -> Result<Option<IpAddr>, ProxyProtocolError> {
    let mut header = vec![0; SIGNATURE.len()];
    io.read_exact(&mut header).await?;
    if header == SIGNATURE {
        read_binary(io, &mut header).await?;
    } else if header.starts_with(b"PROXY ") {
        read_text(io, &mut header).await?;
    } else {
        return Err(ProxyProtocolError::Missing);
    }
    source(&header)
}

async fn read_binary<T: AsyncRead + Unpin>(io: &mut T, header: &mut Vec<u8>) -> Result<(), ProxyProtocolError> {
    let mut rest = [0; 4];
    io.read_exact(&mut rest).await?;
    header.extend_from_slice(&rest);
    let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
    if length > BINARY_BYTES {
        return Err(ProxyProtocolError::TooLong);
    }
    let begin = header.len();
    header.resize(begin + length, 0);
    io.read_exact(&mut header[begin..]).await?;
    Ok(())
}

/// One byte at a time, so that nothing behind the header is taken; balancers on the way speak the binary form.
async fn read_text<T: AsyncRead + Unpin>(io: &mut T, header: &mut Vec<u8>) -> Result<(), ProxyProtocolError> {
    while !header.ends_with(b"\r\n") {
        if header.len() == TEXT_BYTES {
            return Err(ProxyProtocolError::TooLong);
        }
        header.push(io.read_u8().await?);
    }
    Ok(())
}

fn source(header: &[u8]) -> Result<Option<IpAddr>, ProxyProtocolError> {
    const MALFORMED: ProxyProtocolError = ProxyProtocolError::Malformed;
    let source = match HeaderResult::parse(header) {
        HeaderResult::V1(Ok(header)) => match header.addresses {
            v1::Addresses::Tcp4(addresses) => Some(IpAddr::V4(addresses.source_address)),
            v1::Addresses::Tcp6(addresses) => Some(IpAddr::V6(addresses.source_address)),
            v1::Addresses::Unknown => None,
        },
        HeaderResult::V2(Ok(header)) => match (header.command, header.addresses) {
            (Command::Local, _) => None,
            (Command::Proxy, Binary::IPv4(addresses)) => Some(IpAddr::V4(addresses.source_address)),
            (Command::Proxy, Binary::IPv6(addresses)) => Some(IpAddr::V6(addresses.source_address)),
            // A client without an address cannot be told from another.
            (Command::Proxy, Binary::Unspecified | Binary::Unix(_)) => return Err(MALFORMED),
        },
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => return Err(MALFORMED),
    };
    Ok(source.map(|address| address.to_canonical()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn told(bytes: &[u8]) -> (Result<Option<String>, String>, Vec<u8>) {
        let mut rest = bytes;
        let said =
            read(&mut rest).await.map(|address| address.map(|address| address.to_string())).map_err(|error| error.to_string());
        (said, rest.to_vec())
    }

    fn binary(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, body, b"rest"].concat()
    }

    #[tokio::test]
    async fn exactly_the_header_is_taken() {
        let text = told(b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 443\r\nrest").await;
        assert_eq!(text, (Ok(Some("203.0.113.7".into())), b"rest".to_vec()));
        let text = told(b"PROXY TCP6 ::ffff:203.0.113.7 ::1 4711 443\r\nrest").await;
        assert_eq!(text, (Ok(Some("203.0.113.7".into())), b"rest".to_vec()));
        assert_eq!(told(b"PROXY UNKNOWN\r\nrest").await, (Ok(None), b"rest".to_vec()));
        let addresses = [203, 0, 113, 7, 10, 0, 0, 1, 0x12, 0x67, 1, 0xbb];
        assert_eq!(told(&binary(0x21, 0x11, &addresses)).await, (Ok(Some("203.0.113.7".into())), b"rest".to_vec()));
        let with_more = [&addresses[..], &[0x04, 0, 3, 1, 2, 3]].concat();
        assert_eq!(told(&binary(0x21, 0x11, &with_more)).await, (Ok(Some("203.0.113.7".into())), b"rest".to_vec()));
        assert_eq!(told(&binary(0x20, 0x00, &[])).await, (Ok(None), b"rest".to_vec()));
    }

    #[tokio::test]
    async fn garbage_is_refused() {
        let garbage: [&[u8]; 7] = [
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"PROXY TCP4 203.0.113.256 10.0.0.1 4711 443\r\n",
            b"PROXY TCP4 203.0.113.7 10.0.0.1 4711\r\n",
            b"PROXY TCP5 203.0.113.7 10.0.0.1 4711 443\r\n",
            b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 443\n\n\n\n\n\n\r\n",
            b"PROXY TCP4 203.0.113.7",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00",
        ];
        for bytes in garbage {
            assert!(told(bytes).await.0.is_err(), "{}", bytes.escape_ascii());
        }
        let long = format!("PROXY TCP4 {}\r\n", "1".repeat(120));
        assert_eq!(told(long.as_bytes()).await.0, Err("the PROXY protocol header is too long".into()));
        assert!(told(&binary(0x21, 0x11, &[1, 2, 3])).await.0.is_err());
        assert!(told(&binary(0x21, 0x00, &[])).await.0.is_err());
        assert!(told(&binary(0x21, 0x11, &[0; 3000])).await.0.is_err());
    }
}
