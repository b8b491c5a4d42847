//! Requests that are recorded one by one, where a route wants it.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use super::{configuration, metric, secret};
use crate::support::store::locked;
use crate::support::{Answer, Door, curl, eventually, part};

const ROUTES: &str = "  - { path: /all/**, access: optional, access_events: all }
  - { path: /closed/**, roles: [admin], access_events: all }
  - { path: /half/**, access: public, access_events: { sample: 0.5 } }
  - { path: /none/**, access: public }
roles: { ranked: [admin] }
";

fn ask(door: &Door, path: &str, arguments: &[&str]) -> Answer {
    curl(&[arguments, &[&format!("http://{}{path}", door.listener(0))]].concat())
}

/// What was recorded of the requests to a route, once everything is.
fn recorded(door: &Door, route: &str, least: usize) -> Vec<Value> {
    eventually("the events are in the trail", || {
        let listed = door.command(&["audit", "list", "--kind", "request_served", "--limit", "10000"]);
        let mut events = listed.as_array().unwrap().clone();
        events.retain(|event| event["target"] == route);
        (events.len() >= least).then_some(events)
    })
}

#[test]
fn each_answered_request_of_a_route_is_recorded_once_however_it_was_answered() {
    let upstream = part("echo", &[]);
    let door = Door::serve(&configuration(upstream.port(), ROUTES), secret);
    let made = door.command(&["key", "create", "--name", "k"]);
    let key = format!("X-Api-Key: {}", made["secret"].as_str().unwrap());
    let mut answers = Vec::new();
    for number in 0..10 {
        answers.push(ask(&door, &format!("/all/{number}?token=secret"), &["-A", "probe", "-H", &key]));
        // A request with a body goes another way to the application.
        answers.push(ask(&door, &format!("/all/{number}"), &["-d", "0123456789"]));
        answers.push(ask(&door, "/closed/x", &["-H", &key]));
        answers.push(ask(&door, "/closed/x", &["-H", "X-Api-Key: wrong"]));
        answers.push(ask(&door, "/none/x", &[]));
    }
    let statuses: BTreeSet<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 401, 403].into());
    let (all, closed) = (recorded(&door, "/all/**", 20), recorded(&door, "/closed/**", 20));
    let ids: BTreeSet<&str> = all.iter().filter_map(|event| event["request_id"].as_str()).collect();
    let named = |place: usize| answers.iter().skip(place).step_by(5).filter_map(|answer| answer.header("x-request-id"));
    assert_eq!(ids, named(0).chain(named(1)).collect());
    assert_eq!((all.len(), closed.len(), recorded(&door, "/none/**", 0).len()), (20, 20, 0));

    let of =
        |place: usize| all.iter().find(|event| event["request_id"] == answers[place].header("x-request-id").unwrap()).unwrap();
    let (first, second) = (of(0), of(1));
    assert_eq!((&first["actor"], &first["credential"], &first["user_agent"]), (&made["id"], &json!("api_key"), &json!("probe")));
    assert_eq!(
        (&first["outcome"], &first["tenant"], &first["source"]),
        (&json!("success"), &json!("default"), &json!("127.0.0.1"))
    );
    let details = &first["details"];
    assert_eq!((&details["method"], &details["path"], &details["status"]), (&json!("GET"), &json!("/all/0"), &json!(200)));
    assert!(details["duration_us"].as_u64().unwrap() > 0 && details["bytes_out"].as_u64().unwrap() > 0, "{details}");
    assert_eq!((&second["actor"], &second["details"]["bytes_in"]), (&Value::Null, &json!(10)));
    let refused = closed.iter().map(|event| (event["outcome"].clone(), event["details"]["status"].clone()));
    let refused: BTreeSet<String> = refused.map(|(outcome, status)| format!("{outcome} {status}")).collect();
    assert_eq!(refused, ["\"failure\" 401".to_owned(), "\"failure\" 403".to_owned()].into());
    assert!(closed.iter().all(|event| event["reason"].is_string()), "why it was refused");
    assert!(!door.command(&["audit", "list", "--limit", "10000"]).to_string().contains("token=secret"), "no query is kept");
}

#[test]
fn of_a_sampled_route_about_that_part_is_recorded() {
    const COUNT: usize = 400;
    let upstream = part("echo", &[]);
    let door = Door::serve(&configuration(upstream.port(), ROUTES), secret);
    let asked = Command::new("curl")
        .args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}\n"])
        .arg(format!("http://{}/half/[1-{COUNT}]", door.listener(0)))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(asked.stdout).unwrap(), "200\n".repeat(COUNT));
    // The last request is recorded whole, so that everything before it is there.
    ask(&door, "/all/last", &[]);
    recorded(&door, "/all/**", 1);
    let part = recorded(&door, "/half/**", 1).len();
    // Ten times what chance makes of it: 1 of 10^22 runs is beyond.
    assert!((100..=300).contains(&part), "{part} of {COUNT}");
}

#[test]
fn explain_says_which_requests_of_a_route_are_recorded() {
    let upstream = part("echo", &[]);
    let door = Door::serve(&configuration(upstream.port(), ROUTES), secret);
    for (path, recorded) in [("all", "all"), ("half", "0.5"), ("none", "none")] {
        let told = door.command(&["explain", "--url", &format!("http://localhost:1/{path}/x")]);
        assert_eq!(told["rule"]["access_events"], recorded, "{told}");
    }
}

#[test]
fn no_answer_waits_for_the_store_to_take_its_event() {
    const COUNT: usize = 20;
    let upstream = part("echo", &[]);
    let door = Door::serve(&configuration(upstream.port(), ROUTES), secret);
    locked(door.folder(), || {
        for _ in 0..COUNT {
            assert_eq!(ask(&door, "/all/x", &[]).status, 200);
        }
        eventually("the events wait on the disk", || {
            let waiting = metric(&door, "doorward_audit_events_waiting").unwrap();
            (waiting >= 20.0).then_some(())
        });
    });
    assert_eq!(recorded(&door, "/all/**", COUNT).len(), COUNT);
}
