//! Access tokens of Microsoft Entra ID for an application: the client credentials grant with a secret, or with a token of somebody whom
//! the application trusts.
//!
//! Refuses to use a token until its very end, because it would end on the way.
//! Source: RFC 6749 §4.4, RFC 7523 §2.2, and Microsoft's "OAuth 2.0 client credentials flow".

use std::path::PathBuf;
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Request, StatusCode};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;
use url::form_urlencoded::Serializer;

use super::answer::{address, reach, send};
use super::transport::SendError;
use crate::clock::{SharedClock, Timestamp};
use crate::config::sink::{Sentinel as Settings, Sink};
use crate::crypto::Secret;
use crate::http_client::{HttpClient, HttpClientError};

/// A token is renewed this long before its end, or when a quarter of its life is left if that is later.
const MARGIN: Duration = Duration::from_secs(300);
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// A federated token is a JWT; nothing longer is read.
const LONGEST_ASSERTION: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Entra {
    client: HttpClient,
    url: Url,
    client_id: String,
    proof: Proof,
    scope: String,
    clock: SharedClock,
    /// Held while a token is asked for, so that it is asked for once.
    kept: Mutex<Option<Kept>>,
}

/// How the application proves that it is itself.
#[derive(Debug)]
enum Proof {
    Secret(Secret),
    File(PathBuf),
}

#[derive(Debug)]
struct Kept {
    token: Secret,
    renew: Timestamp,
}

#[derive(Deserialize)]
struct Granted {
    access_token: Secret,
    token_type: String,
    /// Seconds.
    expires_in: u64,
}

impl Entra {
    /// What `typed` says, in `sink`.
    pub(super) fn new(typed: &Settings, sink: &Sink, clock: SharedClock) -> Result<Self, HttpClientError> {
        let url = address(&typed.authority, &[&typed.tenant, "oauth2", "v2.0", "token"])?;
        let client = HttpClient::within(&url, &reach(sink, false))?;
        let proof = match &typed.federated_token_file {
            Some(file) => Proof::File(file.clone()),
            None => Proof::Secret(typed.client_secret.clone().unwrap_or_else(|| Secret::new(String::new()))),
        };
        let scope = format!("{}/.default", typed.audience.trim_end_matches('/'));
        Ok(Self { client, url, client_id: typed.client_id.clone(), proof, scope, clock, kept: Mutex::default() })
    }

    /// A token that lasts for a while.
    pub(super) async fn token(&self) -> Result<Secret, SendError> {
        let mut kept = self.kept.lock().await;
        if let Some(held) = kept.as_ref().filter(|held| self.clock.now() < held.renew) {
            return Ok(held.token.clone());
        }
        let granted = self.ask().await?;
        let life = Duration::from_secs(granted.expires_in);
        let margin = MARGIN.min(life / 4);
        let renew = self.clock.now().after(life.saturating_sub(margin));
        *kept = Some(Kept { token: granted.access_token.clone(), renew });
        Ok(granted.access_token)
    }

    /// Lets go of a token that was not taken; a newer one stays.
    pub(super) async fn forget(&self, token: &Secret) {
        let mut kept = self.kept.lock().await;
        if kept.as_ref().is_some_and(|held| held.token == *token) {
            *kept = None;
        }
    }

    async fn ask(&self) -> Result<Granted, SendError> {
        let proof = self.proof().await?;
        let request = Request::post(self.url.as_str())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(self.form(&proof).into_bytes())
            .map_err(SendError::later)?;
        let answer = send(&self.client, request, vec![proof.expose()]).await?;
        match (answer.status(), answer.json::<Granted>()) {
            (StatusCode::OK, Some(granted)) if granted.token_type.eq_ignore_ascii_case("bearer") => Ok(granted),
            // What is no token, or not one that is known, may still be a secret.
            (StatusCode::OK, _) => Err(SendError::later("the authority answered without an access token")),
            _ => Err(answer.later_with("no access token")),
        }
    }

    fn form(&self, proof: &Secret) -> String {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        form.append_pair("client_id", &self.client_id);
        form.append_pair("scope", &self.scope);
        match &self.proof {
            Proof::Secret(_) => form.append_pair("client_secret", proof.expose()),
            Proof::File(_) => {
                form.append_pair("client_assertion_type", ASSERTION).append_pair("client_assertion", proof.expose())
            }
        };
        form.finish()
    }

    /// The secret, or what the file holds now: it is replaced every hour or so.
    async fn proof(&self) -> Result<Secret, SendError> {
        let file = match &self.proof {
            Proof::Secret(secret) => return Ok(secret.clone()),
            Proof::File(file) => file,
        };
        let unreadable = |why: &dyn std::fmt::Display| SendError::later(format!("`{}`: {why}", file.display()));
        let text = tokio::fs::read_to_string(file).await.map_err(|error| unreadable(&error))?;
        let token = text.trim();
        if token.is_empty() || token.len() > LONGEST_ASSERTION {
            return Err(unreadable(&"there is no token in it"));
        }
        Ok(Secret::new(token.to_owned()))
    }
}
