//! The webhook's one address: `POST /mutate`.
//!
//! Refuses what is not JSON (415), too large (413), too slow (408) or no review (400), in words, because what API servers show of a
//! failed call is the answer's text.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use super::review::{Note, Review, Unanswerable};
use super::state::State;

/// API servers take objects of 3 MiB at most, and a review holds one.
const LARGEST: usize = 4 << 20;
/// Longest wait for a whole review; API servers themselves wait 30 s at most for all of it.
const SLOWEST: Duration = Duration::from_secs(10);

/// The pages: `POST /mutate`. A query, as in `?timeout=10s`, changes nothing.
pub(super) fn router(state: Arc<State>, log: bool) -> Router {
    Router::new().route("/mutate", post(mutate)).with_state(Webhook { state, log })
}

#[derive(Clone)]
struct Webhook {
    state: Arc<State>,
    log: bool,
}

/// Why the caller gets no review.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error("send application/json")]
    MediaType,
    #[error("larger than 4 MiB")]
    TooLarge,
    #[error("the body did not come within 10 s")]
    TooSlow,
    #[error(transparent)]
    Unanswerable(#[from] Unanswerable),
}

impl Unread {
    fn status(&self) -> StatusCode {
        match self {
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Unanswerable(_) => StatusCode::BAD_REQUEST,
        }
    }
}

async fn mutate(Shared(webhook): Shared<Webhook>, headers: HeaderMap, body: Body) -> Response {
    match webhook.answer(&headers, body).await {
        Ok(answer) => axum::Json(answer).into_response(),
        Err(unread) => {
            webhook.state.count("unreadable");
            tracing::warn!(reason = %unread, "a call was not understood");
            (unread.status(), format!("doorward: {unread}\n")).into_response()
        }
    }
}

impl Webhook {
    async fn answer(&self, headers: &HeaderMap, body: Body) -> Result<serde_json::Value, Unread> {
        if !is_json(headers) {
            return Err(Unread::MediaType);
        }
        // Before anything is read, so that who asks whether to go on (RFC 9110 §10.1.1) is told not to.
        if is_too_large(headers) {
            return Err(Unread::TooLarge);
        }
        let bytes = tokio::time::timeout(SLOWEST, to_bytes(body, LARGEST)).await.map_err(|_| Unread::TooSlow)?;
        let review = Review::read(&bytes.map_err(|_| Unread::TooLarge)?)?;
        let answer = review.answer(&self.state.settings.load())?;
        self.state.count(answer.note.outcome);
        self.note(&answer.note);
        Ok(answer.body)
    }

    /// Names come from outside: quoted, they cannot begin a line of their own.
    fn note(&self, note: &Note) {
        let Note { outcome, uid, namespace, name, dry_run, reason } = note;
        let reason = reason.as_deref().unwrap_or_default();
        if reason.is_empty() && self.log {
            tracing::info!(outcome, ?uid, ?namespace, ?name, dry_run, "pod reviewed");
        } else if !reason.is_empty() {
            tracing::warn!(outcome, ?uid, ?namespace, ?name, dry_run, ?reason, "pod refused");
        }
    }
}

fn is_too_large(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    length.and_then(|length| length.parse::<usize>().ok()).is_some_and(|length| length > LARGEST)
}

/// Whether the body is said to be JSON; parameters do not matter (RFC 9110 §8.3.1).
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}
