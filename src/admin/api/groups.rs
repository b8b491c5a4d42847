//! `/groups`: groups of the directory and who is in them.
//!
//! Refuses to change what a company's directory provisions, and a change of a version that is no longer the newest.

#![expect(unused_qualifications, reason = "the macro that describes a query writes its type with a path")]

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Admin;
use super::asked::{Asked, Body, version};
use super::caller::Caller;
use super::paging::{self, Listed, Paging};
use super::problem::Problem;
use super::shown::{ShownUser, versioned};
use super::users::{check_search, id_of};
use crate::admin::group::GroupChange;
use crate::model::{Group, GroupId, UserId};

type Answer = Result<Response, Problem>;

/// Which groups.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichGroups {
    /// Groups after the one with this id.
    #[serde(default)]
    after: Option<String>,
    /// At most so many: 1 to 200.
    #[serde(default)]
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// Only those whose name holds this, whatever its case.
    #[serde(default)]
    #[param(max_length = 100)]
    search: Option<String>,
}

/// A group to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateGroup {
    /// Unique in the tenant whatever its case; what the configuration maps roles from.
    #[schema(min_length = 1, max_length = 256)]
    name: String,
    /// Ids of people.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    members: Vec<UserId>,
}

/// What is to be different; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeGroup {
    #[serde(default)]
    #[schema(min_length = 1, max_length = 256, nullable = false)]
    name: Option<String>,
    /// Ids of those who are to be in it, and nobody else.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, nullable = false)]
    members: Option<Vec<UserId>>,
}

/// A group.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownGroup {
    #[schema(format = Uuid)]
    id: String,
    tenant: String,
    name: String,
    /// The connection whose directory keeps it, which makes it read-only here; `null`: administrators keep it.
    connection: Option<String>,
    /// What its directory calls it.
    external_id: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

impl From<Group> for ShownGroup {
    fn from(group: Group) -> Self {
        Self {
            id: group.id.to_string(),
            tenant: group.tenant.to_string(),
            name: group.display_name,
            connection: group.connection.map(|connection| connection.to_string()),
            external_id: group.external_id,
            created_at: group.created_at.to_string(),
            updated_at: group.updated_at.to_string(),
        }
    }
}

fn group_of(text: &str) -> Result<GroupId, Problem> {
    text.parse().map_err(|_| Problem::missing("group"))
}

fn one(status: StatusCode, group: Group) -> Response {
    let at = group.updated_at;
    versioned((status, Json(ShownGroup::from(group))).into_response(), at)
}

/// Groups of the tenant, ordered by id: those that administrators keep, and those of directories.
#[utoipa::path(get, path = "/groups", tag = "groups", params(WhichGroups), responses((status = 200, body = Listed<ShownGroup>)))]
pub(super) async fn list(State(admin): State<Admin>, Caller(acting): Caller, Asked(which): Asked<WhichGroups>) -> Answer {
    let page = paging::page(which.after, which.limit)?;
    check_search(which.search.as_deref())?;
    let groups = admin.groups(&acting, which.search.as_deref(), &page).await?;
    let next = paging::next(&groups, page.limit, |group| group.id.to_string());
    let limit = page.limit.to_string();
    let query = [("limit", Some(limit.as_str())), ("search", which.search.as_deref())];
    Ok(Listed::<ShownGroup>::answer(groups.into_iter().map(Into::into).collect(), next, &query))
}

/// Makes a group.
#[utoipa::path(post, path = "/groups", tag = "groups", request_body = CreateGroup, responses((status = 201, body = ShownGroup)))]
pub(super) async fn create(State(admin): State<Admin>, Caller(acting): Caller, Body(create): Body<CreateGroup>) -> Answer {
    Ok(one(StatusCode::CREATED, admin.create_group(&acting, &create.name, &create.members).await?))
}

/// One group. The `ETag` is for `If-Match`.
#[utoipa::path(get, path = "/groups/{id}", tag = "groups", params(("id" = String, Path)), responses((status = 200, body = ShownGroup)))]
pub(super) async fn show(State(admin): State<Admin>, Caller(acting): Caller, Path(id): Path<String>) -> Answer {
    Ok(one(StatusCode::OK, admin.group(&acting, group_of(&id)?).await?))
}

/// Changes a group's name or members; with `If-Match`, only the version that was read.
#[utoipa::path(
    patch, path = "/groups/{id}", tag = "groups", request_body = ChangeGroup,
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "The `ETag` that was read.")),
    responses((status = 200, body = ShownGroup))
)]
pub(super) async fn change(
    State(admin): State<Admin>,
    Caller(acting): Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(change): Body<ChangeGroup>,
) -> Answer {
    let change = GroupChange { name: change.name, members: change.members };
    Ok(one(StatusCode::OK, admin.change_group(&acting, group_of(&id)?, version(&headers)?, change).await?))
}

/// Removes a group. The roles that it gave are gone from the next request on.
#[utoipa::path(delete, path = "/groups/{id}", tag = "groups", params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn delete(State(admin): State<Admin>, Caller(acting): Caller, Path(id): Path<String>) -> Answer {
    admin.delete_group(&acting, group_of(&id)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Who is in a group, ordered by id.
#[utoipa::path(
    get, path = "/groups/{id}/members", tag = "groups", params(("id" = String, Path), Paging),
    responses((status = 200, body = Listed<ShownUser>))
)]
pub(super) async fn members(
    State(admin): State<Admin>,
    Caller(acting): Caller,
    Path(id): Path<String>,
    Asked(paging): Asked<Paging>,
) -> Answer {
    let page = paging.page()?;
    let people = admin.group_members(&acting, group_of(&id)?, &page).await?;
    let next = paging::next(&people, page.limit, |user| user.id.to_string());
    let (items, limit) = (people.iter().map(|user| ShownUser::of(&admin, user)).collect(), page.limit.to_string());
    Ok(Listed::answer(items, next, &[("limit", Some(&limit))]))
}

/// Takes a person into a group.
#[utoipa::path(
    put, path = "/groups/{id}/members/{user}", tag = "groups", params(("id" = String, Path), ("user" = String, Path)),
    responses((status = 200, body = ShownGroup))
)]
pub(super) async fn join(State(admin): State<Admin>, Caller(acting): Caller, Path((id, user)): Path<(String, String)>) -> Answer {
    Ok(one(StatusCode::OK, admin.join_group(&acting, group_of(&id)?, id_of(&user)?).await?))
}

/// Takes a person out of a group.
#[utoipa::path(
    delete, path = "/groups/{id}/members/{user}", tag = "groups", params(("id" = String, Path), ("user" = String, Path)),
    responses((status = 200, body = ShownGroup))
)]
pub(super) async fn leave(
    State(admin): State<Admin>,
    Caller(acting): Caller,
    Path((id, user)): Path<(String, String)>,
) -> Answer {
    Ok(one(StatusCode::OK, admin.leave_group(&acting, group_of(&id)?, id_of(&user)?).await?))
}
