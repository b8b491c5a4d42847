//! The address is typed, and a letter is asked for.
//!
//! Refuses only what has nothing to do with who has the address: a text that is none, and a source that asks too often. Everything else
//! gets one answer after the same work: a row in the store, a cookie, a redirect.

use std::sync::Arc;

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::super::attempt::Attempt;
use super::super::complete::{Failed, redirect};
use super::super::connection::Connection;
use super::super::form::Purpose;
use super::super::pages::magic_link::MailForm;
use super::super::parameters::Wish;
use super::super::return_to::ReturnTo;
use super::super::visitor::Visitor;
use super::super::{Login, SignInError};
use super::write::Secrets;
use super::{MagicLink, TRIES, by_mail, magic};
use crate::crypto::Digest;
use crate::limit::Party;
use crate::model::{ConnectionId, EmailAddress, MailedLink};
use crate::session::cookie;

/// The form, as it is sent.
#[derive(Deserialize)]
pub(super) struct Submitted {
    #[serde(default)]
    token: String,
    #[serde(default)]
    return_to: String,
    #[serde(default)]
    email: String,
}

/// What the page is to show.
#[derive(Clone, Copy)]
pub(in super::super) struct Wanted<'a> {
    return_to: &'a ReturnTo,
    /// What is in the field already.
    email: &'a str,
    /// It was sent, and is no address.
    wrong: bool,
}

impl<'a> Wanted<'a> {
    pub(in super::super) fn of(wish: &'a Wish) -> Self {
        Self { return_to: &wish.return_to, email: wish.login_hint.as_deref().unwrap_or_default(), wrong: false }
    }
}

/// `POST /.doorward/magic-link/{connection}`
pub(super) async fn ask(
    State(login): State<Arc<Login>>,
    Path(id): Path<String>,
    visitor: Visitor,
    form: Result<Form<Submitted>, FormRejection>,
) -> Response {
    let Ok(Form(form)) = form else {
        return login.refuse(&visitor, &Failed::NOWHERE, &SignInError::ForeignForm);
    };
    let return_to = login.rules.origins.parse_or_home(Some(&form.return_to));
    let failed = Failed { connection: None, return_to: return_to.as_str(), ..Failed::NOWHERE };
    let connections = login.connections();
    let connection = match by_mail(&connections, &id) {
        Ok((connection, _)) => connection,
        Err(error) => return login.refuse(&visitor, &failed, &error),
    };
    let failed = Failed { connection: Some(&connection.id), ..failed };
    let checked = login.rules.forms.check(Purpose::Mail, &visitor.headers, &form.token, login.now());
    let answer = match checked {
        Ok(()) => login.mail_to(&visitor, connection, &return_to, &form.email).await,
        Err(error) => Err(error),
    };
    answer.unwrap_or_else(|error| login.refuse(&visitor, &failed, &error))
}

/// What is kept of a request that gets no letter: it looks like any other, is counted against no mailbox, and nothing opens it. No code
/// has the digest of a token.
fn decoy(link: &MailedLink) -> Result<MailedLink, SignInError> {
    let connection = ConnectionId::NONE.parse().map_err(SignInError::internal)?;
    Ok(MailedLink { connection, code: link.token, ..link.clone() })
}

/// An address that every mail server can be given.
fn writable(text: &str) -> Option<EmailAddress> {
    text.parse().ok().filter(|address: &EmailAddress| address.as_str().is_ascii())
}

impl Login {
    /// The page that asks for the address.
    pub(in super::super) fn mail_page(
        &self,
        visitor: &Visitor,
        connection: &Connection,
        wanted: &Wanted<'_>,
    ) -> Result<Response, SignInError> {
        let issued = self.rules.forms.issue(Purpose::Mail, &visitor.headers, self.now())?;
        let form = MailForm {
            action: format!("{}/magic-link/{}", self.pages().prefix(), connection.id),
            token: issued.token,
            return_to: wanted.return_to.as_str().to_owned(),
            email: wanted.email.chars().take(254).collect(),
            wrong: wanted.wrong,
        };
        let mut answer = self.pages().mail_form(&form).into_response();
        cookie::add(answer.headers_mut(), issued.cookie);
        Ok(answer)
    }

    /// Goes on with what was typed, or asks again if it is no address.
    pub(in super::super) async fn mail_to(
        self: &Arc<Self>,
        visitor: &Visitor,
        connection: &Connection,
        return_to: &ReturnTo,
        typed: &str,
    ) -> Result<Response, SignInError> {
        match writable(typed) {
            Some(address) => self.send_link(visitor, connection, return_to, &address).await,
            None => self.mail_page(visitor, connection, &Wanted { return_to, email: typed, wrong: true }),
        }
    }

    /// Sends a letter to `address` if somebody there may come in this way, and goes on to the page that waits for it either way.
    async fn send_link(
        self: &Arc<Self>,
        visitor: &Visitor,
        connection: &Connection,
        return_to: &ReturnTo,
        address: &EmailAddress,
    ) -> Result<Response, SignInError> {
        let (now, magic) = (self.now(), magic(connection)?);
        if let Some(retry_after) = magic.asked.fail(Party::source(visitor.client), now).await {
            return Err(SignInError::TooMany { retry_after });
        }
        let attempt =
            Attempt::begin(connection.id.clone(), return_to.as_str().to_owned(), false, now).map_err(SignInError::internal)?;
        let secrets = Secrets::new().map_err(SignInError::internal)?;
        let link = MailedLink {
            attempt: attempt.digest(),
            token: secrets.digest,
            code: magic.code(&attempt.digest(), &secrets.code),
            connection: connection.id.clone(),
            address: address.folded().parse().map_err(SignInError::internal)?,
            tries_left: TRIES,
            created_at: now,
            expires_at: now.after(magic.lasts),
            used_at: None,
        };
        let within = magic.shares.take(visitor.client, address, now).await;
        let asked = if within { self.means.links.keep(&link).await? } else { self.means.links.keep(&decoy(&link)?).await? };
        let cookies = self.rules.attempts.keep(&attempt, &visitor.headers, now)?;
        self.write_aside(visitor, address.clone(), link, secrets, within.then_some(asked));
        redirect(&self.pages().address(&format!("/magic-link/{}?attempt={}", connection.id, attempt.tag())), cookies)
    }
}

impl MagicLink {
    /// What is kept of a code: bound to the attempt, so that one letter's code is none for another.
    pub(super) fn code(&self, attempt: &Digest, code: &str) -> Digest {
        self.codes.of_parts(&[attempt.as_bytes(), code.as_bytes()])
    }
}
