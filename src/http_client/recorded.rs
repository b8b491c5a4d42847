//! What others are asked for the sake of a request that is recorded, as spans (semantic conventions for HTTP clients).
//!
//! Refuses queries and bodies, which hold codes and secrets; and to name a trace to others than those who are asked for one that is recorded.

use http::{HeaderValue, Response};

use super::HttpClientError;
use crate::trace::{self, Attribute, Open};

/// The first status that says that something failed (RFC 9110 §15.5).
const FAILURES: u16 = 400;

/// Begins a span, and has the other side go on below it (W3C Trace Context §3.2).
pub(super) fn begin(request: &mut reqwest::Request) -> Option<Open> {
    let span = trace::begin(|scope| {
        let (method, url) = (request.method().as_str().to_owned(), request.url());
        let mut attributes: Vec<(_, Attribute)> =
            vec![("http.request.method", method.clone().into()), ("url.scheme", url.scheme().to_owned().into())];
        attributes.extend(url.host_str().map(|host| ("server.address", host.to_owned().into())));
        attributes.extend(url.port_or_known_default().map(|port| ("server.port", port.into())));
        if scope.tells_paths() {
            attributes.push(("url.full", format!("{}{}", url.origin().ascii_serialization(), url.path()).into()));
        }
        (method, attributes)
    })?;
    if let Some(parent) = span.traceparent().and_then(|text| HeaderValue::try_from(text).ok()) {
        request.headers_mut().insert("traceparent", parent);
    }
    Some(span)
}

/// Tells how it went.
pub(super) fn end(span: Option<Open>, answered: &Result<Response<Vec<u8>>, HttpClientError>) {
    let Some(mut span) = span else { return };
    match answered {
        Ok(answer) => {
            let status = answer.status().as_u16();
            span.note("http.response.status_code", status);
            if status < FAILURES { span.succeed() } else { span.fail(status.to_string()) }
        }
        Err(HttpClientError::NoAnswer { source, .. }) if source.is_timeout() => span.fail("timeout"),
        Err(HttpClientError::NoAnswer { .. }) => span.fail("no_answer"),
        Err(_) => span.fail("too_large"),
    }
}
