//! `/connections`: ways to sign in.
//!
//! Refuses to change what the configuration file says; secrets are never in an answer.

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
    document: Option<serde_json::Value>,
}

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
    Ok(Json(ShownConnection::from(admin.connection(&acting, &id).await?)).into_response())
}

/// Removes a connection that the store keeps.
#[utoipa::path(delete, path = "/connections/{id}", tag = "connections", params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn remove(State(admin): State<Admin>, Caller(acting): Caller, Path(id): Path<String>) -> Answer {
    admin.remove_connection(&acting, &id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
