//! Splunk and Datadog as Vector understands them. Only where `VECTOR_BIN` names Vector: it cannot be installed as the other counterparts
//! are.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::folder;
use crate::support::{Door, Process, curl, eventually, free_port};

const TOKEN: &str = "A94A8FE5-CCB1-9BA6-1C4C-0873D391E987";

fn pipeline(folder: &Path, splunk: u16, datadog: u16) -> String {
    let folder = folder.display();
    format!(
        "\
data_dir: {folder}
sources:
  splunk: {{ type: splunk_hec, address: 127.0.0.1:{splunk}, valid_tokens: [{TOKEN}], acknowledgements: {{ enabled: true }} }}
  datadog: {{ type: datadog_agent, address: 127.0.0.1:{datadog}, disable_metrics: true, disable_traces: true }}
sinks:
  of_splunk: {{ type: file, inputs: [splunk], path: {folder}/splunk.log, encoding: {{ codec: json }}, acknowledgements: {{ enabled: true }} }}
  of_datadog: {{ type: file, inputs: [datadog], path: {folder}/datadog.log, encoding: {{ codec: json }}, acknowledgements: {{ enabled: true }} }}
"
    )
}

/// The JSON lines of a file that may not be there yet.
fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[expect(clippy::disallowed_methods, reason = "a test has no configuration of its own")]
fn named() -> Option<OsString> {
    std::env::var_os("VECTOR_BIN")
}

#[test]
fn vector_takes_what_is_meant_for_splunk_and_datadog() {
    let Some(vector) = named() else {
        eprintln!("skipped: VECTOR_BIN names no Vector");
        return;
    };
    let home = folder();
    let (splunk, datadog) = (free_port(), free_port());
    fs::write(home.path().join("vector.yaml"), pipeline(home.path(), splunk, datadog)).unwrap();
    let _vector = Process::start(Command::new(vector).arg("--config").arg(home.path().join("vector.yaml")));
    eventually("Vector listens", || {
        let health = |port: u16, path: &str| curl(&[&format!("http://127.0.0.1:{port}{path}")]).status;
        (health(splunk, "/services/collector/health") == 200 && health(datadog, "/") != 0).then_some(())
    });
    let sinks = format!(
        "\
roles: {{ ranked: [viewer] }}
audit:
  sinks:
    - {{ id: splunk, from: beginning, splunk_hec: {{ url: 'http://127.0.0.1:{splunk}', token: {{ file: splunk-token }}, acknowledgement: true }} }}
    - {{ id: datadog, from: beginning, datadog: {{ url: 'http://127.0.0.1:{datadog}', api_key: {{ file: datadog-key }} }} }}
"
    );
    let door = Door::serve(&crate::operate::configuration(1, &sinks), |home| {
        crate::operate::secret(home);
        fs::write(home.join("splunk-token"), TOKEN).unwrap();
        fs::write(home.join("datadog-key"), "0123456789abcdef0123456789abcdef").unwrap();
    });
    for _ in 0..3 {
        door.command(&["client", "create", "--name", "partner", "--role", "viewer"]);
    }
    let recorded = door.command(&["audit", "list", "--limit", "1000"]);
    let ids: BTreeSet<&str> = recorded.as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap()).collect();
    assert!(ids.len() >= 3, "{recorded:#}");
    eventually("Vector has every event", || {
        let splunk: Vec<Value> = lines(&home.path().join("splunk.log"));
        let datadog: Vec<Value> = lines(&home.path().join("datadog.log"));
        let messages: Vec<Value> =
            datadog.iter().filter_map(|line| serde_json::from_str(line["message"].as_str()?).ok()).collect();
        let of_splunk = splunk.iter().filter_map(|line| line["event_id"].as_str()).collect();
        let of_datadog = messages.iter().filter_map(|message| message["metadata"]["uid"].as_str()).collect();
        (ids.is_subset(&of_splunk) && ids.is_subset(&of_datadog)).then_some(())
    });
}
