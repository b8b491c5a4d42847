//! One request to the receiver, and what its answer means.
//!
//! Refuses to repeat what a receiver said: it may say back the secret that it was sent.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::{Request, Response, StatusCode, header};
use url::Url;

use super::Planned;
use crate::http_client::HttpClientError;

const PROTOBUF: &str = "application/x-protobuf";
/// Nobody is waited for longer, whatever they ask for.
const LONGEST: Duration = Duration::from_secs(30);

/// Why something was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    /// It may be later (OTLP specification, "Retryable Response Codes").
    #[error("{why}")]
    Later { why: String, after: Option<Duration> },
    /// It never will be.
    #[error("{0}")]
    Refused(String),
}

/// Sends `message`; the body of the answer, if it is one of success.
pub(super) async fn post(planned: &Planned, url: &Url, message: Vec<u8>) -> Result<Vec<u8>, PostError> {
    let answer = planned.client.send(request(planned, url, message)?).await.map_err(|error| unreached(&error))?;
    let status = answer.status();
    match status {
        status if status.is_success() => Ok(answer.into_body()),
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Err(PostError::Later { why: status.to_string(), after: retry_after(&answer) }),
        _ => Err(PostError::Refused(status.to_string())),
    }
}

fn request(planned: &Planned, url: &Url, message: Vec<u8>) -> Result<Request<Vec<u8>>, PostError> {
    let mut request = Request::post(url.as_str()).header(header::CONTENT_TYPE, PROTOBUF);
    let body = if planned.gzip {
        request = request.header(header::CONTENT_ENCODING, "gzip");
        compressed(&message).map_err(|error| PostError::Refused(error.to_string()))?
    } else {
        message
    };
    let mut request = request.body(body).map_err(|error| PostError::Refused(error.to_string()))?;
    request.headers_mut().extend(planned.headers.clone());
    Ok(request)
}

fn compressed(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

/// Without the address, which may hold a secret.
fn unreached(error: &HttpClientError) -> PostError {
    let late = matches!(error, HttpClientError::NoAnswer { source, .. } if source.is_timeout());
    let why = if late { format!("{error}: it took too long") } else { error.to_string() };
    PostError::Later { why, after: None }
}

/// RFC 9110 §10.2.3, in its form of seconds.
fn retry_after(answer: &Response<Vec<u8>>) -> Option<Duration> {
    let seconds = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST))
}
