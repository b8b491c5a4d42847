//! Datadog's log intake.
//!
//! Refuses an event that is larger than a log may be, because Datadog would cut it and say that all is well.
//! Source: Datadog's API reference, "Send logs" (v2): limits and answers.

use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderMap, HeaderName, StatusCode};
use serde::Serialize;
use serde_json::Value;
use url::Url;

use super::answer::{Answer, address, post, reach};
use super::attempt::{self, Attempt};
use super::http::sensitive;
use super::transport::{Most, Outgoing, SendError, Transport};
use crate::audit::Severity;
use crate::clock::SharedClock;
use crate::config::sink::{Datadog as Settings, Sink};
use crate::crypto::Secret;
use crate::http_client::{HttpClient, HttpClientError};

const KEY: HeaderName = HeaderName::from_static("dd-api-key");
/// Datadog takes 1000 logs and 5 MB at once. A body is written as a text within the log, and may grow to twice its size by that.
const MOST: Most = Most { events: 1000, bytes: 2_000_000 };
/// Datadog cuts a log that is larger.
const LARGEST: usize = 1_000_000;
/// Datadog takes no log that is older than 18 hours.
const OLDEST: Duration = Duration::from_secs(17 * 3600);

#[derive(Debug)]
pub(super) struct Datadog {
    client: HttpClient,
    url: Url,
    headers: HeaderMap,
    key: Secret,
    service: String,
    source: String,
    tags: String,
    clock: SharedClock,
}

/// One log with just the attributes that Datadog's own agent gives it. Datadog reads the JSON in `message`.
#[derive(Serialize)]
struct Log<'l> {
    message: String,
    status: &'static str,
    /// Milliseconds since the Unix epoch.
    timestamp: i64,
    hostname: &'l str,
    service: &'l str,
    ddsource: &'l str,
    ddtags: &'l str,
}

impl Datadog {
    /// What `typed` says, in `sink`.
    pub(super) fn new(typed: &Settings, sink: &Sink, clock: SharedClock) -> Result<Self, HttpClientError> {
        let site = typed.site.as_deref().unwrap_or("datadoghq.com");
        let base = typed.url.clone().unwrap_or_else(|| format!("https://http-intake.logs.{site}"));
        let url = address(&base, &["api", "v2", "logs"])?;
        let client = HttpClient::within(&url, &reach(sink, typed.plain_http))?;
        let tags: Vec<String> = typed.tags.iter().map(|(name, value)| format!("{name}:{value}")).collect();
        Ok(Self {
            client,
            url,
            headers: HeaderMap::from_iter([(KEY, sensitive(typed.api_key.expose()))]),
            key: typed.api_key.clone(),
            service: typed.service.clone(),
            source: typed.source.clone(),
            tags: tags.join(","),
            clock,
        })
    }

    fn log<'l>(&'l self, event: &'l Outgoing) -> Log<'l> {
        // An event that waited too long would be dropped without a word. When it happened is in the event itself, too.
        let oldest = self.clock.now().before(OLDEST);
        Log {
            message: Value::Object(event.body.clone()).to_string(),
            status: status(event.severity),
            timestamp: event.at.max(oldest).millis(),
            hostname: &event.chain,
            service: &self.service,
            ddsource: &self.source,
            ddtags: &self.tags,
        }
    }
}

/// As syslog names them, which Datadog knows.
const fn status(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Notice => "notice",
        Severity::Warning => "warning",
        Severity::Alarm => "alert",
    }
}

/// What an answer means. Datadog says 202 and `{}`; what stands in its place may say 200 and nothing.
fn judged(answer: &Answer<'_>) -> Result<(), SendError> {
    match answer.status() {
        StatusCode::ACCEPTED => Ok(()),
        StatusCode::OK if matches!(answer.body().trim_ascii(), b"" | b"{}") => Ok(()),
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => Err(answer.refused(None)),
        _ => Err(answer.later()),
    }
}

#[async_trait]
impl Attempt for Datadog {
    async fn attempt(&self, batch: &[Outgoing]) -> Result<(), SendError> {
        let body = attempt::array(batch.iter().map(|event| self.log(event)), LARGEST)?;
        judged(&post(&self.client, &self.url, &self.headers, body, vec![self.key.expose()]).await?)
    }
}

#[async_trait]
impl Transport for Datadog {
    async fn send(&self, batch: &[Outgoing]) -> Result<(), SendError> {
        attempt::send(self, batch).await
    }

    fn most(&self) -> Most {
        MOST
    }
}
