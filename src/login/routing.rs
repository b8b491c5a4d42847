//! Which way to sign in: the pages that lead to a connection.
//!
//! Refuses to guess: which connection is meant is always in the address.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, header};

use super::complete::{Failed, redirect};
use super::connection::{Connection, Connections, Way};
use super::pages::{Choice, negotiate};
use super::parameters::Wish;
use super::return_to::ReturnTo;
use super::visitor::Visitor;
use super::{Login, SignInError};
use crate::model::TenantId;
use crate::session::cookie;

impl Login {
    fn unclear(&self, visitor: &Visitor, error: &SignInError) -> Response {
        self.refuse(visitor, &Failed { connection: None, actor: None, return_to: "/" }, error)
    }
}

/// What a sign-in page is asked for.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub tenant: &'a TenantId,
    pub return_to: &'a ReturnTo,
    /// Where people are asked even if they are known.
    pub prompt: bool,
    /// The user name of a try that just failed.
    pub wrong: Option<&'a str>,
}

impl<'a> Ask<'a> {
    fn of(tenant: &'a TenantId, wish: &'a Wish) -> Self {
        Self { tenant, return_to: &wish.return_to, prompt: wish.prompt, wrong: None }
    }
}

impl Login {
    /// Begins with this connection, whatever its kind: leaves for the provider, or shows the form. One line for each kind.
    async fn begin(&self, visitor: &Visitor, connection: &Connection, wish: &Wish) -> Result<Response, SignInError> {
        match &connection.way {
            Way::Oidc(provider) => self.leave(visitor, connection, provider, wish).await,
            Way::Saml(provider) => self.leave_for_saml(visitor, connection, provider, wish).await,
            Way::Password => self.choices(visitor, &Ask::of(&connection.tenant, wish)),
        }
    }

    /// The page with every way of a tenant to sign in.
    pub(super) fn choices(&self, visitor: &Visitor, ask: &Ask<'_>) -> Result<Response, SignInError> {
        let connections = self.connections();
        let choices = self.buttons(&connections, ask);
        let Some(password) = connections.local(ask.tenant) else {
            return Ok(self.pages().sign_in(&choices, None).into_response());
        };
        let (form, set_cookie) = self.password_form(visitor, password, ask)?;
        let page = self.pages().sign_in(&choices, Some(&form)).with_form_targets(self.rules.origins.others());
        let mut answer = page.into_response();
        cookie::add(answer.headers_mut(), set_cookie);
        Ok(answer)
    }

    /// Buttons of the tenant's ways that lead elsewhere.
    fn buttons(&self, connections: &Connections, ask: &Ask<'_>) -> Vec<Choice> {
        let shown = |connection: &&Connection| {
            connection.tenant == *ask.tenant && !connection.hidden && !matches!(connection.way, Way::Password)
        };
        let back = percent_encoding::utf8_percent_encode(ask.return_to.as_str(), percent_encoding::NON_ALPHANUMERIC).to_string();
        let prompt = if ask.prompt { "&prompt=login" } else { "" };
        let choice = |connection: &Connection| Choice {
            href: format!("{}/sign-in/{}?return_to={back}{prompt}", self.pages().prefix(), connection.id),
            name: connection.name.clone(),
        };
        connections.iter().filter(shown).map(choice).collect()
    }
}

/// The tenant's only connection, if there is nothing to choose and it does not begin with a form of ours.
fn only<'c>(connections: &'c Connections, tenant: &TenantId) -> Option<&'c Connection> {
    let mut own = connections.iter().filter(|connection| connection.tenant == *tenant && !connection.hidden);
    let only = own.next().filter(|connection| !matches!(connection.way, Way::Password));
    only.filter(|_| own.next().is_none())
}

/// `GET /.doorward/sign-in`: back if somebody is signed in, straight on if there is one way only, else the page.
pub(super) async fn choose(State(login): State<Arc<Login>>, RawQuery(query): RawQuery, visitor: Visitor) -> Response {
    let wish = match login.wish(query.as_deref()) {
        Ok(wish) => wish,
        Err(error) => return login.unclear(&visitor, &error),
    };
    let connections = login.connections();
    let tenant = TenantId::default();
    let answer = match only(&connections, &tenant) {
        _ if visitor.is_signed_in() && !wish.prompt => redirect(wish.return_to.as_str(), []),
        Some(connection) if !wish.prompt => login.begin(&visitor, connection, &wish).await,
        _ => login.choices(&visitor, &Ask::of(&tenant, &wish)),
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
    let connections = login.connections();
    let connection = connections.find(&id);
    let wish = match login.wish_of(connection, query.as_deref()) {
        Ok(wish) => wish,
        Err(error) => return login.unclear(&visitor, &error),
    };
    let answer = match connection {
        Some(connection) => login.begin(&visitor, connection, &wish).await,
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
