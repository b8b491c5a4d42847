//! The bridge from the engine to Doorward's own pages, which are an axum router.
//!
//! Refuses to buffer: both bodies stream with back-pressure, because an upload to the SCIM door must not cost its size in memory.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt as _, StreamBody};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_stream::wrappers::ReceiverStream;
use tower::ServiceExt as _;

use super::account::Account;
use super::gateway::Gateway;
use super::renewal;
use crate::edge::patience::PER_BYTE;
use crate::forward::Outbound;

type Chunk = std::result::Result<Frame<Bytes>, io::Error>;

/// Answers from the router; handlers find the judged request as the extension `Arc<Outbound>` and its name as [`RequestId`](crate::telemetry::RequestId).
///
/// A body of HTTP/2, which the engine reads without a timer, has to be there within `limits.body_timeout` beside what its bytes earn
/// (threats D6).
pub(super) async fn open(session: &mut Session, gateway: &Gateway, outbound: Outbound, account: &Account) -> Result<()> {
    let within = gateway.hygiene.limits().body_timeout.0;
    let mut until = session.as_downstream().is_http2().then(|| Instant::now() + within);
    let (sender, receiver) = mpsc::channel(1);
    let mut sender = (!session.is_body_empty()).then_some(sender);
    let body = match &sender {
        Some(_) => Body::new(StreamBody::new(ReceiverStream::new(receiver))),
        None => Body::empty(),
    };
    let mut request = Request::from_parts(session.req_header().as_owned_parts(), body);
    let outbound = Arc::new(outbound);
    request.extensions_mut().insert(Arc::clone(&outbound));
    request.extensions_mut().insert(account.id().clone());
    let answer = gateway.doors.at(outbound.site).await.oneshot(request);
    tokio::pin!(answer);
    let answered: std::result::Result<_, Infallible> = loop {
        tokio::select! {
            biased;
            answered = &mut answer => break answered,
            more = pump(session, sender.as_ref(), &mut until), if sender.is_some() => if !more { sender = None },
        }
    };
    let Ok(response) = answered;
    let (parts, body) = response.into_parts();
    let mut head = head(session, parts, &body)?;
    renewal::renew(session, gateway, outbound.identity.as_deref(), outbound.now, &mut head)?;
    account.label(&mut head)?;
    respond(session, head, body, sender, until).await
}

/// Moves one chunk of the request's body once the handler has room for it; says whether there may be more.
async fn pump(session: &mut Session, sender: Option<&mpsc::Sender<Chunk>>, until: &mut Option<Instant>) -> bool {
    let Some(sender) = sender else { return false };
    let Ok(room) = sender.reserve().await else { return false };
    let reading = session.as_downstream_mut().read_request_body();
    let read = match *until {
        None => reading.await,
        Some(until) => match timeout_at(until, reading).await {
            Ok(read) => read,
            Err(_) => Error::e_explain(ErrorType::ReadTimedout, "the body of a request"),
        },
    };
    match read {
        Ok(Some(chunk)) => {
            if let Some(until) = until {
                *until += PER_BYTE.saturating_mul(u32::try_from(chunk.len()).unwrap_or(u32::MAX));
            }
            room.send(Ok(Frame::data(chunk)));
            true
        }
        Ok(None) => false,
        Err(error) => {
            room.send(Err(io::Error::other(error.to_string())));
            false
        }
    }
}

async fn respond(
    session: &mut Session,
    head: ResponseHeader,
    mut body: Body,
    mut sender: Option<mpsc::Sender<Chunk>>,
    mut until: Option<Instant>,
) -> Result<()> {
    let bodiless = session.req_header().method == Method::HEAD
        || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || body.is_end_stream();
    session.write_response_header(Box::new(head), bodiless).await?;
    if bodiless {
        return Ok(());
    }
    loop {
        tokio::select! {
            biased;
            frame = body.frame() => match frame {
                None => return session.write_response_body(None, true).await,
                Some(Ok(frame)) => if let Ok(data) = frame.into_data() { session.write_response_body(Some(data), false).await? },
                Some(Err(error)) => return Error::e_explain(ErrorType::InternalError, format!("own page: {error}")),
            },
            more = pump(session, sender.as_ref(), &mut until), if sender.is_some() => if !more { sender = None },
        }
    }
}

fn head(session: &Session, parts: http::response::Parts, body: &Body) -> Result<ResponseHeader> {
    let bodiless_status = matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let mut head = ResponseHeader::from(parts);
    if !head.headers.contains_key(header::CONTENT_LENGTH) && !bodiless_status {
        match body.size_hint().exact() {
            Some(length) => head.insert_header(header::CONTENT_LENGTH, length)?,
            None if !session.as_downstream().is_http2() => head.insert_header(header::TRANSFER_ENCODING, "chunked")?,
            None => {}
        }
    }
    Ok(head)
}
