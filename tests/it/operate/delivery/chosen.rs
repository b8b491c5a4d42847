//! What a sink gets, and in which form.

use std::fs;

use doorward::audit::{Event, Kind, Outcome};
use doorward::clock::{Clock as _, SystemClock};
use doorward::model::TenantId;
use serde_json::{Value, json};

use super::{House, SECRET, event, siem};
use crate::support::{curl, eventually, free_port};

#[test]
fn a_webhook_is_signed_as_standard_webhooks_are_with_the_new_secret_and_the_former() {
    let port = free_port();
    let siem = siem(port, &[]);
    let sinks = format!(
        "    - id: hook
      webhook:
        url: http://127.0.0.1:{port}/events?team=a
        secret: {{ file: new-secret }}
        former_secret: '{SECRET}'
        headers: {{ X-Team: platform, Authorization: Bearer let-me-in }}
        gzip: true
        private_addresses: true
      format: doorward
      from: beginning
"
    );
    let house = House::new(&sinks, |folder| fs::write(folder.join("new-secret"), "a-secret-of-32-bytes-at-the-least").unwrap());
    house.record(vec![event("one")]);
    house.delivered("hook");
    let last = siem.control("GET", "/last");
    let headers = &last["headers"];
    assert_eq!((&last["verified"], &headers["content-encoding"]), (&json!(true), &json!("gzip")), "{last}");
    assert_eq!((&headers["x-team"], &headers["authorization"]), (&json!("platform"), &json!("Bearer let-me-in")));
    assert_eq!(headers["webhook-signature"].as_str().unwrap().split(' ').count(), 2, "one for each secret");
    assert_eq!(headers["content-type"], "application/json");
    let said = house.door.process.said();
    assert!(!said.contains("let-me-in") && !said.contains("whsec_"), "{said}");
}

#[test]
fn an_event_that_the_secret_does_not_fit_waits_and_is_told_without_it() {
    let port = free_port();
    let siem = siem(port, &[]);
    let sinks = format!(
        "    - id: hook
      webhook: {{ url: 'http://127.0.0.1:{port}/', secret: another-secret-of-32-bytes-at-least, private_addresses: true }}
      from: beginning
"
    );
    let house = House::new(&sinks, |_| {});
    house.record(vec![event("one")]);
    let failing = house.standing("hook", |standing| standing["state"] == "failing");
    assert!(failing["error"].as_str().unwrap().starts_with("401"), "{failing}");
    assert_eq!(siem.control("GET", "/events"), json!([]));
    let address = house.door.text("operations").to_owned();
    let ready = curl(&[&format!("http://{address}/readyz")]);
    assert_eq!((ready.status, &ready.json()["status"]), (200, &json!("ready")), "it lets people in all the same");
    let detail = ready.json()["impaired"][0].clone();
    assert_eq!(detail["what"], "audit_sink");
    assert!(detail["detail"].as_str().unwrap().contains("hook: nothing delivered since"), "{detail}");
    assert!(!house.door.process.said().contains("another-secret"));
}

/// Three sinks: everything in one form, alarms alone in another, and one that is only asked for a kind.
#[test]
fn each_sink_gets_what_it_wants_in_the_form_it_wants() {
    let ports = [free_port(), free_port(), free_port()];
    let [all, alarms, kinds] = ports.map(|port| siem(port, &[]));
    let hook = |port: u16| format!("webhook: {{ url: 'http://127.0.0.1:{port}/', secret: '{SECRET}', private_addresses: true }}");
    let sinks = format!(
        "    - id: all
      {}
      from: beginning
      fields:
        drop: [metadata.product]
        rename: {{ metadata.uid: event_id }}
        add: {{ environment: test }}
    - id: alarms
      {}
      from: beginning
      format: doorward
      only: {{ severity: alarm }}
      batch: {{ events: 1 }}
    - id: kinds
      {}
      from: beginning
      format: doorward
      only: {{ kinds: [key_created], outcome: success, tenants: [acme] }}
",
        hook(ports[0]),
        hook(ports[1]),
        hook(ports[2])
    );
    let house = House::new(&sinks, |_| {});
    let acme: TenantId = "acme".parse().unwrap();
    let of = |kind, outcome, tenant: &TenantId| Event::new(SystemClock.now(), kind, outcome, tenant);
    let (key, other) =
        (of(Kind::KeyCreated, Outcome::Success, &acme), of(Kind::KeyCreated, Outcome::Success, &TenantId::default()));
    let alarm = of(Kind::BreakGlassUsed, Outcome::Failure, &TenantId::default());
    let ids = [key.id.to_string(), alarm.id.to_string()];
    house.record(vec![event("one"), key, other, alarm, event("two")]);
    for sink in ["all", "alarms", "kinds"] {
        house.delivered(sink);
    }
    let events = |siem: &crate::support::Part| siem.control("GET", "/events").as_array().unwrap().clone();
    let ids_of = |events: &[Value]| events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(ids_of(&events(&kinds)), ids[..1]);
    assert_eq!(ids_of(&events(&alarms)), ids[1..]);
    let all = events(&all);
    assert_eq!(all.len(), 5);
    for event in &all {
        assert!(event["class_uid"].is_u64() && event["metadata"]["version"].is_string(), "OCSF: {event}");
        assert_eq!(
            (&event["environment"], &event["metadata"]["product"], &event["metadata"]["uid"]),
            (&json!("test"), &json!(null), &json!(null))
        );
        assert!(event["event_id"].is_string(), "{event}");
    }
}

#[test]
fn a_sink_that_was_never_there_before_begins_with_what_happens_from_now_on() {
    let port = free_port();
    let siem = siem(port, &[]);
    let house = House::new("    []\n", |_| {});
    house.record(vec![event("before")]);
    let file = house.door.config();
    let text = fs::read_to_string(&file).unwrap();
    let with = format!(
        "\n    - id: hook\n      webhook: {{ url: 'http://127.0.0.1:{port}/', secret: '{SECRET}', private_addresses: true }}\n      format: doorward\n"
    );
    fs::write(&file, text.replace("\n    []\n", &with)).unwrap();
    house.door.process.signal("HUP");
    house.standing("hook", |standing| standing["link"].as_i64() >= Some(1));
    house.record(vec![event("after")]);
    let targets = eventually("it came", || {
        let events = siem.control("GET", "/events").as_array().unwrap().clone();
        let targets: Vec<_> = events.iter().filter_map(|event| event["target"].as_str().map(str::to_owned)).collect();
        (!targets.is_empty()).then_some(targets)
    });
    assert_eq!(targets, ["after"]);
}
