//! OpenID Connect: the authorization code flow with PKCE, nonce and state, always (OpenID Connect Core 1.0 §3.1; RFC 9700).
//!
//! Refuses an answer without an attempt of this browser (threats J8), of another issuer (J9, RFC 9207), with a parameter sent twice
//! (J11), and an ID token that does not hold in every part; a provider that is down is its own answer, never "wrong".

mod back_channel;
mod callback;
mod claims;
mod doctor;
mod front_channel;
mod metadata;
mod overage;
mod refresh;
mod remote;
mod request;
mod sign_out;
mod signed;
mod token;

use std::collections::BTreeMap;
use std::sync::Arc;

use openidconnect::{AuthType, ClientId, ClientSecret, IssuerUrl, RedirectUrl, Scope};
use url::Url;

pub(super) use back_channel::back_channel;
pub(super) use callback::{callback, came_back};
pub(super) use front_channel::front_channel;
pub(super) use refresh::Background;
pub(super) use remote::Remote;

use super::SignInError;
use super::oauth2::caller::Caller;
use crate::clock::Timestamp;
use crate::config::connection::{ClaimNames, ClientAuth, Oidc};
use crate::config::{Path, Problems};
use crate::http_client::client_auth::{ASSERTION_TYPE, ClientKey};
use metadata::{Discovery, Metadata};

/// One identity provider, as configured.
#[derive(Debug)]
pub(super) struct Provider {
    client_id: ClientId,
    client_secret: Option<ClientSecret>,
    client_auth: AuthType,
    client_key: Option<ClientKey>,
    scopes: Vec<Scope>,
    claims: ClaimNames,
    parameters: BTreeMap<String, String>,
    trust_unverified_email: bool,
    groups_overage: Url,
    callback: RedirectUrl,
    discovery: Discovery,
    caller: Caller,
}

impl Provider {
    /// `place`: where it stands in the configuration.
    pub(super) fn compile(typed: &Oidc, callback: Url, place: &Path, problems: &mut Problems) -> Option<Self> {
        let home = Url::parse(&typed.issuer).ok()?;
        let caller = Caller::compile(&home, "issuer", typed.ca.as_deref(), place, problems)?;
        let Ok(groups_overage) = Url::parse(&typed.groups_overage) else {
            problems.add(place.key("groups_overage"), "this is no address", "leave it out for Microsoft Graph's");
            return None;
        };
        let client_key = ClientKey::of(typed.client_auth, typed.client_key.as_ref(), place, problems)?;
        Some(Self {
            client_id: ClientId::new(typed.client_id.clone()),
            client_secret: typed.client_secret.as_ref().map(|secret| ClientSecret::new(secret.expose().to_owned())),
            client_auth: match typed.client_auth {
                ClientAuth::ClientSecretBasic => AuthType::BasicAuth,
                ClientAuth::ClientSecretPost | ClientAuth::PrivateKeyJwt => AuthType::RequestBody,
            },
            client_key,
            // `openid` is always asked for; naming it twice confuses some providers.
            scopes: typed.scopes.iter().filter(|scope| *scope != "openid").cloned().map(Scope::new).collect(),
            claims: typed.claims.clone(),
            parameters: typed.parameters.clone(),
            trust_unverified_email: typed.trust_unverified_email,
            groups_overage,
            callback: RedirectUrl::from_url(callback),
            discovery: Discovery::new(IssuerUrl::new(typed.issuer.clone()).ok()?),
            caller,
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

    /// The key whose public part the provider may fetch.
    #[must_use]
    pub(super) const fn client_key(&self) -> Option<&ClientKey> {
        self.client_key.as_ref()
    }

    /// What proves this application in a form, besides what the library adds: an assertion, where the connection has a key.
    async fn assertion(&self, metadata: &Metadata, now: Timestamp) -> Result<Vec<(String, String)>, SignInError> {
        let Some(key) = &self.client_key else { return Ok(Vec::new()) };
        let endpoint = metadata.token_endpoint().map_or(metadata.issuer().as_str(), |endpoint| endpoint.as_str());
        let assertion = key.assertion(self.client_id.as_str(), endpoint, now).await.map_err(SignInError::internal)?;
        let kind = ("client_assertion_type".to_owned(), ASSERTION_TYPE.to_owned());
        Ok(vec![kind, ("client_assertion".to_owned(), assertion)])
    }
}
