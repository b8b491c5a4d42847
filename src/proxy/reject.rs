//! From an error of any stage to the answer the client gets.
//!
//! Refuses to say more than the caller may know: which part of a credential was wrong stays in the record.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorSource, ErrorType};

use super::gateway::Gateway;
use crate::authn::AuthnError;
use crate::credential::CredentialError;
use crate::crypto::random::NoRandomness;
use crate::edge::Unclean;
use crate::model::Identity;
use crate::policy::{Denial, Denied};
use crate::route::Route;

/// Why a request went no further, and on which route.
#[derive(Debug)]
pub struct Rejection {
    pub cause: Cause,
    pub route: Option<Arc<Route>>,
}

/// What stopped it.
#[derive(Debug)]
pub enum Cause {
    Unclean(Unclean),
    Credential(CredentialError),
    Authn(AuthnError),
    Denied {
        denial: Denial,
        identity: Option<Arc<Identity>>,
    },
    /// The upstream could not be reached, or failed before it answered.
    Upstream(StatusCode),
    /// The client failed while it was being read.
    Client(StatusCode),
    /// A mistake of Doorward's own.
    Internal,
}

impl Rejection {
    pub const UNJUDGED: Self = Self { cause: Cause::Internal, route: None };

    #[must_use]
    pub fn on(mut self, route: &Arc<Route>) -> Self {
        self.route = Some(Arc::clone(route));
        self
    }

    /// What the engine's error means for the client; `flaw` is what was wrong with a body, if that was it.
    #[must_use]
    pub fn from_engine(error: &Error, flaw: Option<Unclean>) -> Self {
        if let (ErrorSource::Downstream, Some(flaw)) = (&error.esource, flaw) {
            return flaw.into();
        }
        let cause = match (&error.esource, &error.etype) {
            (_, ErrorType::HTTPStatus(code)) => Cause::Client(StatusCode::from_u16(*code).unwrap_or(StatusCode::BAD_REQUEST)),
            (ErrorSource::Upstream, ErrorType::ConnectTimedout | ErrorType::ReadTimedout | ErrorType::WriteTimedout) => {
                Cause::Upstream(StatusCode::GATEWAY_TIMEOUT)
            }
            (ErrorSource::Upstream, _) | (_, ErrorType::ConnectNoRoute) => Cause::Upstream(StatusCode::BAD_GATEWAY),
            (ErrorSource::Downstream, ErrorType::ReadTimedout) => Cause::Client(StatusCode::REQUEST_TIMEOUT),
            (ErrorSource::Downstream, _) => Cause::Client(StatusCode::BAD_REQUEST),
            (ErrorSource::Internal | ErrorSource::Unset, _) => Cause::Internal,
        };
        Self { cause, route: None }
    }

    #[must_use]
    pub fn status(&self) -> StatusCode {
        match &self.cause {
            Cause::Unclean(unclean) => StatusCode::from_u16(unclean.status).unwrap_or(StatusCode::BAD_REQUEST),
            Cause::Credential(_)
            | Cause::Authn(AuthnError::Refused { .. })
            | Cause::Denied { denial: Denial::IdentityNeeded, .. } => StatusCode::UNAUTHORIZED,
            Cause::Authn(AuthnError::Unavailable { .. }) => StatusCode::SERVICE_UNAVAILABLE,
            Cause::Authn(AuthnError::TooMany { .. }) => StatusCode::TOO_MANY_REQUESTS,
            Cause::Denied { .. } => StatusCode::FORBIDDEN,
            Cause::Upstream(status) | Cause::Client(status) => *status,
            Cause::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Stable snake_case name for records and metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match &self.cause {
            Cause::Unclean(unclean) => unclean.reason,
            Cause::Credential(CredentialError::Several) => "several_credentials",
            Cause::Credential(CredentialError::Malformed(_)) => "malformed_credential",
            Cause::Credential(CredentialError::NotTaken(_)) => "credential_not_taken",
            Cause::Authn(AuthnError::Refused { reason, .. }) => reason.as_str(),
            Cause::Authn(AuthnError::Unavailable { .. }) => "unavailable",
            Cause::Authn(AuthnError::TooMany { .. }) => "too_many_failures",
            Cause::Denied { denial, .. } => denial.reason(),
            Cause::Upstream(StatusCode::GATEWAY_TIMEOUT) => "upstream_timeout",
            Cause::Upstream(_) => "upstream_failed",
            Cause::Client(_) => "client_failed",
            Cause::Internal => "internal",
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match &self.cause {
            Cause::Authn(AuthnError::TooMany { retry_after }) => Some(*retry_after),
            Cause::Authn(AuthnError::Unavailable { .. }) => Some(Duration::from_secs(5)),
            _ => None,
        }
    }

    /// What the caller is told beside the status.
    fn detail(&self) -> &'static str {
        match &self.cause {
            Cause::Unclean(_) => "The request is malformed or ambiguous.",
            Cause::Credential(CredentialError::Several) => "More than one credential was sent; send one.",
            Cause::Credential(CredentialError::Malformed(_)) => "The credential is malformed.",
            Cause::Credential(CredentialError::NotTaken(_)) => "This kind of credential is not taken here.",
            Cause::Authn(AuthnError::Refused { .. }) => "The credential is not valid.",
            Cause::Authn(AuthnError::Unavailable { .. }) => "Credentials cannot be checked right now; try again.",
            Cause::Authn(AuthnError::TooMany { .. }) => {
                "Too many refused credentials came from your address; wait before the next try."
            }
            Cause::Denied { denial: Denial::IdentityNeeded, .. } => "Sign in, or send a credential.",
            Cause::Denied { .. } => "You are not allowed to do this.",
            Cause::Upstream(StatusCode::GATEWAY_TIMEOUT) => "The application did not answer in time.",
            Cause::Upstream(_) => "The application cannot be reached.",
            Cause::Client(_) => "The request could not be read.",
            Cause::Internal => "Something went wrong in the front door.",
        }
    }
}

impl From<Unclean> for Rejection {
    fn from(unclean: Unclean) -> Self {
        Self { cause: Cause::Unclean(unclean), route: None }
    }
}

impl From<CredentialError> for Rejection {
    fn from(error: CredentialError) -> Self {
        Self { cause: Cause::Credential(error), route: None }
    }
}

impl From<AuthnError> for Rejection {
    fn from(error: AuthnError) -> Self {
        Self { cause: Cause::Authn(error), route: None }
    }
}

impl From<NoRandomness> for Rejection {
    fn from(_: NoRandomness) -> Self {
        Self { cause: Cause::Internal, route: None }
    }
}

impl From<Denied> for Rejection {
    fn from(denied: Denied) -> Self {
        Self { cause: Cause::Denied { denial: denied.denial, identity: denied.identity }, route: None }
    }
}

/// Writes the answer: a redirect to sign-in for a browser that needs an identity, else an RFC 9457 problem.
pub async fn answer(session: &mut Session, gateway: &Gateway, rejection: &Rejection) -> pingora::Result<()> {
    if matches!(rejection.cause, Cause::Unclean(_) | Cause::Client(_)) {
        session.set_keepalive(None);
    }
    if matches!(rejection.cause, Cause::Denied { denial: Denial::IdentityNeeded, .. }) && is_navigation(session) {
        return redirect(session, &sign_in(session, gateway)).await;
    }
    problem(session, gateway, rejection).await
}

async fn redirect(session: &mut Session, location: &str) -> pingora::Result<()> {
    let mut head = ResponseHeader::build(StatusCode::SEE_OTHER, Some(4))?;
    head.insert_header(header::LOCATION, location)?;
    head.insert_header(header::CACHE_CONTROL, "no-store")?;
    head.insert_header(header::CONTENT_LENGTH, "0")?;
    session.write_response_header(Box::new(head), true).await
}

async fn problem(session: &mut Session, gateway: &Gateway, rejection: &Rejection) -> pingora::Result<()> {
    let status = rejection.status();
    let mut body = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": rejection.detail(),
    });
    let mut head = ResponseHeader::build(status, Some(8))?;
    if status == StatusCode::UNAUTHORIZED {
        body["sign_in"] = sign_in(session, gateway).into();
        head.insert_header(header::WWW_AUTHENTICATE, "Bearer")?;
    }
    if let Some(wait) = rejection.retry_after() {
        head.insert_header(header::RETRY_AFTER, wait.as_secs().max(1).to_string())?;
    }
    let body = body.to_string();
    head.insert_header(header::CONTENT_TYPE, "application/problem+json")?;
    head.insert_header(header::CACHE_CONTROL, "no-store")?;
    head.insert_header(header::CONTENT_LENGTH, body.len().to_string())?;
    let bodiless = session.req_header().method == Method::HEAD;
    session.write_response_header(Box::new(head), bodiless).await?;
    if bodiless { Ok(()) } else { session.write_response_body(Some(body.into()), true).await }
}

/// A person's browser going somewhere, as opposed to a script or program calling: only then is a redirect of use.
fn is_navigation(session: &Session) -> bool {
    let head = session.req_header();
    let text = |name: &str| head.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if head.method != Method::GET || head.headers.contains_key("x-requested-with") {
        return false;
    }
    match text("sec-fetch-mode") {
        Some(mode) => mode == "navigate",
        None => text("accept").is_some_and(|accept| accept.trim_start().starts_with("text/html")),
    }
}

/// Where to sign in, with the way back.
fn sign_in(session: &Session, gateway: &Gateway) -> String {
    let uri = &session.req_header().uri;
    let back = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let back = percent_encoding::utf8_percent_encode(back, percent_encoding::NON_ALPHANUMERIC);
    format!("{}{}/sign-in?return_to={back}", gateway.public_url, gateway.prefix)
}
