//! What went wrong, as RFC 9457 says it.
//!
//! Refuses to repeat an error of the store's: callers learn what they can do about it, operators read the log.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::admin::Undone;

/// A refusal on its way to the caller.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    /// Stable snake_case name.
    code: &'static str,
    detail: Cow<'static, str>,
    /// Which part of the request is meant.
    field: Option<Cow<'static, str>>,
}

impl Problem {
    pub(super) const NOWHERE: Self = Self::new(StatusCode::NOT_FOUND, "not_found", "There is nothing here.");
    pub(super) const WRONG_METHOD: Self =
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This cannot be done here; see the document.");
    pub(super) const FOREIGN: Self =
        Self::new(StatusCode::FORBIDDEN, "foreign_request", "A page of another site sent this; it was not done.");
    pub(super) const NOT_JSON: Self =
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", "Send the body as `Content-Type: application/json`.");
    pub(super) const TOO_LARGE: Self =
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The body is larger than this API takes.");
    pub(super) const UNAVAILABLE: Self =
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The store is unavailable; try again.");
    pub(super) const INTERNAL: Self =
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong in the front door.");

    pub(super) const fn new(status: StatusCode, code: &'static str, detail: &'static str) -> Self {
        Self { status, code, detail: Cow::Borrowed(detail), field: None }
    }

    pub(super) fn told(status: StatusCode, code: &'static str, detail: String) -> Self {
        Self { status, code, detail: Cow::Owned(detail), field: None }
    }

    /// A part of the request that cannot be taken.
    pub(super) fn unfit(field: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, code: "unfit", detail: detail.into(), field: Some(field.into()) }
    }

    /// A part of the address that cannot be read.
    pub(super) fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "malformed", detail: detail.into(), field: None }
    }

    pub(super) fn missing(what: &str) -> Self {
        Self::told(StatusCode::NOT_FOUND, "not_found", format!("There is no such {what}."))
    }
}

impl From<Undone> for Problem {
    fn from(undone: Undone) -> Self {
        let told = |status, code| Self::told(status, code, format!("{undone}."));
        match &undone {
            Undone::Unavailable(error) => {
                tracing::warn!(%error, "an administrator's request could not be served");
                Self::UNAVAILABLE
            }
            Undone::Unrecorded(error) => {
                tracing::error!(%error, "a change could not be recorded in the audit trail");
                told(StatusCode::SERVICE_UNAVAILABLE, "unrecorded")
            }
            Undone::Internal(error) => {
                tracing::error!(%error, "an administrator's request failed");
                Self::INTERNAL
            }
            Undone::Missing(what) => Self::missing(what),
            Undone::Conflict(_) => told(StatusCode::CONFLICT, "conflict"),
            Undone::Standing(_) => told(StatusCode::CONFLICT, "not_now"),
            Undone::Stale(_) => told(StatusCode::PRECONDITION_FAILED, "changed_meanwhile"),
            Undone::Unfit { field, message } => Self::unfit(*field, message.clone()),
            // Places are those of a file, and hints may speak of what is another tenant's.
            Undone::Flawed(report) => {
                let messages: Vec<&str> = report.findings.iter().map(|finding| finding.message.as_str()).collect();
                Self::unfit("connection", format!("{}.", messages.join("; ")))
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        if let Some(field) = self.field {
            body["field"] = field.into();
        }
        let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::CACHE_CONTROL, "no-store")];
        let mut answer = (self.status, headers, body.to_string()).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        answer
    }
}
