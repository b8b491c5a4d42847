//! Traces and metrics at real receivers: OpenTelemetry's own classes and a collector; the dashboard and the alerts at a real Prometheus.

mod dashboard;
mod metrics;
mod traces;

use serde_json::{Value, json};

use super::{configuration, metric, operations, secret};
use crate::support::{Door, Part, eventually, python_part_of};

/// OpenTelemetry's own classes behind a listener.
struct Receiver(Part);

impl Receiver {
    #[track_caller]
    fn start(arguments: &[&str]) -> Self {
        Self(python_part_of(".venv-otlp", "otlp", arguments))
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.port())
    }

    fn requests(&self) -> Vec<Value> {
        self.0.control("GET", "/requests").as_array().unwrap().clone()
    }

    /// The spans that it has taken.
    fn spans(&self) -> Vec<Value> {
        self.0.control("GET", "/spans").as_array().unwrap().iter().map(|one| one["span"].clone()).collect()
    }

    /// The spans of the trace with this id, as soon as there are so many.
    #[track_caller]
    fn trace(&self, id: &str, count: usize) -> Vec<Value> {
        eventually("the spans come", || {
            let spans: Vec<_> = self.spans().into_iter().filter(|span| span["traceId"] == id).collect();
            (spans.len() >= count).then_some(spans)
        })
    }

    fn turn(&self, knobs: Value) {
        self.0.tell("/knobs", &knobs);
    }
}

/// A door that exports to `url`, with further settings of that and others.
#[track_caller]
fn door(upstream: u16, url: &str, export: &str, more: &str) -> Door {
    let telemetry = format!("telemetry: {{ otlp: {{ endpoint: '{url}', {export} }} }}\n");
    Door::serve(&configuration(upstream, &format!("{telemetry}{more}")), secret)
}

/// An attribute's value: a text or a number.
fn attribute(of: &Value, key: &str) -> Value {
    let found = of["attributes"].as_array().into_iter().flatten().find(|one| one["key"] == key);
    let Some(value) = found.map(|one| &one["value"]) else { return Value::Null };
    match value["intValue"].as_str() {
        Some(number) => json!(number.parse::<i64>().unwrap()),
        None => value["stringValue"].clone(),
    }
}
