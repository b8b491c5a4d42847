//! Where requests go.
//!
//! Refuses to pool connections of different trust together: the engine's pool key is told what it leaves out.

use std::net::{SocketAddr, ToSocketAddrs as _};

use pingora::upstreams::peer::HttpPeer;

use crate::config::upstream::{Timeouts, Upstream as Typed};
use crate::config::{Config, Path, Problems};

/// The file's upstream, then those of routes with one of their own.
#[derive(Debug)]
pub struct Upstreams(Box<[Upstream]>);

#[derive(Debug)]
struct Upstream {
    address: SocketAddr,
    timeouts: Timeouts,
}

impl Upstreams {
    pub fn compile(config: &Config, problems: &mut Problems) -> Self {
        let own = config.routes.iter().enumerate().filter_map(|(index, route)| {
            route.upstream.as_ref().map(|upstream| (Path::from("routes").item(index).key("upstream"), upstream))
        });
        let all = std::iter::once((Path::from("upstream"), &config.upstream)).chain(own);
        Self(all.filter_map(|(path, typed)| compile(typed, &path, problems)).collect())
    }

    /// The server for one request; `None` if there is no such upstream.
    #[must_use]
    pub fn peer(&self, upstream: usize) -> Option<Box<HttpPeer>> {
        let upstream = self.0.get(upstream)?;
        let mut peer = HttpPeer::new(upstream.address, false, String::new());
        peer.options.connection_timeout = Some(upstream.timeouts.connect.0);
        peer.options.read_timeout = Some(upstream.timeouts.first_byte.0);
        Some(Box::new(peer))
    }
}

fn compile(typed: &Typed, path: &Path, problems: &mut Problems) -> Option<Upstream> {
    let url = typed.url.as_deref().unwrap_or_default();
    let parsed = url::Url::parse(url).ok();
    let host = parsed.as_ref().and_then(|url| Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?)));
    let address = host.and_then(|host| host.to_socket_addrs().ok()).and_then(|mut addresses| addresses.next());
    if address.is_none() {
        problems.add(path.key("url"), format!("`{url}` is not an upstream"), "write `http://host:port`");
    }
    Some(Upstream { address: address?, timeouts: typed.timeouts })
}
