//! OpenID Connect: the authorization code flow with PKCE, nonce and state, always (OpenID Connect Core 1.0 §3.1; RFC 9700).
//!
//! Refuses an answer without an attempt of this browser (threats J8), of another issuer (J9, RFC 9207), with a parameter sent twice
//! (J11), and an ID token that does not hold in every part; a provider that is down is its own answer, never "wrong".

mod callback;
mod claims;
mod metadata;
mod token;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::response::Response;
use futures::future::BoxFuture;
use http::StatusCode;
use openidconnect::core::{CoreAuthPrompt, CoreResponseType};
use openidconnect::{
    AsyncHttpClient, AuthType, AuthenticationContextClass, AuthenticationFlow, ClientId, ClientSecret, CsrfToken, HttpRequest,
    HttpResponse, IssuerUrl, LoginHint, LogoutRequest, Nonce, PkceCodeChallenge, PkceCodeVerifier, PostLogoutRedirectUrl,
    RedirectUrl, Scope,
};
use url::Url;

pub(super) use callback::callback;

use super::attempt::Attempt;
use super::complete::redirect;
use super::connection::Connection;
use super::parameters::Wish;
use super::visitor::Visitor;
use super::{Login, SignInError};
use crate::clock::Timestamp;
use crate::config::connection::{ClaimNames, ClientAuth, Oidc};
use crate::config::{Path, Problems};
use crate::http_client::{HttpClient, HttpClientError};
use metadata::{Discovery, Metadata};

/// One identity provider, as configured.
#[derive(Debug)]
pub(super) struct Provider {
    client_id: ClientId,
    client_secret: Option<ClientSecret>,
    client_auth: AuthType,
    scopes: Vec<Scope>,
    claims: ClaimNames,
    parameters: BTreeMap<String, String>,
    trust_unverified_email: bool,
    callback: RedirectUrl,
    discovery: Discovery,
    caller: Caller,
}

/// Why a call to the provider has no answer that is worth reading.
#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error(transparent)]
    Http(#[from] HttpClientError),
    /// It answered that it cannot answer now (HTTP 429 or 5xx).
    #[error("the provider answered {0}")]
    Failing(StatusCode),
}

/// The outbound client in the shape that the library takes.
#[derive(Debug)]
struct Caller(HttpClient);

impl<'c> AsyncHttpClient<'c> for Caller {
    type Error = CallError;
    type Future = BoxFuture<'c, Result<HttpResponse, CallError>>;

    /// One call; an answer that says "not now" is no answer.
    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let answer = self.0.send(request).await?;
            match answer.status() {
                status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => Err(CallError::Failing(status)),
                _ => Ok(answer),
            }
        })
    }
}

impl Provider {
    /// `place`: where it stands in the configuration.
    pub(super) fn compile(typed: &Oidc, callback: Url, place: &Path, problems: &mut Problems) -> Option<Self> {
        let home = Url::parse(&typed.issuer).ok()?;
        let http = match HttpClient::new(&home, typed.ca.as_deref()) {
            Ok(http) => http,
            Err(error @ HttpClientError::Authorities { .. }) => {
                problems.add(place.key("ca"), error.to_string(), "name a PEM file with the provider's authorities");
                return None;
            }
            Err(error) => {
                problems.add(place.key("issuer"), error.to_string(), "write the provider's https address");
                return None;
            }
        };
        Some(Self {
            client_id: ClientId::new(typed.client_id.clone()),
            client_secret: typed.client_secret.as_ref().map(|secret| ClientSecret::new(secret.expose().to_owned())),
            client_auth: match typed.client_auth {
                ClientAuth::ClientSecretBasic => AuthType::BasicAuth,
                ClientAuth::ClientSecretPost => AuthType::RequestBody,
            },
            // `openid` is always asked for; naming it twice confuses some providers.
            scopes: typed.scopes.iter().filter(|scope| *scope != "openid").cloned().map(Scope::new).collect(),
            claims: typed.claims.clone(),
            parameters: typed.parameters.clone(),
            trust_unverified_email: typed.trust_unverified_email,
            callback: RedirectUrl::from_url(callback),
            discovery: Discovery::new(IssuerUrl::new(typed.issuer.clone()).ok()?),
            caller: Caller(http),
        })
    }

    async fn metadata(&self, now: Timestamp) -> Result<Arc<Metadata>, SignInError> {
        self.discovery.current(&self.caller, now).await
    }

    fn client(&self, metadata: &Metadata) -> token::Client {
        let (id, secret) = (self.client_id.clone(), self.client_secret.clone());
        token::Client::from_provider_metadata(metadata.clone(), id, secret)
            .set_redirect_uri(self.callback.clone())
            .set_auth_type(self.client_auth.clone())
    }

    /// Where the browser is to go for `attempt` (OpenID Connect Core 1.0 §3.1.2.1).
    async fn authorization_address(&self, attempt: &Attempt, hint: Option<&str>, now: Timestamp) -> Result<Url, SignInError> {
        let metadata = self.metadata(now).await?;
        let methods = metadata.additional_metadata().code_challenge_methods_supported.as_deref();
        if methods.is_some_and(|methods| !methods.iter().any(|method| method == "S256")) {
            return Err(SignInError::ProviderSetup("it does not support PKCE with S256".to_owned()));
        }
        let client = self.client(&metadata);
        let flow = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
        let (state, nonce) = (attempt.state.clone(), attempt.nonce.clone());
        let verifier = PkceCodeVerifier::new(attempt.verifier.clone());
        let mut request = client
            .authorize_url(flow, || CsrfToken::new(state), || Nonce::new(nonce))
            .add_scopes(self.scopes.iter().cloned())
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        if attempt.fresh {
            request = request.add_prompt(CoreAuthPrompt::Login);
        }
        for context in &attempt.acr_values {
            request = request.add_auth_context_value(AuthenticationContextClass::new(context.clone()));
        }
        if let Some(hint) = hint {
            request = request.set_login_hint(LoginHint::new(hint.to_owned()));
        }
        let own = |name: &str| (attempt.fresh && name == "prompt") || (!attempt.acr_values.is_empty() && name == "acr_values");
        for (name, value) in self.parameters.iter().filter(|(name, _)| !own(name)) {
            request = request.add_extra_param(name.clone(), value.clone());
        }
        Ok(request.url().0)
    }

    /// Where the provider signs people out, if it says so and can be reached (OpenID Connect RP-Initiated Logout 1.0 §2).
    pub(super) async fn sign_out_address(&self, id_token: Option<&str>, back: &str, now: Timestamp) -> Option<String> {
        let metadata = self.metadata(now).await.ok()?;
        let endpoint = metadata.additional_metadata().end_session_endpoint.clone()?;
        let mut request = LogoutRequest::from(endpoint)
            .set_client_id(self.client_id.clone())
            .set_post_logout_redirect_uri(PostLogoutRedirectUrl::new(back.to_owned()).ok()?);
        if let Some(hint) = id_token.and_then(|token| token.parse::<token::IdToken>().ok()) {
            request = request.set_id_token_hint(&hint);
        }
        Some(request.http_get_url().into())
    }

    /// The origin of [`Self::sign_out_address`].
    pub(super) async fn sign_out_origin(&self, now: Timestamp) -> Option<String> {
        let metadata = self.metadata(now).await.ok()?;
        let endpoint = metadata.additional_metadata().end_session_endpoint.as_ref()?;
        Some(endpoint.url().origin().ascii_serialization())
    }
}

impl Login {
    /// Sends the browser to the provider with a new attempt.
    pub(super) async fn leave(
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
        self.go(visitor, provider, &attempt, wish.login_hint.as_deref()).await
    }

    async fn go(
        &self,
        visitor: &Visitor,
        provider: &Provider,
        attempt: &Attempt,
        hint: Option<&str>,
    ) -> Result<Response, SignInError> {
        let now = self.now();
        let address = provider.authorization_address(attempt, hint, now).await?;
        redirect(address.as_str(), self.rules.attempts.keep(attempt, &visitor.headers, now)?)
    }
}
