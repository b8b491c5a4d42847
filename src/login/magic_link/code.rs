//! The page that waits for the letter, and the code that is typed there.
//!
//! Refuses a code in another browser than the one that asked, and counts wrong ones in the store, so that restarts and replicas do not
//! multiply the tries.

use std::sync::Arc;

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::super::attempt::Attempt;
use super::super::complete::{Failed, redirect};
use super::super::connection::{Connection, Connections};
use super::super::form::Purpose;
use super::super::pages::magic_link::{CodeForm, Mistake};
use super::super::parameters::Parameters;
use super::super::visitor::Visitor;
use super::super::{Login, SignInError};
use super::write::typed_code;
use super::{by_mail, magic};
use crate::limit::Party;
use crate::model::MailedLink;
use crate::session::{CodeTry, cookie};

/// The form, as it is sent. No Debug: it holds a code.
#[derive(Deserialize)]
pub(super) struct Submitted {
    #[serde(default)]
    token: String,
    #[serde(default)]
    attempt: String,
    #[serde(default)]
    code: String,
}

/// `GET /.doorward/magic-link/{connection}?attempt=…`
pub(super) async fn page(
    State(login): State<Arc<Login>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    visitor: Visitor,
) -> Response {
    login
        .code_page(&visitor, &id, query.as_deref())
        .await
        .unwrap_or_else(|error| login.refuse(&visitor, &Failed::NOWHERE, &error))
}

/// `POST /.doorward/magic-link/{connection}/code`
pub(super) async fn enter(
    State(login): State<Arc<Login>>,
    Path(id): Path<String>,
    visitor: Visitor,
    form: Result<Form<Submitted>, FormRejection>,
) -> Response {
    let Ok(Form(form)) = form else { return login.refuse(&visitor, &Failed::NOWHERE, &SignInError::ForeignForm) };
    let connections = login.connections();
    match login.waiting(&visitor, &connections, &id, &form.attempt).await {
        Ok(waiting) => {
            let actor = waiting.link.address.to_string();
            let (connection, return_to) = (Some(&waiting.connection.id), waiting.attempt.return_to.as_str());
            let failed = Failed { connection, actor: Some(&actor), return_to, ..Failed::NOWHERE };
            let answer = login.enter_code(&visitor, &waiting, &form, &failed).await;
            answer.unwrap_or_else(|error| login.refuse(&visitor, &failed, &error))
        }
        Err(error) => login.refuse(&visitor, &Failed::NOWHERE, &error),
    }
}

/// An attempt of this browser whose letter is out.
struct Waiting<'c> {
    connection: &'c Connection,
    attempt: Attempt,
    link: MailedLink,
}

impl Login {
    async fn waiting<'c>(
        &self,
        visitor: &Visitor,
        connections: &'c Connections,
        id: &str,
        tag: &str,
    ) -> Result<Waiting<'c>, SignInError> {
        let (connection, _) = by_mail(connections, id)?;
        let attempt = self.mail_attempt(visitor, connection, tag)?;
        let link = self.means.links.of_attempt(&attempt.digest()).await?.ok_or(SignInError::Stale)?;
        Ok(Waiting { connection, attempt, link })
    }

    async fn code_page(&self, visitor: &Visitor, id: &str, query: Option<&str>) -> Result<Response, SignInError> {
        let parameters = Parameters::read(query);
        let connections = self.connections();
        match self.waiting(visitor, &connections, id, parameters.one("attempt")?.unwrap_or_default()).await {
            Ok(waiting) if waiting.link.is_open(self.now()) => self.code_form(visitor, &waiting, None),
            Ok(_) => Err(SignInError::SpentLink),
            // Back to this page after the sign-in that it led to.
            Err(SignInError::Stale) if visitor.is_signed_in() => redirect(self.rules.origins.home().as_str(), []),
            Err(error) => Err(error),
        }
    }

    async fn enter_code(
        &self,
        visitor: &Visitor,
        waiting: &Waiting<'_>,
        form: &Submitted,
        failed: &Failed<'_>,
    ) -> Result<Response, SignInError> {
        let (now, magic) = (self.now(), magic(waiting.connection)?);
        self.rules.forms.check(Purpose::Code, &visitor.headers, &form.token, now)?;
        let source = Party::source(visitor.client);
        if let Some(retry_after) = magic.wrong.wait(source, now).await {
            return Err(SignInError::TooMany { retry_after });
        }
        let Some(code) = typed_code(&form.code) else { return self.code_form(visitor, waiting, Some(Mistake::NoCode)) };
        let digest = waiting.attempt.digest();
        match self.means.links.try_code(&digest, &magic.code(&digest, &code), now).await? {
            CodeTry::Right(link) => self.signed_in_by_mail(visitor, waiting.connection, &link, &waiting.attempt).await,
            CodeTry::Closed => Err(SignInError::SpentLink),
            CodeTry::Wrong { left } => {
                // What the answer says does not depend on it; the next try will find the source locked.
                let _ = magic.wrong.fail(source, now).await;
                self.note_failure(visitor, failed, &SignInError::WrongCode);
                if left == 0 {
                    Err(SignInError::SpentLink)
                } else {
                    self.code_form(visitor, waiting, Some(Mistake::Wrong { left }))
                }
            }
        }
    }

    fn code_form(&self, visitor: &Visitor, waiting: &Waiting<'_>, mistake: Option<Mistake>) -> Result<Response, SignInError> {
        let now = self.now();
        let issued = self.rules.forms.issue(Purpose::Code, &visitor.headers, now)?;
        let form = CodeForm {
            action: format!("{}/magic-link/{}/code", self.pages().prefix(), waiting.connection.id),
            token: issued.token,
            attempt: waiting.attempt.tag(),
            address: waiting.link.address.to_string(),
            minutes: waiting.link.expires_at.since(now).as_secs().div_ceil(60),
            mistake,
            again: self.beginning(&waiting.connection.id, &waiting.attempt.return_to),
        };
        let page = self.pages().code_form(&form).with_form_targets(self.rules.origins.others());
        let mut answer = page.into_response();
        cookie::add(answer.headers_mut(), issued.cookie);
        Ok(answer)
    }
}
