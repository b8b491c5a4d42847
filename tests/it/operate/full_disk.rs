//! A disk that is full to the last byte: for the store, its log, the journal and a file that events are delivered to.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::delivery::Seen;
use super::journal::{CLOSED, is_recorded, refused};
use super::{configuration, metric, operations, secret};
use crate::support::disk::Disk;
use crate::support::{Door, Part, Stopwatch, curl, eventually, part};

struct House {
    door: Door,
    disk: Disk,
    key: String,
    /// Keys that were made.
    made: Cell<usize>,
    _upstream: Part,
}

impl House {
    fn new() -> Self {
        let upstream = part("echo", &[]);
        let more = format!(
            "{CLOSED}admin_api: {{ roles: [admin] }}\nroles: {{ ranked: [admin] }}\naudit:\n  source: here\n  journal_size: 2097152\n  sinks:\n    \
             - {{ id: disk, format: doorward, from: beginning, batch: {{ wait: 50ms }}, file: {{ path: '{{folder}}/disk/audit.jsonl', rotate: {{}} }} }}\n"
        );
        let configuration = configuration(upstream.port(), &more).replace("{folder}/doorward.db", "{folder}/disk/doorward.db");
        let mut mounted = None;
        let door = Door::serve_within(&configuration, |folder: &Path| {
            secret(folder);
            std::fs::create_dir(folder.join("disk")).unwrap();
            mounted.insert(Disk::new(&folder.join("disk"), 12)).entrance()
        });
        let made = door.command(&["key", "create", "--name", "k", "--role", "admin"]);
        let key = format!("X-Api-Key: {}", made["secret"].as_str().unwrap());
        Self { door, disk: mounted.unwrap(), key, made: Cell::new(0), _upstream: upstream }
    }

    /// Makes a key, which is recorded before it is answered.
    fn change(&self) -> u16 {
        let url = format!("http://{}/.doorward/api/v1/keys", self.door.listener(0));
        let status = curl(&["-H", &self.key, "-H", "Content-Type: application/json", "-d", "{\"name\":\"x\"}", &url]).status;
        self.made.set(self.made.get() + usize::from(status == 201));
        status
    }

    fn open(&self) -> u16 {
        curl(&[&format!("http://{}/open/page", self.door.listener(0))]).status
    }

    /// What the probe says is impaired.
    fn impaired(&self) -> Vec<(String, String)> {
        let ready = operations(&self.door, "/readyz");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let all = ready.json()["impaired"].as_array().cloned().unwrap_or_default();
        all.iter().map(|one| (text(&one["what"]), text(&one["detail"]))).collect()
    }

    fn is_impaired(&self, what: &str, detail: &str) -> bool {
        self.impaired().iter().any(|(its, why)| its == what && why.contains(detail))
    }

    /// The ids in the file that events are delivered to, in order.
    fn delivered(&self) -> Vec<(i64, String)> {
        let text = std::fs::read_to_string(self.disk.reached("audit.jsonl")).unwrap();
        let line = |line: &str| -> (i64, String) {
            let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            (event["link"].as_i64().unwrap(), event["id"].as_str().unwrap().to_owned())
        };
        text.lines().map(line).collect()
    }
}

#[test]
fn on_a_full_disk_nothing_that_was_acknowledged_is_lost_and_requests_are_answered() {
    let mut house = House::new();
    assert_eq!((house.change(), house.open()), (201, 200));
    let mut answered = refused(&house.door, 400);
    eventually("the file has something", || (!house.delivered().is_empty()).then_some(()));

    house.disk.fill(&house.door.process);
    // The store's log has room for a while in what it had taken before.
    eventually("no change can be recorded", || match house.change() {
        201 => {
            answered.extend(refused(&house.door, 80));
            None
        }
        status => {
            assert_eq!(status, 503);
            Some(())
        }
    });
    let clock = Stopwatch::start();
    let kept = refused(&house.door, 800);
    assert_eq!(kept.iter().map(Vec::len).sum::<usize>(), 800, "refusals are answered");
    answered.extend(kept);
    assert_eq!((house.change(), house.open()), (503, 200));
    clock.within(Duration::from_secs(30));
    eventually("it is told", || {
        let told =
            house.is_impaired("audit_trail", "wait on the disk") && metric(&house.door, "doorward_audit_trail_well") == Some(0.0);
        told.then_some(())
    });
    assert!(metric(&house.door, "doorward_audit_events_waiting").unwrap() >= 800.0);
    assert_eq!(operations(&house.door, "/readyz").status, 200, "who need not be recorded is let in");

    // Killed while the disk is full, it begins again there, and has what it had.
    house.door.process.signal("KILL");
    house.door.process.wait();
    house.door.within = house.disk.entrance();
    house.door.begin_again();
    assert!(metric(&house.door, "doorward_audit_events_waiting").unwrap() >= 800.0);
    assert_eq!((house.change(), house.open()), (503, 200));

    house.disk.free(&house.door.process);
    house.door.within = house.disk.entrance();
    is_recorded(&house.door, &answered);
    eventually("all is well", || {
        let well = house.impaired().is_empty() && metric(&house.door, "doorward_audit_trail_well") == Some(1.0);
        well.then_some(())
    });
    assert_eq!(house.change(), 201);
    let keys = house.door.events("key_created");
    assert_eq!(keys.len(), house.made.get() + 1, "what was answered by 201 did happen, and what by 503 did not");
    let newest = keys.iter().map(|event| event["link"].as_i64().unwrap()).max().unwrap();
    let delivered = eventually("the file has everything", || {
        let delivered = house.delivered();
        delivered.iter().any(|(link, _)| *link >= newest).then_some(delivered)
    });
    let mut seen = Seen::default();
    seen.0.extend(delivered.into_iter().map(|(link, id)| ("here".to_owned(), link, id)));
    seen.is_whole("here", newest, &[]);
    house.door.command(&["audit", "verify"]);
}
