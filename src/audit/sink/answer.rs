//! Sending a batch as one HTTP request, and what an answer says of it when it says no.
//!
//! Refuses to repeat a secret that a receiver said back, because why a batch waits is written to logs and shown to people.

use std::time::Duration;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use url::Url;

use super::http::{compressed, retry_after, told, without};
use super::transport::SendError;
use crate::config::shown_address;
use crate::config::sink::Sink;
use crate::http_client::{HttpClient, HttpClientError, Reach};

/// Where some say how many seconds it is until they take more, as Datadog does.
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// An answer and whatever must not be repeated of it.
pub(super) struct Answer<'s> {
    response: Response<Vec<u8>>,
    secrets: Vec<&'s str>,
}

/// POSTs `body`, which is JSON, compressed.
pub(super) async fn post<'s>(
    client: &HttpClient,
    url: &Url,
    headers: &HeaderMap,
    body: Vec<u8>,
    secrets: Vec<&'s str>,
) -> Result<Answer<'s>, SendError> {
    let mut request = json(url, headers, compressed(&body).map_err(SendError::later)?)?;
    request.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    send(client, request, secrets).await
}

/// A POST of `body`, which is JSON.
pub(super) fn json(url: &Url, headers: &HeaderMap, body: Vec<u8>) -> Result<Request<Vec<u8>>, SendError> {
    let mut request = Request::post(url.as_str()).body(body).map_err(SendError::later)?;
    request.headers_mut().extend(headers.clone());
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(request)
}

/// Sends what is ready to be sent.
pub(super) async fn send<'s>(
    client: &HttpClient,
    request: Request<Vec<u8>>,
    secrets: Vec<&'s str>,
) -> Result<Answer<'s>, SendError> {
    let response = client.send(request).await.map_err(|error| SendError::later(told(&error)))?;
    Ok(Answer { response, secrets })
}

impl Answer<'_> {
    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    pub(super) fn body(&self) -> &[u8] {
        self.response.body()
    }

    /// The answer as JSON, where it is such.
    pub(super) fn json<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(self.body()).ok()
    }

    /// That it was not taken yet, with what was said of it.
    pub(super) fn later(&self) -> SendError {
        self.later_with("")
    }

    /// The same, with a hint for who reads it.
    pub(super) fn later_with(&self, hint: &str) -> SendError {
        SendError::after(self.told(hint), self.wait())
    }

    pub(super) fn refused(&self, at: Option<usize>) -> SendError {
        SendError::refused(at, self.told(""))
    }

    /// Status and body, without secrets.
    fn told(&self, hint: &str) -> String {
        let said = without(&self.secrets, self.body());
        let hint = if hint.is_empty() { String::new() } else { format!(" ({hint})") };
        format!("{}{hint}: {said}", self.status())
    }

    /// How long the receiver asks to be left alone.
    fn wait(&self) -> Option<Duration> {
        retry_after(self.headers()).or_else(|| {
            let reset = HeaderMap::from_iter([(http::header::RETRY_AFTER, self.headers().get(RESET)?.clone())]);
            retry_after(&reset)
        })
    }
}

/// How a vendor's receiver is reached. It may be in a private network: the address is the administrator's own.
pub(super) fn reach(sink: &Sink, plain_http: bool) -> Reach<'_> {
    Reach {
        authorities: sink.ca.as_deref(),
        certificate: sink.client_certificate.as_ref(),
        timeout: sink.timeout.0,
        private_addresses: true,
        plain_http,
    }
}

/// `base` with further segments of its path.
pub(super) fn address(base: &str, segments: &[&str]) -> Result<Url, HttpClientError> {
    let not_a_url = || HttpClientError::NotAUrl(shown_address(base));
    let mut url = Url::parse(base).map_err(|_| not_a_url())?;
    url.path_segments_mut().map_err(|()| not_a_url())?.pop_if_empty().extend(segments);
    Ok(url)
}
