//! `/.doorward/api/v1`: what administrators and their programs ask for in JSON.
//!
//! Refuses what its own document does not describe: routes and document are made from the same handlers, unknown fields are errors, and
//! every refusal is an RFC 9457 problem.

mod asked;
mod audit;
mod caller;
mod connections;
mod document;
mod groups;
mod guard;
mod invitations;
mod keys;
mod once;
mod paging;
mod problem;
mod roles;
mod scim_tokens;
mod sessions;
mod shown;
mod users;

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::header;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Administration;
use crate::config::Config;
use problem::Problem;

/// Where it is, below the prefix.
pub const PATH: &str = "/api/v1";

/// Bytes of a request's body.
const BODY_BYTES: usize = 128 * 1024;

type Admin = Arc<Administration>;

/// The routes, and what the document says of them.
fn routes() -> OpenApiRouter<Admin> {
    OpenApiRouter::new()
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::show, users::change, users::delete))
        .routes(routes!(users::deactivate))
        .routes(routes!(users::reactivate))
        .routes(routes!(users::erase))
        .routes(routes!(sessions::list, sessions::end_all))
        .routes(routes!(sessions::end))
        .routes(routes!(groups::list, groups::create))
        .routes(routes!(groups::show, groups::change, groups::delete))
        .routes(routes!(groups::members))
        .routes(routes!(groups::join, groups::leave))
        .routes(routes!(roles::list))
        .routes(routes!(roles::holders))
        .routes(routes!(roles::assign, roles::unassign))
        .routes(routes!(keys::list_keys, keys::create_key))
        .routes(routes!(keys::show_key, keys::change_key, keys::revoke_key))
        .routes(routes!(keys::rotate_key))
        .routes(routes!(keys::list_clients, keys::create_client))
        .routes(routes!(keys::show_client, keys::change_client, keys::revoke_client))
        .routes(routes!(keys::rotate_client))
        .routes(routes!(invitations::list, invitations::invite))
        .routes(routes!(invitations::show, invitations::revoke))
        .routes(routes!(invitations::send))
        .routes(routes!(connections::list, connections::create))
        .routes(routes!(connections::show, connections::replace, connections::remove))
        .routes(routes!(scim_tokens::list, scim_tokens::create))
        .routes(routes!(scim_tokens::show, scim_tokens::revoke))
        .routes(routes!(scim_tokens::start, scim_tokens::cancel))
        .routes(routes!(scim_tokens::complete))
        .routes(routes!(scim_tokens::calls))
        .routes(routes!(scim_tokens::disable))
        .routes(routes!(audit::list))
}

/// The API, under the reserved prefix.
pub fn router(admin: Admin) -> Router {
    let base = format!("{}{PATH}", admin.config.prefix);
    let (routes, _) = OpenApiRouter::new().nest(&base, routes()).split_for_parts();
    let (config, text) = (Arc::clone(&admin.config), Arc::new(OnceLock::new()));
    let open = move || {
        // 170 KiB that hardly anybody asks for.
        let text: String = text.get_or_init(|| openapi(&config)).clone();
        async move { ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], text) }
    };
    routes
        .method_not_allowed_fallback(wrong_method)
        .route(&format!("{base}/openapi.json"), get(open))
        .route(&base, any(nowhere))
        .route(&format!("{base}/{{*rest}}"), any(nowhere))
        .layer(from_fn_with_state(Arc::clone(&admin), guard::guard))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(admin)
}

/// The OpenAPI document, as it is served.
#[must_use]
pub fn openapi(config: &Config) -> String {
    let base = format!("{}{PATH}", config.prefix);
    document::finished(OpenApiRouter::new().nest(&base, routes()).split_for_parts().1, config)
}

async fn nowhere() -> Response {
    Problem::NOWHERE.into_response()
}

async fn wrong_method() -> Response {
    Problem::WRONG_METHOD.into_response()
}
