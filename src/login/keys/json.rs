//! One's own keys, for the application's scripts and for programs with a session.
//!
//! Refuses what comes from another origin, and a body that a form of another site could send (threats C8).

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::error::KeysError;
use super::wish::{Rotation, Wish};
use super::{Keeper, Revealed, media_type};
use crate::clock::Timestamp;
use crate::login::{Login, Visitor, whoami};
use crate::model::Program;

pub(super) async fn list(State(login): State<Arc<Login>>, visitor: Visitor) -> Response {
    let listed = async {
        let keeper = login.keeper(&visitor).await?;
        let keys = login.own_keys(&keeper).await?;
        let keys: Vec<Value> = keys.iter().map(shown).collect();
        Ok(Json(json!({ "keys": keys, "may": may(&keeper) })).into_response())
    };
    answer(&login, listed.await)
}

/// `GET /.doorward/keys/{id}`
pub(super) async fn show(State(login): State<Arc<Login>>, Path(id): Path<String>, visitor: Visitor) -> Response {
    let found = async {
        let keeper = login.keeper(&visitor).await?;
        Ok(Json(shown(&login.own_key(&keeper, &id).await?)).into_response())
    };
    answer(&login, found.await)
}

pub(super) async fn create(State(login): State<Arc<Login>>, visitor: Visitor, body: &[u8]) -> Response {
    let made = async {
        let keeper = login.keeper(&visitor).await?;
        let wish: Wish = read(&login, &visitor, body)?;
        let revealed = login.make_key(&visitor, &keeper, wish).await?;
        let location = login.pages().address(&format!("/keys/{}", revealed.key.id));
        Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(reveal(&revealed))).into_response())
    };
    answer(&login, made.await)
}

pub(super) async fn rotate(State(login): State<Arc<Login>>, id: &str, visitor: Visitor, body: &[u8]) -> Response {
    let renewed = async {
        let keeper = login.keeper(&visitor).await?;
        let body = if body.is_empty() { b"{}" } else { body };
        let overlap = read::<Rotation>(&login, &visitor, body)?.overlap()?;
        Ok(Json(reveal(&login.renew_key(&visitor, &keeper, id, overlap).await?)).into_response())
    };
    answer(&login, renewed.await)
}

/// `DELETE /.doorward/keys/{id}`
pub(super) async fn revoke(State(login): State<Arc<Login>>, Path(id): Path<String>, visitor: Visitor) -> Response {
    let revoked = async {
        let keeper = login.keeper(&visitor).await?;
        from_here(&login, &visitor)?;
        login.revoke_key(&visitor, &keeper, &id).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    };
    answer(&login, revoked.await)
}

fn from_here(login: &Login, visitor: &Visitor) -> Result<(), KeysError> {
    if login.rules.forms.is_from_here(&visitor.headers) { Ok(()) } else { Err(KeysError::Foreign) }
}

/// A body that only a script of this origin, or no browser, can have sent.
fn read<T: DeserializeOwned>(login: &Login, visitor: &Visitor, body: &[u8]) -> Result<T, KeysError> {
    from_here(login, visitor)?;
    if media_type(&visitor.headers).is_none_or(|media| !media.eq_ignore_ascii_case("application/json")) {
        return Err(KeysError::NotJson);
    }
    serde_json::from_slice(body).map_err(|error| KeysError::Unfit(format!("The JSON does not fit: {error}.")))
}

fn answer(login: &Login, result: Result<Response, KeysError>) -> Response {
    let mut answer = result.unwrap_or_else(|error| problem(login, &error));
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// RFC 9457, as everywhere.
fn problem(login: &Login, error: &KeysError) -> Response {
    let own = login.pages().address("/keys");
    if matches!(error, KeysError::Nobody) {
        return whoami::nobody();
    }
    let status = error.status();
    let mut body = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "code": error.code(),
        "detail": error.to_string(),
    });
    if let KeysError::StepUp(need) = error {
        body["step_up"] = login.pages().step_up_address(&own, *need).into();
    }
    let mut answer = (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response();
    if let KeysError::Other(error) = error
        && let Some(wait) = error.retry_after()
    {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
    answer
}

fn shown(key: &Program) -> Value {
    let moment = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let secrets = key.secrets.iter();
    json!({
        "id": key.id,
        "name": key.name,
        // Whether an administrator made it, who alone gives it new secrets.
        "administered": !key.within_owner,
        "roles": key.roles,
        "scopes": key.scopes,
        "networks": key.networks,
        "created_at": key.created_at.to_string(),
        "expires_at": moment(key.expires_at),
        "last_used_at": moment(key.last_used_at),
        "secrets": secrets.map(|one| json!({ "created_at": one.created_at.to_string(), "expires_at": moment(one.expires_at) }))
            .collect::<Vec<_>>(),
    })
}

/// What a new key may be given.
fn may(keeper: &Keeper<'_>) -> Value {
    json!({
        "roles": keeper.roles,
        "scopes": keeper.scopes,
        "most": keeper.rules.most,
        "longest_seconds": keeper.rules.longest.0.as_secs(),
    })
}

fn reveal(revealed: &Revealed) -> Value {
    let mut value = shown(&revealed.key);
    value["secret"] = revealed.secret.expose().into();
    value
}
