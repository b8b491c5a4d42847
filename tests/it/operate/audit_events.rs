//! What is written about events: the reference, and their form in OCSF, judged by OCSF's own definitions.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use doorward::audit::event::Field;
use doorward::audit::{Entry, Kind, Outcome, ocsf};
use doorward::clock::Timestamp;
use serde_json::{Map, Value, json};

use crate::support::door::doorward;

const ADA: &str = "0b0f9c2e-6c5b-4a8e-9a43-1f8f6a1f7f10";

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn the_published_reference_of_events_is_what_the_command_prints() {
    let printed = String::from_utf8(doorward(&["schema", "--events"]).output().unwrap().stdout).unwrap();
    let kept = fs::read_to_string(repository("docs/audit-events.md")).unwrap_or_default();
    assert!(printed == kept, "the types changed: doorward schema --events > docs/audit-events.md");
    for kind in Kind::ALL {
        assert!(kept.contains(&format!("\n## {}\n", kind.as_str())), "{kind:?}");
    }
}

/// What OCSF's definitions of `version` say against each event.
#[track_caller]
fn judged(version: &str, events: &[Value]) -> Vec<Vec<String>> {
    let mut judge = Command::new(repository("tests/parts/.venv-ocsf/bin/python"))
        .args([repository("tests/parts/ocsf.py").to_str().unwrap(), version])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{error}; tests/setup installs it"));
    let mut input = judge.stdin.take().unwrap();
    let lines: Vec<String> = events.iter().map(|event| format!("{event}\n")).collect();
    let writing = std::thread::spawn(move || lines.iter().try_for_each(|line| input.write_all(line.as_bytes())));
    let output = judge.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert!(output.status.success());
    let said: Vec<Vec<String>> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(said.len(), events.len());
    said
}

/// An event with everything that may be known of its kind, or with nothing.
fn entry(kind: &str, outcome: Outcome, actor: Option<&str>, details: Map<String, Value>) -> Entry {
    let known = actor.is_some();
    let text = |text: &str| known.then(|| text.to_owned());
    Entry {
        seq: 7,
        id: "01980b0f-9c2e-7c5b-8a8e-9a431f8f6a1f".to_owned(),
        chain: "door".to_owned(),
        link: 3,
        at: Timestamp::from_millis(1_800_000_000_123),
        logged_at: known.then(|| Timestamp::from_millis(1_800_000_000_456)),
        kind: kind.to_owned(),
        outcome: outcome.as_str().to_owned(),
        reason: text("wrong_password"),
        tenant: "acme".to_owned(),
        actor: actor.map(str::to_owned),
        target: text(ADA),
        credential: text("api_key"),
        session: text("handle"),
        source: text("2001:db8::1"),
        user_agent: text("browser"),
        request_id: text("0af7651916cd43dd8448eb211c80319c"),
        details,
    }
}

fn sample(field: &Field) -> Value {
    match (field.name, field.form) {
        ("method", _) => "PATCH".into(),
        ("protocol", _) => "saml".into(),
        ("amr", _) => json!(["pwd", "mfa"]),
        (_, "true or false") => true.into(),
        (_, "number") => 3.into(),
        (_, form) if form.starts_with("list") => json!([ADA]),
        (_, form) if form.starts_with("object") => json!({ "http_status": 400, "error": "invalid_grant" }),
        _ => "text".into(),
    }
}

fn events() -> Vec<Value> {
    let mut events = Vec::new();
    for kind in Kind::ALL {
        for outcome in [Outcome::Success, Outcome::Failure] {
            let mut render = |actor, details| events.push(ocsf::render(&entry(kind.as_str(), outcome, actor, details)).into());
            let full: Map<String, Value> =
                kind.declared().fields.iter().map(|field| (field.name.to_owned(), sample(field))).collect();
            render(None, Map::new());
            for actor in [ADA, "cli:ada", "scim:token", "ada@acme.example"] {
                render(Some(actor), full.clone());
            }
            for (name, value) in &full {
                render(Some(ADA), Map::from_iter([(name.clone(), value.clone())]));
            }
        }
    }
    events.push(ocsf::render(&entry("of_another_version", Outcome::Success, Some(ADA), Map::new())).into());
    events
}

#[test]
fn every_kind_of_event_is_what_ocsf_defines() {
    let events = events();
    // What is said of one version holds in the later ones.
    for version in [ocsf::VERSION, "1.8.0"] {
        for (event, wrong) in events.iter().zip(judged(version, &events)) {
            assert!(wrong.is_empty(), "{version}: {wrong:#?}\n{event:#}");
        }
    }
}

#[test]
fn an_event_that_ocsf_does_not_define_is_found() {
    let good: Value = ocsf::render(&entry("sign_in", Outcome::Success, Some(ADA), Map::new())).into();
    let mut bad = Vec::new();
    let mut spoilt = |spoil: &dyn Fn(&mut Value)| {
        let mut event = good.clone();
        spoil(&mut event);
        bad.push(event);
    };
    for required in ["class_uid", "category_uid", "activity_id", "type_uid", "severity_id", "time", "metadata", "user"] {
        if required != "class_uid" && required != "activity_id" && required != "type_uid" {
            spoilt(&|event| drop(event.as_object_mut().unwrap().remove(required)));
        }
    }
    for (enumerated, wrong) in [("severity_id", 7), ("status_id", 3), ("category_uid", 6), ("auth_protocol_id", 77)] {
        spoilt(&|event| event[enumerated] = wrong.into());
    }
    spoilt(&|event| (event["activity_id"], event["type_uid"]) = (77.into(), 300_277.into()));
    spoilt(&|event| event["type_uid"] = 300_202.into());
    spoilt(&|event| drop(event["metadata"]["product"].as_object_mut().unwrap().remove("vendor_name")));
    spoilt(&|event| event["time"] = "2027-01-15T08:00:00Z".into());
    spoilt(&|event| event["src_endpoint"]["ip"] = 7.into());
    spoilt(&|event| event["ours"] = true.into());
    for (event, wrong) in bad.iter().zip(judged(ocsf::VERSION, &bad)) {
        assert!(!wrong.is_empty(), "{event:#}");
    }
}
