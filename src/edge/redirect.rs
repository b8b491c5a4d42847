//! The plain listener that only says where the encrypted one is.
//!
//! Refuses to serve anything itself or to believe the request about where to go: the place is configured (threats C6), and no
//! application is behind this.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use http::{Method, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora_core::apps::{HttpServerApp, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;

use super::witness::clipped;
use super::{Arrival, ConnectionFacts, Hygiene, Refused, Unclean, Witness, settle};
use crate::clock::SharedClock;
use crate::telemetry::RequestId;

/// Where people are sent.
#[derive(Debug)]
pub struct Destination {
    /// Scheme, host and port, without a path.
    pub public_url: Box<str>,
    /// Of hosts that have one of their own.
    pub hosts: HashMap<Box<str>, Box<str>>,
    pub hygiene: Hygiene,
}

/// The application of a redirecting listener.
#[derive(Debug)]
pub struct Redirect {
    destination: Arc<ArcSwap<Destination>>,
    clock: SharedClock,
    witness: Arc<dyn Witness>,
}

impl Redirect {
    #[must_use]
    pub fn new(destination: Arc<ArcSwap<Destination>>, clock: SharedClock, witness: Arc<dyn Witness>) -> Self {
        Self { destination, clock, witness }
    }

    /// The same place under the public address; anything but GET and HEAD is asked to come with its body again (308).
    fn answer(&self, session: &mut ServerSession) -> Result<(StatusCode, String), Unclean> {
        const LOST: Unclean = Unclean::new(500, "unjudged", "Something went wrong in the front door.");
        let settled = settle(session.req_header_mut());
        let facts = facts(session).ok_or(LOST)?;
        facts.wire.hear();
        settled?;
        let destination = self.destination.load();
        let clean = destination.hygiene.inspect(Arrival { head: session.req_header(), facts, now: self.clock.now() })?;
        let safe = matches!(clean.head.method, Method::GET | Method::HEAD);
        let status = if safe { StatusCode::MOVED_PERMANENTLY } else { StatusCode::PERMANENT_REDIRECT };
        let path = if clean.path == "*" { "/" } else { clean.path };
        let query = clean.query.map(|query| format!("?{query}")).unwrap_or_default();
        let place = destination.hosts.get(&*clean.host).unwrap_or(&destination.public_url);
        Ok((status, format!("{place}{path}{query}")))
    }

    /// Has a refusal recorded, and says under which name.
    fn refuse(&self, session: &ServerSession, flaw: Unclean, took: Duration) -> Option<RequestId> {
        let head = session.req_header();
        let target = head.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
        let refused = Refused { facts: facts(session)?, flaw, method: head.method.as_str(), target: clipped(target), took };
        Some(self.witness.refused(&refused))
    }
}

#[async_trait]
impl HttpServerApp for Redirect {
    /// One answer for each connection: whoever was redirected has no business here any more.
    async fn process_new_http(self: &Arc<Self>, mut session: ServerSession, _: &ShutdownWatch) -> Option<ReusedHttpStream> {
        let read = match session.read_request().await {
            Ok(true) => true,
            Ok(false) => return None,
            Err(_) => false,
        };
        let begun = Instant::now();
        session.set_keepalive(None);
        let mut id = None;
        let (status, location) = match read.then(|| self.answer(&mut session)) {
            Some(Ok((status, location))) => (status, Some(location)),
            Some(Err(unclean)) => {
                id = self.refuse(&session, unclean, begun.elapsed());
                (StatusCode::from_u16(unclean.status).unwrap_or(StatusCode::BAD_REQUEST), None)
            }
            None => (StatusCode::BAD_REQUEST, None),
        };
        if let Err(error) = respond(&mut session, status, location, id.as_ref()).await {
            tracing::debug!(%error, "a redirect could not be written");
        }
        None
    }
}

fn facts(session: &ServerSession) -> Option<&ConnectionFacts> {
    session.digest()?.proxy_digest.as_ref()?.user_data.as_ref()?.downcast_ref()
}

async fn respond(
    session: &mut ServerSession,
    status: StatusCode,
    location: Option<String>,
    id: Option<&RequestId>,
) -> pingora::Result<()> {
    let mut head = ResponseHeader::build(status, Some(3))?;
    if let Some(location) = location {
        head.insert_header(header::LOCATION, location)?;
    }
    if let Some(id) = id {
        head.insert_header("X-Request-Id", id.as_str())?;
    }
    head.insert_header(header::CONTENT_LENGTH, "0")?;
    session.write_response_header(Box::new(head)).await?;
    session.finish_body().await?;
    session.shutdown().await;
    Ok(())
}
