//! What goes on beside the requests: looking names up again, and asking servers whether they are well.
//!
//! Refuses to outlive its configuration: each task holds its server weakly and ends when a reload has let go of it.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use pingora::http::RequestHeader;
use pingora_core::connectors::ConnectorOptions;
use pingora_core::connectors::http::Connector;
use tokio::time::timeout;

use super::address::Place;
use super::server::{Need, Server};
use super::{NO_AUTHORITIES, Upstream, Upstreams};
use crate::config::upstream::Health;

/// How often names are looked up again.
const LOOK_UP_EVERY: Duration = Duration::from_secs(15);
/// How long a look-up may take.
const LOOK_UP_WITHIN: Duration = Duration::from_secs(5);

impl Upstreams {
    /// Looks up every name and asks every server for the first time, then goes on doing so in the background until the
    /// configuration is dropped. Returns after the first round, within the longest of their time limits.
    pub async fn begin(&self) {
        let asker = self.0.iter().any(|upstream| upstream.health.is_some()).then(|| {
            let nothing = ConnectorOptions { ca_file: Some(NO_AUTHORITIES.to_owned()), ..ConnectorOptions::new(1) };
            Arc::new(Connector::new(Some(nothing)))
        });
        futures::future::join_all(self.0.iter().map(|upstream| upstream.begin(asker.as_ref()))).await;
    }
}

impl Upstream {
    async fn begin(&self, asker: Option<&Arc<Connector>>) {
        let asker = asker.zip(self.health.as_ref());
        let first = self.servers.iter().map(|server| async {
            look_up(server).await;
            tokio::spawn(keep_looking_up(Arc::downgrade(server)));
            tokio::spawn(keep_sweeping(Arc::downgrade(server), server.lines.sweep_every()));
            if let Some((connector, health)) = asker {
                let verdict = ask(connector, server, health, server.address.authority()).await;
                note(server, verdict);
                let watch = Watch {
                    server: Arc::downgrade(server),
                    connector: Arc::clone(connector),
                    health: health.clone(),
                    host: server.address.authority(),
                };
                tokio::spawn(watch.keep_asking());
            }
        });
        futures::future::join_all(first).await;
    }
}

async fn look_up(server: &Server) {
    let Place::Name { host, port } = &server.address.place else { return };
    match timeout(LOOK_UP_WITHIN, tokio::net::lookup_host((&**host, *port))).await {
        Ok(Ok(found)) => server.settle(found.collect::<Vec<SocketAddr>>()),
        // What was known stays: a name server's bad minute must not take the application away.
        Ok(Err(error)) => tracing::warn!(upstream = %server.label, %error, "the name cannot be looked up"),
        Err(_) => tracing::warn!(upstream = %server.label, "the name was not looked up in time"),
    }
}

async fn keep_looking_up(server: Weak<Server>) {
    loop {
        tokio::time::sleep(LOOK_UP_EVERY).await;
        let Some(server) = server.upgrade() else { return };
        look_up(&server).await;
    }
}

async fn keep_sweeping(server: Weak<Server>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(server) = server.upgrade() else { return };
        server.lines.sweep();
    }
}

/// Asks one server over and over.
struct Watch {
    server: Weak<Server>,
    connector: Arc<Connector>,
    health: Health,
    host: String,
}

impl Watch {
    async fn keep_asking(self) {
        let mut streak: u32 = 0;
        loop {
            tokio::time::sleep(self.health.interval.0).await;
            let Some(server) = self.server.upgrade() else { return };
            let verdict = ask(&self.connector, &server, &self.health, self.host.clone()).await;
            if verdict.is_ok() == server.is_well() {
                streak = 0;
                continue;
            }
            streak += 1;
            let needed = if verdict.is_ok() { self.health.successes } else { self.health.failures };
            if streak >= needed {
                streak = 0;
                note(&server, verdict);
            }
        }
    }
}

/// Why a server is not well.
#[derive(Debug, thiserror::Error)]
enum Unwell {
    #[error("its name has no address")]
    Unknown,
    #[error("it did not answer in time")]
    Slow,
    #[error("it answered {0}")]
    Status(u16),
    #[error("it cannot be reached")]
    Engine(#[from] Box<pingora::Error>),
}

fn note(server: &Server, verdict: Result<(), Unwell>) {
    match verdict {
        Ok(()) if server.set_well(true) => tracing::info!(upstream = %server.label, "is well"),
        Err(error) if server.set_well(false) => tracing::warn!(upstream = %server.label, %error, "is not well"),
        Ok(()) | Err(_) => {}
    }
}

/// One check, over the same leg that requests take.
async fn ask(connector: &Connector, server: &Server, health: &Health, host: String) -> Result<(), Unwell> {
    timeout(health.timeout.0, exchange(connector, server, &health.path, host)).await.map_err(|_| Unwell::Slow)?
}

async fn exchange(connector: &Connector, server: &Server, path: &str, host: String) -> Result<(), Unwell> {
    let way = server.way(Need::Nothing).ok_or(Unwell::Unknown)?;
    let peer = &way.peer;
    let (mut session, _) = connector.get_http_session(peer).await?;
    let mut head = RequestHeader::build("GET", path.as_bytes(), Some(2))?;
    head.insert_header("Host", host.as_str())?;
    head.insert_header("User-Agent", "doorward-health")?;
    if let pingora_core::protocols::http::client::HttpSession::H2(_) = &session {
        let scheme = if peer.is_tls() { "https" } else { "http" };
        head.remove_header("Host");
        let target = format!("{scheme}://{host}{path}").parse::<http::Uri>();
        head.set_uri(target.map_err(|error| pingora::Error::because(pingora::ErrorType::InternalError, "health target", error))?);
    }
    session.write_request_header(Box::new(head)).await?;
    session.finish_request_body().await?;
    session.read_response_header().await?;
    let status = session.response_header().map_or(0, |head| head.status.as_u16());
    session.shutdown().await;
    if (200..300).contains(&status) { Ok(()) } else { Err(Unwell::Status(status)) }
}
