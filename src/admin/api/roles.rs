//! `/roles`: those that the configuration declares, and who has them.
//!
//! Refuses to declare one: that is the configuration's.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::Admin;
use super::asked::Asked;
use super::caller::Caller;
use super::paging::{Listed, Paging};
use super::problem::Problem;
use super::shown::ShownUser;
use super::users::{id_of, one};

type Answer = Result<Response, Problem>;

/// A declared role.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownRole {
    name: String,
    /// 1 is the highest; `null`: beside the ranking.
    rank: Option<usize>,
    scopes: Vec<String>,
}

/// All declared roles: highest first, then those beside the ranking.
#[utoipa::path(get, path = "/roles", tag = "roles", responses((status = 200, body = Listed<ShownRole>)))]
pub(super) async fn list(State(admin): State<Admin>, _caller: Caller) -> Answer {
    let roles = admin.declared_roles().into_iter().map(|role| ShownRole {
        name: role.name,
        rank: role.rank,
        scopes: role.scopes.iter().map(ToString::to_string).collect(),
    });
    Ok(Listed::answer(roles.collect(), None, &[]))
}

/// Who has the role, however they come by it. A page may be short though there is a next one.
#[utoipa::path(
    get, path = "/roles/{role}/users", tag = "roles", params(("role" = String, Path), Paging),
    responses((status = 200, body = Listed<ShownUser>))
)]
pub(super) async fn holders(
    State(admin): State<Admin>,
    Caller(acting): Caller,
    Path(role): Path<String>,
    Asked(paging): Asked<Paging>,
) -> Answer {
    let page = paging.page()?;
    let holders = admin.holders(&acting, &role, &page).await?;
    let items = holders.users.iter().map(|user| ShownUser::of(&admin, user)).collect();
    let limit = page.limit.to_string();
    Ok(Listed::answer(items, holders.next.map(|id| id.to_string()), &[("limit", Some(&limit))]))
}

/// Gives a person the role, besides those that their groups give.
#[utoipa::path(
    put, path = "/roles/{role}/users/{id}", tag = "roles", params(("role" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = ShownUser))
)]
pub(super) async fn assign(
    State(admin): State<Admin>,
    Caller(acting): Caller,
    Path((role, id)): Path<(String, String)>,
) -> Answer {
    Ok(one(&admin, StatusCode::OK, &admin.assign_role(&acting, id_of(&id)?, &role).await?))
}

/// Takes the role from a person if it was given to them. What groups give stays.
#[utoipa::path(
    delete, path = "/roles/{role}/users/{id}", tag = "roles", params(("role" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = ShownUser))
)]
pub(super) async fn unassign(
    State(admin): State<Admin>,
    Caller(acting): Caller,
    Path((role, id)): Path<(String, String)>,
) -> Answer {
    Ok(one(&admin, StatusCode::OK, &admin.unassign_role(&acting, id_of(&id)?, &role).await?))
}
