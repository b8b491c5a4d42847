//! The trail as people read it: `doorward audit list`, `export` and `tail`, beside a running door.

use doorward::audit::Entry;
use serde_json::Value;

use super::journal::{CLOSED, refused};
use super::{configuration, metric, secret};
use crate::support::door::doorward;
use crate::support::process::Process;
use crate::support::store::change;
use crate::support::{Door, PATIENCE, eventually, part, part_at_port};

#[track_caller]
fn printed(door: &Door, arguments: &[&str]) -> String {
    let output = doorward(&["audit"]).args(arguments).arg("--config").arg(door.config()).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn lines(text: &str) -> Vec<Entry> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn kinds(text: &str) -> Vec<String> {
    lines(text).into_iter().map(|entry| entry.kind).collect()
}

fn person(door: &Door, name: &str) -> Value {
    door.command(&["user", "create", "--email", name, "--role", "viewer"])
}

#[test]
fn a_person_is_found_by_the_name_they_sign_in_with_in_all_that_concerns_them() {
    let door = Door::demo(&[]);
    let eve = person(&door, "eve@acme.example");
    door.command(&["user", "deactivate", "eve@acme.example"]);
    let _other = person(&door, "ada@acme.example");
    let by_name = printed(&door, &["list", "--user", "eve@acme.example", "--format", "jsonl"]);
    let by_id = printed(&door, &["list", "--user", eve["id"].as_str().unwrap(), "--format", "jsonl"]);
    assert_eq!(kinds(&by_name), ["user_created", "user_deactivated"]);
    assert_eq!(by_name, by_id);
    let none = printed(&door, &["list", "--user", "nobody@acme.example", "--format", "jsonl"]);
    assert_eq!(none, "");
    let table = printed(&door, &["list", "--user", "eve@acme.example"]);
    assert!(table.starts_with("AT ") && table.contains("user_deactivated"), "{table}");
}

#[test]
fn what_a_stranger_did_is_found_by_address_reason_and_severity() {
    let door = Door::demo(&[]);
    assert_eq!(door.curl("/hello", &["-H", "X-Api-Key: dw_nothing"]).status, 401);
    let refused = eventually("it is noted", || {
        let found = printed(&door, &["list", "--severity", "warning", "--source", "127.0.0.1", "--format", "jsonl"]);
        (!found.is_empty()).then_some(found)
    });
    let entry = &lines(&refused)[0];
    assert_eq!((entry.kind.as_str(), entry.outcome.as_str()), ("credential_refused", "failure"));
    let reason = entry.reason.clone().unwrap();
    let request = entry.request_id.clone().unwrap();
    assert_eq!(printed(&door, &["list", "--reason", &reason, "--format", "jsonl"]), refused);
    assert_eq!(printed(&door, &["list", "--request-id", &request, "--outcome", "failure", "--format", "jsonl"]), refused);
    for nothing in [["--source", "192.0.2.1"], ["--request-id", "none"], ["--severity", "alarm"], ["--session", "none"]] {
        assert_eq!(printed(&door, &["list", nothing[0], nothing[1], "--format", "jsonl"]), "", "{nothing:?}");
    }
}

#[test]
fn an_export_is_everything_that_fits_oldest_first_in_either_form() {
    let door = Door::demo(&[]);
    for number in 0..12 {
        person(&door, &format!("person{number}@acme.example"));
    }
    let exported = printed(&door, &["export", "--kind", "user_created"]);
    let entries = lines(&exported);
    assert_eq!(entries.len(), 1 + 12, "the demo's own person is the first");
    assert!(entries.iter().map(Entry::place).is_sorted());
    let csv = printed(&door, &["export", "--kind", "user_created", "--format", "csv"]);
    let rows: Vec<&str> = csv.split("\r\n").collect();
    assert!(rows[0].starts_with("seq,at,kind,severity,outcome,"), "{}", rows[0]);
    assert_eq!((rows.len(), rows.last()), (1 + 13 + 1, Some(&"")));
    for (row, entry) in rows[1..].iter().zip(&entries) {
        assert!(row.starts_with(&format!("{},{},user_created,notice,success,", entry.seq, entry.at)), "{row}");
    }
    let empty = printed(&door, &["export", "--kind", "key_rotated", "--format", "csv"]);
    assert_eq!(empty.lines().count(), 1, "a header is there without a row");
}

#[test]
fn a_tail_shows_what_others_do_as_it_happens_and_ends_in_peace() {
    let door = Door::demo(&[]);
    for name in ["a@acme.example", "b@acme.example"] {
        person(&door, name);
    }
    assert_eq!(printed(&door, &["tail", "-n", "1", "--kind", "user_created"]).lines().count(), 1);
    let mut command = doorward(&[
        "audit",
        "tail",
        "-n",
        "1",
        "--follow",
        "--format",
        "jsonl",
        "--kind",
        "user_created",
        "--kind",
        "credential_refused",
    ]);
    let mut tail = Process::start(command.arg("--config").arg(door.config()));
    let before = tail.json_line();
    assert_eq!(before["kind"], "user_created");
    let made = person(&door, "c@acme.example");
    assert_eq!(tail.json_line()["target"], made["id"], "done by another program");
    assert_eq!(door.curl("/hello", &["-H", "X-Api-Key: dw_nothing"]).status, 401);
    assert_eq!(tail.json_line()["kind"], "credential_refused", "done by the door");
    tail.signal("INT");
    assert_eq!(tail.wait(), Some(0), "{}", tail.said());
    assert!(tail.line(PATIENCE).is_err(), "each once");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error_and_an_impossible_question_is() {
    let door = Door::demo(&[]);
    let mut tail = Process::start(doorward(&["audit", "tail", "--follow", "--format", "csv"]).arg("--config").arg(door.config()));
    assert!(tail.line(PATIENCE).unwrap().starts_with("seq,"));
    tail.signal("INT");
    assert_eq!(tail.wait(), Some(0));
    for wrong in
        [["--kind", "sign_on"], ["--outcome", "maybe"], ["--severity", "worst"], ["--source", "here"], ["--since", "soon"]]
    {
        let output = doorward(&["audit", "list", wrong[0], wrong[1]]).arg("--config").arg(door.config()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
}

/// A door of its own name on the store that `url` names.
fn named(name: &str, upstream: u16, url: &str) -> Door {
    let more = format!("{CLOSED}roles: {{ ranked: [viewer] }}\naudit: {{ source: {name}, journal: '{{folder}}/events' }}\n");
    Door::serve(&configuration(upstream, &more).replace("sqlite:{folder}/doorward.db", url), secret)
}

const FILE: &str = "sqlite:{folder}/doorward.db";

#[test]
fn what_one_replica_wrote_is_asked_for_by_its_name() {
    let upstream = part("echo", &[]);
    let door = named("here", upstream.port(), FILE);
    let text = std::fs::read_to_string(door.config()).unwrap();
    let elsewhere = door.folder().join("elsewhere.yaml");
    std::fs::write(&elsewhere, text.replace("source: here", "source: there")).unwrap();
    for config in [door.config(), elsewhere] {
        let made = doorward(&["client", "create", "--name", "partner", "--role", "viewer", "--config"]).arg(config).output();
        assert!(made.unwrap().status.success());
    }
    let of = |name: &str| lines(&printed(&door, &["list", "--kind", "client_created", "--chain", name, "--format", "jsonl"]));
    for name in ["here", "there"] {
        let found = of(name);
        assert_eq!(found.iter().map(|entry| entry.chain.as_str()).collect::<Vec<_>>(), [name]);
        let exported = printed(&door, &["export", "--kind", "client_created", "--chain", name]);
        assert_eq!(lines(&exported), found);
    }
    assert!(of("nowhere").is_empty());
}

#[test]
fn a_tail_shows_what_every_replica_on_a_server_does_each_once_and_in_its_order() {
    let (upstream, database) = (part("echo", &[]), part_at_port("postgres", &[]));
    let doors = ["a", "b"].map(|name| named(name, upstream.port(), database.ready["url"].as_str().unwrap()));
    let mut answered = refused(&doors[0], 8);
    eventually("it is recorded", || (!doors[0].events("access_denied").is_empty()).then_some(()));
    let wanted = ["audit", "tail", "-n", "1", "--follow", "--format", "jsonl", "--kind", "access_denied"];
    let tail = Process::start(doorward(&wanted).arg("--config").arg(doors[1].config()));
    let mut shown: Vec<Entry> = vec![serde_json::from_value(tail.json_line()).unwrap()];
    // All eight are there before it began, or it shows those that were not; from here on it follows.
    let before: usize = answered.drain(..).map(|ids| ids.len()).sum();
    for door in [&doors[1], &doors[0], &doors[1]] {
        answered.extend(refused(door, 40));
    }
    let ids: Vec<String> = answered.concat();
    while !ids.iter().all(|id| shown.iter().any(|entry| entry.request_id.as_ref() == Some(id))) {
        shown.push(serde_json::from_value(tail.json_line()).unwrap());
    }
    assert!((121..=120 + before).contains(&shown.len()), "each once: {}", shown.len());
    for door in ["a", "b"] {
        let links: Vec<i64> = shown.iter().filter(|entry| entry.chain == door).map(|entry| entry.link).collect();
        assert!(links.len() >= 40 && links.windows(2).all(|two| two[0] < two[1]), "{door}: {links:?}");
    }
}

/// What only whoever owns the database can do.
#[test]
fn a_running_door_says_that_its_chain_went_back_or_was_replaced() {
    let upstream = part("echo", &[]);
    let door = named("here", upstream.port(), FILE);
    let recorded = |count: usize| {
        refused(&door, count);
        eventually("it is recorded", || (metric(&door, "doorward_audit_events_waiting") == Some(0.0)).then_some(()));
    };
    let told = || door.process.said().matches("the audit trail went back").count();
    recorded(40);
    recorded(8);
    assert_eq!(told(), 0);
    change(
        door.folder(),
        "DROP TRIGGER audit_heads_never_go_back; DROP TRIGGER audit_is_only_purged_by_retention; \
         DELETE FROM audit_facts WHERE seq IN (SELECT seq FROM audit WHERE chain = 'here' AND link > 9); \
         DELETE FROM audit WHERE chain = 'here' AND link > 9; \
         UPDATE audit_heads SET link = 9, hash = (SELECT hash FROM audit WHERE chain = 'here' AND link = 9) WHERE chain = 'here'",
    );
    recorded(8);
    eventually("it is told", || (told() == 1).then_some(()));
    recorded(8);
    assert_eq!(told(), 1, "once");
    change(door.folder(), "UPDATE audit_heads SET hash = zeroblob(32) WHERE chain = 'here'");
    recorded(8);
    eventually("the other is told", || (told() == 2).then_some(()));
}
