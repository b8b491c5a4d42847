//! Which way to sign in: the pages that lead to a connection.
//!
//! Refuses to guess: which connection is meant is always in the address.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, header};

use super::chooser::Ask;
use super::complete::{Failed, redirect};
use super::connection::{Connection, Connections, Way};
use super::magic_link::Wanted;
use super::oidc::Remote;
use super::pages::negotiate;
use super::parameters::{Parameters, Wish};
use super::return_to::ReturnTo;
use super::visitor::Visitor;
use super::{Login, SignInError};
use crate::model::TenantId;

impl Login {
    /// Begins with this connection, whatever its kind: leaves for the provider, or shows the form. One line for each kind.
    pub(super) async fn begin(&self, visitor: &Visitor, connection: &Connection, wish: &Wish) -> Result<Response, SignInError> {
        self.check_turns(&visitor.headers, &wish.return_to)?;
        match &connection.way {
            Way::Oidc(provider) => self.leave(visitor, connection, Remote::Oidc(provider), wish).await,
            Way::OAuth2(provider) => self.leave(visitor, connection, Remote::OAuth2(provider), wish).await,
            Way::Saml(provider) => self.leave_for_saml(visitor, connection, provider, wish).await,
            Way::Password => self.password_page(visitor, connection, &Ask::of(Some(&connection.tenant), wish)),
            Way::MagicLink(_) => self.mail_page(visitor, connection, &Wanted::of(wish)),
        }
    }

    /// Back, for somebody who is signed in already.
    fn bounce(&self, visitor: &Visitor, return_to: &ReturnTo) -> Result<Response, SignInError> {
        self.check_turns(&visitor.headers, return_to)?;
        redirect(return_to.as_str(), [self.count_turn(&visitor.headers, return_to, None)?])
    }

    /// To a tenant by its name: here, or at the host that is its own.
    async fn arrive_at(&self, visitor: &Visitor, tenant: Option<&str>, query: Option<&str>) -> Response {
        let tenants = &self.rules.tenants;
        let Some(home) = tenant.and_then(|tenant| tenants.elsewhere(tenant)) else {
            return self.arrive(visitor, tenant.and_then(|tenant| tenants.find(tenant)), query).await;
        };
        let answer = self.wish(query).and_then(|wish| redirect(&self.sign_in_at(home, &wish.return_to), []));
        answer.unwrap_or_else(|error| self.refuse(visitor, &Failed::NOWHERE, &error))
    }

    /// The sign-in page at the host of a tenant, with the same place there as the way back.
    pub(super) fn sign_in_at(&self, home: &str, return_to: &ReturnTo) -> String {
        let own = self.rules.origins.own().as_str().trim_end_matches('/');
        let path = return_to.as_str().strip_prefix(own).filter(|path| path.starts_with('/')).unwrap_or("/");
        let back = percent_encoding::utf8_percent_encode(path, percent_encoding::NON_ALPHANUMERIC);
        format!("{home}{}/sign-in?return_to={back}", self.pages().prefix())
    }

    /// The connection that a tenant's people are sent to without being asked: the one that is configured so, or the only one.
    pub(super) fn straight<'c>(&self, connections: &'c Connections, tenant: Option<&TenantId>) -> Option<&'c Connection> {
        let own = tenant.cloned().unwrap_or_else(|| self.rules.tenants.usual());
        let named = self.rules.tenants.default_connection(&own).and_then(|id| connections.find(id.as_str()));
        let named = named.filter(|connection| connection.tenant == own);
        let only = || connections.only(tenant).filter(|_| tenant.is_some() || !self.rules.tenants.have_domains());
        named.or_else(only)
    }

    /// Back if somebody is signed in, straight on if there is one way only, else the page.
    async fn arrive(&self, visitor: &Visitor, tenant: Option<&TenantId>, query: Option<&str>) -> Response {
        let wish = match self.wish(query) {
            Ok(wish) => wish,
            Err(error) => return self.refuse(visitor, &Failed::NOWHERE, &error),
        };
        let usual = self.rules.tenants.owner();
        let (connections, tenant) = (self.connections(), tenant.or(usual));
        let here = |tenant: &TenantId| visitor.identity.as_ref().is_some_and(|identity| identity.tenant == *tenant);
        let answer = match self.straight(&connections, tenant) {
            _ if visitor.is_signed_in() && !wish.prompt && tenant.is_none_or(here) => self.bounce(visitor, &wish.return_to),
            Some(connection) if !wish.prompt => self.begin(visitor, connection, &wish).await,
            _ => self.choices(visitor, &Ask::of(tenant, &wish)),
        };
        let failed = Failed { connection: None, return_to: wish.return_to.as_str(), ..Failed::NOWHERE };
        answer.unwrap_or_else(|error| self.refuse(visitor, &failed, &error))
    }
}

/// `GET /.doorward/sign-in`; with `?tenant=…` as the tenant's link.
pub(super) async fn choose(State(login): State<Arc<Login>>, RawQuery(query): RawQuery, visitor: Visitor) -> Response {
    match Parameters::read(query.as_deref()).one("tenant") {
        Ok(tenant) => login.arrive_at(&visitor, tenant, query.as_deref()).await,
        Err(error) => login.refuse(&visitor, &Failed::NOWHERE, &error),
    }
}

/// `GET /.doorward/t/{tenant}`: to the tenant's only connection, or its ways to choose from.
pub(super) async fn of_tenant(
    State(login): State<Arc<Login>>,
    Path(tenant): Path<String>,
    RawQuery(query): RawQuery,
    visitor: Visitor,
) -> Response {
    login.arrive_at(&visitor, Some(&tenant), query.as_deref()).await
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
        Err(error) => return login.refuse(&visitor, &Failed::NOWHERE, &error),
    };
    let answer = match connection {
        Some(connection) => login.begin(&visitor, connection, &wish).await,
        None => Err(SignInError::UnknownConnection),
    };
    let failed = Failed { connection: connection.map(|found| &found.id), return_to: wish.return_to.as_str(), ..Failed::NOWHERE };
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
