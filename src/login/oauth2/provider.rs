//! A server without an ID token: who somebody is comes from its profile interface (RFC 6749 §4.1; RFC 7636; RFC 9700).
//!
//! Refuses a server's word for an address that it does not call verified (threats J12), and to know a person by anything but the one
//! claim that never changes hands.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use openidconnect::{HttpResponse, PkceCodeChallenge, PkceCodeVerifier};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::caller::{Caller, unsuccessful};
use super::profile;
use super::token_error::{NotRefreshed, TokenError};
use crate::clock::Timestamp;
use crate::config::connection::{ClaimPaths, OAuth2};
use crate::config::{Path, Problems};
use crate::http_client::client_auth::{Client, ClientKey};
use crate::login::SignInError;
use crate::login::attempt::{Attempt, Redeemed};
use crate::login::person::Asserted;
use crate::model::ConnectionId;
use crate::session::ProviderTokens;

/// One server, as configured.
#[derive(Debug)]
pub(in crate::login) struct Provider {
    pub(super) endpoints: Endpoints,
    issuer: String,
    pub(super) client: Client,
    scopes: String,
    pub(super) claims: ClaimPaths,
    parameters: BTreeMap<String, String>,
    pub(super) trust_unverified_email: bool,
    pub(super) callback: Url,
    pub(super) caller: Caller,
}

#[derive(Debug)]
pub(super) struct Endpoints {
    authorization: Url,
    pub(super) token: Url,
    pub(super) userinfo: Url,
    emails: Option<Url>,
}

impl Endpoints {
    /// `None` where the review has told of a problem.
    fn read(typed: &OAuth2) -> Option<Self> {
        Some(Self {
            authorization: Url::parse(&typed.authorization_endpoint).ok()?,
            token: Url::parse(&typed.token_endpoint).ok()?,
            userinfo: Url::parse(&typed.userinfo_endpoint).ok()?,
            emails: typed.emails_endpoint.as_deref().map(Url::parse).transpose().ok()?,
        })
    }
}

/// What the token endpoint answers. GitHub answers an error with the status of a success.
#[derive(Deserialize)]
#[serde(untagged)]
enum TokenAnswer {
    Error(TokenError),
    Granted(Granted),
}

/// RFC 6749 §5.1
#[derive(Deserialize)]
struct Granted {
    access_token: Option<String>,
    token_type: Option<String>,
    expires_in: Option<u64>,
    refresh_token: Option<String>,
}

impl Granted {
    /// What is kept; where there is no new refresh token, the one `before` stays.
    fn kept(self, before: Option<String>, now: Timestamp) -> Result<ProviderTokens, SignInError> {
        let missing = || SignInError::answer("token_answer", "there is no access token");
        let access_token = Some(self.access_token.ok_or_else(missing)?);
        if self.token_type.is_none_or(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err(SignInError::answer("token_answer", "the access token is no bearer token"));
        }
        let expires_at = self.expires_in.map(|life| now.after(Duration::from_secs(life)));
        let refresh_token = self.refresh_token.or(before);
        Ok(ProviderTokens { access_token, refresh_token, expires_at, ..ProviderTokens::default() })
    }
}

impl Provider {
    /// `place`: where it stands in the configuration.
    pub(in crate::login) fn compile(typed: &OAuth2, callback: Url, place: &Path, problems: &mut Problems) -> Option<Self> {
        let endpoints = Endpoints::read(typed)?;
        let caller = Caller::compile(&endpoints.token, "token_endpoint", typed.ca.as_deref(), place, problems)?;
        let client_key = ClientKey::of(typed.client_auth, typed.client_key.as_ref(), place, problems)?;
        Some(Self {
            issuer: typed.issuer.clone().unwrap_or_else(|| endpoints.authorization.origin().ascii_serialization()),
            endpoints,
            client: Client {
                id: typed.client_id.clone(),
                auth: typed.client_auth,
                secret: typed.client_secret.clone(),
                key: client_key,
            },
            scopes: typed.scopes.join(" "),
            claims: typed.claims.clone(),
            parameters: typed.parameters.clone(),
            trust_unverified_email: typed.trust_unverified_email,
            callback,
            caller,
        })
    }

    /// The key whose public part the server may fetch.
    #[must_use]
    pub(super) const fn client_key(&self) -> Option<&ClientKey> {
        self.client.key.as_ref()
    }

    /// Where the browser is to go for `attempt`.
    pub(in crate::login) fn authorization_address(&self, attempt: &Attempt, hint: Option<&str>) -> Url {
        let verifier = PkceCodeVerifier::new(attempt.verifier.clone());
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
        let mut own = vec![
            ("response_type", "code"),
            ("client_id", self.client.id.as_str()),
            ("redirect_uri", self.callback.as_str()),
            ("state", attempt.state.as_str()),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", challenge.method().as_str()),
        ];
        own.extend((!self.scopes.is_empty()).then_some(("scope", self.scopes.as_str())));
        // Servers that do not know these pass them over (RFC 6749 §3.1).
        own.extend(attempt.fresh.then_some(("prompt", "login")));
        own.extend(hint.map(|hint| ("login_hint", hint)));
        let is_own = |name: &str| own.iter().any(|(own, _)| *own == name);
        let further: Vec<_> =
            self.parameters.iter().filter(|(name, value)| !is_own(name.as_str()) && !value.is_empty()).collect();
        let mut address = self.endpoints.authorization.clone();
        address.query_pairs_mut().extend_pairs(&own).extend_pairs(further);
        address
    }

    /// Whether the answer is this connection's and this server's, as far as the server says (RFC 9207 §2.4).
    pub(in crate::login) fn judge_issuer(
        &self,
        connection: &ConnectionId,
        attempt: &Attempt,
        issuer: Option<&str>,
    ) -> Result<(), SignInError> {
        let ours = attempt.connection == *connection && issuer.is_none_or(|issuer| issuer == self.issuer);
        if ours { Ok(()) } else { Err(SignInError::MixUp) }
    }

    /// Exchanges the code and reads whom it is about.
    pub(in crate::login) async fn prove(
        &self,
        connection: &ConnectionId,
        attempt: &Redeemed,
        code: &str,
        now: Timestamp,
    ) -> Result<(Asserted, ProviderTokens), SignInError> {
        let grant = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.callback.as_str()),
            ("code_verifier", &attempt.verifier),
        ];
        let tokens = match self.ask(&grant, now).await? {
            TokenAnswer::Granted(granted) => granted.kept(None, now)?,
            TokenAnswer::Error(said) => return Err(said.at_sign_in()),
        };
        Ok((self.read(connection, &tokens).await?, tokens))
    }

    /// New tokens for a refresh token (RFC 6749 §6).
    pub(in crate::login) async fn refresh(&self, token: &str, now: Timestamp) -> Result<ProviderTokens, NotRefreshed> {
        match self.ask(&[("grant_type", "refresh_token"), ("refresh_token", token)], now).await? {
            TokenAnswer::Granted(granted) => Ok(granted.kept(Some(token.to_owned()), now)?),
            TokenAnswer::Error(said) => Err(said.at_refresh()),
        }
    }

    /// Whom the access token is about.
    pub(in crate::login) async fn read(
        &self,
        connection: &ConnectionId,
        tokens: &ProviderTokens,
    ) -> Result<Asserted, SignInError> {
        let access = tokens.access_token.as_deref().unwrap_or_default();
        let read = async |url: &Url| json("profile", &self.caller.with_token(url, access, None).await?);
        let profile = read(&self.endpoints.userinfo).await?;
        let emails = match &self.endpoints.emails {
            Some(url) => Some(read(url).await?),
            None => None,
        };
        profile::assert(self, connection, &self.issuer, &profile, emails.as_ref())
    }

    /// Asks the token endpoint, and proves that it is this client who asks.
    async fn ask(&self, grant: &[(&str, &str)], now: Timestamp) -> Result<TokenAnswer, SignInError> {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut form: Vec<_> = grant.iter().map(|(name, value)| pair(name, value)).collect();
        let authorization =
            self.client.prove(&mut form, self.endpoints.token.as_str(), now).await.map_err(SignInError::internal)?;
        let answer = self.caller.post(&self.endpoints.token, &form, authorization.as_deref()).await?;
        match serde_json::from_slice(answer.body()).map_err(|error| SignInError::answer("token_answer", error))? {
            TokenAnswer::Granted(_) if answer.status() != StatusCode::OK => {
                Err(SignInError::answer("token_answer", format!("it answers {} and no error", answer.status())))
            }
            said => Ok(said),
        }
    }
}

fn json(what: &'static str, answer: &HttpResponse) -> Result<Value, SignInError> {
    if answer.status() != StatusCode::OK {
        return Err(unsuccessful(what, answer));
    }
    serde_json::from_slice(answer.body()).map_err(|error| SignInError::answer("profile", error))
}
