//! Errors as SCIM tells them (RFC 7644 §3.12).
//!
//! Refuses to say more than the client needs: a detail names what the client sent wrong, never what others have.

use std::fmt;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::audit::AuditError;
use crate::crypto::random::NoRandomness;
use crate::directory::DirectoryError;
use crate::session::SessionStoreError;

/// What every answer is.
pub(super) const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/scim+json");
const SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
/// Seconds after which a client may ask again while a store is down.
const RETRY_AFTER: u64 = 5;

/// The `scimType`s there are reasons for here (RFC 7644 table 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    InvalidFilter,
    Uniqueness,
    Mutability,
    InvalidSyntax,
    InvalidPath,
    NoTarget,
    InvalidValue,
}

impl Flaw {
    const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::Uniqueness => "uniqueness",
            Self::Mutability => "mutability",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::NoTarget => "noTarget",
            Self::InvalidValue => "invalidValue",
        }
    }
}

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ScimError {
    pub status: StatusCode,
    pub flaw: Option<Flaw>,
    pub detail: String,
    /// Seconds.
    pub retry_after: Option<u64>,
}

impl fmt::Display for ScimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl ScimError {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, flaw: None, detail: detail.into(), retry_after: None }
    }

    /// A request that is wrong in itself: 400, but for what is taken, which is 409.
    pub(super) fn flaw(flaw: Flaw, detail: impl Into<String>) -> Self {
        let status = if flaw == Flaw::Uniqueness { StatusCode::CONFLICT } else { StatusCode::BAD_REQUEST };
        Self { flaw: Some(flaw), ..Self::new(status, detail) }
    }

    pub(super) fn value(detail: impl Into<String>) -> Self {
        Self::flaw(Flaw::InvalidValue, detail)
    }

    pub(super) fn missing(id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("Resource {id} not found"))
    }

    pub(super) fn unavailable(why: &(dyn std::error::Error + 'static)) -> Self {
        tracing::warn!(error = why, "a provisioning request could not be served");
        let detail = "The directory is unavailable; try again";
        Self { retry_after: Some(RETRY_AFTER), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail) }
    }

    /// The body.
    pub(super) fn document(&self) -> Value {
        let mut document = json!({ "schemas": [SCHEMA], "status": self.status.as_str(), "detail": self.detail });
        if let (Some(flaw), Value::Object(fields)) = (self.flaw, &mut document) {
            fields.insert("scimType".to_owned(), flaw.as_str().into());
        }
        document
    }
}

impl IntoResponse for ScimError {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.document().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, MEDIA_TYPE);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"scim\""));
        }
        response
    }
}

impl From<DirectoryError> for ScimError {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Conflict(what) => Self::flaw(Flaw::Uniqueness, format!("{what} is taken")),
            DirectoryError::Missing(what) => Self::new(StatusCode::NOT_FOUND, format!("There is no such {what}")),
            DirectoryError::Unfit => Self::flaw(Flaw::InvalidValue, "A text with U+0000 cannot be kept"),
            DirectoryError::Stale(_) => Self::new(StatusCode::PRECONDITION_FAILED, "The resource was changed meanwhile"),
            other => Self::unavailable(&other),
        }
    }
}

impl From<SessionStoreError> for ScimError {
    fn from(error: SessionStoreError) -> Self {
        Self::unavailable(&error)
    }
}

impl From<AuditError> for ScimError {
    fn from(error: AuditError) -> Self {
        Self::unavailable(&error)
    }
}

impl From<NoRandomness> for ScimError {
    fn from(error: NoRandomness) -> Self {
        Self::unavailable(&error)
    }
}
