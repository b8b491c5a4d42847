//! `/users`: people.
//!
//! Refuses to show or take over what is another tenant's, and a change of a version that is no longer the newest.

#![expect(clippy::option_option, reason = "a field that is left out and one that is `null` are two things")]
#![expect(unused_qualifications, reason = "the macro that describes a query writes its type with a path")]

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::Admin;
use super::asked::{Asked, Body, given, version};
use super::caller::Caller;
use super::paging::{self, Listed};
use super::problem::Problem;
use super::shown::{ShownUser, versioned};
use crate::admin::user::{NewUser, UserChange};
use crate::admin::{Administration, Undone};
use crate::crypto::password;
use crate::directory::UserFilter;
use crate::model::{EmailAddress, User, UserId};

type Answer = Result<Response, Problem>;

/// Which people.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// People after the one with this id.
    #[serde(default)]
    after: Option<String>,
    /// At most so many: 1 to 200.
    #[serde(default)]
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// Only those whose user name, e-mail address or name holds this, whatever its case.
    #[serde(default)]
    #[param(max_length = 100)]
    search: Option<String>,
    /// Only those who are let in, or only those who are not.
    #[serde(default)]
    active: Option<bool>,
}

/// Somebody to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    /// What the person types to sign in; without it, the e-mail address.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 254)]
    user_name: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    email: Option<EmailAddress>,
    /// What the person is called.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 254)]
    name: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    /// Declared roles.
    #[serde(default)]
    roles: Vec<String>,
    /// Without one, an identity provider signs the person in.
    #[serde(default)]
    #[schema(min_length = 12, max_length = 1024, write_only)]
    password: Option<String>,
}

/// What is to be different; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    #[serde(default)]
    #[schema(min_length = 1, max_length = 254, nullable = false)]
    user_name: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    email: Option<Option<EmailAddress>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 254)]
    name: Option<Option<String>>,
    #[serde(default)]
    #[schema(nullable = false)]
    groups: Option<Vec<String>>,
    /// Declared roles.
    #[serde(default)]
    #[schema(nullable = false)]
    roles: Option<Vec<String>>,
}

/// The id in an address; what is none names nobody.
pub(super) fn id_of(text: &str) -> Result<UserId, Problem> {
    text.parse().map_err(|_| Problem::missing("user"))
}

/// The person with their version.
pub(super) fn one(admin: &Administration, status: StatusCode, user: &User) -> Response {
    versioned((status, Json(ShownUser::of(admin, user))).into_response(), user.updated_at)
}

/// What is looked for in names.
pub(super) fn check_search(text: Option<&str>) -> Result<(), Problem> {
    if text.is_some_and(|text| text.chars().count() > 100) {
        return Err(Problem::malformed("`search` has at most 100 letters."));
    }
    Ok(())
}

/// People of the tenant, ordered by id.
#[utoipa::path(get, path = "/users", tag = "users", params(Which), responses((status = 200, body = Listed<ShownUser>)))]
pub(super) async fn list(State(admin): State<Admin>, Caller(acting): Caller, Asked(which): Asked<Which>) -> Answer {
    let page = paging::page(which.after, which.limit)?;
    check_search(which.search.as_deref())?;
    let filter = UserFilter { text: which.search.clone(), active: which.active };
    let users = admin.users(&acting, &filter, &page).await?;
    let next = paging::next(&users, page.limit, |user| user.id.to_string());
    let items = users.iter().map(|user| ShownUser::of(&admin, user)).collect();
    let (limit, active) = (page.limit.to_string(), which.active.map(|active| active.to_string()));
    let query = [("limit", Some(limit.as_str())), ("search", which.search.as_deref()), ("active", active.as_deref())];
    Ok(Listed::answer(items, next, &query))
}

/// Makes an account.
#[utoipa::path(post, path = "/users", tag = "users", request_body = Create, responses((status = 201, body = ShownUser)))]
pub(super) async fn create(State(admin): State<Admin>, Caller(acting): Caller, Body(create): Body<Create>) -> Answer {
    let user_name = create.user_name.or_else(|| create.email.as_ref().map(ToString::to_string));
    let user_name = user_name.ok_or_else(|| Problem::unfit("user_name", "give a user name or an e-mail address"))?;
    let password_hash = match create.password {
        Some(password) => Some(hashed(password).await?),
        None => None,
    };
    let new =
        NewUser { user_name, email: create.email, name: create.name, groups: create.groups, roles: create.roles, password_hash };
    Ok(one(&admin, StatusCode::CREATED, &admin.create_user(&acting, new).await?))
}

/// Hashing takes a core for a while, which no other request may wait for.
async fn hashed(password: String) -> Result<String, Problem> {
    if !(12..=1024).contains(&password.chars().count()) {
        return Err(Problem::unfit("password", "12 to 1024 letters"));
    }
    let hashed = tokio::task::spawn_blocking(move || password::hash(&password)).await;
    Ok(hashed.map_err(Undone::internal)?.map_err(Undone::internal)?)
}

/// One person. The `ETag` is for `If-Match`.
#[utoipa::path(get, path = "/users/{id}", tag = "users", params(("id" = String, Path)), responses((status = 200, body = ShownUser)))]
pub(super) async fn show(State(admin): State<Admin>, Caller(acting): Caller, Path(id): Path<String>) -> Answer {
    Ok(one(&admin, StatusCode::OK, &admin.user(&acting, id_of(&id)?).await?))
}

/// Changes a person; with `If-Match`, only the version that was read.
#[utoipa::path(
    patch, path = "/users/{id}", tag = "users", request_body = Change,
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "The `ETag` that was read.")),
    responses((status = 200, body = ShownUser))
)]
pub(super) async fn change(
    State(admin): State<Admin>,
    Caller(acting): Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(change): Body<Change>,
) -> Answer {
    let Change { user_name, email, name, groups, roles } = change;
    let change = UserChange { user_name, email, name, groups, roles };
    let user = admin.change_user(&acting, id_of(&id)?, version(&headers)?, change).await?;
    Ok(one(&admin, StatusCode::OK, &user))
}

/// Removes a person. Their sessions end and their keys are revoked, at once.
#[utoipa::path(delete, path = "/users/{id}", tag = "users", params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn delete(State(admin): State<Admin>, Caller(acting): Caller, Path(id): Path<String>) -> Answer {
    admin.delete_user(&acting, id_of(&id)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Refuses a person from now on. Their sessions end and their keys stop working, at once.
#[utoipa::path(
    post, path = "/users/{id}/deactivate", tag = "users", params(("id" = String, Path)), responses((status = 200, body = ShownUser))
)]
pub(super) async fn deactivate(State(admin): State<Admin>, Caller(acting): Caller, Path(id): Path<String>) -> Answer {
    let (user, _) = admin.deactivate_user(&acting, id_of(&id)?).await?;
    Ok(one(&admin, StatusCode::OK, &user))
}

/// Lets a person in again, with the roles they had.
#[utoipa::path(
    post, path = "/users/{id}/reactivate", tag = "users", params(("id" = String, Path)), responses((status = 200, body = ShownUser))
)]
pub(super) async fn reactivate(State(admin): State<Admin>, Caller(acting): Caller, Path(id): Path<String>) -> Answer {
    Ok(one(&admin, StatusCode::OK, &admin.reactivate_user(&acting, id_of(&id)?).await?))
}

/// Removes a person and everything that is known of them. The audit trail keeps what happened, under the person's id.
#[utoipa::path(post, path = "/users/{id}/erase", tag = "users", params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn erase(State(admin): State<Admin>, Caller(acting): Caller, Path(id): Path<String>) -> Answer {
    admin.erase_user(&acting, id_of(&id)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
