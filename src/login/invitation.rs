//! Invitations: a page that asks, a click that says yes, and the account that the sign-in then makes.
//!
//! Refuses to make an account of the click: whoever has the link only says yes, and the connection has to assert the invited address
//! before there is anybody (threats J12).

use std::sync::Arc;

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::complete::{Failed, redirect};
use super::form::Purpose;
use super::pages::invitation::InvitationForm;
use super::parameters::Parameters;
use super::visitor::Visitor;
use super::{Login, SignInError};
use crate::audit::{Kind, Outcome};
use crate::crypto::{Digest, token};
use crate::model::Invitation;
use crate::session::cookie;

/// The form, as it is sent. No Debug: it holds the invitation's token.
#[derive(Deserialize)]
pub(super) struct Submitted {
    #[serde(default)]
    token: String,
    #[serde(default)]
    invitation: String,
}

/// `GET /.doorward/invitation?token=…`
pub(super) async fn page(State(login): State<Arc<Login>>, RawQuery(query): RawQuery, visitor: Visitor) -> Response {
    login
        .invitation_page(&visitor, query.as_deref())
        .await
        .unwrap_or_else(|error| login.refuse(&visitor, &Failed::NOWHERE, &error))
}

/// `POST /.doorward/invitation`
pub(super) async fn accept(
    State(login): State<Arc<Login>>,
    visitor: Visitor,
    form: Result<Form<Submitted>, FormRejection>,
) -> Response {
    let Ok(Form(form)) = form else { return login.refuse(&visitor, &Failed::NOWHERE, &SignInError::ForeignForm) };
    login.accept(&visitor, &form).await.unwrap_or_else(|error| login.refuse(&visitor, &Failed::NOWHERE, &error))
}

impl Login {
    async fn invitation(&self, text: &str) -> Result<Invitation, SignInError> {
        if !token::is_mailed(text) {
            return Err(SignInError::SpentInvitation);
        }
        let found = self.means.invitations.invitation(&Digest::of(text.as_bytes())).await?;
        let connections = self.connections();
        let served = |invitation: &Invitation| connections.find(invitation.connection.as_str()).is_some();
        found.filter(|found| found.is_open(self.now()) && served(found)).ok_or(SignInError::SpentInvitation)
    }

    async fn invitation_page(&self, visitor: &Visitor, query: Option<&str>) -> Result<Response, SignInError> {
        let parameters = Parameters::read(query);
        let text = parameters.one("token")?.unwrap_or_default();
        let invitation = self.invitation(text).await?;
        let issued = self.rules.forms.issue(Purpose::Invitation, &visitor.headers, self.now())?;
        let form = InvitationForm { token: issued.token, invitation: text.to_owned(), address: invitation.address.to_string() };
        let mut answer = self.pages().invitation(&form).into_response();
        cookie::add(answer.headers_mut(), issued.cookie);
        Ok(answer)
    }

    async fn accept(&self, visitor: &Visitor, form: &Submitted) -> Result<Response, SignInError> {
        let now = self.now();
        self.rules.forms.check(Purpose::Invitation, &visitor.headers, &form.token, now)?;
        let invitation = self.invitation(&form.invitation).await?;
        if !self.means.invitations.accept(&invitation.token, now).await? {
            return Err(SignInError::SpentInvitation);
        }
        let mut event = self.event(visitor, Kind::InvitationAccepted, Outcome::Success);
        event.tenant = invitation.tenant.to_string();
        event.actor = Some(invitation.address.to_string());
        event.target = Some(invitation.id.to_string());
        self.means.audit.record(event).await?;
        // Whoever is signed in here already may be somebody else: ask.
        let hint = percent_encoding::utf8_percent_encode(invitation.address.as_str(), percent_encoding::NON_ALPHANUMERIC);
        let path = format!("/sign-in/{}?prompt=login&login_hint={hint}", invitation.connection);
        redirect(&self.pages().address(&path), [])
    }
}
