//! Which way to sign in: the pages that lead to a connection.
//!
//! Refuses to guess: which connection is meant is always in the address.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, header};

use super::complete::{Failed, redirect};
use super::connection::Way;
use super::pages::negotiate;
use super::visitor::Visitor;
use super::{Login, SignInError};

impl Login {
    fn unclear(&self, visitor: &Visitor, error: &SignInError) -> Response {
        self.refuse(visitor, &Failed { connection: None, actor: None, return_to: "/" }, error)
    }
}

/// `GET /.doorward/sign-in`: back if somebody is signed in, straight on if there is one way only, else the page.
pub(super) async fn choose(State(login): State<Arc<Login>>, RawQuery(query): RawQuery, visitor: Visitor) -> Response {
    let wish = match login.wish(query.as_deref()) {
        Ok(wish) => wish,
        Err(error) => return login.unclear(&visitor, &error),
    };
    let answer = match login.rules.connections.only() {
        _ if visitor.is_signed_in() && !wish.prompt => redirect(wish.return_to.as_str(), []),
        Some((connection, provider)) if !wish.prompt => login.leave(&visitor, connection, provider, &wish).await,
        _ => login.choices(&visitor, &wish.return_to, wish.prompt, None),
    };
    let failed = Failed { connection: None, actor: None, return_to: wish.return_to.as_str() };
    answer.unwrap_or_else(|error| login.refuse(&visitor, &failed, &error))
}

/// `GET /.doorward/sign-in/{connection}`: straight to that one.
pub(super) async fn start(
    State(login): State<Arc<Login>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    visitor: Visitor,
) -> Response {
    let connection = login.rules.connections.find(&id);
    let wish = match login.wish_of(connection, query.as_deref()) {
        Ok(wish) => wish,
        Err(error) => return login.unclear(&visitor, &error),
    };
    let answer = match connection.map(|connection| (connection, &connection.way)) {
        Some((connection, Way::Oidc(provider))) => login.leave(&visitor, connection, provider, &wish).await,
        Some((_, Way::Password)) => login.choices(&visitor, &wish.return_to, wish.prompt, None),
        None => Err(SignInError::UnknownConnection),
    };
    let failed = Failed { connection: connection.map(|found| &found.id), actor: None, return_to: wish.return_to.as_str() };
    answer.unwrap_or_else(|error| login.refuse(&visitor, &failed, &error))
}

/// Any other address under the prefix.
pub(super) async fn nowhere(State(login): State<Arc<Login>>, visitor: Visitor) -> Response {
    if negotiate::reads_pages(&visitor.headers) {
        return login.pages().not_found().into_response();
    }
    problem(StatusCode::NOT_FOUND, "There is nothing at this address.")
}

/// A known address, asked in a way it does not answer.
pub(super) async fn wrong_method(method: Method) -> Response {
    problem(StatusCode::METHOD_NOT_ALLOWED, &format!("This address does not answer {method}."))
}

fn problem(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("Error");
    let body = serde_json::json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, body.to_string()).into_response()
}
