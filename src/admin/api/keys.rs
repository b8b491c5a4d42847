//! `/keys` and `/clients`: the credentials of programs.
//!
//! Refuses to show a secret a second time, and to bring back what was revoked.

#![expect(clippy::option_option, reason = "a field that is left out and one that is `null` are two things")]

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use ipnet::IpNet;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Admin;
use super::asked::{Asked, Body, given, moment};
use super::caller::Caller;
use super::paging::{self, Listed, Paging};
use super::problem::Problem;
use super::shown::{RevealedProgram, ShownProgram};
use crate::admin::program::{NewProgram, ProgramChange};
use crate::admin::{Acting, Administration};
use crate::clock::Timestamp;
use crate::model::{ProgramKind, Scope, UserId};

type Answer = Result<Response, Problem>;

/// How long the secret before works yet, if nothing is said; and at most. Seconds.
const OVERLAP: u64 = 24 * 3600;
const LONGEST_OVERLAP: u64 = 30 * 24 * 3600;

/// A key or client to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateProgram {
    /// What it is for, for people to recognise.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// The id of the person it belongs to: it stops working when they are deactivated.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Uuid)]
    owner: Option<UserId>,
    /// Declared roles.
    #[serde(default)]
    roles: Vec<String>,
    /// What it may do: `resource:action`, either part may be `*`.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    scopes: Vec<Scope>,
    /// Where it may be used from, in CIDR notation; empty: anywhere.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    networks: Vec<IpNet>,
    /// Until when it works; without it, until revoked.
    #[serde(default)]
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// What is to be different; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeProgram {
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200, nullable = false)]
    name: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, format = Uuid)]
    owner: Option<Option<UserId>>,
    #[serde(default)]
    #[schema(nullable = false)]
    roles: Option<Vec<String>>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, nullable = false)]
    scopes: Option<Vec<Scope>>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, nullable = false)]
    networks: Option<Vec<IpNet>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Option<String>>,
}

/// How to give it a new secret.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotate {
    /// Seconds that the secret before works yet; 0 stops it at once. Default: a day.
    #[serde(default = "usual_overlap")]
    #[schema(maximum = 2_592_000)]
    overlap_seconds: u64,
}

const fn usual_overlap() -> u64 {
    OVERLAP
}

fn moment_of(text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    text.map(|text| moment("expires_at", text)).transpose()
}

async fn list(admin: &Administration, acting: &Acting, kind: ProgramKind, paging: Paging) -> Answer {
    let page = paging.page()?;
    let programs = admin.programs(acting, kind, &page).await?;
    let next = paging::next(&programs, page.limit, |program| program.id.clone());
    let (now, limit) = (admin.now(), page.limit.to_string());
    let items = programs.into_iter().map(|program| ShownProgram::of(program, now)).collect();
    Ok(Listed::<ShownProgram>::answer(items, next, &[("limit", Some(&limit))]))
}

async fn create(admin: &Administration, acting: &Acting, kind: ProgramKind, create: CreateProgram) -> Answer {
    let new = NewProgram {
        expires_at: moment_of(create.expires_at.as_deref())?,
        name: create.name,
        owner: create.owner,
        roles: create.roles,
        scopes: create.scopes,
        networks: create.networks,
    };
    let (program, secret) = admin.create_program(acting, kind, new).await?;
    let revealed = RevealedProgram::new(ShownProgram::of(program, admin.now()), secret.expose().to_owned());
    Ok((StatusCode::CREATED, Json(revealed)).into_response())
}

async fn show(admin: &Administration, acting: &Acting, kind: ProgramKind, id: &str) -> Answer {
    Ok(Json(ShownProgram::of(admin.program(acting, kind, id).await?, admin.now())).into_response())
}

async fn change(admin: &Administration, acting: &Acting, kind: ProgramKind, id: &str, change: ChangeProgram) -> Answer {
    let change = ProgramChange {
        expires_at: change.expires_at.map(|end| moment_of(end.as_deref())).transpose()?,
        name: change.name,
        owner: change.owner,
        roles: change.roles,
        scopes: change.scopes,
        networks: change.networks,
    };
    Ok(Json(ShownProgram::of(admin.change_program(acting, kind, id, change).await?, admin.now())).into_response())
}

async fn rotate(admin: &Administration, acting: &Acting, kind: ProgramKind, id: &str, rotate: Rotate) -> Answer {
    if rotate.overlap_seconds > LONGEST_OVERLAP {
        return Err(Problem::unfit("overlap_seconds", format!("at most {LONGEST_OVERLAP}")));
    }
    let overlap = Duration::from_secs(rotate.overlap_seconds);
    let (program, secret, _) = admin.rotate_program(acting, kind, id, overlap).await?;
    let revealed = RevealedProgram::new(ShownProgram::of(program, admin.now()), secret.expose().to_owned());
    Ok(Json(revealed).into_response())
}

async fn revoke(admin: &Administration, acting: &Acting, kind: ProgramKind, id: &str) -> Answer {
    admin.revoke_program(acting, kind, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Keys of the tenant, ordered by id; revoked ones too.
#[utoipa::path(get, path = "/keys", tag = "keys", params(Paging), responses((status = 200, body = Listed<ShownProgram>)))]
pub(super) async fn list_keys(State(admin): State<Admin>, Caller(acting): Caller, Asked(paging): Asked<Paging>) -> Answer {
    list(&admin, &acting, ProgramKind::ApiKey, paging).await
}

/// Makes a key. Its secret is in this answer and never again.
#[utoipa::path(post, path = "/keys", tag = "keys", request_body = CreateProgram, responses((status = 201, body = RevealedProgram)))]
pub(super) async fn create_key(State(admin): State<Admin>, Caller(acting): Caller, Body(body): Body<CreateProgram>) -> Answer {
    create(&admin, &acting, ProgramKind::ApiKey, body).await
}

/// One key, without its secret.
#[utoipa::path(get, path = "/keys/{id}", tag = "keys", params(("id" = String, Path)), responses((status = 200, body = ShownProgram)))]
pub(super) async fn show_key(State(admin): State<Admin>, Caller(acting): Caller, Path(id): Path<String>) -> Answer {
    show(&admin, &acting, ProgramKind::ApiKey, &id).await
}

/// Changes a key.
#[utoipa::path(
    patch, path = "/keys/{id}", tag = "keys", params(("id" = String, Path)), request_body = ChangeProgram,
    responses((status = 200, body = ShownProgram))
)]
pub(super) async fn change_key(
    State(admin): State<Admin>,
    Caller(acting): Caller,
    Path(id): Path<String>,
    Body(body): Body<ChangeProgram>,
) -> Answer {
    change(&admin, &acting, ProgramKind::ApiKey, &id, body).await
}

/// Refuses a key from now on, for ever.
#[utoipa::path(delete, path = "/keys/{id}", tag = "keys", params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn revoke_key(State(admin): State<Admin>, Caller(acting): Caller, Path(id): Path<String>) -> Answer {
    revoke(&admin, &acting, ProgramKind::ApiKey, &id).await
}

/// Gives a key a new secret, which is in this answer and never again. The one before works for a while yet.
#[utoipa::path(
    post, path = "/keys/{id}/rotate", tag = "keys", params(("id" = String, Path)), request_body = Rotate,
    responses((status = 200, body = RevealedProgram))
)]
pub(super) async fn rotate_key(
    State(admin): State<Admin>,
    Caller(acting): Caller,
    Path(id): Path<String>,
    Body(body): Body<Rotate>,
) -> Answer {
    rotate(&admin, &acting, ProgramKind::ApiKey, &id, body).await
}

/// Clients of the tenant, ordered by id; revoked ones too.
#[utoipa::path(get, path = "/clients", tag = "clients", params(Paging), responses((status = 200, body = Listed<ShownProgram>)))]
pub(super) async fn list_clients(State(admin): State<Admin>, Caller(acting): Caller, Asked(paging): Asked<Paging>) -> Answer {
    list(&admin, &acting, ProgramKind::Client, paging).await
}

/// Makes a client. Its secret is in this answer and never again.
#[utoipa::path(post, path = "/clients", tag = "clients", request_body = CreateProgram, responses((status = 201, body = RevealedProgram)))]
pub(super) async fn create_client(State(admin): State<Admin>, Caller(acting): Caller, Body(body): Body<CreateProgram>) -> Answer {
    create(&admin, &acting, ProgramKind::Client, body).await
}

/// One client, without its secret.
#[utoipa::path(get, path = "/clients/{id}", tag = "clients", params(("id" = String, Path)), responses((status = 200, body = ShownProgram)))]
pub(super) async fn show_client(State(admin): State<Admin>, Caller(acting): Caller, Path(id): Path<String>) -> Answer {
    show(&admin, &acting, ProgramKind::Client, &id).await
}

/// Changes a client.
#[utoipa::path(
    patch, path = "/clients/{id}", tag = "clients", params(("id" = String, Path)), request_body = ChangeProgram,
    responses((status = 200, body = ShownProgram))
)]
pub(super) async fn change_client(
    State(admin): State<Admin>,
    Caller(acting): Caller,
    Path(id): Path<String>,
    Body(body): Body<ChangeProgram>,
) -> Answer {
    change(&admin, &acting, ProgramKind::Client, &id, body).await
}

/// Refuses a client from now on, for ever.
#[utoipa::path(delete, path = "/clients/{id}", tag = "clients", params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn revoke_client(State(admin): State<Admin>, Caller(acting): Caller, Path(id): Path<String>) -> Answer {
    revoke(&admin, &acting, ProgramKind::Client, &id).await
}

/// Gives a client a new secret, which is in this answer and never again. The one before works for a while yet.
#[utoipa::path(
    post, path = "/clients/{id}/rotate", tag = "clients", params(("id" = String, Path)), request_body = Rotate,
    responses((status = 200, body = RevealedProgram))
)]
pub(super) async fn rotate_client(
    State(admin): State<Admin>,
    Caller(acting): Caller,
    Path(id): Path<String>,
    Body(body): Body<Rotate>,
) -> Answer {
    rotate(&admin, &acting, ProgramKind::Client, &id, body).await
}
