//! Receivers by HTTP: what their answers mean for a batch.
//!
//! Refuses to give an event up for what can be mended at the receiver: a wrong secret, a wrong address and a wrong certificate are all
//! tried again, because whoever mends them wants what happened meanwhile. Nor to repeat a secret that a receiver said back, because why a
//! batch waits is written to logs and shown to people.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};

use super::transport::SendError;
use crate::crypto::Secret;
use crate::http_client::{HttpClient, HttpClientError};

/// Nobody is waited for longer, whatever they ask for.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Sends one batch; the answer, if it is one of success.
pub(super) async fn post(client: &HttpClient, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, SendError> {
    let sent = request.headers().clone();
    let answer = client.send(request).await.map_err(|error| SendError::later(told(&error)))?;
    if answer.status().is_success() { Ok(answer) } else { Err(refusal(&answer, &sent)) }
}

/// What a receiver said, without what the fields that were sent to it keep secret: the values of sensitive ones, and their words, since a
/// token stands behind the name of its scheme.
pub(super) fn masked(said: &[u8], sent: &HeaderMap) -> String {
    let values = sent.values().filter(|value| value.is_sensitive()).filter_map(|value| value.to_str().ok());
    let secrets: Vec<&str> = values.flat_map(|value| std::iter::once(value).chain(value.split(' '))).collect();
    without(&secrets, said)
}

/// What was said, without `secrets`.
pub(super) fn without(secrets: &[&str], said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said).into_owned();
    secrets.iter().filter(|secret| !secret.is_empty()).fold(said, |said, secret| said.replace(secret, "…"))
}

/// The fields that an administrator wants to be sent along; none is printed. The review has seen that they can be ones.
pub(super) fn fields(typed: &BTreeMap<String, Secret>) -> HeaderMap {
    typed.iter().filter_map(|(name, value)| Some((HeaderName::try_from(name).ok()?, sensitive(value.expose())))).collect()
}

/// A header's value that is not printed. The review has seen that it can be one; what cannot is sent empty, and refused.
pub(super) fn sensitive(text: &str) -> HeaderValue {
    let mut value = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

/// A body as `Content-Encoding: gzip` has it.
pub(super) fn compressed(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

/// What an answer that is no success says of the batch. Only 400, 406, 410, 411, 413, 415, 422 and their like blame what was sent.
fn refusal(answer: &Response<Vec<u8>>, sent: &HeaderMap) -> SendError {
    let status = answer.status();
    let why = format!("{status}: {}", masked(answer.body(), sent));
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
            let SendError::Later { why, after } = refusal(&answer(status), &HeaderMap::new()) else { panic!("{status}") };
            assert!(why.starts_with(&status.to_string()) && why.ends_with("no"), "{why}");
            assert_eq!(after, Some(Duration::from_secs(7)));
        }
        for status in [400, 406, 413, 415, 422] {
            assert!(matches!(refusal(&answer(status), &HeaderMap::new()), SendError::Refused { at: None, .. }), "{status}");
        }
    }

    #[test]
    fn a_secret_that_a_receiver_says_back_is_not_repeated() {
        let mut value = HeaderValue::from_static("Bearer one-secret-of-many");
        value.set_sensitive(true);
        let mut sent = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
        sent.insert(header::ACCEPT, HeaderValue::from_static("logs"));
        let said = b"Authorization: Bearer one-secret-of-many; your token one-secret-of-many takes no logs";
        let answer = Response::builder().status(400).body(said.to_vec()).unwrap();
        let SendError::Refused { why, .. } = refusal(&answer, &sent) else { panic!("it is for good") };
        assert_eq!(why, "400 Bad Request: Authorization: …; your token … takes no logs");
    }

    #[test]
    fn nobody_is_waited_for_for_ever() {
        let headers = |value: &str| HeaderMap::from_iter([(header::RETRY_AFTER, value.parse().unwrap())]);
        assert_eq!(retry_after(&headers("99999999")), Some(LONGEST));
        assert_eq!(retry_after(&headers("soon")), None);
    }
}
