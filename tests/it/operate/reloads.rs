//! What the trail says of a configuration that took the place of another.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use super::journal::CLOSED;
use super::{configuration, metric, secret};
use crate::support::{Door, curl, eventually};

/// More than a changed file is waited for until it is quiet.
const LATER: Duration = Duration::from_secs(1);
const BEFORE: &str = "  - { path: /gone/**, access: public }
connections:
  - { id: okta, oidc: { issuer: 'https://okta.invalid', client_id: door, client_secret: the-former-secret } }
limits: { failures_per_minute: 1000 }
";
const AFTER: &str = "  - { name: reports, path: /reports/**, access: public }
connections:
  - { id: okta, oidc: { issuer: 'https://okta.invalid', client_id: door, client_secret: the-present-secret } }
  - { id: local, password: {} }
";

#[test]
fn a_reload_is_told_by_what_is_different_and_never_by_a_value() {
    let door = Door::serve(&configuration(9, BEFORE), secret);
    let events = || door.events("configuration_reloaded");
    let told = |details: &Value| eventually("it is told", || events().into_iter().find(|event| event["details"] == *details));
    let text = fs::read_to_string(door.config()).unwrap();
    fs::write(door.config(), text.replace(BEFORE, AFTER)).unwrap();
    let expected = json!({
        "parts": ["connections", "limits", "routes"],
        "added": ["connections/local", "routes/reports"],
        "changed": ["connections/okta"],
        "removed": ["routes//gone/**"],
    });
    let event = told(&expected);
    assert_eq!(event["outcome"], "success");
    assert!(!event.to_string().contains("secret"), "{event}");

    let before = events().len();
    door.process.signal("HUP");
    eventually("it was reloaded", || (events().len() > before).then_some(()));
    assert_eq!(events().last().unwrap()["details"], Value::Null, "nothing is different");
    // A secret in a file of its own is a part of what names it.
    fs::write(door.folder().join("secret"), "another-secret-key-of-32-bytes-and-more").unwrap();
    told(&json!({ "parts": ["secret_key"] }));
}

/// The journal is a file that the configuration names, and each event changes it, that of a reload as well.
#[test]
fn what_the_door_itself_writes_is_no_reason_to_reload() {
    let door = Door::serve(&(configuration(9, CLOSED) + "audit: { journal: '{folder}/events' }\n"), secret);
    let refused_and_recorded = |count: usize| {
        assert_eq!(curl(&[&format!("http://{}/closed/a", door.listener(0))]).status, 403);
        eventually("it is in the trail", || (door.events("access_denied").len() == count).then_some(()));
    };
    refused_and_recorded(1);
    let text = fs::read_to_string(door.config()).unwrap();
    fs::write(door.config(), text + "# another\n").unwrap();
    eventually("what somebody else writes is one", || (door.events("configuration_reloaded").len() == 1).then_some(()));
    refused_and_recorded(2);
    std::thread::sleep(LATER);
    assert_eq!(metric(&door, "doorward_reloads_total{outcome=\"success\"}"), Some(1.0));
}
