//! `/invitations`: who may have an account, and what came of it.
//!
//! Refuses to show an invitation's link but once, and only where no letter took it to the person.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Admin;
use super::asked::{Asked, Body};
use super::caller::Caller;
use super::paging::{self, Listed, Paging};
use super::problem::Problem;
use crate::admin::invitation::{Invited, NewInvitation, Posted};
use crate::clock::Timestamp;
use crate::model::{ConnectionId, EmailAddress, Invitation};

type Answer = Result<Response, Problem>;

/// How long an invitation is good for, if nothing is said; and at most. Seconds.
const LASTS: u64 = 7 * 24 * 3600;
const LONGEST: u64 = 90 * 24 * 3600;

/// Whom to invite.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Invite {
    #[schema(value_type = String)]
    address: EmailAddress,
    /// Declared roles that the person will have.
    #[serde(default)]
    roles: Vec<String>,
    /// By which the person is to sign in; may be left out where one only is for those who are invited.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    connection: Option<ConnectionId>,
    /// Seconds that the invitation is good for. Default: a week.
    #[serde(default = "usual")]
    #[schema(minimum = 60, maximum = 7_776_000)]
    lasts_seconds: u64,
    /// Whether to send a letter. Without one, the answer has the link.
    #[serde(default = "yes")]
    mail: bool,
}

const fn usual() -> u64 {
    LASTS
}

const fn yes() -> bool {
    true
}

/// An invitation.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownInvitation {
    id: String,
    tenant: String,
    address: String,
    connection: String,
    roles: Vec<String>,
    invited_by: String,
    /// `sent`, `accepted`, `used`, `revoked` or `expired`.
    state: String,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
}

/// An invitation that was made just now.
#[derive(Serialize, ToSchema)]
pub(super) struct MadeInvitation {
    #[serde(flatten)]
    invitation: ShownInvitation,
    /// Whether the letter is on its way.
    mailed: bool,
    /// For this person only, where no letter was sent: it is shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    /// Why the letter was not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    mail_error: Option<String>,
}

impl ShownInvitation {
    fn of(invitation: Invitation, now: Timestamp) -> Self {
        Self {
            state: invitation.state(now).to_owned(),
            id: invitation.id.0,
            tenant: invitation.tenant.to_string(),
            address: invitation.address.to_string(),
            connection: invitation.connection.to_string(),
            roles: invitation.roles,
            invited_by: invitation.invited_by,
            created_at: invitation.created_at.to_string(),
            expires_at: invitation.expires_at.to_string(),
        }
    }
}

fn made(invited: Invited, now: Timestamp) -> Response {
    let Invited { invitation, link, letter } = invited;
    let (mailed, mail_error) = match letter {
        Posted::Sent => (true, None),
        Posted::NotSent => (false, None),
        Posted::Failed(error) => (false, Some(error.to_string())),
    };
    let body =
        MadeInvitation { invitation: ShownInvitation::of(invitation, now), link: (!mailed).then_some(link), mailed, mail_error };
    (StatusCode::CREATED, Json(body)).into_response()
}

/// Invitations of the tenant, newest first, used and revoked ones too.
#[utoipa::path(
    get, path = "/invitations", tag = "invitations", params(Paging), responses((status = 200, body = Listed<ShownInvitation>))
)]
pub(super) async fn list(State(admin): State<Admin>, Caller(acting): Caller, Asked(paging): Asked<Paging>) -> Answer {
    let (page, now) = (paging.page()?, admin.now());
    let (items, next) = paging::part(admin.invitations(&acting).await?, &page, |one| one.id.0.clone());
    let (items, limit) = (items.into_iter().map(|one| ShownInvitation::of(one, now)).collect(), page.limit.to_string());
    Ok(Listed::<ShownInvitation>::answer(items, next, &[("limit", Some(&limit))]))
}

/// Invites somebody; an open invitation for the same address and connection is replaced.
#[utoipa::path(
    post, path = "/invitations", tag = "invitations", request_body = Invite, responses((status = 201, body = MadeInvitation))
)]
pub(super) async fn invite(State(admin): State<Admin>, Caller(acting): Caller, Body(invite): Body<Invite>) -> Answer {
    if !(60..=LONGEST).contains(&invite.lasts_seconds) {
        return Err(Problem::unfit("lasts_seconds", format!("60 to {LONGEST}")));
    }
    let new = NewInvitation {
        address: invite.address,
        roles: invite.roles,
        connection: invite.connection,
        lasts: Duration::from_secs(invite.lasts_seconds),
        by_mail: invite.mail,
    };
    Ok(made(admin.invite(&acting, new).await?, admin.now()))
}

/// One invitation.
#[utoipa::path(
    get, path = "/invitations/{id}", tag = "invitations", params(("id" = String, Path)),
    responses((status = 200, body = ShownInvitation))
)]
pub(super) async fn show(State(admin): State<Admin>, Caller(acting): Caller, Path(id): Path<String>) -> Answer {
    Ok(Json(ShownInvitation::of(admin.invitation(&acting, &id).await?, admin.now())).into_response())
}

/// Takes an invitation back.
#[utoipa::path(
    delete, path = "/invitations/{id}", tag = "invitations", params(("id" = String, Path)), responses((status = 204))
)]
pub(super) async fn revoke(State(admin): State<Admin>, Caller(acting): Caller, Path(id): Path<String>) -> Answer {
    admin.uninvite(&acting, &id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Sends an invitation again: a new one, with a new link, in the place of the one before.
#[utoipa::path(
    post, path = "/invitations/{id}/send", tag = "invitations", params(("id" = String, Path)),
    responses((status = 201, body = MadeInvitation))
)]
pub(super) async fn send(State(admin): State<Admin>, Caller(acting): Caller, Path(id): Path<String>) -> Answer {
    Ok(made(admin.invite_again(&acting, &id).await?, admin.now()))
}
