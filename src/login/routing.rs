//! Which way to sign in: the connections, and the pages that lead to one.
//!
//! Refuses a connection whose provider cannot be spoken to as configured; which one is meant is always in the address.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, header};

use super::complete::{Failed, redirect};
use super::oidc::Provider;
use super::pages::{Choice, Pages, negotiate};
use super::return_to::{Origins, ReturnTo};
use super::visitor::Visitor;
use super::{Login, SignInError};
use crate::config::sign_in::{Connection as Typed, Password, Provision};
use crate::config::{Config, Path as Place, Problems};
use crate::model::{ConnectionId, EmailAddress};

/// One configured way to sign in.
#[derive(Debug)]
pub(super) struct Connection {
    pub id: ConnectionId,
    /// What people know it by.
    pub name: String,
    domains: Vec<String>,
    pub provision: Provision,
    pub way: Way,
}

/// How it works.
#[derive(Debug)]
pub(super) enum Way {
    Oidc(Box<Provider>),
    Password,
}

/// All of them, in the order of the configuration.
#[derive(Debug)]
pub(super) struct Connections {
    all: Vec<Connection>,
    password: Password,
}

impl Connections {
    pub(super) fn compile(config: &Config, origins: &Origins, problems: &mut Problems) -> Option<Self> {
        let mut all = Vec::with_capacity(config.connections.len());
        let mut password = Password::default();
        for (index, typed) in config.connections.iter().enumerate() {
            let way = match (&typed.oidc, typed.password) {
                (Some(oidc), None) => {
                    let place = Place::from("connections").item(index).key("oidc");
                    let callback = format!("{}/callback/{}", config.prefix, typed.id);
                    let callback = origins.own().join(&callback).ok()?;
                    Way::Oidc(Box::new(Provider::compile(oidc, callback, &place, problems)?))
                }
                (None, Some(settings)) => {
                    password = settings;
                    Way::Password
                }
                _ => return None,
            };
            all.push(Connection {
                id: typed.id.clone(),
                name: name_of(typed),
                domains: typed.domains.iter().map(|domain| domain.to_ascii_lowercase()).collect(),
                provision: typed.provision,
                way,
            });
        }
        Some(Self { all, password })
    }

    #[must_use]
    pub(super) fn find(&self, id: &str) -> Option<&Connection> {
        self.all.iter().find(|connection| connection.id.as_str() == id)
    }

    /// The settings of local accounts.
    #[must_use]
    pub(super) fn password(&self) -> Password {
        self.password
    }

    /// The connection of local accounts.
    #[must_use]
    pub(super) fn local(&self) -> Option<&Connection> {
        self.all.iter().find(|connection| matches!(connection.way, Way::Password))
    }

    /// The only connection, if it leads elsewhere and there is nothing to choose.
    fn only(&self) -> Option<(&Connection, &Provider)> {
        match self.all.as_slice() {
            [only @ Connection { way: Way::Oidc(provider), .. }] => Some((only, provider)),
            _ => None,
        }
    }

    /// Buttons of those that lead elsewhere; `prompt`: where people are asked even if they are known.
    #[must_use]
    pub(super) fn choices(&self, pages: &Pages, return_to: &ReturnTo, prompt: bool) -> Vec<Choice> {
        let elsewhere = self.all.iter().filter(|connection| matches!(connection.way, Way::Oidc(_)));
        let back = percent_encoding::utf8_percent_encode(return_to.as_str(), percent_encoding::NON_ALPHANUMERIC).to_string();
        let prompt = if prompt { "&prompt=login" } else { "" };
        let choice = |connection: &Connection| Choice {
            href: format!("{}/sign-in/{}?return_to={back}{prompt}", pages.prefix(), connection.id),
            name: connection.name.clone(),
        };
        elsewhere.map(choice).collect()
    }
}

impl Connection {
    /// Whether it may speak for somebody with this address.
    #[must_use]
    pub(super) fn serves(&self, email: Option<&EmailAddress>) -> bool {
        self.domains.is_empty() || email.is_some_and(|email| self.domains.iter().any(|domain| domain == email.domain()))
    }

    #[must_use]
    pub(super) fn has_domains(&self) -> bool {
        !self.domains.is_empty()
    }
}

/// `okta` is `Okta SSO` to people.
fn name_of(typed: &Typed) -> String {
    let from_id = || {
        let id = typed.id.as_str().replace(['-', '_'], " ");
        let mut letters = id.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase()).into_iter();
        first.chain(letters).chain(" SSO".chars()).collect()
    };
    typed.display_name.clone().unwrap_or_else(from_id)
}

/// The parameters of a request; one that was sent twice has no value (threats J11).
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    #[must_use]
    pub(super) fn read(query: Option<&str>) -> Self {
        Self(url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect())
    }

    /// The parameter's only value.
    pub(super) fn one(&self, name: &str) -> Result<Option<&str>, SignInError> {
        let mut values = self.0.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str());
        let value = values.next();
        if values.next().is_some() { Err(SignInError::RepeatedParameter) } else { Ok(value) }
    }
}

/// What a link to the sign-in page asks for.
pub(super) struct Wish {
    pub return_to: ReturnTo,
    /// Ask although somebody is signed in, here or at the provider.
    pub prompt: bool,
    pub login_hint: Option<String>,
}

impl Login {
    fn wish(&self, query: Option<&str>) -> Result<Wish, SignInError> {
        let parameters = Parameters::read(query);
        let hint = parameters.one("login_hint")?.filter(|hint| hint.len() <= 254);
        Ok(Wish {
            return_to: self.rules.origins.parse_or_home(parameters.one("return_to")?),
            prompt: parameters.one("prompt")?.is_some(),
            login_hint: hint.map(str::to_owned),
        })
    }

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
    let wish = match login.wish(query.as_deref()) {
        Ok(wish) => wish,
        Err(error) => return login.unclear(&visitor, &error),
    };
    let connection = login.rules.connections.find(&id);
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
