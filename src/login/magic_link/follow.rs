//! The link in the letter: a page that asks, and the click that answers.
//!
//! Refuses to sign anybody in by a GET, which mail scanners send for everybody (threats M1), and in a browser that did not ask, because
//! then somebody else may have (threats J8): that one is told where to go on.

use std::sync::Arc;

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::super::attempt::Attempt;
use super::super::complete::Failed;
use super::super::connection::{Connection, Connections};
use super::super::form::Purpose;
use super::super::pages::magic_link::LinkForm;
use super::super::parameters::Parameters;
use super::super::visitor::Visitor;
use super::super::{Login, SignInError};
use super::by_mail;
use crate::crypto::{Digest, token};
use crate::model::MailedLink;
use crate::session::cookie;

/// The form, as it is sent. No Debug: it holds the link's token.
#[derive(Deserialize)]
pub(super) struct Submitted {
    #[serde(default)]
    token: String,
    #[serde(default)]
    link: String,
}

/// A link that can still be followed, and this browser's attempt if it is the one that asked.
struct Opened<'c> {
    connection: &'c Connection,
    link: MailedLink,
    attempt: Option<Attempt>,
}

/// `GET /.doorward/magic-link/{connection}/open?token=…`
pub(super) async fn page(
    State(login): State<Arc<Login>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    visitor: Visitor,
) -> Response {
    login
        .link_page(&visitor, &id, query.as_deref())
        .await
        .unwrap_or_else(|error| login.refuse(&visitor, &Failed::NOWHERE, &error))
}

/// `POST /.doorward/magic-link/{connection}/open`
pub(super) async fn follow(
    State(login): State<Arc<Login>>,
    Path(id): Path<String>,
    visitor: Visitor,
    form: Result<Form<Submitted>, FormRejection>,
) -> Response {
    let Ok(Form(form)) = form else { return login.refuse(&visitor, &Failed::NOWHERE, &SignInError::ForeignForm) };
    let connections = login.connections();
    match login.opened(&visitor, &connections, &id, &form.link).await {
        Ok(Opened { attempt: None, .. }) => login.pages().link_elsewhere().into_response(),
        Ok(Opened { connection, link, attempt: Some(attempt) }) => {
            let actor = link.address.to_string();
            let failed = Failed {
                connection: Some(&connection.id),
                actor: Some(&actor),
                return_to: &attempt.return_to,
                ..Failed::NOWHERE
            };
            let answer = login.follow_link(&visitor, connection, &attempt, &form).await;
            answer.unwrap_or_else(|error| login.refuse(&visitor, &failed, &error))
        }
        Err(error) => login.refuse(&visitor, &Failed::NOWHERE, &error),
    }
}

impl Login {
    async fn opened<'c>(
        &self,
        visitor: &Visitor,
        connections: &'c Connections,
        id: &str,
        text: &str,
    ) -> Result<Opened<'c>, SignInError> {
        let (connection, _) = by_mail(connections, id)?;
        if !token::is_mailed(text) {
            return Err(SignInError::SpentLink);
        }
        let found = self.means.links.of_token(&Digest::of(text.as_bytes())).await?;
        let open = found.filter(|link| link.connection == connection.id && link.is_open(self.now()));
        let link = open.ok_or(SignInError::SpentLink)?;
        let mine = self.mail_attempt(visitor, connection, &Attempt::tag_of(&link.attempt));
        let attempt = mine.ok().filter(|attempt| attempt.digest() == link.attempt);
        Ok(Opened { connection, link, attempt })
    }

    async fn link_page(&self, visitor: &Visitor, id: &str, query: Option<&str>) -> Result<Response, SignInError> {
        let parameters = Parameters::read(query);
        let text = parameters.one("token")?.unwrap_or_default();
        let connections = self.connections();
        let opened = self.opened(visitor, &connections, id, text).await?;
        if opened.attempt.is_none() {
            return Ok(self.pages().link_elsewhere().into_response());
        }
        let issued = self.rules.forms.issue(Purpose::Link, &visitor.headers, self.now())?;
        let form = LinkForm {
            action: format!("{}/magic-link/{}/open", self.pages().prefix(), opened.connection.id),
            token: issued.token,
            link: text.to_owned(),
            address: opened.link.address.to_string(),
        };
        let mut answer = self.pages().link_form(&form).with_form_targets(self.rules.origins.others()).into_response();
        cookie::add(answer.headers_mut(), issued.cookie);
        Ok(answer)
    }

    async fn follow_link(
        &self,
        visitor: &Visitor,
        connection: &Connection,
        attempt: &Attempt,
        form: &Submitted,
    ) -> Result<Response, SignInError> {
        let now = self.now();
        self.rules.forms.check(Purpose::Link, &visitor.headers, &form.token, now)?;
        let token = Digest::of(form.link.as_bytes());
        let link = self.means.links.follow(&token, &attempt.digest(), now).await?.ok_or(SignInError::SpentLink)?;
        self.signed_in_by_mail(visitor, connection, &link, attempt).await
    }
}
