//! Tokens that only their issuer can read: it is asked about each (RFC 7662).
//!
//! Refuses to take anything but a plain yes or no for an answer, because a token that could not be asked about is neither good nor bad; and
//! to have more questions open than a bounded number, because those who send tokens would choose how busy the issuer is.

use std::time::Duration;

use http::{Request, StatusCode, header};
use moka::future::Cache;
use tokio::sync::Semaphore;
use url::Url;

use super::claims::Claims;
use super::keyring::{self, KeysError};
use crate::authn::reason::Reason;
use crate::clock::Timestamp;
use crate::config::access::{Bearer, IntrospectedTokens, Introspection as Typed};
use crate::config::{Path, Problems};
use crate::http_client::client_auth::{Client, ClientKey, Unproved};
use crate::http_client::{HttpClient, HttpClientError};

/// Questions to one issuer that are open at once.
const OPEN_QUESTIONS: usize = 64;
/// How long a token waits for its turn to be asked about.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a discovered endpoint is kept.
const ENDPOINT_KEPT: Duration = Duration::from_secs(3600);
/// How long an answer that says no is remembered at most: a token may be made a moment after it is first shown.
const REFUSAL_KEPT: Duration = Duration::from_secs(10);

/// Why there is no answer. None says what the token was.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    #[error("the issuer's introspection endpoint is not known")]
    Endpoint(#[source] std::sync::Arc<KeysError>),
    #[error(transparent)]
    Proof(#[from] Unproved),
    #[error(transparent)]
    Client(#[from] HttpClientError),
    #[error("the request cannot be written")]
    Request(#[from] http::Error),
    #[error("the introspection endpoint answered {0}")]
    Status(StatusCode),
    #[error("the answer does not say whether the token is active")]
    Answer,
    #[error("too many tokens are being asked about")]
    Busy,
}

/// Where the questions go.
#[derive(Debug)]
enum Endpoint {
    Typed(Url),
    Discovered { base: Url, found: Cache<(), Url> },
}

/// One issuer that is asked.
#[derive(Debug)]
pub(super) struct Introspection {
    issuer: String,
    endpoint: Endpoint,
    http: HttpClient,
    client: Client,
    remember: Duration,
    pub(super) tokens: IntrospectedTokens,
    turns: Semaphore,
}

impl Introspection {
    /// `path`: of the issuer in the configuration. `None`: a problem was added.
    pub(super) fn compile(issuer: &Bearer, typed: &Typed, path: &Path, problems: &mut Problems) -> Option<Self> {
        let at = path.key("introspection");
        let key = ClientKey::of(typed.client_auth, typed.client_key.as_ref(), &at, problems)?;
        let (endpoint, http) = if let Some(text) = &typed.endpoint {
            let (url, http) = super::remote(at.key("endpoint"), text, issuer.ca.as_deref(), problems)?;
            (Endpoint::Typed(url), http)
        } else {
            let (base, http) = super::remote(path.key("issuer"), &issuer.issuer, issuer.ca.as_deref(), problems)?;
            (Endpoint::Discovered { base, found: Cache::builder().max_capacity(1).time_to_live(ENDPOINT_KEPT).build() }, http)
        };
        Some(Self {
            issuer: issuer.issuer.clone(),
            endpoint,
            http,
            client: Client { id: typed.client_id.clone(), auth: typed.client_auth, secret: typed.client_secret.clone(), key },
            remember: typed.remember.0,
            tokens: typed.tokens,
            turns: Semaphore::new(OPEN_QUESTIONS),
        })
    }

    /// Until when an answer of `now` holds; `end`: that of the token where it is good.
    pub(super) fn until(&self, end: Option<Timestamp>, now: Timestamp) -> Timestamp {
        match end {
            Some(end) => end.min(now.after(self.remember)),
            None => now.after(self.remember.min(REFUSAL_KEPT)),
        }
    }

    /// What the issuer says of the token; `None` where it is not active.
    pub(super) async fn ask(&self, token: &str, now: Timestamp) -> Result<Option<Claims>, Unanswered> {
        let Ok(Ok(_turn)) = tokio::time::timeout(PATIENCE, self.turns.acquire()).await else { return Err(Unanswered::Busy) };
        let endpoint = self.endpoint().await?;
        // RFC 7662 §2.1
        let mut form = vec![("token".to_owned(), token.to_owned()), ("token_type_hint".to_owned(), "access_token".to_owned())];
        let authorization = self.client.prove(&mut form, &self.issuer, now).await?;
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request = Request::post(endpoint.as_str())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json");
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        let answer = self.http.send(request.body(body.into_bytes())?).await?;
        if answer.status() != StatusCode::OK {
            return Err(Unanswered::Status(answer.status()));
        }
        Claims::of_answer(answer.body()).map_err(|_| Unanswered::Answer)
    }

    async fn endpoint(&self) -> Result<Url, Unanswered> {
        match &self.endpoint {
            Endpoint::Typed(url) => Ok(url.clone()),
            Endpoint::Discovered { base, found } => {
                found.try_get_with((), self.discover(base)).await.map_err(Unanswered::Endpoint)
            }
        }
    }

    async fn discover(&self, base: &Url) -> Result<Url, KeysError> {
        let metadata = keyring::metadata(&self.issuer, base, &self.http).await?;
        let named = metadata.introspection_endpoint.ok_or(KeysError::Unnamed)?;
        Url::parse(&named).map_err(|_| KeysError::NotAUrl(named))
    }

    /// An answer may name its issuer, and then it must be the one that was asked.
    pub(super) fn gave(&self, claims: &Claims) -> Result<(), Reason> {
        match claims.text("iss")? {
            Some(named) if named != self.issuer => Err(Reason::UnknownIssuer),
            _ => Ok(()),
        }
    }
}
