//! Signing out: here, and at the provider that signed the person in.
//!
//! Refuses to sign anybody out by a link or a stranger's form (threats C8); a GET only shows the button.

use std::sync::Arc;

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::complete::{Failed, redirect};
use super::connection::Way;
use super::form::Purpose;
use super::parameters::Parameters;
use super::visitor::Visitor;
use super::{Login, SignInError};
use crate::audit::{Kind, Outcome};
use crate::crypto::Digest;
use crate::model::Session;
use crate::session::{Held, ProviderTokens, cookie};

/// The form, as it is sent.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Submitted {
    #[serde(default)]
    token: String,
}

/// `GET /.doorward/sign-out`
pub(super) async fn ask(State(login): State<Arc<Login>>, RawQuery(query): RawQuery, visitor: Visitor) -> Response {
    login
        .ask_to_sign_out(&visitor, query.as_deref())
        .await
        .unwrap_or_else(|error| login.refuse(&visitor, &Failed::NOWHERE, &error))
}

/// `POST /.doorward/sign-out`
pub(super) async fn sign_out(
    State(login): State<Arc<Login>>,
    visitor: Visitor,
    form: Result<Form<Submitted>, FormRejection>,
) -> Response {
    let form = form.map(|Form(form)| form).unwrap_or_default();
    login.sign_out(&visitor, &form.token).await.unwrap_or_else(|error| login.sign_out_failed(&visitor, &error))
}

/// `GET /.doorward/signed-out`
pub(super) async fn signed_out(State(login): State<Arc<Login>>) -> Response {
    login.pages().signed_out().into_response()
}

impl Login {
    async fn ask_to_sign_out(&self, visitor: &Visitor, query: Option<&str>) -> Result<Response, SignInError> {
        let Some(identity) = visitor.identity.as_ref().filter(|_| visitor.is_signed_in()) else {
            return redirect(&self.pages().address("/signed-out"), []);
        };
        let return_to = self.rules.origins.parse_or_home(Parameters::read(query).one("return_to")?);
        let issued = self.rules.forms.issue(Purpose::SignOut, &visitor.headers, self.now())?;
        let who = identity.email.as_deref().or(identity.user_name.as_deref());
        let elsewhere = self.provider_origin(visitor).await;
        let page = self.pages().sign_out(&issued.token, who, return_to.as_str()).with_form_targets(elsewhere);
        let mut answer = page.into_response();
        cookie::add(answer.headers_mut(), issued.cookie);
        Ok(answer)
    }

    /// The origin where the provider signs people out, which the page's policy has to allow.
    async fn provider_origin(&self, visitor: &Visitor) -> Option<String> {
        let id = visitor.identity.as_ref()?.connection.as_ref()?;
        let connections = self.connections();
        match &connections.find(id.as_str())?.way {
            Way::Oidc(provider) => provider.sign_out_origin(self.now()).await,
            Way::Saml(provider) => provider.sign_out_origin(self.now()).await,
            Way::OAuth2(_) | Way::MagicLink(_) | Way::Password => None,
        }
    }

    async fn sign_out(&self, visitor: &Visitor, token: &str) -> Result<Response, SignInError> {
        self.rules.forms.check(Purpose::SignOut, &visitor.headers, token, self.now())?;
        let here = self.pages().address("/signed-out");
        let answer = match self.end_present(visitor).await? {
            Some((id, session)) => self.provider_sign_out(&session, &id, &here).await,
            None => None,
        };
        let mut answer = answer.map_or_else(|| redirect(&here, []), Ok)?;
        cookie::add(answer.headers_mut(), cookie::remove_session(&visitor.headers).map_err(SignInError::internal)?);
        Ok(answer)
    }

    /// Ends the session that the request's cookies hold, and says which it was, with its id.
    pub(super) async fn end_present(&self, visitor: &Visitor) -> Result<Option<(String, Session)>, SignInError> {
        let present = match self.present_session(visitor).await {
            // Nothing can be ended without the store; the cookie goes all the same, and this kind ends soon.
            Err(SignInError::Unavailable(_)) if self.is_break_glass(visitor) => None,
            present => present?,
        };
        if let Some((_, session)) = &present
            && self.means.sessions.end(&session.handle, self.now()).await?
        {
            self.record_sign_out(visitor, session).await?;
        }
        Ok(present)
    }

    fn is_break_glass(&self, visitor: &Visitor) -> bool {
        matches!(self.rules.seals.held(&visitor.headers), Some(Held::Sealed(carried)) if carried.break_glass)
    }

    /// The session that the request's cookies hold, and its id.
    pub(super) async fn present_session(&self, visitor: &Visitor) -> Result<Option<(String, Session)>, SignInError> {
        let Some(held) = self.rules.seals.held(&visitor.headers) else { return Ok(None) };
        let id = held.id().to_owned();
        if let Some(session) = self.means.sessions.find(&Digest::of(id.as_bytes())).await? {
            return Ok(self.rules.tenants.serves(&session.tenant).then_some((id, session)));
        }
        // Sealed, and not known here: it has to be, or it could not be ended.
        let Held::Sealed(carried) = held else { return Ok(None) };
        let (session, _) = carried.into_parts();
        if !self.rules.tenants.serves(&session.tenant) {
            return Ok(None);
        }
        self.means.sessions.create(&session).await?;
        Ok(Some((id, session)))
    }

    /// To where the provider signs people out (OpenID Connect RP-Initiated Logout 1.0, SAML Profiles §4.4). Being signed out here does
    /// not wait for it.
    pub(super) async fn provider_sign_out(&self, session: &Session, value: &str, back: &str) -> Option<Response> {
        let connections = self.connections();
        match &connections.find(session.connection.as_str())?.way {
            Way::Oidc(provider) => {
                let hint = ProviderTokens::open(value, session).and_then(|tokens| tokens.id_token);
                let address = provider.sign_out_address(hint.as_deref(), back, self.now()).await?;
                redirect(&address, []).ok()
            }
            Way::Saml(provider) => self.saml_sign_out(provider, session, value).await,
            Way::OAuth2(_) | Way::MagicLink(_) | Way::Password => None,
        }
    }

    async fn record_sign_out(&self, visitor: &Visitor, session: &Session) -> Result<(), SignInError> {
        let mut event = self.event(visitor, Kind::SignOut, Outcome::Success);
        event.tenant = session.tenant.to_string();
        event.actor = Some(session.user.to_string());
        event.session = Some(session.handle.to_string());
        Ok(self.means.audit.record(event).await?)
    }

    fn sign_out_failed(&self, visitor: &Visitor, error: &SignInError) -> Response {
        match error {
            // The page with the button is the way on.
            SignInError::ForeignForm => {
                let again = self.pages().address("/sign-out");
                self.pages().failed_sign_in(error, &again).into_response()
            }
            _ => self.refuse(visitor, &Failed::NOWHERE, error),
        }
    }
}
