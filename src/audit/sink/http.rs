//! Receivers by HTTP: what their answers mean for a batch.
//!
//! Refuses to give an event up for what can be mended at the receiver: a wrong secret, a wrong address and a wrong certificate are all
//! tried again, because whoever mends them wants what happened meanwhile.

use std::error::Error as _;
use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, Request, Response, StatusCode, header};

use super::transport::SendError;
use crate::http_client::{HttpClient, HttpClientError};

/// Nobody is waited for longer, whatever they ask for.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Sends one batch; the answer, if it is one of success.
pub(super) async fn post(client: &HttpClient, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, SendError> {
    let answer = client.send(request).await.map_err(|error| SendError::later(told(&error)))?;
    if answer.status().is_success() { Ok(answer) } else { Err(refusal(&answer)) }
}

/// A body as `Content-Encoding: gzip` has it.
pub(super) fn compressed(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

/// What an answer that is no success says of the batch. Only 400, 406, 410, 411, 413, 415, 422 and their like blame what was sent.
pub(super) fn refusal(answer: &Response<Vec<u8>>) -> SendError {
    let status = answer.status();
    let why = format!("{status}: {}", String::from_utf8_lossy(answer.body()));
    let mendable = [
        StatusCode::UNAUTHORIZED,
        StatusCode::PAYMENT_REQUIRED,
        StatusCode::FORBIDDEN,
        StatusCode::NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED,
        StatusCode::PROXY_AUTHENTICATION_REQUIRED,
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::CONFLICT,
        StatusCode::TOO_EARLY,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    if status.is_client_error() && !mendable.contains(&status) {
        SendError::refused(None, why)
    } else {
        SendError::after(why, retry_after(answer.headers()))
    }
}

/// How long the receiver wants to be left alone (RFC 9110 §10.2.3), in its form of seconds.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST))
}

/// Why there was no answer, down to its cause, without the address, which may hold a secret.
pub(super) fn told(error: &HttpClientError) -> String {
    let HttpClientError::NoAnswer { host, source } = error else { return error.to_string() };
    let mut text = format!("no answer from {host}");
    if source.is_timeout() {
        text += ": it took too long";
    }
    let mut cause = source.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16) -> Response<Vec<u8>> {
        Response::builder().status(status).header("retry-after", "7").body(b"no\n".to_vec()).unwrap()
    }

    #[test]
    fn only_what_is_wrong_with_the_events_is_refused_for_good() {
        for status in [301, 401, 403, 404, 407, 408, 409, 425, 429, 500, 502, 503, 504] {
            let SendError::Later { why, after } = refusal(&answer(status)) else { panic!("{status}") };
            assert!(why.starts_with(&status.to_string()) && why.ends_with("no"), "{why}");
            assert_eq!(after, Some(Duration::from_secs(7)));
        }
        for status in [400, 406, 413, 415, 422] {
            assert!(matches!(refusal(&answer(status)), SendError::Refused { at: None, .. }), "{status}");
        }
    }

    #[test]
    fn nobody_is_waited_for_for_ever() {
        let headers = |value: &str| HeaderMap::from_iter([(header::RETRY_AFTER, value.parse().unwrap())]);
        assert_eq!(retry_after(&headers("99999999")), Some(LONGEST));
        assert_eq!(retry_after(&headers("soon")), None);
    }
}
