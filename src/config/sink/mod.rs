//! Sinks: where audit events are delivered, one file for each kind of receiver.
//!
//! Refuses nothing by itself; `config::review` judges the words and `audit::sink` compiles them.

mod datadog;
mod file;
mod otlp;
mod sentinel;
mod splunk;
mod syslog;
mod webhook;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

pub use datadog::Datadog;
pub use file::{File, Rotate, Stdout};
pub use otlp::Otlp;
pub use sentinel::Sentinel;
pub use splunk::SplunkHec;
pub use syslog::{Facility, Framing, Syslog, Way};
pub use webhook::Webhook;

use super::listener::Certificate;
use super::value::{FilePath, Span};
use crate::model::{SinkId, TenantId};

/// One receiver of audit events: exactly one of the keys that name a kind, such as `webhook`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sink {
    /// Its name in records and metrics; what was delivered is remembered under it. Default: its kind, such as `webhook`.
    #[schemars(with = "Option<SinkId>")]
    pub id: SinkId,
    /// Signed JSON by HTTPS.
    #[serde(default)]
    pub webhook: Option<Webhook>,
    /// Splunk's HTTP Event Collector.
    #[serde(default)]
    pub splunk_hec: Option<SplunkHec>,
    /// Microsoft Sentinel, by the Logs Ingestion API.
    #[serde(default)]
    pub sentinel: Option<Sentinel>,
    /// Datadog's log intake.
    #[serde(default)]
    pub datadog: Option<Datadog>,
    /// Syslog messages by UDP, TCP or TLS.
    #[serde(default)]
    pub syslog: Option<Syslog>,
    /// OpenTelemetry log records.
    #[serde(default)]
    pub otlp: Option<Otlp>,
    /// JSON lines in a file.
    #[serde(default)]
    pub file: Option<File>,
    /// JSON lines on standard output.
    #[serde(default)]
    pub stdout: Option<Stdout>,
    /// The form of an event. Default: ocsf.
    #[serde(default)]
    pub format: Format,
    /// Which events. Default: all.
    #[serde(default)]
    pub only: Only,
    /// What is changed in the form.
    #[serde(default)]
    pub fields: Fields,
    /// How events are gathered.
    #[serde(default)]
    pub batch: Batch,
    /// Where a sink begins that was never there before. Default: newest.
    #[serde(default)]
    pub from: From,
    /// How long the receiver may take for one batch. Default: 10s.
    #[serde(default = "patience_with_a_receiver")]
    #[schemars(with = "Span")]
    pub timeout: Span,
    /// PEM file with the authorities to trust for the receiver instead of the system's.
    #[serde(default)]
    #[schemars(with = "Option<FilePath>")]
    pub ca: Option<PathBuf>,
    /// What is shown to a receiver that asks for a client certificate.
    #[serde(default)]
    pub client_certificate: Option<Certificate>,
}

const fn patience_with_a_receiver() -> Span {
    Span::seconds(10)
}

/// What was typed under the key that names the kind. Each kind is a key of [`Sink`] and of [`Sink::KINDS`], a line here and one in
/// [`Sink::kinds`].
#[derive(Clone, Copy, Debug)]
pub enum Kind<'c> {
    Webhook(&'c Webhook),
    SplunkHec(&'c SplunkHec),
    Sentinel(&'c Sentinel),
    Datadog(&'c Datadog),
    Syslog(&'c Syslog),
    Otlp(&'c Otlp),
    File(&'c File),
    Stdout,
}

impl Sink {
    /// The keys that name a kind.
    pub(super) const KINDS: [&str; 8] = ["webhook", "splunk_hec", "sentinel", "datadog", "syslog", "otlp", "file", "stdout"];

    /// What was typed, each with its key; exactly one is meant.
    #[must_use]
    pub fn kinds(&self) -> Vec<(&'static str, Kind<'_>)> {
        let typed = [
            self.webhook.as_ref().map(Kind::Webhook),
            self.splunk_hec.as_ref().map(Kind::SplunkHec),
            self.sentinel.as_ref().map(Kind::Sentinel),
            self.datadog.as_ref().map(Kind::Datadog),
            self.syslog.as_ref().map(Kind::Syslog),
            self.otlp.as_ref().map(Kind::Otlp),
            self.file.as_ref().map(Kind::File),
            self.stdout.as_ref().map(|_| Kind::Stdout),
        ];
        Self::KINDS.into_iter().zip(typed).filter_map(|(key, kind)| Some((key, kind?))).collect()
    }

    /// The one kind, with its key; `None` where the review has told of a problem.
    #[must_use]
    pub fn kind(&self) -> Option<(&'static str, Kind<'_>)> {
        match self.kinds().as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }
}

/// The form of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Open Cybersecurity Schema Framework.
    #[default]
    Ocsf,
    /// The form that `doorward audit list --json` prints.
    Doorward,
}

/// Which events a sink gets: those that fit all that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Only {
    /// Any of these kinds, by their names. Default: every kind.
    pub kinds: Vec<String>,
    /// So severe or more. Default: info, which is every event.
    pub severity: Severity,
    /// Default: either.
    pub outcome: Option<Outcome>,
    /// Of any of these tenants. Default: every tenant.
    pub tenants: Vec<TenantId>,
}

/// How much an event asks for attention, the least first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    #[default]
    Info,
    Notice,
    Warning,
    Alarm,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Success,
    Failure,
}

/// Changes of an event's form, in this order: dropped, renamed, added. Fields within others are named with dots, as `metadata.uid`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Fields {
    /// Left out.
    pub drop: Vec<String>,
    /// Moved from the name on the left to the one on the right.
    pub rename: BTreeMap<String, String>,
    /// Set to a fixed text.
    pub add: BTreeMap<String, String>,
}

/// How events are gathered before they are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Batch {
    /// At most so many at once; fewer where the receiver takes fewer. Default: 500.
    #[schemars(range(min = 1, max = 10000))]
    pub events: u32,
    /// How long an event may wait for others. Default: 500ms.
    pub wait: Span,
}

impl Default for Batch {
    fn default() -> Self {
        Self { events: 500, wait: Span::millis(500) }
    }
}

/// Where a sink begins that was never there before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum From {
    /// With what happens from now on.
    #[default]
    Newest,
    /// With the oldest event that is kept.
    Beginning,
}
