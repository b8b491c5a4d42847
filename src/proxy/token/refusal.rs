//! Why a client got no token, as RFC 6749 §5.2 tells it.
//!
//! Refuses to tell a wrong secret from an unknown client, and from one that was revoked.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::audit::AuditError;
use crate::authn::{AuthnError, GiveError};

#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("{0}")]
    Request(&'static str),
    /// The client was not named, or is wrong; the reason is for the record.
    #[error("the client is not known")]
    Client,
    #[error("the client was refused: {0}")]
    Refused(&'static str),
    #[error("only client_credentials is given here")]
    GrantType,
    #[error("the client does not have this scope")]
    Scope,
    /// RFC 8707 §2.
    #[error("tokens for this resource are not given here")]
    Target,
    #[error("too many tries; wait")]
    TooMany(Duration),
    #[error("the client cannot be checked right now; try again")]
    Unavailable,
    #[error("something went wrong in the front door")]
    Internal,
}

impl Refusal {
    /// Stable name, by RFC 6749 §5.2 where it has one.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::Request(_) => "invalid_request",
            Self::Client | Self::Refused(_) => "invalid_client",
            Self::GrantType => "unsupported_grant_type",
            Self::Scope => "invalid_scope",
            Self::Target => "invalid_target",
            Self::TooMany(_) | Self::Unavailable => "temporarily_unavailable",
            Self::Internal => "server_error",
        }
    }

    /// What the record says.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Refused(reason) => reason,
            Self::TooMany(_) => "too_many_failures",
            other => other.code(),
        }
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::Client | Self::Refused(_) => StatusCode::UNAUTHORIZED,
            Self::Request(_) | Self::GrantType | Self::Scope | Self::Target => StatusCode::BAD_REQUEST,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Which part was wrong stays in the record.
    fn description(&self) -> String {
        match self {
            Self::Refused(_) => Self::Client.to_string(),
            other => other.to_string(),
        }
    }
}

impl From<AuthnError> for Refusal {
    fn from(error: AuthnError) -> Self {
        match error {
            AuthnError::Refused { reason, .. } => Self::Refused(reason.as_str()),
            AuthnError::Unavailable { .. } => Self::Unavailable,
            AuthnError::TooMany { retry_after } => Self::TooMany(retry_after),
        }
    }
}

impl From<GiveError> for Refusal {
    fn from(error: GiveError) -> Self {
        tracing::error!(%error, "a token could not be made");
        Self::Internal
    }
}

impl From<AuditError> for Refusal {
    fn from(_: AuditError) -> Self {
        Self::Unavailable
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.code(), "error_description": self.description() });
        let mut answer = (self.status(), axum::Json(body)).into_response();
        let headers = answer.headers_mut();
        if self.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"doorward\", charset=\"UTF-8\""));
        }
        let wait = match self {
            Self::TooMany(wait) => Some(wait),
            Self::Unavailable => Some(Duration::from_secs(5)),
            _ => None,
        };
        if let Some(wait) = wait {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        answer
    }
}
