//! Where oauth2-proxy answered: `/oauth2/start`, `/oauth2/sign_in`, `/oauth2/sign_out`, `/oauth2/callback`, `/oauth2/userinfo`, and its
//! pages for probes and search engines.
//!
//! Refuses what oauth2-proxy lets through: a return address elsewhere, and a sign-out that a stranger's page asks for (threats C6, C8);
//! the person is then asked by the page that has the button.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderName, StatusCode, header};
use moka::future::Cache;
use serde_json::json;

use super::complete::{Failed, redirect};
use super::parameters::{Parameters, Wish};
use super::return_to::ReturnTo;
use super::visitor::Visitor;
use super::{Login, SignInError, oidc, routing};
use crate::config::Config;
use crate::config::paths::ROBOTS;
use crate::crypto::Digest;
use crate::model::ConnectionId;
use crate::session::{ProviderTokens, cookie};

/// How a proxy in front says where the person wanted to go, in the place of `rd`.
const WANTED: HeaderName = HeaderName::from_static("x-auth-request-redirect");
/// What a return address after a sign-out may hold in the place of the ID token.
const ID_TOKEN: &str = "{id_token}";
/// How long an answer about the store holds.
const READINESS_KEPT: Duration = Duration::from_secs(1);

/// What is answered, and where.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    prefix: String,
    ping: Option<String>,
    ready: Option<String>,
    connection: Option<ConnectionId>,
}

impl Rules {
    pub(super) fn compile(config: &Config) -> Option<Self> {
        let typed = config.compatibility.oauth2_proxy.clone()?;
        let connection = config.oauth2_proxy_connection().cloned();
        Some(Self { prefix: typed.prefix, ping: typed.ping, ready: typed.ready, connection })
    }

    /// The pages.
    pub(super) fn routes(&self) -> Router<Arc<Login>> {
        let at = |path: &str| format!("{}{path}", self.prefix);
        let router = Router::new()
            .route(&at("/start"), get(start))
            .route(&at("/sign_in"), get(sign_in))
            .route(&at("/sign_out"), get(sign_out))
            .route(&at("/callback"), get(callback))
            .route(&at("/userinfo"), get(userinfo))
            .route(ROBOTS, get(robots));
        let readiness = Readiness::default();
        let ready = get(async move |State(login): State<Arc<Login>>| readiness.of(&login).await);
        let probes = [(&self.ping, get(ping)), (&self.ready, ready)];
        let answered = probes.into_iter().filter_map(|(path, page)| Some((path.as_ref()?, page)));
        answered.fold(router, |router, (path, page)| router.route(path, page))
    }
}

/// `GET /oauth2/start?rd=…`: straight to the provider, also for who is signed in.
async fn start(State(login): State<Arc<Login>>, RawQuery(query): RawQuery, visitor: Visitor) -> Response {
    found(login.began(&visitor, query.as_deref()).await)
}

/// `GET /oauth2/sign_in?rd=…`: the sign-in page, or straight on where there is one way only.
async fn sign_in(State(login): State<Arc<Login>>, RawQuery(query): RawQuery, visitor: Visitor) -> Response {
    let answer = match login.wanted(&visitor, query.as_deref()) {
        Ok(return_to) => {
            let back = percent_encoding::utf8_percent_encode(return_to.as_str(), percent_encoding::NON_ALPHANUMERIC);
            routing::choose(State(login), RawQuery(Some(format!("return_to={back}"))), visitor).await
        }
        Err(error) => login.refuse(&visitor, &Failed::NOWHERE, &error),
    };
    found(answer)
}

/// `GET /oauth2/sign_out?rd=…`
async fn sign_out(State(login): State<Arc<Login>>, RawQuery(query): RawQuery, visitor: Visitor) -> Response {
    let answer = login.sign_out_by_link(&visitor, query.as_deref()).await;
    found(answer.unwrap_or_else(|error| login.refuse(&visitor, &Failed::NOWHERE, &error)))
}

/// `GET /oauth2/callback`: the way back from the provider, as it is registered there.
async fn callback(State(login): State<Arc<Login>>, RawQuery(query): RawQuery, visitor: Visitor) -> Response {
    let rules = login.rules.compatibility.clone();
    let Some(id) = rules.and_then(|rules| rules.connection) else {
        return login.refuse(&visitor, &Failed::NOWHERE, &SignInError::UnknownConnection);
    };
    found(oidc::came_back(&login, id.as_str(), query.as_deref(), &visitor).await)
}

/// `GET /oauth2/userinfo`
async fn userinfo(visitor: Visitor) -> Response {
    let Some(identity) = &visitor.identity else { return said(StatusCode::UNAUTHORIZED, "Unauthorized\n") };
    let mut told = json!({
        "user": identity.forward.provider_subject.as_ref().unwrap_or(&identity.subject),
        "email": identity.email.as_deref().unwrap_or_default(),
    });
    if !identity.groups.is_empty() {
        told["groups"] = json!(identity.groups);
    }
    if let Some(name) = &identity.user_name {
        told["preferredUsername"] = json!(name);
    }
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], told.to_string()).into_response()
}

/// `GET /ping`
async fn ping() -> Response {
    said(StatusCode::OK, "OK")
}

/// Whether sessions can be looked up, which is what oauth2-proxy means by `/ready`. Kept for a moment: anybody may ask, as often as they
/// like, and each answer is a question to the store.
#[derive(Clone)]
struct Readiness(Cache<(), bool>);

impl Default for Readiness {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(1).time_to_live(READINESS_KEPT).build())
    }
}

impl Readiness {
    async fn of(&self, login: &Login) -> Response {
        if self.0.get_with((), login.finds_sessions()).await {
            said(StatusCode::OK, "OK")
        } else {
            said(StatusCode::INTERNAL_SERVER_ERROR, "error: sessions cannot be looked up")
        }
    }
}

/// `GET /robots.txt`
async fn robots() -> Response {
    said(StatusCode::OK, "User-agent: *\nDisallow: /\n")
}

impl Login {
    async fn finds_sessions(&self) -> bool {
        let found = self.means.sessions.find(&Digest::of(b"oauth2-proxy's question")).await;
        found.inspect_err(|error| tracing::warn!(%error, "sessions cannot be looked up")).is_ok()
    }

    async fn began(&self, visitor: &Visitor, query: Option<&str>) -> Response {
        let connections = self.connections();
        let named = self.rules.compatibility.as_ref().and_then(|rules| rules.connection.as_ref());
        let connection = named.and_then(|id| connections.find(id.as_str()));
        let return_to = match self.wanted(visitor, query) {
            Ok(return_to) => return_to,
            Err(error) => return self.refuse(visitor, &Failed::NOWHERE, &error),
        };
        let failed = Failed { connection: connection.map(|found| &found.id), return_to: return_to.as_str(), ..Failed::NOWHERE };
        let wish = Wish { return_to: return_to.clone(), prompt: false, login_hint: None, step_up: None };
        let answer = match connection {
            Some(connection) => self.begin(visitor, connection, &wish).await,
            None => Err(SignInError::UnknownConnection),
        };
        answer.unwrap_or_else(|error| self.refuse(visitor, &failed, &error))
    }

    /// Where the person wanted to go: `rd`, or what a proxy in front says. Anywhere else than here or a listed origin is the front page.
    fn wanted(&self, visitor: &Visitor, query: Option<&str>) -> Result<ReturnTo, SignInError> {
        Ok(self.named(visitor, query)?.unwrap_or_else(|| self.rules.origins.home()))
    }

    fn named(&self, visitor: &Visitor, query: Option<&str>) -> Result<Option<ReturnTo>, SignInError> {
        let parameters = Parameters::read(query);
        let said = || visitor.headers.get(WANTED).and_then(|value| value.to_str().ok());
        let typed = parameters.one("rd")?.filter(|rd| !rd.is_empty());
        Ok(typed.or_else(said).and_then(|text| self.rules.origins.parse(text)))
    }

    /// Ends the session where the person's own page, or a listed one, leads here; anybody else's only leads to the button.
    async fn sign_out_by_link(&self, visitor: &Visitor, query: Option<&str>) -> Result<Response, SignInError> {
        let return_to = self.named(visitor, query)?;
        if visitor.is_signed_in() && !self.is_asked_from_here(&visitor.headers) {
            return redirect(&self.pages().address("/sign-out"), []);
        }
        let ended = self.end_present(visitor).await?;
        let here = self.pages().address("/signed-out");
        let answer = match (&return_to, &ended) {
            (Some(return_to), ended) => {
                let tokens = ended.as_ref().and_then(|(value, session)| ProviderTokens::open(value, session));
                let token = tokens.and_then(|tokens| tokens.id_token).unwrap_or_default();
                Some(redirect(&return_to.as_str().replace(ID_TOKEN, &token), [])?)
            }
            (None, Some((value, session))) => self.provider_sign_out(session, value, &here).await,
            (None, None) => None,
        };
        let mut answer = answer.map_or_else(|| redirect(&here, []), Ok)?;
        cookie::add(answer.headers_mut(), cookie::remove_session(&visitor.headers).map_err(SignInError::internal)?);
        Ok(answer)
    }

    /// Whether the browser says that a page of this origin, or of a listed one, or the person's own hand led here. A browser that says
    /// nothing may be led by anybody.
    fn is_asked_from_here(&self, headers: &HeaderMap) -> bool {
        let one = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let whole = |text: &&str| text.starts_with("https://") || text.starts_with("http://");
        matches!(one("sec-fetch-site"), Some("same-origin" | "none"))
            || one("referer").filter(whole).is_some_and(|text| self.rules.origins.parse(text).is_some())
    }
}

/// oauth2-proxy sends people on with 302.
fn found(mut answer: Response) -> Response {
    if answer.status() == StatusCode::SEE_OTHER {
        *answer.status_mut() = StatusCode::FOUND;
    }
    answer
}

fn said(status: StatusCode, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, text).into_response()
}
