//! What is asked for: the body and the query, read strictly.
//!
//! Refuses fields and parameters that nobody knows, because a misspelt one is a change that does not happen.

#![expect(clippy::option_option, reason = "a field that is left out and one that is `null` are two things")]

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::BODY_BYTES;
use super::problem::Problem;
use crate::clock::Timestamp;

/// A body of JSON.
pub(super) struct Body<T>(pub T);

/// The parameters of the query.
pub(super) struct Asked<T>(pub T);

/// Whether the body is said to be JSON (RFC 8259 §11).
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = said.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json") || kind.eq_ignore_ascii_case("application/merge-patch+json")
}

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::NOT_JSON);
        }
        let bytes = to_bytes(request.into_body(), BODY_BYTES).await.map_err(|_| Problem::TOO_LARGE)?;
        read(&bytes).map(Self)
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        if error.is_data() {
            // Where in the text it stands says less than where in the document.
            let message = error.to_string();
            let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message).to_owned();
            Problem::unfit(path, message)
        } else {
            Problem::malformed(format!("The body is not JSON: {error}."))
        }
    })?;
    reader.end().map_err(|error| Problem::malformed(format!("The body is more than one JSON value: {error}.")))?;
    Ok(value)
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(rejection) => Err(Problem::malformed(format!("{}.", rejection.body_text()))),
        }
    }
}

/// `If-Match`, as this API's `ETag`s are made; `None` where there is none, or any version is meant.
pub(super) fn version(headers: &HeaderMap) -> Result<Option<Timestamp>, Problem> {
    let Some(wanted) = headers.get(header::IF_MATCH) else { return Ok(None) };
    if wanted == "*" {
        return Ok(None);
    }
    let stale = || Problem::new(StatusCode::PRECONDITION_FAILED, "changed_meanwhile", "`If-Match` names another version.");
    let text = wanted.to_str().ok().and_then(|tag| tag.strip_prefix('"')?.strip_suffix('"'));
    text.and_then(|millis| millis.parse().ok()).map(|millis| Some(Timestamp::from_millis(millis))).ok_or_else(stale)
}

/// A field that may be left out, and may be `null`: two different things.
pub(super) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A moment as RFC 3339 writes it.
pub(super) fn moment(field: &'static str, text: &str) -> Result<Timestamp, Problem> {
    let moment: Result<jiff::Timestamp, _> = text.parse();
    let what = || Problem::unfit(field, "a moment such as `2026-11-22T04:00:00Z`");
    moment.map(|moment| Timestamp::from_millis(moment.as_millisecond())).map_err(|_| what())
}
