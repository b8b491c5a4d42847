//! From an error of any stage to the answer the client gets.
//!
//! Refuses to say more than the caller may know: which part of a credential was wrong stays in the record.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorSource, ErrorType};

use super::account::Account;
use super::gateway::Gateway;
use crate::authn::AuthnError;
use crate::credential::CredentialError;
use crate::edge::Unclean;
use crate::login::pages::negotiate;
use crate::model::{CredentialKind, Identity};
use crate::policy::{Denial, Denied};
use crate::route::Route;
use crate::telemetry::Decision;

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

    /// Whether a session would be looked at where it was refused.
    fn takes_sessions(&self) -> bool {
        self.route.as_ref().is_none_or(|route| route.accepts(CredentialKind::Session))
    }

    /// The reason's kind, for records and metrics.
    #[must_use]
    pub const fn decision(&self) -> Decision {
        match &self.cause {
            Cause::Unclean(_) => Decision::Malformed,
            Cause::Credential(_) | Cause::Authn(AuthnError::Refused { .. } | AuthnError::TooMany { .. }) => Decision::Refused,
            Cause::Authn(AuthnError::Unavailable { .. }) => Decision::Unavailable,
            Cause::Denied { denial: Denial::IdentityNeeded, .. } => Decision::Unidentified,
            Cause::Denied { .. } => Decision::Denied,
            Cause::Upstream(_) | Cause::Internal => Decision::Failed,
            Cause::Client(_) => Decision::Abandoned,
        }
    }

    /// Who was rejected, where the credential was good.
    #[must_use]
    pub const fn identity(&self) -> Option<&Arc<Identity>> {
        match &self.cause {
            Cause::Denied { identity, .. } => identity.as_ref(),
            _ => None,
        }
    }

    /// Whether a credential was at fault, or could not be checked.
    #[must_use]
    pub const fn is_about_credential(&self) -> bool {
        matches!(self.cause, Cause::Credential(_) | Cause::Authn(_))
    }

    /// Kind of the credential at fault, where it can be told.
    #[must_use]
    pub const fn refused_kind(&self) -> Option<CredentialKind> {
        match &self.cause {
            Cause::Credential(CredentialError::Malformed(kind) | CredentialError::NotTaken(kind))
            | Cause::Authn(AuthnError::Refused { kind, .. } | AuthnError::Unavailable { kind, .. }) => Some(*kind),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match &self.cause {
            Cause::Authn(AuthnError::TooMany { retry_after }) => Some(*retry_after),
            Cause::Authn(AuthnError::Unavailable { .. }) => Some(Duration::from_secs(5)),
            _ => None,
        }
    }

    /// What stood against it, in words, for whoever runs the door; a client is told less.
    #[must_use]
    pub fn explanation(&self) -> String {
        match &self.cause {
            Cause::Unclean(unclean) => unclean.to_string(),
            Cause::Credential(error) => error.to_string(),
            Cause::Authn(error) => error.to_string(),
            Cause::Denied { denial, .. } => denial.to_string(),
            Cause::Upstream(_) | Cause::Client(_) | Cause::Internal => self.detail().to_owned(),
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

impl From<Denied> for Rejection {
    fn from(denied: Denied) -> Self {
        Self { cause: Cause::Denied { denial: denied.denial, identity: denied.identity }, route: None }
    }
}

/// Writes the answer: to a person's browser a page, or the way to sign in; to everybody else an RFC 9457 problem.
pub(super) async fn answer(
    session: &mut Session,
    gateway: &Gateway,
    rejection: &Rejection,
    account: &Account,
) -> pingora::Result<()> {
    if matches!(rejection.cause, Cause::Unclean(_) | Cause::Client(_)) {
        session.set_keepalive(None);
    }
    let head = session.req_header();
    if !negotiate::reads_pages(&head.headers) {
        return problem(session, gateway, rejection, account).await;
    }
    let navigation = negotiate::is_navigation(&head.method, &head.headers);
    let denial = match &rejection.cause {
        Cause::Denied { denial, .. } => Some(*denial),
        _ => None,
    };
    match denial {
        // Signing in again mends the one and brings about the other only if a session counts there.
        Some(Denial::IdentityNeeded) if navigation && rejection.takes_sessions() => {
            redirect(session, &gateway.pages.sign_in_address(back(session), false), account).await
        }
        Some(Denial::SignInTooOld) if navigation => {
            redirect(session, &gateway.pages.sign_in_address(back(session), true), account).await
        }
        _ => show(session, gateway, rejection, account).await,
    }
}

/// The page that tells a person what happened.
async fn show(session: &mut Session, gateway: &Gateway, rejection: &Rejection, account: &Account) -> pingora::Result<()> {
    let pages = &gateway.pages;
    let page = match &rejection.cause {
        Cause::Denied { denial: Denial::IdentityNeeded, .. } if !rejection.takes_sessions() => pages.programs_only(),
        // What was sent is lost; the person goes back to where a page can be read.
        Cause::Denied { denial: Denial::IdentityNeeded, .. } => pages.sign_in_needed("/"),
        Cause::Denied { denial, identity } => pages.denied(identity.as_deref(), denial.reason(), back(session)),
        _ => pages.status(rejection.status(), rejection.detail(), rejection.retry_after()),
    };
    let mut head = ResponseHeader::build(page.status, Some(12))?;
    account.label(&mut head)?;
    for (name, value) in page.headers() {
        if let Some(name) = name {
            head.insert_header(name, value)?;
        }
    }
    send(session, rejection, head, page.html).await
}

async fn redirect(session: &mut Session, location: &str, account: &Account) -> pingora::Result<()> {
    let mut head = ResponseHeader::build(StatusCode::SEE_OTHER, Some(4))?;
    account.label(&mut head)?;
    head.insert_header(header::LOCATION, location)?;
    head.insert_header(header::CACHE_CONTROL, "no-store")?;
    head.insert_header(header::CONTENT_LENGTH, "0")?;
    session.write_response_header(Box::new(head), true).await
}

async fn problem(session: &mut Session, gateway: &Gateway, rejection: &Rejection, account: &Account) -> pingora::Result<()> {
    let status = rejection.status();
    let mut body = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": rejection.detail(),
        "request_id": account.id().as_str(),
    });
    if status == StatusCode::UNAUTHORIZED {
        body["sign_in"] = gateway.pages.sign_in_address(back(session), false).into();
    }
    let mut head = ResponseHeader::build(status, Some(8))?;
    account.label(&mut head)?;
    head.insert_header(header::CONTENT_TYPE, "application/problem+json")?;
    head.insert_header(header::CACHE_CONTROL, "no-store")?;
    send(session, rejection, head, body.to_string()).await
}

/// Sends a refusal with what its status asks for.
async fn send(session: &mut Session, rejection: &Rejection, mut head: ResponseHeader, body: String) -> pingora::Result<()> {
    if rejection.status() == StatusCode::UNAUTHORIZED {
        head.insert_header(header::WWW_AUTHENTICATE, "Bearer")?;
    }
    if let Some(wait) = rejection.retry_after() {
        head.insert_header(header::RETRY_AFTER, wait.as_secs().max(1).to_string())?;
    }
    head.insert_header(header::CONTENT_LENGTH, body.len().to_string())?;
    let bodiless = session.req_header().method == Method::HEAD;
    session.write_response_header(Box::new(head), bodiless).await?;
    if bodiless { Ok(()) } else { session.write_response_body(Some(body.into()), true).await }
}

/// The way back to what was asked for.
fn back(session: &Session) -> &str {
    session.req_header().uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str)
}
