//! The dashboard and the alerts: every number they name is there, and a real Prometheus understands what they ask.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::{Receiver, door, operations};
use crate::support::{curl, eventually, part, part_at_port};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("helm/doorward/files").join(name)
}

/// What the panels, variables and annotations ask, with the variables filled in.
fn questions() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(file("dashboard.json")).unwrap()).unwrap();
    let mut all = Vec::new();
    collect(&dashboard, &mut all);
    assert!(all.len() > 40, "{all:?}");
    all.iter().map(|one| one.replace("$__rate_interval", "1m").replace("$instance", ".*").replace("$route", ".*")).collect()
}

fn collect(value: &Value, all: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(question)) = members.get("expr") {
                all.push(question.clone());
            }
            members.values().for_each(|member| collect(member, all));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, all)),
        _ => {}
    }
}

fn alerts() -> Vec<String> {
    let rules: Value = serde_yaml::from_str(&fs::read_to_string(file("rules.yaml")).unwrap()).unwrap();
    let rules = rules["groups"][0]["rules"].as_array().unwrap().clone();
    rules.iter().map(|rule| rule["expr"].as_str().unwrap().to_owned()).collect()
}

/// The metrics that a question names, without what the parts of a histogram end in.
fn names(question: &str) -> BTreeSet<String> {
    let words = question.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let metrics = words.filter(|word| word.starts_with("doorward_"));
    metrics.map(|name| name.strip_suffix("_bucket").unwrap_or(name).to_owned()).collect()
}

#[test]
fn the_dashboard_and_the_alerts_name_only_numbers_that_the_door_counts() {
    let (receiver, upstream) = (Receiver::start(&[]), part("echo", &[]));
    let sink = "audit: { sinks: [{ id: disk, file: { path: '{folder}/audit.jsonl' } }] }\n";
    let door = door(upstream.port(), &receiver.url(), "sample: 1", sink);
    for path in ["/open/a", "/closed"] {
        curl(&[&format!("http://{}{path}", door.listener(0))]);
    }
    let target = door.text("operations").to_owned();
    let target = target.strip_prefix("http://").unwrap_or(&target);
    let rules = file("rules.yaml");
    let prometheus = part_at_port("prometheus", &["--target", target, "--rules", rules.to_str().unwrap()]);
    let text = operations(&door, "/metrics").text();
    let kinds: BTreeSet<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let known = |name: &str| kinds.contains(name) || kinds.contains(name.strip_suffix("_total").unwrap_or(name));
    // Only where a listener has a certificate, and where a letter was sent.
    let elsewhere = ["doorward_certificate_expiry_seconds", "doorward_mail_server_well"];
    let asked: Vec<String> = questions().into_iter().chain(alerts()).collect();
    for name in asked.iter().flat_map(|question| names(question)) {
        assert!(known(&name) || elsewhere.contains(&name.as_str()), "{name} is not counted");
    }
    let query = |question: &str| {
        let url = format!("http://127.0.0.1:{}/api/v1/query", prometheus.port());
        curl(&["--data-urlencode", &format!("query={question}"), &url]).json()
    };
    eventually("it is scraped", || {
        let found = query("doorward_build_info");
        (found["data"]["result"].as_array().is_some_and(|found| found.len() == 1)).then_some(())
    });
    for question in &asked {
        assert_eq!(query(question)["status"], json!("success"), "{question}: {}", query(question));
    }
    let groups = curl(&[&format!("http://127.0.0.1:{}/api/v1/rules", prometheus.port())]).json();
    assert_eq!(groups["data"]["groups"][0]["rules"].as_array().map(Vec::len), Some(alerts().len()), "{groups}");
    // What the dashboard is opened for.
    for question in
        questions().iter().filter(|question| question.contains("doorward_requests_total") && question.starts_with("sum by"))
    {
        eventually("it says something", || {
            let found = query(question);
            found["data"]["result"].as_array().is_some_and(|found| !found.is_empty()).then_some(())
        });
    }
}

#[test]
fn the_alerts_are_rules_and_warn_when_they_should() {
    let folder = tempfile::TempDir::new().unwrap();
    let checked = Command::new("promtool").args(["check", "rules"]).arg(file("rules.yaml")).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/alerts.yaml");
    let tests = fs::read_to_string(tests).unwrap().replace("{rules}", file("rules.yaml").to_str().unwrap());
    fs::write(folder.path().join("tests.yaml"), tests).unwrap();
    let output = Command::new("promtool").args(["test", "rules"]).arg(folder.path().join("tests.yaml")).output().unwrap();
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
}
