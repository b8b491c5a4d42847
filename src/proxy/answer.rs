//! The answer to a request that went no further: for a person's browser a page or the way to sign in, for everybody else an
//! RFC 9457 problem.
//!
//! Refuses a redirect to anybody but a browser on its way to a page: a program that follows one believes that it has succeeded.

use std::sync::Arc;

use http::{Method, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::protocols::http::HttpTask;
use pingora::proxy::Session;
use pingora::{Error, ErrorSource, ErrorType, OrErr as _};
use serde_json::json;

use super::account::Account;
use super::gateway::{Gateway, Reception};
use super::outer::{self, Audience};
use super::reject::{Cause, Rejection};
use super::renewal;
use crate::credential;
use crate::login::pages::negotiate;
use crate::login::{LONGEST_ADDRESS, SignInError};
use crate::policy::Denial;
use crate::session::cookie;

/// One answer about to be written.
struct Answering<'a> {
    gateway: &'a Gateway,
    /// Of the host that was asked.
    reception: &'a Reception,
    rejection: &'a Rejection,
    account: &'a Account,
    audience: Audience,
    /// Where to sign in, with the way back.
    sign_in: String,
    /// Where a person can mend what the sign-in lacks.
    step_up: Option<String>,
    /// The browser's session cookie opens nothing any more.
    session_ended: bool,
}

/// What was read of an answer that broke off leaves before its connection is given up.
pub(super) async fn last_words(session: &mut Session) -> pingora::Result<()> {
    // Two tasks, because the engine flushes before a failure only among several; the failure comes back as what it was.
    let failed = HttpTask::Failed(Error::new(ErrorType::ConnectionClosed));
    match session.write_response_tasks(vec![HttpTask::Body(None, false), failed]).await {
        Err(error) if error.esource() != &ErrorSource::Downstream => Ok(()),
        outcome => outcome.map(drop),
    }
}

/// Writes the answer.
pub(super) async fn answer(
    session: &mut Session,
    gateway: &Gateway,
    rejection: &Rejection,
    account: &Account,
    audience: Audience,
) -> pingora::Result<()> {
    if matches!(rejection.cause, Cause::Unclean(_) | Cause::Client(_)) {
        session.set_keepalive(None);
    }
    let head = session.req_header();
    let denial = match &rejection.cause {
        Cause::Denied { denial, .. } => Some(*denial),
        _ => None,
    };
    let nobody = denial == Some(Denial::IdentityNeeded) && rejection.takes_sessions();
    let reception = gateway.reception(rejection.site);
    let answering = Answering {
        gateway,
        reception,
        rejection,
        account,
        audience,
        sign_in: reception.pages.sign_in_address(back(session), false),
        step_up: rejection.need().map(|need| reception.pages.step_up_address(back(session), need)),
        session_ended: nobody && credential::carries_session(&head.headers),
    };
    if !negotiate::reads_pages(&head.headers) {
        return answering.problem(session).await;
    }
    // Signing in mends it only where a session counts.
    let mendable = nobody || answering.step_up.is_some();
    if mendable && !is_too_long(session) && negotiate::is_navigation(&head.method, &head.headers) {
        return answering.redirect(session).await;
    }
    answering.page(session).await
}

impl Answering<'_> {
    /// The page that tells a person what happened.
    async fn page(&self, session: &mut Session) -> pingora::Result<()> {
        let (pages, rejection) = (&self.reception.pages, self.rejection);
        let page = match &rejection.cause {
            Cause::Denied { denial: Denial::IdentityNeeded, .. } if !rejection.takes_sessions() => pages.programs_only(),
            Cause::Denied { denial: Denial::IdentityNeeded, .. } if is_too_long(session) => {
                pages.failed_sign_in(&SignInError::AddressTooLong, &self.sign_in)
            }
            // What was sent is lost; the person goes back to where a page can be read.
            Cause::Denied { denial: Denial::IdentityNeeded, .. } => pages.sign_in_needed("/"),
            // Who they are elsewhere is nobody's business here.
            Cause::Denied { denial: Denial::ForeignHost, .. } => {
                pages.denied(None, Denial::ForeignHost.reason(), back(session), None)
            }
            Cause::Denied { denial, identity } => {
                pages.denied(identity.as_deref(), denial.reason(), back(session), self.step_up.as_deref())
            }
            _ => pages.status(rejection.status(), rejection.detail(), rejection.retry_after()),
        };
        let mut head = ResponseHeader::build(page.status, Some(12))?;
        for (name, value) in &page.headers() {
            head.append_header(name.clone(), value.clone())?;
        }
        self.send(session, head, page.naming(self.account.id()).html).await
    }

    async fn redirect(&self, session: &mut Session) -> pingora::Result<()> {
        let mut head = ResponseHeader::build(StatusCode::SEE_OTHER, Some(6))?;
        head.insert_header(header::LOCATION, self.step_up.as_ref().unwrap_or(&self.sign_in))?;
        head.insert_header(header::CACHE_CONTROL, "no-store")?;
        self.send(session, head, String::new()).await
    }

    async fn problem(&self, session: &mut Session) -> pingora::Result<()> {
        let (rejection, status) = (self.rejection, self.rejection.status());
        let mut body = json!({
            "type": "about:blank",
            "title": status.canonical_reason().unwrap_or("Error"),
            "status": status.as_u16(),
            "code": if self.session_ended { "session_ended" } else { rejection.code() },
            "detail": if self.session_ended { "Your session has ended; sign in again." } else { rejection.detail() },
            "request_id": self.account.id().as_str(),
        });
        if status == StatusCode::UNAUTHORIZED && rejection.takes_sessions() {
            body["sign_in"] = self.sign_in.as_str().into();
        }
        if let Some(step_up) = &self.step_up {
            body["step_up"] = step_up.as_str().into();
        }
        let mut head = ResponseHeader::build(status, Some(8))?;
        head.insert_header(header::CONTENT_TYPE, "application/problem+json")?;
        head.insert_header(header::CACHE_CONTROL, "no-store")?;
        self.send(session, head, body.to_string()).await
    }

    /// Sends a refusal with what its status asks for.
    async fn send(&self, session: &mut Session, mut head: ResponseHeader, body: String) -> pingora::Result<()> {
        let rejection = self.rejection;
        if head.status == StatusCode::UNAUTHORIZED {
            for challenge in self.reception.challenges.of(rejection, &session.req_header().headers, &self.sign_in) {
                head.append_header(header::WWW_AUTHENTICATE, challenge)?;
            }
        }
        if let Some(challenge) = self.reception.challenges.of_denial(rejection) {
            head.insert_header(header::WWW_AUTHENTICATE, challenge)?;
        }
        if let Some(wait) = rejection.retry_after() {
            head.insert_header(header::RETRY_AFTER, wait.as_secs().max(1).to_string())?;
        }
        // The cookie of a session that has ended stays: this answer may be overtaken by that of a sign-in in another tab, whose new
        // cookie of the same name it would take away. It opens nothing, and the next sign-in replaces it.
        if rejection.is_foreign_session() {
            // It never opens anything here, and stands in the way of the sign-in that would.
            let removal = cookie::remove_session(&session.req_header().headers).or_err(ErrorType::InternalError, "a cookie")?;
            for line in removal {
                head.append_header(cookie::FIELD, line)?;
            }
        } else {
            renewal::renew(session, self.gateway, rejection.identity().map(Arc::as_ref), self.account.at(), &mut head)?;
        }
        self.account.label(&mut head)?;
        outer::suit(self.audience, &mut head)?;
        if self.audience == Audience::Call {
            return outer::tell_call(session, &head, body).await;
        }
        let is_head = session.req_header().method == Method::HEAD;
        // A proxy that was asked with HEAD may itself have asked with GET, and would wait for a body of that length.
        let length = if is_head && self.audience != Audience::Client { 0 } else { body.len() };
        head.insert_header(header::CONTENT_LENGTH, length.to_string())?;
        let bodiless = body.is_empty() || is_head;
        session.write_response_header(Box::new(head), bodiless).await?;
        if bodiless { Ok(()) } else { session.write_response_body(Some(body.into()), true).await }
    }
}

/// The way back to what was asked for.
fn back(session: &Session) -> &str {
    if is_too_long(session) { "/" } else { asked(session) }
}

/// Whether the address asked for is too long to come back to.
fn is_too_long(session: &Session) -> bool {
    asked(session).len() > LONGEST_ADDRESS
}

fn asked(session: &Session) -> &str {
    session.req_header().uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str)
}
