//! Calls to an authorization server.
//!
//! Refuses an answer that says "not now" (HTTP 408, 429 or 5xx) as an answer, because a person whose provider is down is not signed out.

use std::path::Path;

use futures::future::BoxFuture;
use http::{Method, StatusCode, header};
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use url::Url;

use super::heard;
use super::token_error::TokenError;
use crate::config::{Path as Place, Problems};
use crate::http_client::{HttpClient, HttpClientError};
use crate::login::SignInError;

/// Why a call has no answer that is worth reading.
#[derive(Debug, thiserror::Error)]
pub(in crate::login) enum CallError {
    #[error(transparent)]
    Http(#[from] HttpClientError),
    /// It answered that it cannot answer now.
    #[error("the provider answered {0}")]
    Failing(StatusCode),
}

impl From<CallError> for SignInError {
    fn from(error: CallError) -> Self {
        Self::ProviderUnreachable(error.into())
    }
}

/// The outbound client in the shape that the library takes.
#[derive(Debug)]
pub(in crate::login) struct Caller(HttpClient);

impl Caller {
    /// For the party at `home`, the address that stands under `key` of the section at `place`. `None`: a problem was added.
    pub(in crate::login) fn compile(
        home: &Url,
        key: &str,
        authorities: Option<&Path>,
        place: &Place,
        problems: &mut Problems,
    ) -> Option<Self> {
        match HttpClient::new(home, authorities) {
            Ok(client) => return Some(Self(client)),
            Err(error @ HttpClientError::Authorities { .. }) => {
                problems.add(place.key("ca"), error.to_string(), "name a PEM file with the provider's authorities");
            }
            Err(error) => problems.add(place.key(key), error.to_string(), "write the provider's https address"),
        }
        None
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, CallError> {
        // What is public, such as keys and metadata, explains nothing.
        let explains = request.method() == Method::POST || request.headers().contains_key(header::AUTHORIZATION);
        let answer = self.0.send(request).await?;
        let status = answer.status();
        if explains {
            heard::hear(status, answer.body());
        }
        let failing = status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
        if failing { Err(CallError::Failing(status)) } else { Ok(answer) }
    }

    /// Posts a form; `authorization`: the value of the field of that name.
    pub(in crate::login) async fn post(
        &self,
        url: &Url,
        form: &[(String, String)],
        authorization: Option<&str>,
    ) -> Result<HttpResponse, SignInError> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request = http::Request::post(url.as_str())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json");
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        Ok(self.send(request.body(body.into_bytes()).map_err(SignInError::internal)?).await?)
    }

    /// What a browser that is sent there is answered; nothing is followed.
    pub(in crate::login) async fn visit(&self, url: &Url) -> Result<HttpResponse, SignInError> {
        let request = http::Request::get(url.as_str()).header(header::ACCEPT, "text/html");
        Ok(self.send(request.body(Vec::new()).map_err(SignInError::internal)?).await?)
    }

    /// Sends `body` with an access token (RFC 6750 §2.1); without a body it is a GET.
    pub(in crate::login) async fn with_token(
        &self,
        url: &Url,
        token: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<HttpResponse, SignInError> {
        let mut request = match body {
            Some(_) => http::Request::post(url.as_str()).header(header::CONTENT_TYPE, "application/json"),
            None => http::Request::get(url.as_str()),
        };
        request = request.header(header::ACCEPT, "application/json").header(header::AUTHORIZATION, format!("Bearer {token}"));
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        Ok(self.send(request.body(body).map_err(SignInError::internal)?).await?)
    }
}

impl<'c> AsyncHttpClient<'c> for Caller {
    type Error = CallError;
    type Future = BoxFuture<'c, Result<HttpResponse, CallError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

/// What an endpoint's answer that is no success means. `what`: which endpoint.
pub(in crate::login) fn unsuccessful(what: &'static str, answer: &HttpResponse) -> SignInError {
    let said: Result<TokenError, _> = serde_json::from_slice(answer.body());
    let words = said.map_or_else(|_| format!("it answers {}", answer.status()), |said| said.to_string());
    SignInError::ProviderSetup(format!("{what}: {words}"))
}
