//! `/users/{id}/sessions`: where a person is signed in.
//!
//! Refuses to end a session that is not this person's.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::Admin;
use super::caller::Caller;
use super::paging::Listed;
use super::problem::Problem;
use super::shown::ShownSession;
use super::users::id_of;
use crate::model::SessionHandle;

type Answer = Result<Response, Problem>;

/// How many sessions ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ended {
    ended: u64,
}

/// Live sessions of a person, newest first.
#[utoipa::path(
    get, path = "/users/{id}/sessions", tag = "sessions", params(("id" = String, Path)),
    responses((status = 200, body = Listed<ShownSession>))
)]
pub(super) async fn list(State(admin): State<Admin>, Caller(acting): Caller, Path(id): Path<String>) -> Answer {
    let sessions = admin.sessions(&acting, id_of(&id)?).await?;
    Ok(Listed::<ShownSession>::answer(sessions.into_iter().map(Into::into).collect(), None, &[]))
}

/// Ends all sessions of a person, at once.
#[utoipa::path(
    delete, path = "/users/{id}/sessions", tag = "sessions", params(("id" = String, Path)), responses((status = 200, body = Ended))
)]
pub(super) async fn end_all(State(admin): State<Admin>, Caller(acting): Caller, Path(id): Path<String>) -> Answer {
    let ended = admin.end_sessions(&acting, id_of(&id)?).await?;
    Ok(Json(Ended { ended }).into_response())
}

/// Ends one session of a person, at once.
#[utoipa::path(
    delete, path = "/users/{id}/sessions/{session}", tag = "sessions",
    params(("id" = String, Path), ("session" = String, Path)), responses((status = 204))
)]
pub(super) async fn end(
    State(admin): State<Admin>,
    Caller(acting): Caller,
    Path((id, session)): Path<(String, String)>,
) -> Answer {
    admin.end_session(&acting, Some(id_of(&id)?), &SessionHandle(session)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
