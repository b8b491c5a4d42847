//! `doorward health`: asks a running server whether it is ready, for probes where there is no shell and no curl.
//!
//! Refuses TLS and redirects: it asks the operations listener of this machine and nobody else.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use url::Url;

use super::Exit;
use crate::config;

/// Longest wait for the connection, and again for the answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Largest answer, in bytes.
const LARGEST: u64 = 64 * 1024;

/// Ask a running server whether it is ready; exit status 0 if it is, 1 if not.
#[derive(Debug, Args)]
pub(super) struct Health {
    /// What to ask instead of `/readyz` at the configuration's `operations.address`.
    #[arg(long)]
    url: Option<Url>,
    /// Only say it with the exit status.
    #[arg(long)]
    quiet: bool,
}

impl Health {
    pub(super) fn run(self, config: &Path) -> anyhow::Result<Exit> {
        let url = match self.url {
            Some(url) => url,
            None => configured(config)?,
        };
        let (status, body) = ask(&url).with_context(|| format!("no answer from {url}"))?;
        if !self.quiet {
            println!("{body}");
        }
        Ok(if (200..300).contains(&status) { Exit::Success } else { Exit::Failure })
    }
}

/// `/readyz` of the server that runs with this configuration on this machine.
fn configured(file: &Path) -> anyhow::Result<Url> {
    let operations = config::load(file)?.config.operations.context("the configuration has no `operations`; name a --url")?;
    let address = operations.address.to_socket_addrs()?.next().context("`operations.address` is no address")?;
    let address = SocketAddr::new(here(address.ip()), address.port());
    Ok(Url::parse(&format!("http://{address}/readyz"))?)
}

/// The address to call where a server listens on all addresses.
fn here(listening: IpAddr) -> IpAddr {
    match listening {
        IpAddr::V4(all) if all.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(all) if all.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        one => one,
    }
}

/// HTTP/1.0, so that the answer ends with the connection (RFC 1945 §7.2.2).
fn ask(url: &Url) -> anyhow::Result<(u16, String)> {
    if url.scheme() != "http" {
        bail!("only http is spoken here");
    }
    let address = url.socket_addrs(|| None)?.into_iter().next().context("there is no such address")?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let host = url.host_str().unwrap_or_default();
    write!(stream, "GET {} HTTP/1.0\r\nHost: {host}\r\n\r\n", url.path())?;
    let mut answer = Vec::new();
    stream.take(LARGEST).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").context("that is not HTTP")?;
    let status = head.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).context("that is not HTTP")?;
    Ok((status.parse()?, body.trim_end().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_all_addresses_is_asked_at_the_loopback() {
        assert_eq!(here([0, 0, 0, 0].into()), IpAddr::from([127, 0, 0, 1]));
        assert_eq!(here(Ipv6Addr::UNSPECIFIED.into()), IpAddr::from(Ipv6Addr::LOCALHOST));
        assert_eq!(here([10, 0, 0, 7].into()), IpAddr::from([10, 0, 0, 7]));
    }
}
