//! A receiver of OpenTelemetry logs: OTLP over HTTP with protobuf.
//!
//! Refuses to take "accepted" for "all accepted": a receiver that rejects some of a batch says only how many (partial success), so the batch
//! is sent in halves until it is known which.

mod records;

use std::fmt;

use async_trait::async_trait;
use http::{HeaderMap, Request, Response, header};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use prost::Message as _;
use serde_json::Value;
use url::Url;

use super::answer::reach;
use super::http::{compressed, fields, masked, post};
use super::transport::{Most, Outgoing, SendError, Transport};
use crate::clock::SharedClock;
use crate::config::sink::{Otlp as Typed, Sink};
use crate::http_client::{HttpClient, HttpClientError};
use crate::telemetry::signal_address;

const MOST: Most = Most { events: 1000, bytes: 1 << 20 };
const LOGS: &str = "v1/logs";
const PROTOBUF: &str = "application/x-protobuf";

/// A receiver of logs.
pub(super) struct Otlp {
    url: Url,
    client: HttpClient,
    headers: HeaderMap,
    gzip: bool,
    service: String,
    clock: SharedClock,
}

impl fmt::Debug for Otlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Otlp({})", self.url.origin().ascii_serialization())
    }
}

impl Otlp {
    /// What `typed` says, in `sink`.
    ///
    /// # Errors
    /// As [`HttpClient::within`].
    pub(super) fn new(typed: &Typed, sink: &Sink, clock: SharedClock) -> Result<Self, HttpClientError> {
        let url = signal_address(&typed.url, LOGS).ok_or_else(|| HttpClientError::NotAUrl(typed.url.clone()))?;
        let client = HttpClient::within(&url, &reach(sink, typed.plain_http))?;
        let headers = fields(&typed.headers);
        Ok(Self { url, client, headers, gzip: typed.gzip, service: typed.service.clone(), clock })
    }

    fn request(&self, batch: &[Outgoing]) -> Result<Request<Vec<u8>>, SendError> {
        let body = records::request(batch, &self.service, self.clock.now()).encode_to_vec();
        let mut request = Request::post(self.url.as_str()).header(header::CONTENT_TYPE, PROTOBUF);
        let body = if self.gzip {
            request = request.header(header::CONTENT_ENCODING, "gzip");
            compressed(&body).map_err(SendError::later)?
        } else {
            body
        };
        let mut request = request.body(body).map_err(SendError::later)?;
        request.headers_mut().extend(self.headers.clone());
        Ok(request)
    }
}

#[async_trait]
impl Transport for Otlp {
    async fn send(&self, batch: &[Outgoing]) -> Result<(), SendError> {
        let answer = post(&self.client, self.request(batch)?).await?;
        let (rejected, why) = partial_success(&answer)?;
        let why = masked(why.as_bytes(), &self.headers);
        if rejected > 0 {
            return Err(SendError::refused(None, format!("{rejected} rejected: {why}")));
        }
        if !why.is_empty() {
            // Everything was taken, and the receiver has advice (OTLP specification, "Partial Success").
            tracing::info!(receiver = ?self, advice = %super::transport::said(&why), "a receiver of logs has something to say");
        }
        Ok(())
    }

    fn most(&self) -> Most {
        MOST
    }
}

/// How many of a batch were rejected, and what was said with a success: 200 by the specification; some say 201, 202 or 204, and leave it
/// at that. An answer that cannot be read did not come from such a receiver.
fn partial_success(answer: &Response<Vec<u8>>) -> Result<(i64, String), SendError> {
    let strange = || SendError::later(format!("{}: the answer is not one of OTLP", answer.status()));
    if answer.body().is_empty() {
        return Ok(Default::default());
    }
    let json = answer.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if json {
        // Not what the specification asks for, but what some send.
        let told: Value = serde_json::from_slice(answer.body()).map_err(|_| strange())?;
        let part = &told["partialSuccess"];
        // 64-bit numbers are text in JSON (ProtoJSON); plain ones are seen, too.
        let count = &part["rejectedLogRecords"];
        let rejected = count.as_i64().or_else(|| count.as_str()?.parse().ok()).unwrap_or(0);
        return Ok((rejected, part["errorMessage"].as_str().unwrap_or_default().to_owned()));
    }
    let told = ExportLogsServiceResponse::decode(answer.body().as_slice()).map_err(|_| strange())?;
    Ok(told.partial_success.map(|part| (part.rejected_log_records, part.error_message)).unwrap_or_default())
}
