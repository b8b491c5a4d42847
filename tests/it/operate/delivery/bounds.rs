//! What bounds delivery: dead letters, retention, and how long a batch may take.

use std::time::Duration;

use doorward::audit::{Event, Kind, Outcome};
use doorward::clock::{Clock as _, SystemClock, Timestamp};
use doorward::model::TenantId;
use serde_json::json;

use super::{House, SECRET, Seen, audit, event, knobs, siem, well};
use crate::operate::{configuration, metric, secret};
use crate::support::store::{change, look};
use crate::support::{Door, Part, Stopwatch, doorward, eventually, free_port, part};

fn hook(port: u16) -> String {
    format!(
        "    - id: hook
      webhook: {{ url: 'http://127.0.0.1:{port}/', secret: '{SECRET}', private_addresses: true }}
      format: doorward
      from: beginning
      timeout: 30s
      batch: {{ wait: 50ms }}
"
    )
}

fn number(door: &Door, name: &str) -> f64 {
    metric(door, &format!("doorward_audit_sink_{name}{{sink=\"hook\"}}")).unwrap_or_default()
}

fn targets(receiver: &Part) -> Vec<String> {
    let events = receiver.control("GET", "/events");
    events.as_array().unwrap().iter().filter_map(|event| event["target"].as_str().map(str::to_owned)).collect()
}

#[test]
fn at_ten_thousand_dead_letters_a_sink_waits_until_somebody_gives_them_up() {
    let port = free_port();
    let receiver = siem(port, &[]);
    let house = House::new(&hook(port), |_| {});
    change(
        house.door.folder(),
        "INSERT INTO audit_dead_letters (sink, chain, link, event, kind, refused_at, why) \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) \
         SELECT 'hook', 'gone', i, 'event-' || i, 'sign_in', 0, '400' FROM n",
    );
    eventually("they are counted", || (number(&house.door, "dead_letters") >= 10_000.0).then_some(()));
    knobs(&receiver, &json!({ "poison": "poison-in-it" }));
    house.record(vec![event("before"), event("poison-in-it"), event("after")]);
    let failing = house.standing("hook", |standing| standing["state"] == "failing");
    assert!(failing["error"].as_str().unwrap().starts_with("too many dead letters: 400"), "{failing}");
    let asked = || receiver.control("GET", "/asked")["refused"].as_i64().unwrap();
    let before = asked();
    eventually("it is tried again", || (asked() > before).then_some(()));
    assert_eq!(number(&house.door, "dead_letters").to_string(), "10000", "no more are kept");
    assert_eq!(targets(&receiver), ["before"], "what stands before it is taken, and nothing passes it");

    let given_up = |arguments: &[&str]| {
        let mut command = doorward(&["audit", "dead-letters", "drop", "hook"]);
        let output = command.args(arguments).arg("--config").arg(house.door.config()).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(given_up(&["--event", "event-7"]), (true, "1 given up\n".to_owned()));
    assert!(!given_up(&["--event", "event-7"]).0, "it is gone");
    assert_eq!(given_up(&[]), (true, "9999 given up\n".to_owned()));
    let told = house.door.events("dead_letters_dropped");
    let letters: Vec<_> = told.iter().map(|event| (&event["target"], &event["details"]["letters"], &event["outcome"])).collect();
    assert_eq!(letters, [(&json!("hook"), &json!(1), &json!("success")), (&json!("hook"), &json!(9999), &json!("success"))]);
    eventually("what waited comes", || targets(&receiver).iter().any(|target| target == "after").then_some(()));
    eventually("the one that is refused is kept", || {
        let letters = house.door.command(&["audit", "dead-letters", "list"]);
        (letters.as_array().map(Vec::len) == Some(1)).then_some(())
    });
    assert!(!targets(&receiver).contains(&"poison-in-it".to_owned()));
}

#[test]
fn events_that_leave_with_retention_before_they_are_delivered_are_told_of() {
    let port = free_port();
    let receiver = siem(port, &[]);
    knobs(&receiver, &json!({ "status": 503 }));
    let house = House::new(&hook(port), |_| {});
    let old = |target: &str| {
        let mut event =
            Event::new(Timestamp::from_seconds(1_000_000_000), Kind::AccessDenied, Outcome::Failure, &TenantId::default());
        event.target = Some(target.to_owned());
        event
    };
    house.record((0..5).map(|number| old(&number.to_string())).collect());
    house.standing("hook", |standing| standing["state"] == "failing");
    let purge = || house.runtime.block_on(house.memory.trail.purge(SystemClock.now().before(Duration::from_secs(3600)))).unwrap();
    assert_eq!(purge(), 5);
    // All that there was has gone, and then some of what there is.
    let lost = house.standing("hook", |standing| standing["lost"].as_i64() == Some(5));
    assert_eq!((&lost["queued"], &lost["sent"]), (&json!(0), &json!(0)), "{lost}");
    house.record(vec![old("6"), old("7"), event("stays")]);
    assert_eq!(purge(), 2);
    well(&receiver);
    house.standing("hook", |standing| standing["lost"].as_i64() == Some(7) && standing["state"] == "delivered");
    assert_eq!(targets(&receiver), ["stays"]);
    assert_eq!(number(&house.door, "lost_total").to_string(), "7");
    let said = house.door.process.said();
    assert_eq!(said.matches("events left with retention before they could be delivered").count(), 2, "{said}");
}

#[test]
fn a_batch_that_takes_longer_than_a_cursor_is_held_is_sent_by_one_alone() {
    let port = free_port();
    let receiver = siem(port, &[]);
    knobs(&receiver, &json!({ "slow_ms": 13_000 }));
    let house = House::new(&hook(port), |_| {});
    // Another process of the same name on the same store, which delivers the same chain as soon as nobody does.
    let upstream = part("echo", &[]);
    let text = configuration(upstream.port(), &audit(&hook(port)));
    let _other = Door::serve(&text.replace("{folder}", house.door.folder().to_str().unwrap()), secret);
    house.record(vec![event("slow")]);
    eventually("it is under way", || (until(&house) > 0).then_some(()));
    let (clock, begun) = (Stopwatch::start(), until(&house));
    eventually("it is taken", || (!targets(&receiver).is_empty()).then_some(()));
    assert!(clock.by_the_clock() > Duration::from_secs(11), "longer than the ten seconds of a claim");
    assert!(until(&house) > begun + 9000, "it was claimed anew meanwhile");
    let last = house.delivered("hook");
    let mut seen = Seen::default();
    seen.add(&receiver);
    assert_eq!(seen.is_whole("here", last["link"].as_i64().unwrap(), &[]), 0, "nothing came twice");
}

/// Until when the cursor is claimed, in milliseconds.
fn until(house: &House) -> i64 {
    look(house.door.folder(), "SELECT coalesce(max(until), 0) FROM audit_cursors WHERE chain = 'here'")
}
