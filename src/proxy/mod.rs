//! The engine's callbacks, each of which only delegates.
//!
//! Refuses to reach the upstream without an [`Outbound`]: a request whose journey did not end in one is answered here.

mod account;
mod answer;
pub mod challenge;
pub mod doors;
mod drain;
mod exchange;
pub mod explain;
pub mod gateway;
pub mod journey;
pub mod metadata;
pub mod outer;
mod record;
pub mod reject;
mod renewal;
pub mod token;
pub mod unheard;

use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, StatusCode};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::protocols::Digest;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};

use crate::audit::Recorder;
use crate::clock::{SharedClock, Timestamp};
use crate::edge::{self, Arrival, ConnectionFacts, LiveHandle, Unclean, settle};
use crate::forward::{Late, Lease, Outbound, Pool, Way};
use crate::policy::tenancy::SiteId;
use crate::route::Target;
use crate::telemetry::Telemetry;
use account::Account;
use gateway::Gateway;
use journey::Passage;
use outer::Audience;
use reject::Rejection;

/// The application that the engine drives, one for each thread.
pub struct Doorward {
    gateway: Arc<ArcSwap<Gateway>>,
    clock: SharedClock,
    telemetry: Arc<Telemetry>,
    audit: Recorder,
    /// The thread's connections to applications.
    pool: Arc<Pool>,
}

impl Doorward {
    #[must_use]
    pub fn new(gateway: Arc<ArcSwap<Gateway>>, clock: SharedClock, telemetry: Arc<Telemetry>, audit: Recorder) -> Self {
        Self { gateway, clock, telemetry, audit, pool: Pool::new() }
    }

    /// The way to a server that takes the request; another one than before, if it was tried.
    fn choose(&self, session: &mut Session, ctx: &mut Progress) -> Result<Arc<Way>> {
        let (gateway, outbound, account) = ctx.outbound()?;
        account.set_out(gateway, outbound.target());
        let Target::Upstream(upstream) = outbound.target() else { return Err(unjudged()) };
        let upstreams = &gateway.forwarding.upstreams;
        // A second try comes later than the judgement.
        let now = if outbound.lease.is_some() { self.clock.now() } else { outbound.now };
        let upload = !session.as_downstream_mut().is_body_empty();
        let chosen = upstreams.choose(upstream, session.req_header(), upload, now, outbound.lease.as_ref());
        let (lease, way) = chosen.ok_or_else(|| Error::explain(ErrorType::ConnectNoRoute, "no upstream is well"))?;
        outbound.lease = Some(lease);
        Ok(way)
    }
}

/// How far one request has come.
pub struct Progress {
    /// The configuration this request began under; a reload does not change it midway.
    gateway: Arc<Gateway>,
    account: Account,
    stage: Stage,
}

impl Progress {
    fn outbound(&mut self) -> Result<(&Gateway, &mut Outbound, &mut Account)> {
        match &mut self.stage {
            Stage::Outbound(outbound) => Ok((&self.gateway, outbound, &mut self.account)),
            Stage::Arriving | Stage::Answered => Err(unjudged()),
        }
    }

    /// A server was reached, on the connection with this descriptor. Says whether the wait for its answer is bounded thereby.
    fn connected(&mut self, peer: &HttpPeer, reused: bool, descriptor: RawFd) -> Result<bool> {
        let (_, outbound, account) = self.outbound()?;
        account.reach(peer, reused);
        Ok(outbound.lease.as_mut().is_some_and(|lease| lease.connected(descriptor, peer)))
    }

    /// Rewrites the fields that go to the application.
    fn introduce(&mut self, fields: &mut HeaderMap) -> Result<()> {
        let (gateway, outbound, account) = self.outbound()?;
        gateway.forwarding.request(outbound, fields)?;
        account.introduce(fields);
        Ok(())
    }

    /// The head of an answer is here; rewrites it for the client. Refuses an upgrade that was not asked for (RFC 9110 §15.2.2): what
    /// follows would be a tunnel past every stage.
    fn answered(&mut self, session: &Session, head: &mut ResponseHeader) -> Result<()> {
        let upgrades = head.status == StatusCode::SWITCHING_PROTOCOLS;
        if upgrades && !session.as_downstream().is_upgrade_req() {
            return Error::e_explain(ErrorType::InvalidHTTPHeader, "the server upgrades unasked").map_err(Error::into_up);
        }
        let (gateway, outbound, account) = self.outbound()?;
        // Interim answers are not what was asked for; 101 is final for HTTP.
        if !head.status.is_informational() || upgrades {
            account.hear(head.status.as_u16());
            if let Some(lease) = outbound.lease.as_ref() {
                lease.answered();
            }
        }
        account.label(head)?;
        gateway.forwarding.answer(head)
    }

    /// What did not come in time, if the way to the application was cut for that.
    fn late(&mut self) -> Option<Late> {
        self.outbound().ok().and_then(|(_, outbound, _)| outbound.lease.as_ref().and_then(Lease::overdue))
    }

    /// Keeps a sealed session alive, and notes answers that go on for long, so that they can be ended from elsewhere.
    fn begins(&mut self, session: &Session, head: &mut ResponseHeader) -> Result<()> {
        let (gateway, outbound, account) = self.outbound()?;
        let is_final = !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS;
        if is_final {
            renewal::renew(session, gateway, outbound.identity.as_deref(), outbound.now, head)?;
        }
        let long = LiveHandle::of(session).is_some_and(|live| live.begin(head, outbound.identity.as_ref()));
        if long || is_final && account.lingers() {
            account.linger(session, head.status.as_u16());
        }
        Ok(())
    }
}

impl Drop for Progress {
    /// An HTTP/2 stream that is ended from elsewhere is dropped where it stands; its account is closed all the same.
    fn drop(&mut self) {
        self.account.abandon(&self.gateway);
    }
}

/// Where the request stands.
enum Stage {
    Arriving,
    Outbound(Box<Outbound>),
    Answered,
}

#[async_trait]
impl ProxyHttp for Doorward {
    type CTX = Progress;

    fn new_ctx(&self) -> Progress {
        let account = Account::open(&self.telemetry, &self.clock);
        Progress { gateway: self.gateway.load_full(), account, stage: Stage::Arriving }
    }

    /// None: the engine would otherwise ask its compression, which is off, at every step of every request.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, ctx: &mut Progress) -> Result<bool> {
        edge::engage(session, ctx.gateway.hygiene.limits());
        if let Some(facts) = ConnectionFacts::of(session) {
            ctx.account.greet(&session.req_header().headers, facts, &ctx.gateway);
        }
        let now = ctx.account.at();
        let audience = Audience::of(session.req_header(), &ctx.gateway);
        let judging = judge(&ctx.gateway, session, now, audience);
        let judged = match ctx.account.scope() {
            None => judging.await,
            Some(scope) => Box::pin(scope.around(judging)).await,
        };
        let Passage { outbound, reported } = match judged {
            Ok(passage) => passage,
            Err(rejection) => {
                ctx.stage = Stage::Answered;
                ctx.account.reject(&rejection);
                if let Some(event) = record::event(session, &ctx.gateway, &ctx.account, &rejection, None) {
                    self.audit.note_before_answer(event).await;
                }
                answer::answer(session, &ctx.gateway, &rejection, &ctx.account, audience).await?;
                drain::drain(session).await;
                return Ok(true);
            }
        };
        ctx.account.admit(&outbound);
        if let Some(rejection) = reported {
            ctx.account.report(&rejection);
            if let Some(event) = record::event(session, &ctx.gateway, &ctx.account, &rejection, Some("report")) {
                self.audit.note(event);
            }
        }
        if audience != Audience::Client {
            ctx.stage = Stage::Answered;
            outer::allow(session, &ctx.gateway, &outbound, &ctx.account, audience).await?;
            drain::drain(session).await;
            return Ok(true);
        }
        if outbound.target() == Target::Door {
            ctx.stage = Stage::Answered;
            match ctx.account.scope() {
                None => doors::open(session, &ctx.gateway, outbound, &ctx.account).await?,
                Some(scope) => Box::pin(scope.around(doors::open(session, &ctx.gateway, outbound, &ctx.account))).await?,
            }
            drain::drain(session).await;
            return Ok(true);
        }
        if let Some(identity) = &outbound.identity
            && !session.as_downstream_mut().is_body_empty()
            && let Some(live) = LiveHandle::of(session)
        {
            live.ask(session.req_header(), identity);
            ctx.account.linger(session, 0);
        }
        let short = exchange::is_short(session, &ctx.gateway, outbound.target());
        ctx.stage = Stage::Outbound(Box::new(outbound));
        if short {
            self.exchange(session, ctx).await?;
            return Ok(true);
        }
        Ok(false)
    }

    async fn upstream_peer(&self, session: &mut Session, ctx: &mut Progress) -> Result<Box<HttpPeer>> {
        Ok(Box::new(self.choose(session, ctx)?.peer.clone()))
    }

    fn fail_to_connect(&self, _session: &mut Session, _peer: &HttpPeer, ctx: &mut Progress, mut error: Box<Error>) -> Box<Error> {
        ctx.account.miss();
        // Nothing was sent, so another server may be asked whatever the method is.
        let again = ctx.outbound().is_ok_and(|(gateway, outbound, _)| match (outbound.target(), &outbound.lease) {
            (Target::Upstream(upstream), Some(lease)) => gateway.forwarding.upstreams.failed(upstream, lease, self.clock.now()),
            _ => false,
        });
        error.set_retry(again);
        error
    }

    async fn connected_to_upstream(
        &self,
        session: &mut Session,
        reused: bool,
        peer: &HttpPeer,
        descriptor: RawFd,
        _digest: Option<&Digest>,
        ctx: &mut Progress,
    ) -> Result<()> {
        ctx.connected(peer, reused, descriptor)?;
        let (gateway, outbound, _) = ctx.outbound()?;
        let downstream = session.as_downstream_mut();
        if downstream.is_http2()
            && !downstream.is_body_done()
            && let Some(lease) = &mut outbound.lease
        {
            lease.await_rest(gateway.hygiene.limits().body_timeout.0);
        }
        Ok(())
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut Progress,
    ) -> Result<()> {
        let bytes = body.as_ref().map_or(0, Bytes::len);
        ctx.account.received(bytes);
        if let Some(lease) = &ctx.outbound()?.1.lease {
            lease.sending(bytes, end);
        }
        if end && let Some(live) = LiveHandle::of(session) {
            live.asked();
        }
        Ok(())
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        _: bool,
        ctx: &mut Progress,
    ) -> Result<Option<Duration>> {
        ctx.account.sent(body.as_ref().map_or(0, Bytes::len));
        Ok(None)
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        ctx: &mut Progress,
        reused: bool,
    ) -> Box<Error> {
        match ctx.late() {
            Some(Late::Answer) => return Error::explain(ErrorType::ReadTimedout, "no answer in time").into_up(),
            Some(Late::Request) => return Error::explain(ErrorType::ReadTimedout, "no request in time").into_down(),
            None => {}
        }
        // Only what the server closed unseen before it read anything may be sent again, and only what does nothing twice.
        if session.req_header().method.is_idempotent() && session.as_downstream_mut().is_body_empty() {
            error.retry.decide_reuse(reused);
        } else {
            error.set_retry(false);
        }
        error
    }

    async fn upstream_request_filter(&self, _session: &mut Session, head: &mut RequestHeader, ctx: &mut Progress) -> Result<()> {
        // The engine keeps each name a second time as it was spelt and pays for it with two allocations for each field that is
        // set. Its plain parts do without, and hold an absolute-form target (RFC 9112 §3.2.2) as the path that was judged.
        let blank = RequestHeader::from(http::Request::new(()).into_parts().0);
        let mut parts: http::request::Parts = std::mem::replace(head, blank).into();
        ctx.introduce(&mut parts.headers)?;
        *head = parts.into();
        Ok(())
    }

    async fn upstream_response_filter(&self, session: &mut Session, head: &mut ResponseHeader, ctx: &mut Progress) -> Result<()> {
        if session.as_downstream().is_http2() {
            // Names travel in lower case (RFC 9113 §8.2); how they were spelt need not be kept up to date.
            let blank = ResponseHeader::from(http::Response::new(()).into_parts().0);
            *head = Parts::from(std::mem::replace(head, blank)).into();
        }
        ctx.answered(session, head)
    }

    async fn response_filter(&self, session: &mut Session, head: &mut ResponseHeader, ctx: &mut Progress) -> Result<()> {
        ctx.begins(session, head)
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Progress) {
        let took = ctx.account.close(session, &ctx.gateway);
        edge::settled(session, took, error);
    }

    /// The account says it already, and without the query that the engine would print.
    fn suppress_error_log(&self, _: &Session, _: &Progress, _: &Error) -> bool {
        true
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, ctx: &mut Progress) -> FailToProxy {
        let slow = (ctx.late() == Some(Late::Request)).then_some(Unclean::SLOW_BODY);
        let flaw = slow.or_else(|| ConnectionFacts::of(session).and_then(|facts| facts.wire.flaw()));
        let site = ctx.outbound().map_or(SiteId::SHARED, |(_, outbound, _)| outbound.site);
        let rejection = Rejection { site, ..Rejection::from_engine(error, flaw) };
        ctx.account.reject(&rejection);
        if let Some(event) = record::event(session, &ctx.gateway, &ctx.account, &rejection, None) {
            self.audit.note(event);
        }
        let error_code = rejection.status().as_u16();
        // A response that has begun cannot be taken back; the connection is closed instead, behind what was read of it.
        let told = match session.response_written() {
            None => answer::answer(session, &ctx.gateway, &rejection, &ctx.account, Audience::Client).await,
            Some(_) => answer::last_words(session).await,
        };
        if told.is_err() {
            tracing::debug!("the client left before it could be told");
        }
        FailToProxy { error_code, can_reuse_downstream: false }
    }
}

/// What becomes of the request that `session` holds, or of the one that it asks about.
async fn judge(gateway: &Gateway, session: &mut Session, now: Timestamp, audience: Audience) -> Result<Passage, Rejection> {
    if audience == Audience::Client {
        return travel(gateway, session, now, None).await;
    }
    let wanted = outer::Wanted::of(session.req_header(), audience);
    let facts = outer::turn(session, gateway, audience).await?;
    let Passage { outbound, reported } = travel(gateway, session, now, Some(&facts)).await?;
    let outbound = wanted.judge(outer::judge(outbound)?)?;
    Ok(Passage { outbound, reported })
}

/// The journey of the request that `session` holds. `told`: where it comes from, if not from where its connection does.
async fn travel(
    gateway: &Gateway,
    session: &mut Session,
    now: Timestamp,
    told: Option<&ConnectionFacts>,
) -> Result<Passage, Rejection> {
    settle(session.req_header_mut())?;
    let facts = told.or_else(|| ConnectionFacts::of(session)).ok_or(Rejection::UNJUDGED)?;
    let arrival = Arrival { head: session.req_header(), facts, now };
    journey::journey(gateway, arrival).await
}

/// A request reached the engine's upstream phase without a permit. Cannot happen; answers 500 rather than forwarding if it does.
#[expect(clippy::unnecessary_box_returns, reason = "the engine's results hold boxed errors")]
fn unjudged() -> Box<Error> {
    Error::explain(ErrorType::InternalError, "the request was not judged")
}
