//! `/scim-tokens`: what companies' directories show to provision people and groups.
//!
//! Refuses to show a token a second time, and to bring back what was revoked. A rotation has two phases: a directory can be given the new
//! token while the old one still works.

#![expect(unused_qualifications, reason = "the macro that describes a query writes its type with a path")]

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Admin;
use super::asked::{Asked, Body, moment};
use super::caller::Caller;
use super::paging::{self, Listed, Paging};
use super::problem::Problem;
use crate::admin::scim_token::NewScimToken;
use crate::admin::{Acting, Administration};
use crate::clock::Timestamp;
use crate::crypto::Secret;
use crate::model::{ConnectionId, ScimCall, ScimToken};

type Answer = Result<Response, Problem>;

/// A token to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateScimToken {
    /// The connection whose people it provisions.
    #[schema(value_type = String)]
    connection: ConnectionId,
    /// What it is for, for people to recognise.
    #[serde(default = "usual_name")]
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Until when it works; without it, until revoked.
    #[serde(default)]
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

fn usual_name() -> String {
    "directory".to_owned()
}

/// A token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownScimToken {
    /// Public.
    id: String,
    tenant: String,
    connection: String,
    name: String,
    /// `live`, `rotating`, `expired` or `revoked`.
    state: String,
    #[schema(format = DateTime)]
    created_at: String,
    /// Since when two secrets work.
    #[schema(format = DateTime)]
    rotating_since: Option<String>,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    #[schema(format = DateTime)]
    revoked_at: Option<String>,
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
}

/// A token that is shown now and never again.
#[derive(Serialize, ToSchema)]
pub(super) struct RevealedScimToken {
    #[serde(flatten)]
    token: ShownScimToken,
    /// What the directory sends as `Authorization: Bearer`.
    secret: String,
    /// Where it sends it.
    address: String,
}

/// Which tokens were revoked.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Disabled {
    revoked: Vec<String>,
}

/// A call with a token, and its answer. Secrets were taken out of both.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownCall {
    #[schema(format = DateTime)]
    at: String,
    method: String,
    /// Path and query.
    target: String,
    status: u16,
    took_milliseconds: i64,
    request: String,
    response: String,
}

/// How many calls.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Last {
    /// At most so many: 1 to 200.
    #[serde(default)]
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

impl ShownScimToken {
    fn of(token: ScimToken, now: Timestamp) -> Self {
        Self {
            state: token.state(now).to_owned(),
            id: token.id,
            tenant: token.tenant.to_string(),
            connection: token.connection.to_string(),
            name: token.name,
            created_at: token.created_at.to_string(),
            rotating_since: token.rotating_since.map(|at| at.to_string()),
            expires_at: token.expires_at.map(|at| at.to_string()),
            revoked_at: token.revoked_at.map(|at| at.to_string()),
            last_used_at: token.last_used_at.map(|at| at.to_string()),
        }
    }
}

impl From<ScimCall> for ShownCall {
    fn from(call: ScimCall) -> Self {
        Self {
            at: call.at.to_string(),
            method: call.method,
            target: call.target,
            status: call.status,
            took_milliseconds: call.took,
            request: call.request,
            response: call.response,
        }
    }
}

fn shown(admin: &Administration, token: ScimToken) -> Response {
    Json(ShownScimToken::of(token, admin.now())).into_response()
}

fn revealed(admin: &Administration, acting: &Acting, status: StatusCode, (token, secret): (ScimToken, Secret)) -> Response {
    let token = ShownScimToken::of(token, admin.now());
    let address = admin.scim_address(acting);
    (status, Json(RevealedScimToken { token, secret: secret.expose().to_owned(), address })).into_response()
}

/// Tokens of the tenant, newest first; revoked ones too.
#[utoipa::path(
    get, path = "/scim-tokens", tag = "scim_tokens", params(Paging), responses((status = 200, body = Listed<ShownScimToken>))
)]
pub(super) async fn list(State(admin): State<Admin>, Caller(acting): Caller, Asked(paging): Asked<Paging>) -> Answer {
    let (page, now) = (paging.page()?, admin.now());
    let (items, next) = paging::part(admin.scim_tokens(&acting).await?, &page, |token| token.id.clone());
    let (items, limit) = (items.into_iter().map(|token| ShownScimToken::of(token, now)).collect(), page.limit.to_string());
    Ok(Listed::<ShownScimToken>::answer(items, next, &[("limit", Some(&limit))]))
}

/// Makes a token. Its secret is in this answer and never again.
#[utoipa::path(
    post, path = "/scim-tokens", tag = "scim_tokens", request_body = CreateScimToken,
    responses((status = 201, body = RevealedScimToken))
)]
pub(super) async fn create(State(admin): State<Admin>, Caller(acting): Caller, Body(create): Body<CreateScimToken>) -> Answer {
    let expires_at = create.expires_at.as_deref().map(|end| moment("expires_at", end)).transpose()?;
    let new = NewScimToken { connection: create.connection, name: create.name, expires_at };
    Ok(revealed(&admin, &acting, StatusCode::CREATED, admin.create_scim_token(&acting, new).await?))
}

/// One token, without its secret.
#[utoipa::path(
    get, path = "/scim-tokens/{id}", tag = "scim_tokens", params(("id" = String, Path)),
    responses((status = 200, body = ShownScimToken))
)]
pub(super) async fn show(State(admin): State<Admin>, Caller(acting): Caller, Path(id): Path<String>) -> Answer {
    Ok(shown(&admin, admin.scim_token(&acting, &id).await?))
}

/// Refuses a token from now on, for ever. People and groups stay as they are.
#[utoipa::path(delete, path = "/scim-tokens/{id}", tag = "scim_tokens", params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn revoke(State(admin): State<Admin>, Caller(acting): Caller, Path(id): Path<String>) -> Answer {
    admin.revoke_scim_token(&acting, &id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Begins to exchange a token: the new secret is in this answer and never again; it works as well as the old one until either is stopped.
#[utoipa::path(
    post, path = "/scim-tokens/{id}/rotation", tag = "scim_tokens", params(("id" = String, Path)),
    responses((status = 200, body = RevealedScimToken))
)]
pub(super) async fn start(State(admin): State<Admin>, Caller(acting): Caller, Path(id): Path<String>) -> Answer {
    Ok(revealed(&admin, &acting, StatusCode::OK, admin.start_scim_rotation(&acting, &id).await?))
}

/// Stops the old secret.
#[utoipa::path(
    post, path = "/scim-tokens/{id}/rotation/complete", tag = "scim_tokens", params(("id" = String, Path)),
    responses((status = 200, body = ShownScimToken))
)]
pub(super) async fn complete(State(admin): State<Admin>, Caller(acting): Caller, Path(id): Path<String>) -> Answer {
    Ok(shown(&admin, admin.complete_scim_rotation(&acting, &id).await?))
}

/// Stops the new secret.
#[utoipa::path(
    delete, path = "/scim-tokens/{id}/rotation", tag = "scim_tokens", params(("id" = String, Path)),
    responses((status = 200, body = ShownScimToken))
)]
pub(super) async fn cancel(State(admin): State<Admin>, Caller(acting): Caller, Path(id): Path<String>) -> Answer {
    Ok(shown(&admin, admin.cancel_scim_rotation(&acting, &id).await?))
}

/// The last calls with a token, newest first.
#[utoipa::path(
    get, path = "/scim-tokens/{id}/calls", tag = "scim_tokens", params(("id" = String, Path), Last),
    responses((status = 200, body = Listed<ShownCall>))
)]
pub(super) async fn calls(
    State(admin): State<Admin>,
    Caller(acting): Caller,
    Path(id): Path<String>,
    Asked(last): Asked<Last>,
) -> Answer {
    let calls = admin.scim_calls(&acting, &id, paging::limit(last.limit)?).await?;
    Ok(Listed::<ShownCall>::answer(calls.into_iter().map(Into::into).collect(), None, &[]))
}

/// Revokes all tokens of a connection. People and groups stay as they are.
#[utoipa::path(
    delete, path = "/connections/{id}/scim-tokens", tag = "scim_tokens", params(("id" = String, Path)),
    responses((status = 200, body = Disabled))
)]
pub(super) async fn disable(State(admin): State<Admin>, Caller(acting): Caller, Path(id): Path<String>) -> Answer {
    let connection = id.parse().map_err(|_| Problem::missing("connection"))?;
    Ok(Json(Disabled { revoked: admin.disable_scim(&acting, &connection).await? }).into_response())
}
