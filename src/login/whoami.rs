//! `/.doorward/session`: who am I.
//!
//! Refuses to show a token or the session's secret; what is here may be read by the application's own scripts.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::visitor::Visitor;
use crate::model::Identity;

/// `GET /.doorward/session`
pub(super) async fn session(visitor: Visitor) -> Response {
    let mut answer = match &visitor.identity {
        Some(identity) => Json(shown(identity)).into_response(),
        None => nobody(),
    };
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

fn shown(identity: &Identity) -> Value {
    json!({
        "credential": identity.credential,
        "subject": identity.subject,
        "issuer": identity.issuer,
        "user": identity.user_name,
        "email": identity.email,
        "name": identity.name,
        "groups": identity.groups,
        "roles": identity.roles,
        "role": identity.roles.first(),
        "scopes": identity.scopes,
        "tenant": identity.tenant,
        "session": identity.session,
        "connection": identity.connection,
        "amr": identity.amr,
        "mfa": identity.mfa,
        "authenticated_at": identity.authenticated_at.map(|at| at.to_string()),
        "expires_at": identity.expires_at.map(|at| at.to_string()),
    })
}

/// RFC 9457, as everywhere.
pub(super) fn nobody() -> Response {
    let status = StatusCode::UNAUTHORIZED;
    let body =
        json!({ "type": "about:blank", "title": "Unauthorized", "status": 401, "detail": "Sign in, or send a credential." });
    let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::WWW_AUTHENTICATE, "Bearer realm=\"doorward\"")];
    (status, headers, body.to_string()).into_response()
}
