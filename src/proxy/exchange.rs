//! The short way to the application: a request without a body, to a server that speaks HTTP/1.1.
//!
//! Refuses what needs both directions at once (bodies, WebSocket) and what the engine alone knows how to take apart (fields that a
//! `Connection` names): that goes through the engine's own way, which costs twice as much, for it runs the two halves of each
//! exchange beside each other. Both ways pass the same callbacks, in the same order.

use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::HttpTask;
use pingora::protocols::http::v1::client::HttpSession as Upstream;
use pingora::proxy::{ProxyHttp as _, Session};
use pingora::{Error, ErrorType, OrErr as _, Result};

use super::gateway::Gateway;
use super::{Doorward, Progress};
use crate::edge::fields;
use crate::route::Target;

/// How often a request is sent, at most; a failed attempt says whether there may be another.
const ATTEMPTS: usize = 3;

/// Fields of the client's leg (RFC 9110 §7.6.1), which end here.
const HOP_BY_HOP: [HeaderName; 10] = [
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
];

/// Whether the request may go the short way.
pub(super) fn is_short(session: &mut Session, gateway: &Gateway, target: Target) -> bool {
    let Target::Upstream(upstream) = target else { return false };
    let fields = &session.req_header().headers;
    gateway.forwarding.upstreams.is_http1(upstream, session.req_header())
        && !fields::holds(fields, &header::UPGRADE)
        && fields::values(fields, &header::CONNECTION).all(names_nothing)
        && session.as_downstream_mut().is_body_empty()
}

/// Whether a `Connection` names no field (RFC 9110 §7.6.1).
fn names_nothing(connection: &HeaderValue) -> bool {
    ["keep-alive", "close"].iter().any(|option| connection.as_bytes().eq_ignore_ascii_case(option.as_bytes()))
}

impl Doorward {
    /// Sends the request and passes the answer on, to its end.
    pub(super) async fn exchange(&self, session: &mut Session, ctx: &mut Progress) -> Result<()> {
        for _ in 1..ATTEMPTS {
            match self.attempt(session, ctx).await {
                Err(error) if error.retry() => {}
                outcome => return outcome,
            }
        }
        self.attempt(session, ctx).await
    }

    async fn attempt(&self, session: &mut Session, ctx: &mut Progress) -> Result<()> {
        let way = self.choose(session, ctx)?;
        let (stream, reused) = match self.pool.connect(&way).await {
            Ok(connected) => connected,
            Err(error) => return Err(self.fail_to_connect(session, &way.peer, ctx, error.into_up()).into_up()),
        };
        let bounded = ctx.connected(&way.peer, reused, stream.id())?;
        let mut upstream = Upstream::new(stream);
        upstream.write_timeout = way.peer.options.write_timeout;
        // A timer of its own only for what has none: most answers are there whole when their head is.
        upstream.read_timeout = way.peer.options.read_timeout.filter(|_| !bounded);
        if let Err(error) = converse(session, &mut upstream, way.peer.options.read_timeout, ctx).await {
            return Err(self.error_while_proxy(&way.peer, session, error, ctx, reused));
        }
        upstream.respect_keepalive();
        if let Some(stream) = upstream.reuse().await {
            self.pool.keep(&way, stream);
        }
        Ok(())
    }
}

/// `silence` is how long the server may be silent once its answer has begun.
async fn converse(session: &mut Session, upstream: &mut Upstream, silence: Option<Duration>, ctx: &mut Progress) -> Result<()> {
    let head = outgoing(session.req_header(), ctx)?;
    upstream.write_request_header(Box::new(head)).await.map_err(Error::into_up)?;
    loop {
        attended(session, upstream.read_response()).await?;
        let mut head = answer(session, upstream)?;
        ctx.answered(session, &mut head)?;
        if !head.status.is_informational() {
            upstream.read_timeout = silence;
            return pass_on(session, upstream, head, ctx).await;
        }
        session.write_response_tasks(vec![HttpTask::Header(head, false)]).await?;
    }
}

/// The head as the application gets it.
fn outgoing(head: &RequestHeader, ctx: &mut Progress) -> Result<RequestHeader> {
    let mut fields = HeaderMap::with_capacity(head.headers.len() + 16);
    for (name, value) in &head.headers {
        if !HOP_BY_HOP.contains(name) {
            fields.append(name, value.clone());
        }
    }
    // HTTP/2 names the host in the target (RFC 9113 §8.3.1).
    if let Some(authority) = head.uri.authority() {
        let host =
            HeaderValue::from_str(authority.as_str()).or_err(ErrorType::InvalidHTTPHeader, "the authority is no field value")?;
        fields.insert(header::HOST, host);
    }
    ctx.introduce(&mut fields)?;
    let mut parts = Request::new(()).into_parts().0;
    (parts.method, parts.uri, parts.headers) = (head.method.clone(), head.uri.clone(), fields);
    Ok(parts.into())
}

/// What the server does next, unless the client leaves before.
async fn attended<T>(session: &mut Session, reading: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        biased;
        read = reading => read.map_err(Error::into_up),
        left = session.as_downstream_mut().read_body_or_idle(true) => match left {
            Ok(_) => Error::e_explain(ErrorType::ConnectionClosed, "the client left").map_err(Error::into_down),
            Err(error) => Err(error.into_down()),
        },
    }
}

/// The head that was read, for the client's leg.
fn answer(session: &Session, upstream: &Upstream) -> Result<Box<ResponseHeader>> {
    let read = upstream.resp_header().ok_or_else(|| Error::explain(ErrorType::InvalidHTTPHeader, "no answer was read"))?;
    // HTTP/2 names fields in lower case (RFC 9113 §8.2); how they were spelt need not be kept.
    let http2 = session.as_downstream().is_http2();
    Ok(Box::new(if http2 { read.as_owned_parts().into() } else { read.clone() }))
}

/// Passes a final answer on, to its end.
async fn pass_on(
    session: &mut Session,
    upstream: &mut Upstream,
    mut head: Box<ResponseHeader>,
    ctx: &mut Progress,
) -> Result<()> {
    let mut done = upstream.is_body_done();
    frame(&session.req_header().method, &mut head, done)?;
    ctx.begins(session, &mut head)?;
    let mut tasks = Vec::with_capacity(2);
    tasks.push(HttpTask::Header(head, done));
    // What came with the head leaves with it.
    if !done && let Some(read) = upstream.read_body_bytes().now_or_never() {
        let data = read.map_err(Error::into_up)?;
        done = upstream.is_body_done();
        ctx.account.sent(data.as_ref().map_or(0, Bytes::len));
        tasks.push(HttpTask::Body(data, done));
    }
    session.write_response_tasks(tasks).await?;
    while !done {
        let data: Option<Bytes> = attended(session, upstream.read_body_bytes()).await?;
        done = upstream.is_body_done();
        ctx.account.sent(data.as_ref().map_or(0, Bytes::len));
        session.write_response_tasks(vec![HttpTask::Body(data, done)]).await?;
    }
    session.as_downstream_mut().finish_body().await.map_err(Error::into_down)
}

/// Makes an answer whose end is the connection's end a chunked one (RFC 9112 §6.3), because the client's connection stays.
fn frame(method: &Method, head: &mut ResponseHeader, done: bool) -> Result<()> {
    let bodiless = done || *method == Method::HEAD || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let framed = |name| fields::holds(&head.headers, name);
    if bodiless || framed(&header::TRANSFER_ENCODING) || framed(&header::CONTENT_LENGTH) {
        return Ok(());
    }
    head.set_version(Version::HTTP_11);
    head.insert_header(header::TRANSFER_ENCODING, "chunked")
}
