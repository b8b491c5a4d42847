//! Envoy's question by gRPC, and the answer to it.
//!
//! Refuses to believe the fields about where a request comes from: Envoy says that beside them, and they are what the client sent.

use std::net::IpAddr;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use pingora::{Error, ErrorType, OrErr as _, Result};
use prost::Message as _;
use tokio::time::timeout;

use super::protocol::{
    BoolValue, CheckRequest, CheckResponse, DeniedHttpResponse, HeaderValue as Field, HeaderValueOption, HttpRequest, HttpStatus,
    OkHttpResponse, Status, Verdict,
};
use super::{Answered, refuse};
use crate::edge::{ConnectionFacts, Unclean};
use crate::forward::Told;
use crate::proxy::gateway::Gateway;

/// Bytes of a question: a head with room for what Envoy says beside it, and for the part of a body that it was configured to send.
const LARGEST: usize = 1024 * 1024;
/// Before each message: whether it is compressed, and its length (gRPC over HTTP/2, "Length-Prefixed-Message").
const PREFIX: usize = 5;
/// Of `google.rpc.Code`.
const PERMISSION_DENIED: i32 = 7;
const UNAUTHENTICATED: i32 = 16;

const MALFORMED: Unclean = refuse(400, "check_request");

/// Framing and origin, which are Envoy's matter: the first it has judged, the second it says itself.
const OF_THE_LEG: [&str; 16] = [
    "connection",
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "keep-alive",
    "proxy-connection",
    "http2-settings",
    "expect",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "host",
];

/// The request that is asked about, and where it comes from.
pub(super) async fn asked(
    session: &mut Session,
    gateway: &Gateway,
    facts: &ConnectionFacts,
) -> std::result::Result<(RequestHeader, ConnectionFacts), Unclean> {
    let within = gateway.hygiene.limits().body_timeout.0;
    let message = timeout(within, message(session)).await.map_err(|_| Unclean::SLOW_BODY)??;
    let attributes = CheckRequest::decode(message).map_err(|_| MALFORMED)?.attributes.ok_or(MALFORMED)?;
    let client = attributes.source.and_then(|source| source.address?.socket_address).ok_or(MALFORMED)?;
    let client: IpAddr = client.address.parse().map_err(|_| MALFORMED)?;
    let request = attributes.request.and_then(|request| request.http).ok_or(MALFORMED)?;
    let secure = match request.scheme.as_str() {
        "https" => true,
        "http" => false,
        _ => return Err(MALFORMED),
    };
    let mut head = original(request)?;
    head.set_version(session.req_header().version);
    Ok((head, ConnectionFacts { secure, ..ConnectionFacts::plain(client, facts.live.clone()) }))
}

/// The one message of a call.
async fn message(session: &mut Session) -> std::result::Result<Bytes, Unclean> {
    if !session.as_downstream().is_http2() {
        return Err(MALFORMED);
    }
    let mut read = BytesMut::new();
    while let Some(chunk) = session.as_downstream_mut().read_request_body().await.map_err(|_| MALFORMED)? {
        if read.len() + chunk.len() > LARGEST {
            return Err(refuse(413, "check_request_too_large"));
        }
        read.extend_from_slice(&chunk);
    }
    let mut read = read.freeze();
    if read.len() < PREFIX || read.get_u8() != 0 || usize::try_from(read.get_u32()) != Ok(read.len()) {
        return Err(MALFORMED);
    }
    Ok(read)
}

fn original(request: HttpRequest) -> std::result::Result<RequestHeader, Unclean> {
    let target = request.path.as_bytes();
    // The engine would drop a fragment silently.
    if !target.starts_with(b"/") || target.iter().any(|byte| !(0x21..0x7f).contains(byte) || *byte == b'#') {
        return Err(refuse(400, "original_request"));
    }
    let mut head = RequestHeader::build(request.method.as_bytes(), target, None).map_err(|_| MALFORMED)?;
    let raw = request.header_map.into_iter().flat_map(|map| map.headers);
    let raw = raw.map(|field| (field.key, if field.raw_value.is_empty() { field.value.into_bytes() } else { field.raw_value }));
    let joined = request.headers.into_iter().map(|(name, value)| (name, value.into_bytes()));
    for (name, value) in raw.chain(joined) {
        if name.starts_with(':') || OF_THE_LEG.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            continue;
        }
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| MALFORMED)?;
        let value = HeaderValue::from_bytes(&value).map_err(|_| MALFORMED)?;
        head.append_header(name, value).map_err(|_| MALFORMED)?;
    }
    head.insert_header(header::HOST, request.host).map_err(|_| MALFORMED)?;
    Ok(head)
}

/// Says that the request may pass; `head` is what the client's answer is to hold besides.
pub(super) async fn allow(session: &mut Session, told: Told, head: &ResponseHeader) -> Result<()> {
    let cookies = head.headers.get_all(crate::session::cookie::FIELD);
    let verdict = OkHttpResponse {
        headers: told.set.iter().map(|(name, value)| option(name, value, false)).collect(),
        headers_to_remove: told.remove.iter().map(|name| name.as_str().to_owned()).collect(),
        response_headers_to_add: cookies.iter().map(|line| option(&crate::session::cookie::FIELD, line, true)).collect(),
    };
    respond(session, CheckResponse { status: Some(Status { code: 0 }), verdict: Some(Verdict::Ok(verdict)) }).await
}

/// Passes a refusal on as the client is to get it.
pub(in crate::proxy) async fn tell(session: &mut Session, head: &ResponseHeader, body: String) -> Result<()> {
    let fields = head.headers.iter().filter(|(name, _)| *name != header::CONTENT_LENGTH);
    // Envoy adds each of them, also several of one name, to what it would have answered.
    let headers = fields.map(|(name, value)| option(name, value, false)).collect();
    session.req_header_mut().extensions_mut().insert(Answered(head.status));
    let status = HttpStatus { code: head.status.as_u16().into() };
    let code = if head.status == StatusCode::UNAUTHORIZED { UNAUTHENTICATED } else { PERMISSION_DENIED };
    let verdict = DeniedHttpResponse { status: Some(status), headers, body };
    respond(session, CheckResponse { status: Some(Status { code }), verdict: Some(Verdict::Denied(verdict)) }).await
}

/// A field of the name, in the place of those of its name or beside them.
fn option(name: &HeaderName, value: &HeaderValue, beside: bool) -> HeaderValueOption {
    let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
    let header = Field { key: name.as_str().to_owned(), value, raw_value: Vec::new() };
    HeaderValueOption { header: Some(header), append: Some(BoolValue { value: beside }) }
}

async fn respond(session: &mut Session, response: CheckResponse) -> Result<()> {
    let message = response.encode_to_vec();
    let length = u32::try_from(message.len()).or_err(ErrorType::InternalError, "an answer of that size")?;
    let mut body = BytesMut::with_capacity(PREFIX + message.len());
    body.put_u8(0);
    body.put_u32(length);
    body.put_slice(&message);
    let mut head = ResponseHeader::build(StatusCode::OK, Some(2))?;
    head.insert_header(header::CONTENT_TYPE, "application/grpc")?;
    session.write_response_header(Box::new(head), false).await?;
    session.write_response_body(Some(body.freeze()), false).await?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let written = session.as_downstream_mut().write_response_trailers(trailers).await;
    written.map_err(|error| Error::because(ErrorType::WriteError, "the end of an answer", error))
}
