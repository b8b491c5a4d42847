//! The way to the provider: the authorization request (OpenID Connect Core 1.0 §3.1.2.1), pushed where that is offered (RFC 9126).
//!
//! Refuses a provider without PKCE, and to send by the browser what could have been pushed: what a browser carries, others can read
//! and change.

use std::time::Duration;

use axum::response::Response;
use http::StatusCode;
use openidconnect::core::CoreResponseType;
use openidconnect::{
    AuthType, AuthenticationContextClass, AuthenticationFlow, CsrfToken, LoginHint, Nonce, PkceCodeChallenge, PkceCodeVerifier,
};
use serde::Deserialize;
use url::Url;

use super::Provider;
use super::metadata::Metadata;
use super::remote::Remote;
use crate::clock::Timestamp;
use crate::http_client::client_auth::basic;
use crate::login::attempt::Attempt;
use crate::login::complete::redirect;
use crate::login::connection::Connection;
use crate::login::oauth2::caller::unsuccessful;
use crate::login::parameters::Wish;
use crate::login::visitor::Visitor;
use crate::login::{Login, SignInError};

/// RFC 9126 §2.2
#[derive(Deserialize)]
struct Pushed {
    request_uri: String,
}

impl Provider {
    /// Where the browser is to go for `attempt`.
    pub(super) async fn authorization_address(
        &self,
        attempt: &Attempt,
        hint: Option<&str>,
        now: Timestamp,
    ) -> Result<Url, SignInError> {
        let metadata = self.metadata(now).await?;
        let further = metadata.additional_metadata();
        let methods = further.code_challenge_methods_supported.as_deref();
        if methods.is_some_and(|methods| !methods.iter().any(|method| method == "S256")) {
            return Err(SignInError::ProviderSetup("it does not support PKCE with S256".to_owned()));
        }
        let address = self.request(&metadata, attempt, hint);
        match &further.pushed_authorization_request_endpoint {
            Some(endpoint) => self.push(&metadata, endpoint, &address, now).await,
            None if further.require_pushed_authorization_requests => {
                Err(SignInError::ProviderSetup("it wants requests pushed but does not say where".to_owned()))
            }
            None => Ok(address),
        }
    }

    pub(super) fn request(&self, metadata: &Metadata, attempt: &Attempt, hint: Option<&str>) -> Url {
        let client = self.client(metadata);
        let flow = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
        let (state, nonce) = (attempt.state.clone(), attempt.nonce.clone());
        let verifier = PkceCodeVerifier::new(attempt.verifier.clone());
        let mut request = client
            .authorize_url(flow, || CsrfToken::new(state), || Nonce::new(nonce))
            .add_scopes(self.scopes.iter().cloned())
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        let mut own = vec!["prompt"];
        if let Some(prompt) = self.prompt(attempt.fresh) {
            request = request.add_extra_param("prompt", prompt.to_owned());
        }
        if attempt.must_say_when {
            // It says the same as the prompt, and obliges the provider to state `auth_time`.
            request = request.set_max_age(Duration::ZERO);
            own.push("max_age");
        }
        if !attempt.acr_values.is_empty() {
            let classes = attempt.acr_values.iter().cloned().map(AuthenticationContextClass::new);
            request = classes.fold(request, openidconnect::AuthorizationRequest::add_auth_context_value);
            own.push("acr_values");
        }
        if let Some(hint) = hint {
            request = request.set_login_hint(LoginHint::new(hint.to_owned()));
            own.push("login_hint");
        }
        for (name, value) in self.parameters.iter().filter(|(name, value)| !own.contains(&name.as_str()) && !value.is_empty()) {
            request = request.add_extra_param(name.clone(), value.clone());
        }
        request.url().0
    }

    /// What the provider is to show. Offline access takes the person's consent (OpenID Connect Core 1.0 §11), but where the configuration
    /// says what to ask for: some providers' administrators consent for everybody.
    fn prompt(&self, fresh: bool) -> Option<&str> {
        let typed = self.parameters.get("prompt").map(String::as_str);
        let offline = self.scopes.iter().any(|scope| scope.as_str() == "offline_access");
        let consent = offline && typed.is_none_or(|typed| typed.split(' ').any(|word| word == "consent"));
        match (fresh, consent) {
            (true, true) => Some("login consent"),
            (true, false) => Some("login"),
            (false, _) => typed.or(consent.then_some("consent")).filter(|typed| !typed.is_empty()),
        }
    }

    /// Leaves the request with the provider and says where the browser is to go with the ticket for it.
    pub(super) async fn push(
        &self,
        metadata: &Metadata,
        endpoint: &Url,
        request: &Url,
        now: Timestamp,
    ) -> Result<Url, SignInError> {
        let mut form: Vec<(String, String)> = request.query_pairs().into_owned().collect();
        form.extend(self.assertion(metadata, now).await?);
        let secret = self.client_secret.as_ref().map(|secret| secret.secret().as_str());
        let authorization = match (&self.client_auth, secret) {
            (AuthType::BasicAuth, Some(secret)) => Some(basic(self.client_id.as_str(), secret)),
            (_, Some(secret)) => {
                form.push(("client_secret".to_owned(), secret.to_owned()));
                None
            }
            (_, None) => None,
        };
        let answer = self.caller.post(endpoint, &form, authorization.as_deref()).await?;
        if !matches!(answer.status(), StatusCode::CREATED | StatusCode::OK) {
            return Err(unsuccessful("pushed authorization request", &answer));
        }
        let pushed: Pushed =
            serde_json::from_slice(answer.body()).map_err(|error| SignInError::answer("pushed_request", error))?;
        let mut address = metadata.authorization_endpoint().url().clone();
        address
            .query_pairs_mut()
            .append_pair("client_id", self.client_id.as_str())
            .append_pair("request_uri", &pushed.request_uri);
        Ok(address)
    }
}

impl Login {
    /// Sends the browser to the provider with a new attempt.
    pub(in crate::login) async fn leave(
        &self,
        visitor: &Visitor,
        connection: &Connection,
        remote: Remote<'_>,
        wish: &Wish,
    ) -> Result<Response, SignInError> {
        let return_to = wish.return_to.as_str().to_owned();
        let begun = Attempt::begin(connection.id.clone(), return_to, wish.prompt, self.now());
        let mut attempt = begun.map_err(SignInError::internal)?;
        if let Some(step_up) = &wish.step_up {
            attempt.acr_values.clone_from(&step_up.acr_values);
            attempt.must_say_when = step_up.fresh;
        }
        self.go(visitor, remote, &attempt, wish.login_hint.as_deref()).await
    }

    pub(super) async fn go(
        &self,
        visitor: &Visitor,
        remote: Remote<'_>,
        attempt: &Attempt,
        hint: Option<&str>,
    ) -> Result<Response, SignInError> {
        let now = self.now();
        let address = remote.authorization_address(attempt, hint, now).await?;
        redirect(address.as_str(), self.rules.attempts.keep(attempt, &visitor.headers, now)?)
    }
}
