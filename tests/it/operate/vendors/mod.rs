//! Sinks of vendors, against receivers that are as strict as the vendors' documentation and beside the vendors' own clients.

mod datadog;
mod delivery;
mod sentinel;
mod splunk;
mod strict;
mod vector;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use doorward::audit::Severity;
use doorward::audit::sink::transport::{Outgoing, SendError, Transport};
use doorward::audit::sink::{self};
use doorward::clock::{ManualClock, SharedClock, Timestamp};
use doorward::config::Problems;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::support::{Part, part};

/// When what is sent here happened: 2026-11-22T10:00:00.123Z.
const HAPPENED: i64 = 1_795_341_600_123;

/// A vendor's receiver and a way to it, as the configuration describes it.
struct Way {
    receiver: Part,
    transport: Arc<dyn Transport>,
    clock: Arc<ManualClock>,
}

impl Way {
    /// `sink` is a sink's kind and what belongs to it, in YAML.
    #[track_caller]
    fn to(receiver: Part, folder: &Path, sink: &str) -> Self {
        let file = folder.join("doorward.yaml");
        std::fs::write(&file, configuration(sink)).unwrap();
        let config = doorward::config::load(&file).unwrap().config;
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(HAPPENED)));
        let shared: SharedClock = Arc::clone(&clock) as _;
        let mut problems = Problems::default();
        let planned = sink::compile(&config.audit.sinks, &shared, &mut problems);
        let transport = planned.into_iter().next().unwrap_or_else(|| panic!("{problems:?}")).transport;
        Self { receiver, transport, clock }
    }

    async fn send(&self, batch: &[Outgoing]) -> Result<(), SendError> {
        self.transport.send(batch).await
    }

    /// Why it has to be tried again, and when.
    #[track_caller]
    fn later(&self, sent: Result<(), SendError>) -> (String, Option<u64>) {
        match sent {
            Err(SendError::Later { why, after }) => (why, after.map(|after| after.as_secs())),
            other => panic!("{other:?}; {}", self.requests_text()),
        }
    }

    /// Whose place was refused for good.
    #[track_caller]
    fn refused(&self, sent: Result<(), SendError>) -> Option<usize> {
        match sent {
            Err(SendError::Refused { at, .. }) => at,
            other => panic!("{other:?}; {}", self.requests_text()),
        }
    }

    fn requests_text(&self) -> String {
        self.receiver.control("GET", "/requests").to_string()
    }

    fn requests(&self) -> Vec<Value> {
        requests(&self.receiver)
    }

    fn taken(&self) -> Vec<Value> {
        self.receiver.control("GET", "/taken").as_array().unwrap().clone()
    }

    fn faults(&self, faults: Value) {
        assert_eq!(self.receiver.tell("/faults", &faults).status, 200);
    }
}

fn requests(receiver: &Part) -> Vec<Value> {
    receiver.control("GET", "/requests").as_array().unwrap().clone()
}

fn configuration(sink: &str) -> String {
    format!(
        "\
version: 1
public_url: http://localhost:1
listeners: [{{ address: 127.0.0.1:0 }}]
upstream: {{ url: http://127.0.0.1:1 }}
store: {{ url: sqlite:doorward.db }}
secret_key: 0123456789abcdef0123456789abcdef
audit:
  sinks:
    - id: siem
{sink}
"
    )
}

/// An event with this place in its chain.
fn event(link: i64) -> Outgoing {
    let body = json!({ "metadata": { "uid": format!("event-{link}") }, "activity_name": "Logon", "message": "a \"quoted\" ümlaut\nand a line" });
    Outgoing {
        id: format!("event-{link}"),
        at: Timestamp::from_millis(HAPPENED + link),
        chain: "replica-1".to_owned(),
        link,
        kind: "sign_in".to_owned(),
        severity: Severity::Warning,
        body: body.as_object().unwrap().clone(),
    }
}

/// The same with nothing in it, which Splunk refuses.
fn blank(link: i64) -> Outgoing {
    Outgoing { body: Map::new(), ..event(link) }
}

/// The same with so many bytes more.
fn large(link: i64, bytes: usize) -> Outgoing {
    let mut event = event(link);
    event.body.insert("large".to_owned(), Value::String("a".repeat(bytes)));
    event
}

/// Has the vendor's own client send something.
#[track_caller]
fn client(vendor: &str, receiver: &Part, secret: &str, events: &str, more: &[&str]) {
    let parts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parts");
    let output = Command::new(parts.join(".venv-vendors/bin/python"))
        .arg(parts.join("vendors.py"))
        .args([vendor, "--port", &receiver.port().to_string(), "--secret", secret, "--events", events])
        .args(more)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The type of each member, by its name.
fn types(object: &Value) -> BTreeSet<(String, &'static str)> {
    let name = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "fraction",
        Value::Number(_) => "integer",
        Value::String(_) => "text",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    object.as_object().unwrap().iter().map(|(key, value)| (key.clone(), name(value))).collect()
}

/// Asserts that two requests are the same in method, path and query, and in these headers.
#[track_caller]
fn same(ours: &Value, theirs: &Value, headers: &[&str]) {
    for part in ["method", "path", "query", "status"] {
        assert_eq!(ours[part], theirs[part], "{part}: {ours:#} {theirs:#}");
    }
    for header in headers {
        assert!(theirs["headers"].get(header).is_some(), "{header}: {theirs:#}");
        assert_eq!(ours["headers"][header], theirs["headers"][header], "{header}: {ours:#} {theirs:#}");
    }
}

/// The body of a request, as JSON.
#[track_caller]
fn body(request: &Value) -> Value {
    serde_json::from_str(request["body"].as_str().unwrap()).unwrap_or_else(|error| panic!("{error}: {request:#}"))
}

/// What a receiver may do that says nothing of the events: they are to be sent again.
fn passing() -> Vec<Value> {
    let mut faults: Vec<Value> =
        [401, 403, 404, 408, 429, 500, 502, 503, 504, 301].iter().map(|status| json!({ "status": status })).collect();
    faults.push(json!({ "status": 200, "headers": { "content-type": "text/html" }, "body": "<html>Please sign in to the network</html>" }));
    faults.push(json!({ "status": 204, "body": "" }));
    faults.push(json!({ "cut": true }));
    faults
}

fn folder() -> TempDir {
    TempDir::new().unwrap()
}
