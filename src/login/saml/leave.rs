//! The way to the provider: an authentication request (SAML Profiles §4.1.4.1).
//!
//! Refuses to send an unsigned request to a provider that takes signed ones only; the relay state says nothing, it is a handle.

use axum::response::{IntoResponse, Response};

use super::Provider;
use super::binding::{Direction, redirect_address};
use super::idp::{Endpoint, IdentityProvider, Transport};
use super::message::{Ask, Envelope, Message, authn_request};
use crate::clock::Timestamp;
use crate::login::attempt::Attempt;
use crate::login::complete::redirect;
use crate::login::connection::Connection;
use crate::login::parameters::Wish;
use crate::login::visitor::Visitor;
use crate::login::{Login, SignInError};
use crate::session::cookie::{self, Answered};

/// The id of the request that an attempt makes: an XML name, which may not begin with a digit.
pub(super) fn request_id(attempt: &Attempt) -> String {
    format!("_{}", attempt.state)
}

impl Provider {
    /// What asks `idp` to sign somebody in, and where it goes; `passive`: without asking anybody anything.
    pub(super) fn request<'i>(
        &self,
        idp: &'i IdentityProvider,
        attempt: &Attempt,
        passive: bool,
        now: Timestamp,
    ) -> Result<(&'i Endpoint, Message), SignInError> {
        if idp.wants_signed && self.request_key().is_none() {
            return Err(SignInError::ProviderSetup("it takes signed requests only: configure a `key` to sign with".to_owned()));
        }
        let endpoint = idp.sign_in().ok_or_else(|| SignInError::ProviderSetup("it has no address for signing in".to_owned()))?;
        let id = request_id(attempt);
        let envelope = Envelope { id: &id, issuer: &self.entity_id, destination: endpoint.location.as_str(), now };
        let ask = Ask {
            acs: &self.acs,
            force_authn: !passive && (self.force_authn || attempt.fresh),
            passive,
            name_id_format: self.name_id_format,
            contexts: &attempt.acr_values,
        };
        Ok((endpoint, authn_request(envelope, ask)))
    }
}

impl Login {
    /// Sends the browser to the provider with a new attempt.
    pub(in crate::login) async fn leave_for_saml(
        &self,
        visitor: &Visitor,
        connection: &Connection,
        provider: &Provider,
        wish: &Wish,
    ) -> Result<Response, SignInError> {
        let return_to = wish.return_to.as_str().to_owned();
        let begun = Attempt::begin(connection.id.clone(), return_to, wish.prompt, self.now());
        let mut attempt = begun.map_err(SignInError::internal)?;
        attempt.acr_values = wish.step_up.clone().unwrap_or_default().acr_values;
        attempt.answered = Answered::ByForm;
        attempt.replaces = visitor.session().cloned();
        self.send(visitor, provider, &attempt).await
    }

    pub(super) async fn send(&self, visitor: &Visitor, provider: &Provider, attempt: &Attempt) -> Result<Response, SignInError> {
        let now = self.now();
        let idp = provider.discovery.current(now).await?;
        let (endpoint, request) = provider.request(&idp, attempt, false, now)?;
        let mut answer = self.deliver(provider, endpoint, Direction::Request, &request, Some(&attempt.state))?;
        cookie::add(answer.headers_mut(), self.rules.attempts.keep(attempt, &visitor.headers, now)?);
        Ok(answer)
    }

    /// A message on its way: a redirect, or a page whose button posts it.
    pub(super) fn deliver(
        &self,
        provider: &Provider,
        endpoint: &Endpoint,
        direction: Direction,
        message: &Message,
        relay_state: Option<&str>,
    ) -> Result<Response, SignInError> {
        let location = match direction {
            Direction::Request => &endpoint.location,
            Direction::Response => endpoint.for_responses(),
        };
        // What signs people out is always signed; requests to sign in are where the configuration says so.
        let key =
            if relay_state.is_some() && direction == Direction::Request { provider.request_key() } else { provider.key.as_ref() };
        match endpoint.binding {
            Transport::Redirect => {
                let address = redirect_address(location.as_str(), direction, &message.plain(), relay_state, key);
                redirect(&address.map_err(SignInError::internal)?, [])
            }
            Transport::Post => {
                let text = message.signed(key).ok_or_else(|| SignInError::internal("a message could not be signed"))?;
                let packed = super::certificate::to_base64(text.as_bytes());
                let mut fields = vec![(direction.parameter(), packed.as_str())];
                fields.extend(relay_state.map(|state| ("RelayState", state)));
                let page = self.pages().go_on_by_form(location.as_str(), &fields);
                // Where the provider sends people on to is its own affair, and Chromium asks this policy about that too.
                let targets = [location.origin().ascii_serialization(), "https:".to_owned()];
                Ok(page.with_form_targets(targets).into_response())
            }
        }
    }
}
