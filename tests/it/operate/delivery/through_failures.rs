//! A receiver that fails in every way it can, while a thousand events a second arrive.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::{House, SECRET, Seen, event, knobs, siem, well};
use crate::operate::metric;
use crate::support::{eventually, free_port};

/// Between two batches of fifty.
const FIFTY: Duration = Duration::from_millis(50);
/// Each failure.
const SPELL: Duration = Duration::from_millis(1500);

fn sinks(port: u16, events: u32) -> String {
    format!(
        "    - id: hook
      webhook: {{ url: 'http://127.0.0.1:{port}/', secret: '{SECRET}', private_addresses: true }}
      format: doorward
      from: beginning
      timeout: 2s
      batch: {{ events: {events}, wait: 100ms }}
"
    )
}

/// A number of the sink, as the metrics have it.
#[track_caller]
fn number(house: &House, name: &str) -> f64 {
    let series = format!("doorward_audit_sink_{name}{{sink=\"hook\"}}");
    metric(&house.door, &series).unwrap_or_else(|| panic!("no {series}"))
}

/// Down, refusing, slow, 429, garbage, an answer that never comes; the door killed, and its configuration changed, in between.
#[test]
fn nothing_is_lost_and_order_is_kept_while_receiver_and_door_fail() {
    let port = free_port();
    let mut receiver = siem(port, &[]);
    let mut house = House::new(&sinks(port, 500), |_| {});
    let mut seen = Seen::default();
    let writing = AtomicBool::new(true);
    let (trail, handle) = (house.memory.trail.clone(), house.runtime.handle().clone());
    let poisoned = event("poison-in-it");
    let culprit = poisoned.id.to_string();
    let written = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let (mut number, mut poison) = (0, Some(poisoned));
            while writing.load(Ordering::Relaxed) {
                let mut events: Vec<_> = (0..50).map(|place| event(&format!("number-{}", number + place))).collect();
                number += 50;
                if number > 2000 {
                    events.extend(poison.take());
                }
                // What is not known to be written is written again; its id says that it is the same.
                while handle.block_on(trail.append(events.clone())).is_err() {
                    std::thread::sleep(FIFTY);
                }
                std::thread::sleep(FIFTY);
            }
            number + i64::from(poison.is_none())
        });
        let poison = json!({ "poison": "poison-in-it" });
        knobs(&receiver, &poison);
        for failure in [
            json!({ "status": 503 }),
            json!({ "status": 429, "retry_after": 1 }),
            json!({ "garbage": true }),
            json!({ "slow_ms": 400, "poison": "poison-in-it" }),
            json!({ "cut": true, "poison": "poison-in-it" }),
        ] {
            let asked = || receiver.control("GET", "/asked")["requests"].as_i64().unwrap();
            knobs(&receiver, &failure);
            // One may have been under way.
            let before = asked();
            eventually("the sink has met it", || (asked() > before + 1).then_some(()));
            if failure["status"] == 503 {
                assert!(number(&house, "failures_total") > 0.0);
                assert!(number(&house, "well") < 0.5 && number(&house, "queued") > 0.0 && number(&house, "lag_seconds") > 0.0);
            }
            knobs(&receiver, &poison);
            let sent = number(&house, "sent_total");
            eventually("it is well again", || (number(&house, "sent_total") > sent).then_some(()));
        }
        // It goes down while it takes nothing, so that what it was given is known.
        let asked = || receiver.control("GET", "/asked")["requests"].as_i64().unwrap();
        knobs(&receiver, &json!({ "status": 503 }));
        let before = asked();
        eventually("whatever it was taking is taken", || (asked() > before + 1).then_some(()));
        seen.add(&receiver);
        drop(std::mem::replace(&mut receiver, siem(free_port(), &[])));
        std::thread::sleep(SPELL);
        receiver = siem(port, &[]);
        knobs(&receiver, &poison);
        house.door.process.signal("KILL");
        house.door.process.wait();
        house.door.begin_again();
        std::thread::sleep(SPELL);
        // Another size of batch: the sink goes on where it was.
        let file = house.door.config();
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace("events: 500", "events: 333")).unwrap();
        house.door.process.signal("HUP");
        std::thread::sleep(SPELL);
        writing.store(false, Ordering::Relaxed);
        writer.join().unwrap()
    });
    let last = house.delivered("hook");
    seen.add(&receiver);
    let letters = house.door.command(&["audit", "dead-letters", "list"]);
    assert_eq!(letters.as_array().map(Vec::len), Some(1), "{letters}");
    assert_eq!((&letters[0]["event"], &letters[0]["sink"]), (&json!(culprit), &json!("hook")));
    assert!(letters[0]["why"].as_str().unwrap().starts_with("400"), "{letters}");
    let missing = letters[0]["link"].as_i64().unwrap();
    let newest = last["link"].as_i64().unwrap();
    assert!(newest >= written && written > 2050, "{newest} links, {written} written");
    let again = seen.is_whole("here", newest, &[missing]);
    assert!(again > 0, "what was taken without an answer came again");
    assert!(again < 5000, "what was known to be taken did not: {again}");

    // Mended: somebody asks for the letter to be sent again.
    well(&receiver);
    let output =
        crate::support::doorward(&["audit", "dead-letters", "retry", "hook", "--config"]).arg(house.door.config()).output();
    assert!(output.unwrap().status.success());
    eventually("the letter is taken", || {
        let events = receiver.control("GET", "/seen");
        let came = events.as_array().unwrap().iter().any(|event: &Value| event[2] == json!(culprit));
        (came && house.door.command(&["audit", "dead-letters", "list"]) == json!([])).then_some(())
    });
    let asked = house.door.events("dead_letters_retried");
    assert_eq!((asked.len(), &asked[0]["target"], &asked[0]["details"]["letters"]), (1, &json!("hook"), &json!(1)));
    let nothing =
        crate::support::doorward(&["audit", "dead-letters", "drop", "hook", "--config"]).arg(house.door.config()).output();
    assert!(!nothing.unwrap().status.success() && house.door.events("dead_letters_dropped").is_empty());
    eventually("nothing waits", || (number(&house, "queued") < 0.5).then_some(()));
    assert!(number(&house, "well") > 0.5 && number(&house, "dead_letters") < 10_000.0);
}

#[test]
fn a_door_that_ends_in_peace_delivers_what_it_can_and_the_next_goes_on_at_once() {
    let port = free_port();
    let receiver = siem(port, &[]);
    let mut house = House::new(&sinks(port, 500).replace("wait: 100ms", "wait: 30s"), |_| {});
    house.record((0..20).map(|number| event(&number.to_string())).collect());
    // They would wait half a minute for others.
    house.standing("hook", |standing| standing["queued"].as_i64() >= Some(20));
    house.door.restart();
    let mut seen = Seen::default();
    seen.add(&receiver);
    assert!(seen.0.len() >= 20, "{}", seen.0.len());
    house.door.restart();
    let mut all = Seen::default();
    all.add(&receiver);
    let newest = all.0.iter().map(|(_, link, _)| *link).max().unwrap();
    assert_eq!(all.is_whole("here", newest, &[]), 0, "nothing came twice");
}
