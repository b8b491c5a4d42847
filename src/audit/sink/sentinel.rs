//! Microsoft Sentinel, by the Logs Ingestion API of Azure Monitor through a data collection rule.
//!
//! Refuses any success but 204, because that alone says that the rule has taken the rows.
//! Source: Microsoft's documentation, "Logs Ingestion API in Azure Monitor", and its OpenAPI document of version 2023-01-01.

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::answer::{Answer, address, post, reach};
use super::attempt::{self, Attempt};
use super::entra::Entra;
use super::http::sensitive;
use super::transport::{Most, Outgoing, SendError, Transport};
use crate::clock::SharedClock;
use crate::config::sink::{Sentinel as Settings, Sink};
use crate::crypto::Secret;
use crate::http_client::{HttpClient, HttpClientError};

const VERSION: &str = "2023-01-01";
/// Azure takes 1 MB at once, not compressed; what is written around each body is within the rest.
const MOST: Most = Most { events: 500, bytes: 700_000 };
/// Of one row, so that it fits alone.
const LARGEST: usize = 1_000_000;

#[derive(Debug)]
pub(super) struct Sentinel {
    client: HttpClient,
    url: Url,
    entra: Entra,
}

/// One row of the stream. The columns are the same whatever the form of the event is.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row<'r> {
    /// RFC 3339; every table has it.
    time_generated: String,
    event_id: &'r str,
    kind: &'r str,
    severity: &'r str,
    chain: &'r str,
    link: i64,
    event: &'r Map<String, Value>,
}

#[derive(Deserialize)]
struct Said {
    error: Error,
}

#[derive(Deserialize)]
struct Error {
    code: String,
}

impl Sentinel {
    /// What `typed` says, in `sink`.
    pub(super) fn new(typed: &Settings, sink: &Sink, clock: SharedClock) -> Result<Self, HttpClientError> {
        let mut url = address(&typed.endpoint, &["dataCollectionRules", &typed.rule, "streams", &typed.stream])?;
        url.query_pairs_mut().append_pair("api-version", VERSION);
        Ok(Self { client: HttpClient::within(&url, &reach(sink, false))?, url, entra: Entra::new(typed, sink, clock)? })
    }

    async fn post(&self, body: Vec<u8>, token: &Secret) -> Result<(), Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, sensitive(&format!("Bearer {}", token.expose())));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let answer = post(&self.client, &self.url, &headers, body, vec![token.expose()]).await?;
        match answer.status() {
            StatusCode::NO_CONTENT => Ok(()),
            StatusCode::UNAUTHORIZED => Err(Refusal::Token(answer.later())),
            _ => Err(Refusal::Batch(judged(&answer))),
        }
    }
}

enum Refusal {
    /// The token is not taken, or no more.
    Token(SendError),
    Batch(SendError),
}

impl From<SendError> for Refusal {
    fn from(error: SendError) -> Self {
        Self::Batch(error)
    }
}

/// What an answer that is no success means. Azure says 400 of what is wrong with a row, and of a stream or version that is not there.
fn judged(answer: &Answer<'_>) -> SendError {
    let code = answer.json::<Said>().map(|said| said.error.code).unwrap_or_default();
    let of_the_rule = ["Stream", "Dcr", "Dce", "Rule", "Version", "Endpoint"].iter().any(|word| code.contains(word));
    match answer.status() {
        StatusCode::PAYLOAD_TOO_LARGE => answer.refused(None),
        StatusCode::BAD_REQUEST if !code.is_empty() && !of_the_rule => answer.refused(None),
        _ => answer.later(),
    }
}

fn row(event: &Outgoing) -> Row<'_> {
    Row {
        time_generated: event.at.to_string(),
        event_id: &event.id,
        kind: &event.kind,
        severity: event.severity.as_str(),
        chain: &event.chain,
        link: event.link,
        event: &event.body,
    }
}

#[async_trait]
impl Attempt for Sentinel {
    /// A token may end before its time; then a new one is asked for, once.
    async fn attempt(&self, batch: &[Outgoing]) -> Result<(), SendError> {
        let body = attempt::array(batch.iter().map(row), LARGEST)?;
        let token = self.entra.token().await?;
        match self.post(body.clone(), &token).await {
            Ok(()) => return Ok(()),
            Err(Refusal::Batch(error)) => return Err(error),
            Err(Refusal::Token(_)) => self.entra.forget(&token).await,
        }
        let token = self.entra.token().await?;
        match self.post(body, &token).await {
            Ok(()) => Ok(()),
            Err(Refusal::Batch(error) | Refusal::Token(error)) => Err(error),
        }
    }
}

#[async_trait]
impl Transport for Sentinel {
    async fn send(&self, batch: &[Outgoing]) -> Result<(), SendError> {
        attempt::send(self, batch).await
    }

    fn most(&self) -> Most {
        MOST
    }
}
