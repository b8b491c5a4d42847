//! A door without a store, on the real binary: sessions in their cookies, everything else for as long as the process.

use std::collections::BTreeSet;

use serde::Deserialize as _;
use serde_json::Value;

use super::house::{House, Person, Plan, field, received};
use crate::support::{doorward, eventually};

fn house() -> House {
    let settings = "sessions: { mode: sealed }\n";
    House::with(Plan { settings, without: &["store:", "- { path: /programs/**"], ..Plan::default() })
}

fn user(house: &House, person: &Person) -> String {
    let answer = person.ask(&house.url("/who"), &[]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    received(&answer.json(), "X-Doorward-User").unwrap().to_owned()
}

/// The audit events in the log.
fn events(house: &House, kind: &str) -> Vec<Value> {
    let said = house.door.process.said();
    let events = said
        .lines()
        .filter_map(|line| line.split_once("event="))
        .filter_map(|(_, event)| Value::deserialize(&mut serde_json::Deserializer::from_str(event)).ok());
    events.filter(|event| event["kind"] == kind).collect()
}

#[test]
fn a_person_signs_in_without_a_store_and_survives_a_restart() {
    let mut house = house();
    let (ada, walk) = house.signed_in("ada", "/deep?x=1");
    let echo: Value = walk.answer.json();
    assert_eq!(received(&echo, "X-Doorward-Email"), Some("ada@acme.example"));
    assert_eq!(received(&echo, "X-Doorward-Roles"), Some("admin,editor"));
    let before = user(&house, &ada);
    house.door.restart();
    assert_eq!(user(&house, &ada), before, "the cookie is enough");
    assert_eq!(ada.ask(&house.url("/admin/x"), &[]).status, 200);
    let (again, _) = house.signed_in("ada", "/");
    assert_eq!(user(&house, &again), before, "the application knows her by the same id");
    let (bob, _) = house.signed_in("bob", "/");
    assert_ne!(user(&house, &bob), before);
    // Sign-out of a session that this process has not seen begin.
    let copied = format!("Cookie: __Host-doorward={}", ada.cookie("__Host-doorward").unwrap());
    let page = ada.ask(&house.url("/.doorward/sign-out"), &[]).text();
    let out = ada.post(&house.url("/.doorward/sign-out"), &[("token", &field(&page, "token"))], &[]);
    assert_eq!(out.status, 303, "{}", out.text());
    let thief = house.person();
    eventually("the copy to be refused", || {
        let answer = thief.ask(&house.url("/.doorward/session"), &["-H", &copied, "-H", "Accept: application/json"]);
        (answer.status == 401).then_some(())
    });
    assert_eq!(again.session().status, 200, "her other session goes on");
}

#[test]
fn an_answer_of_the_provider_is_taken_once_without_a_store() {
    let house = house();
    let person = house.person();
    let callback = person.to_callback(&house.url("/kept"), "ada");
    let jar = std::fs::read(person.jar()).unwrap();
    assert_eq!(person.ask(&callback, &[]).status, 303);
    std::fs::write(person.jar(), jar).unwrap();
    let second = person.ask(&callback, &[]);
    assert_eq!(person.cookie("__Host-doorward"), None, "{}", second.text());
}

#[test]
fn without_a_store_nothing_is_written_and_the_log_is_the_trail() {
    let house = house();
    let names =
        || -> BTreeSet<_> { std::fs::read_dir(house.door.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect() };
    let before = names();
    let (ada, _) = house.signed_in("ada", "/");
    let id = user(&house, &ada);
    let signed_in = eventually("the event", || events(&house, "sign_in").pop());
    assert_eq!((signed_in["actor"].as_str(), signed_in["outcome"].as_str()), (Some(id.as_str()), Some("success")));
    assert_eq!(names(), before);
    let value = ada.cookie("__Host-doorward").unwrap();
    assert!(!house.door.process.said().contains(&value));
}

#[test]
fn nobody_sets_up_a_second_factor_that_would_be_forgotten() {
    let house = house();
    let (ada, _) = house.signed_in("ada", "/");
    let page = ada.ask(&house.url("/.doorward/factors"), &[]);
    assert_eq!(page.status, 403, "{}", page.text());
    assert_eq!(ada.ask(&house.url("/.doorward/factors/totp"), &[]).status, 403);
}

#[test]
fn commands_on_the_store_say_that_there_is_none_and_explain_goes_on() {
    let house = house();
    let file = house.door.config();
    for command in [["key", "list"], ["user", "list"], ["session", "list"], ["audit", "list"], ["connection", "list"]] {
        let output = doorward(&command).arg("--config").arg(&file).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("the configuration has no `store`"), "{output:?}");
    }
    let explained = house.door.command(&["explain", "--url", &house.url("/admin/x"), "--roles", "viewer"]);
    assert!(explained.is_object(), "{explained}");
}

#[test]
fn a_store_that_comes_while_it_runs_waits_for_a_restart() {
    let mut house = house();
    let (ada, _) = house.signed_in("ada", "/");
    let file = house.door.config();
    let text = std::fs::read_to_string(&file).unwrap();
    let store = format!("store: {{ url: sqlite:{}/doorward.db }}\n", house.door.folder().display());
    std::fs::write(&file, text + &store).unwrap();
    eventually("the refusal", || house.door.process.said().contains("another `store` needs a restart").then_some(()));
    assert!(!house.door.folder().join("doorward.db").exists());
    assert_eq!(ada.session().status, 200);
    house.door.restart();
    assert!(house.door.folder().join("doorward.db").exists());
    assert_eq!(ada.session().status, 200, "sealed sessions go on");
}
