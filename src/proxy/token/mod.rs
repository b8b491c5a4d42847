//! `POST /.doorward/token`: a client's id and secret for a short-lived access token (RFC 6749 §4.4).
//!
//! Refuses to be cached, and to give a token that goes beyond what its client has: what the client has is looked at again whenever the
//! token is used, so that a token outlives nothing.

mod refusal;
mod request;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;

use self::refusal::Refusal;
use self::request::TokenRequest;
use crate::audit::what::TokenIssued;
use crate::audit::{Event, Kind, Outcome, Recorder};
use crate::authn::{Authn, Caller, Granted};
use crate::config::Config;
use crate::forward::Outbound;
use crate::model::{CredentialKind, Identity, Scope, TenantId};
use crate::policy::tenancy::{SiteId, Tenancy};
use crate::telemetry::RequestId;

/// Bytes of a request.
const LARGEST: usize = 16 * 1024;
/// How long a verifier may keep the published keys.
const KEYS_CACHED: &str = "public, max-age=3600";

/// At which hosts the endpoint is.
pub struct Site {
    pub tenancy: Arc<Tenancy>,
    pub site: SiteId,
}

impl Site {
    /// `https://app.example.com`
    fn public_url(&self) -> &str {
        &self.tenancy.site(self.site).public_url
    }

    /// Whose host it is; `None`: it is shared.
    fn owner(&self) -> Option<&TenantId> {
        self.tenancy.site(self.site).tenant.as_ref()
    }
}

/// What the endpoint needs.
struct Endpoint {
    authn: Arc<Authn>,
    audit: Recorder,
    at: Site,
}

/// The endpoint, its keys and its metadata (RFC 8414); empty where clients get no tokens.
pub fn router(config: &Config, at: Site, authn: &Arc<Authn>, audit: &Recorder) -> Router {
    if config.token_endpoint.is_none() {
        return Router::new();
    }
    let own = format!("{}/token", config.prefix);
    let metadata = metadata(config, at.public_url(), &own);
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "public, max-age=300")];
    let endpoint = Arc::new(Endpoint { authn: Arc::clone(authn), audit: audit.clone(), at });
    Router::new()
        .route(&own, post(answer).fallback(wrong_method))
        .route(&format!("{own}/jwks.json"), get(keys))
        .route(crate::config::paths::SERVER_METADATA, get(async move || (headers, metadata)))
        .layer(DefaultBodyLimit::max(LARGEST))
        .with_state(endpoint)
}

/// RFC 8414 §2.
fn metadata(config: &Config, public_url: &str, own: &str) -> String {
    json!({
        "issuer": public_url,
        "token_endpoint": format!("{public_url}{own}"),
        "jwks_uri": format!("{public_url}{own}/jwks.json"),
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "scopes_supported": super::metadata::scopes(config),
    })
    .to_string()
}

async fn answer(
    State(endpoint): State<Arc<Endpoint>>,
    Extension(judged): Extension<Arc<Outbound>>,
    id: Option<Extension<RequestId>>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Response {
    // Whose door it was tried at: who has no name yet is their matter.
    let owner = endpoint.at.owner().cloned().unwrap_or_default();
    let mut event = Event::new(judged.now, Kind::TokenIssued, Outcome::Failure, &owner);
    event.source = Some(judged.client);
    event.credential = Some(CredentialKind::ClientSecret);
    event.request_id = id.map(|Extension(id)| id.as_str().to_owned());
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    event.user_agent = agent.map(|agent| agent.chars().take(256).collect());
    let caller = Caller { client: judged.client, now: judged.now };
    let mut answer = match endpoint.give(&headers, &body, caller, &mut event).await {
        Ok(granted) => Json(shown(&granted)).into_response(),
        Err(refusal) => {
            event.reason = Some(refusal.reason().into());
            endpoint.audit.note(event);
            refusal.into_response()
        }
    };
    // RFC 6749 §5.1.
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.headers_mut().insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    answer
}

impl Endpoint {
    async fn give(&self, headers: &HeaderMap, body: &[u8], caller: Caller, event: &mut Event) -> Result<Granted, Refusal> {
        let request = TokenRequest::read(headers, body)?;
        event.target = Some(request.client.chars().filter(|letter| !letter.is_control()).take(64).collect());
        let client = self.authn.client(&request.client, request.secret.expose(), caller).await?;
        event.actor = Some(client.subject.clone());
        event.tenant = client.tenant.to_string();
        // Whoever is not let in here gets nothing here either, and no word of why.
        if !self.at.tenancy.admits(self.at.site, &client) {
            event.tell(TokenIssued { host_of: self.at.owner().cloned(), ..TokenIssued::default() });
            return Err(Refusal::Refused("foreign_host"));
        }
        if !request.resources.iter().all(|resource| self.is_ours(resource)) {
            return Err(Refusal::Target);
        }
        let scopes = request.scopes.map(|scopes| within(scopes, &client)).transpose()?;
        let granted = self.authn.grant(self.at.public_url(), &client, request.secret.expose(), scopes, caller.now)?;
        event.outcome = Outcome::Success;
        event.tell(TokenIssued {
            token: Some(granted.id.clone()),
            scopes: Some(granted.scopes.clone()),
            ..TokenIssued::default()
        });
        // Nobody gets what is not written down.
        self.audit.record(event.clone()).await?;
        Ok(granted)
    }

    /// This service, or something at it.
    fn is_ours(&self, resource: &str) -> bool {
        resource.strip_prefix(self.at.public_url()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

fn within(wanted: Vec<Scope>, client: &Identity) -> Result<Vec<Scope>, Refusal> {
    let held = |scope: &Scope| client.scopes.iter().any(|held| held.covers(scope));
    if wanted.iter().all(held) { Ok(wanted) } else { Err(Refusal::Scope) }
}

fn shown(granted: &Granted) -> serde_json::Value {
    let mut value = json!({
        "access_token": granted.token,
        "token_type": "Bearer",
        "expires_in": granted.expires_in.as_secs(),
    });
    if !granted.scopes.is_empty() {
        value["scope"] = granted.scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(" ").into();
    }
    value
}

async fn keys(State(endpoint): State<Arc<Endpoint>>, Extension(judged): Extension<Arc<Outbound>>) -> Response {
    match endpoint.authn.grant_keys(judged.now) {
        Ok(keys) => ([(header::CACHE_CONTROL, KEYS_CACHED)], Json(keys)).into_response(),
        Err(error) => {
            tracing::error!(%error, "the public keys could not be derived");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

/// RFC 6749 §3.2: only POST.
async fn wrong_method() -> Response {
    let body = json!({ "error": "invalid_request", "error_description": "send a POST" });
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST"), (header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
