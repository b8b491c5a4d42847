//! Splunk's HTTP Event Collector, with indexer acknowledgement where it is asked for.
//!
//! Refuses to believe a success that does not say so: behind a balancer that answers for an index which is gone, events would be nowhere.
//! Source: Splunk's documentation, "Format events for HTTP Event Collector", "About HTTP Event Collector Indexer Acknowledgment" and
//! "Troubleshoot HTTP Event Collector" (error codes).

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderMap, HeaderName, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};
use url::Url;
use uuid::Uuid;

use super::answer::{self, Answer, address, post, reach, send};
use super::attempt::{self, Attempt};
use super::http::sensitive;
use super::transport::{Most, Outgoing, SendError, Transport};
use crate::config::sink::{Sink, SplunkHec as Settings};
use crate::crypto::Secret;
use crate::http_client::{HttpClient, HttpClientError};

const CHANNEL: HeaderName = HeaderName::from_static("x-splunk-request-channel");
/// How long after a batch its acknowledgement is first asked for, and then at most between two times.
const FIRST_LOOK: Duration = Duration::from_millis(100);
const NEXT_LOOK: Duration = Duration::from_secs(2);
/// What Splunk Cloud and old releases take is 1 MB; with what is written around each body this stays below it.
const MOST: Most = Most { events: 500, bytes: 700_000 };
/// Indexing takes its time however much there is to index. Only Splunk Enterprise acknowledges, and takes more at once.
const MOST_ACKNOWLEDGED: Most = Most { events: 5_000, bytes: 5_000_000 };

/// What a collector answers (its error codes).
mod code {
    pub(super) const SUCCESS: u64 = 0;
    pub(super) const INVALID_DATA: u64 = 6;
    pub(super) const NO_CHANNEL: u64 = 10;
    pub(super) const NO_EVENT: u64 = 12;
    pub(super) const BLANK_EVENT: u64 = 13;
    pub(super) const NO_ACKNOWLEDGEMENT: u64 = 14;
    pub(super) const INVALID_FIELDS: u64 = 15;
}

#[derive(Debug)]
pub(super) struct Splunk {
    client: HttpClient,
    events: Url,
    headers: HeaderMap,
    token: Secret,
    index: Option<String>,
    source: String,
    sourcetype: String,
    acknowledgement: Option<Acknowledgement>,
}

#[derive(Debug)]
struct Acknowledgement {
    url: Url,
    within: Duration,
    /// Whether the token was seen to have it.
    known: AtomicBool,
}

/// One event, as the collector wants it.
#[derive(Serialize)]
struct Envelope<'e> {
    /// Seconds since the Unix epoch.
    time: f64,
    host: &'e str,
    source: &'e str,
    sourcetype: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<&'e str>,
    event: &'e Map<String, Value>,
    /// Indexed besides, so that an event that came twice is found.
    fields: Fields<'e>,
}

#[derive(Serialize)]
struct Fields<'e> {
    event_id: &'e str,
    kind: &'e str,
    severity: &'e str,
    link: i64,
}

/// What the collector says.
#[derive(Default, Deserialize)]
struct Said {
    code: Option<u64>,
    #[serde(rename = "ackId")]
    ack_id: Option<u64>,
    #[serde(rename = "invalid-event-number")]
    invalid: Option<usize>,
}

#[derive(Deserialize)]
struct Acknowledged {
    acks: std::collections::HashMap<String, bool>,
}

impl Splunk {
    /// What `typed` says, in `sink`.
    pub(super) fn new(typed: &Settings, sink: &Sink) -> Result<Self, HttpClientError> {
        let url = |path: &str| address(&typed.url, &["services", "collector", path]);
        let events = url("event")?;
        let client = HttpClient::within(&events, &reach(sink, typed.plain_http))?;
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, sensitive(&format!("Splunk {}", typed.token.expose())));
        if typed.acknowledgement {
            headers.insert(CHANNEL, sensitive(&Uuid::new_v4().to_string()));
        }
        let (within, known) = (typed.acknowledged_within.0, AtomicBool::new(false));
        let acknowledgement =
            if typed.acknowledgement { Some(Acknowledgement { url: url("ack")?, within, known }) } else { None };
        Ok(Self {
            client,
            events,
            headers,
            token: typed.token.clone(),
            index: typed.index.clone(),
            source: typed.source.clone(),
            sourcetype: typed.sourcetype.clone(),
            acknowledgement,
        })
    }

    /// Events one after the other, which is neither an array nor lines.
    fn written(&self, batch: &[Outgoing]) -> Result<Vec<u8>, SendError> {
        let mut body = Vec::new();
        for (place, event) in batch.iter().enumerate() {
            let millis = u64::try_from(event.at.millis()).unwrap_or(0);
            let envelope = Envelope {
                time: Duration::from_millis(millis).as_secs_f64(),
                host: &event.chain,
                source: &self.source,
                sourcetype: &self.sourcetype,
                index: self.index.as_deref(),
                event: &event.body,
                fields: Fields { event_id: &event.id, kind: &event.kind, severity: event.severity.as_str(), link: event.link },
            };
            serde_json::to_writer(&mut body, &envelope).map_err(|error| SendError::refused(Some(place), error))?;
        }
        Ok(body)
    }

    /// Sees to it that nothing is sent, again and again, to a token that will never acknowledge it.
    async fn is_enabled(&self, acknowledgement: &Acknowledgement) -> Result<(), SendError> {
        if acknowledgement.known.load(Ordering::Relaxed) {
            return Ok(());
        }
        let answer = self.ask(acknowledgement, &[]).await?;
        if answer.json::<Said>().and_then(|said| said.code) == Some(code::NO_ACKNOWLEDGEMENT) {
            return Err(
                answer.later_with("the token has no indexer acknowledgement: enable it, or write `acknowledgement: false`")
            );
        }
        if answer.status().is_success() {
            acknowledgement.known.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    async fn ask(&self, acknowledgement: &Acknowledgement, ids: &[u64]) -> Result<Answer<'_>, SendError> {
        let asked = json!({ "acks": ids }).to_string().into_bytes();
        // Not compressed: that is for events alone.
        let request = answer::json(&acknowledgement.url, &self.headers, asked)?;
        send(&self.client, request, vec![self.token.expose()]).await
    }

    /// Waits until Splunk says that it has indexed what it promised to acknowledge under `id`.
    async fn indexed(&self, acknowledgement: &Acknowledgement, id: u64) -> Result<(), SendError> {
        let until = Instant::now() + acknowledgement.within;
        let mut pause = FIRST_LOOK;
        loop {
            sleep(pause).await;
            let unsure = match self.ask(acknowledgement, &[id]).await {
                Ok(answer) => match answer.json::<Acknowledged>().and_then(|said| said.acks.get(&id.to_string()).copied()) {
                    Some(true) => return Ok(()),
                    Some(false) => SendError::after(NOT_INDEXED, Some(Duration::ZERO)),
                    None => answer.later(),
                },
                Err(error) => error,
            };
            if Instant::now() >= until {
                return Err(unsure);
            }
            pause = (pause * 2).min(NEXT_LOOK);
        }
    }
}

const NOT_INDEXED: &str = "Splunk took the events and has not said that they are indexed; they are sent again";

/// What an answer that is no success means for a batch of so many events.
fn judged(answer: &Answer<'_>, said: &Said, events: usize) -> SendError {
    let at = said.invalid.filter(|place| *place < events);
    match (answer.status(), said.code) {
        (StatusCode::PAYLOAD_TOO_LARGE, _) => answer.refused(None),
        (StatusCode::BAD_REQUEST, Some(code::INVALID_DATA | code::NO_EVENT | code::BLANK_EVENT | code::INVALID_FIELDS)) => {
            answer.refused(at)
        }
        (StatusCode::BAD_REQUEST, Some(code::NO_CHANNEL)) => {
            answer.later_with("the token has indexer acknowledgement enabled: write `acknowledgement: true`")
        }
        _ => answer.later(),
    }
}

#[async_trait]
impl Attempt for Splunk {
    /// A batch that was refused is never acknowledged, not even what stands before the culprit.
    async fn attempt(&self, batch: &[Outgoing]) -> Result<(), SendError> {
        if let Some(acknowledgement) = &self.acknowledgement {
            self.is_enabled(acknowledgement).await?;
        }
        let secrets = vec![self.token.expose()];
        let answer = post(&self.client, &self.events, &self.headers, self.written(batch)?, secrets).await?;
        let said: Said = answer.json().unwrap_or_default();
        if (answer.status(), said.code) != (StatusCode::OK, Some(code::SUCCESS)) {
            return Err(judged(&answer, &said, batch.len()));
        }
        match (&self.acknowledgement, said.ack_id) {
            (None, _) => Ok(()),
            (Some(acknowledgement), Some(id)) => self.indexed(acknowledgement, id).await,
            (Some(_), None) => Err(answer.later_with("no acknowledgement was promised")),
        }
    }
}

#[async_trait]
impl Transport for Splunk {
    async fn send(&self, batch: &[Outgoing]) -> Result<(), SendError> {
        attempt::send(self, batch).await
    }

    fn most(&self) -> Most {
        if self.acknowledgement.is_some() { MOST_ACKNOWLEDGED } else { MOST }
    }

    fn patience(&self, timeout: Duration) -> Duration {
        self.acknowledgement.as_ref().map_or(timeout, |acknowledgement| timeout * 3 + acknowledgement.within)
    }
}
