//! `/connections`: ways to sign in.
//!
//! Refuses to change what the configuration file says, and a document that names what is on the server; secrets are never in an answer.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Admin;
use super::asked::{Body, version};
use super::caller::Caller;
use super::paging::Listed;
use super::problem::Problem;
use super::shown::versioned;
use crate::admin::connection::KnownConnection;

type Answer = Result<Response, Problem>;

/// A way to sign in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownConnection {
    id: String,
    /// `oidc`, `oauth2`, `saml`, `magic_link` or `password`; `null` where it cannot be told.
    kind: Option<String>,
    display_name: Option<String>,
    /// Addresses of these go there.
    domains: Vec<String>,
    /// Not on the sign-in page.
    hidden: bool,
    /// `file`, which is read-only here, or `store`.
    kept: String,
    /// Why it is not in force.
    unusable: Option<String>,
    /// What was typed, without its secrets; of those that the store keeps.
    #[schema(value_type = Option<Object>)]
    document: Option<Value>,
}

/// What would stand as one item under `connections` of the configuration file; `doorward schema` describes it. Values cannot be kept elsewhere
/// (`{ env: NAME }`, `{ file: path }`), and files of the server cannot be named.
#[derive(Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Object)]
pub(super) struct TypedConnection(Map<String, Value>);

impl From<KnownConnection> for ShownConnection {
    fn from(known: KnownConnection) -> Self {
        Self {
            document: known.document().cloned(),
            id: known.id.to_string(),
            kind: known.kind.map(str::to_owned),
            display_name: known.display_name,
            domains: known.domains,
            hidden: known.hidden,
            kept: if known.stored.is_some() { "store" } else { "file" }.to_owned(),
            unusable: known.unusable,
        }
    }
}

/// The tenant's connections: those of the configuration file, then those that the store keeps.
#[utoipa::path(get, path = "/connections", tag = "connections", responses((status = 200, body = Listed<ShownConnection>)))]
pub(super) async fn list(State(admin): State<Admin>, Caller(acting): Caller) -> Answer {
    let all = admin.connections(&acting).await?;
    Ok(Listed::<ShownConnection>::answer(all.into_iter().map(Into::into).collect(), None, &[]))
}

/// One connection, without its secrets.
#[utoipa::path(
    get, path = "/connections/{id}", tag = "connections", params(("id" = String, Path)), responses((status = 200, body = ShownConnection))
)]
pub(super) async fn show(State(admin): State<Admin>, Caller(acting): Caller, Path(id): Path<String>) -> Answer {
    Ok(one(StatusCode::OK, admin.connection(&acting, &id).await?))
}

/// Those of the store have a version.
fn one(status: StatusCode, known: KnownConnection) -> Response {
    let at = known.stored.as_ref().map(|stored| stored.updated_at);
    let answer = (status, Json(ShownConnection::from(known))).into_response();
    match at {
        Some(at) => versioned(answer, at),
        None => answer,
    }
}

/// Keeps a connection in the store. Its secrets are kept sealed and are in no answer.
#[utoipa::path(
    post, path = "/connections", tag = "connections", request_body = TypedConnection, responses((status = 201, body = ShownConnection))
)]
pub(super) async fn create(State(admin): State<Admin>, Caller(acting): Caller, Body(typed): Body<TypedConnection>) -> Answer {
    let stored = admin.create_received(&acting, Value::Object(typed.0)).await?;
    Ok(one(StatusCode::CREATED, admin.kept(stored)))
}

/// Puts a connection in the place of one that the store keeps; with `If-Match`, only of the version that was read. Where a secret is `null`
/// the one before is kept, as long as nothing beside it changes.
#[utoipa::path(
    put, path = "/connections/{id}", tag = "connections", request_body = TypedConnection,
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "The `ETag` that was read.")),
    responses((status = 200, body = ShownConnection))
)]
pub(super) async fn replace(
    State(admin): State<Admin>,
    Caller(acting): Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(typed): Body<TypedConnection>,
) -> Answer {
    let stored = admin.replace_received(&acting, &id, version(&headers)?, Value::Object(typed.0)).await?;
    Ok(one(StatusCode::OK, admin.kept(stored)))
}

/// Removes a connection that the store keeps, and revokes its directory's tokens.
#[utoipa::path(delete, path = "/connections/{id}", tag = "connections", params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn remove(State(admin): State<Admin>, Caller(acting): Caller, Path(id): Path<String>) -> Answer {
    admin.remove_connection(&acting, &id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
