//! Running it: the configuration, commands beside a running server, metrics, probes, the access line, stopping.

mod access;
mod access_events;
mod administration;
mod alarms;
mod at_once;
mod audit_events;
mod chart;
mod commands;
mod commands_recorded;
mod config;
mod delivery;
mod examples;
mod expiry;
mod explain;
mod full_disk;
mod journal;
mod lines;
mod migrate;
mod presets;
mod probes;
mod read_only;
mod reloads;
mod replicas;
mod rolling;
mod session_server;
mod silence;
mod stop;
mod telemetry;
mod tokens;
mod trail;
mod trouble;
mod unheard;
mod unread;
mod vendors;

use serde_json::Value;

use crate::support::{Door, curl};

/// A configuration with one application, a public and a closed route; `{folder}/secret` has to be there.
fn configuration(upstream: u16, more: &str) -> String {
    format!(
        "\
version: 1
public_url: http://localhost:1
listeners: [{{ address: 127.0.0.1:0 }}]
operations: {{ address: 127.0.0.1:0 }}
upstream: {{ url: http://127.0.0.1:{upstream} }}
store: {{ url: sqlite:{{folder}}/doorward.db }}
secret_key: {{ file: secret }}
routes:
  - {{ path: /open/**, access: public }}
{more}"
    )
}

fn secret(folder: &std::path::Path) {
    std::fs::write(folder.join("secret"), "0123456789abcdef0123456789abcdef").unwrap();
}

/// A page of the operations listener.
#[track_caller]
fn operations(door: &Door, path: &str) -> crate::support::Answer {
    let address = door.text("operations");
    let address = address.strip_prefix("http://").unwrap_or(address);
    curl(&[&format!("http://{address}{path}")])
}

/// The value of one time series, written as in the text; `None` if it is not there.
#[track_caller]
fn metric(door: &Door, series: &str) -> Option<f64> {
    let text = operations(door, "/metrics").text();
    assert!(text.trim_end().ends_with("# EOF"), "{text}");
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map(|value| value.parse().unwrap())
}

/// The access lines so far that hold `needle`, as JSON.
fn access_lines(door: &Door, needle: &str) -> Vec<Value> {
    let said = door.process.said();
    said.lines()
        .filter(|line| line.contains("\"request_id\"") && line.contains(needle))
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}
