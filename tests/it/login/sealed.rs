//! Sessions that the cookie itself holds, on the real binary.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::house::{House, Plan, field};
use crate::support::eventually;

const SEALED: &str = "sessions: { mode: sealed }\n";

fn house() -> House {
    House::with(Plan { settings: SEALED, ..Plan::default() })
}

/// The same jar at another door, or another time.
fn cookie_line(person: &super::house::Person) -> String {
    let ours = person.cookies().into_iter().filter(|(name, _)| name.starts_with("__Host-doorward"));
    format!("Cookie: {}", ours.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; "))
}

#[test]
fn a_sealed_session_serves_like_a_stored_one_and_shows_nothing() {
    let house = house();
    let (person, walk) = house.signed_in("ada", "/deep?x=1");
    let echo: serde_json::Value = walk.answer.json();
    let header = |name: &str| super::house::received(&echo, name).map(str::to_owned);
    assert_eq!(header("X-Doorward-Email").as_deref(), Some("ada@acme.example"));
    assert_eq!(header("X-Doorward-Roles").as_deref(), Some("admin,editor"));
    assert_eq!(header("Cookie"), None, "the application does not see it");
    let value = person.cookie("__Host-doorward").unwrap();
    let within = URL_SAFE_NO_PAD.decode(value.rsplit('.').next().unwrap()).unwrap();
    assert!(value.starts_with("s.") && !String::from_utf8_lossy(&within).contains("acme.example"), "{value}");
    let shown = person.session().json();
    assert_eq!(shown["groups"], json!(["Chess", "Engineering", "Platform"]));
}

#[test]
fn a_sealed_session_ends_at_sign_out_even_for_who_copied_it() {
    let house = house();
    let (person, _) = house.signed_in("ada", "/");
    let copied = cookie_line(&person);
    let page = person.ask(&house.url("/.doorward/sign-out"), &[]).text();
    let out = person.post(&house.url("/.doorward/sign-out"), &[("token", &field(&page, "token"))], &[]);
    assert_eq!(out.status, 303, "{}", out.text());
    assert_eq!(person.cookie("__Host-doorward"), None);
    let thief = house.person();
    let answer = thief.ask(&house.url("/.doorward/session"), &["-H", &copied, "-H", "Accept: application/json"]);
    assert_eq!(answer.status, 401, "{}", answer.text());
}

#[test]
fn a_sealed_session_ends_with_the_person_and_by_command() {
    let house = house();
    let (ada, _) = house.signed_in("ada", "/");
    let (bob, _) = house.signed_in("bob", "/");
    let listed = house.door.command(&["session", "list"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
    house.door.command(&["user", "deactivate", "ada@acme.example"]);
    eventually("ada to be out", || (ada.session().status == 401).then_some(()));
    assert_eq!(bob.session().status, 200, "bob is not concerned");
}

#[test]
fn a_changed_sealed_cookie_is_nobody() {
    let house = house();
    let (person, _) = house.signed_in("ada", "/");
    let value = person.cookie("__Host-doorward").unwrap();
    let stranger = house.person();
    let ask = |value: &str| {
        let cookie = format!("Cookie: __Host-doorward={value}");
        stranger.ask(&house.url("/.doorward/session"), &["-H", &cookie, "-H", "Accept: application/json"]).status
    };
    assert_eq!(ask(&value), 200);
    let middle = value.len() / 2;
    let other = if value.as_bytes()[middle] == b'A' { "B" } else { "A" };
    assert_eq!(ask(&format!("{}{other}{}", &value[..middle], &value[middle + 1..])), 401);
    assert_eq!(ask(&value[..value.len() - 1]), 401);
    assert_eq!(ask(&value.replacen("s.", "", 1)), 401);
}

#[test]
fn many_groups_take_several_cookies_and_too_many_are_refused_in_words() {
    let house = house();
    let person = |sub: &str, count: usize| {
        let groups: Vec<String> =
            (0..count).map(|number| format!("CN=Group number {number},OU=Groups,DC=acme,DC=example")).collect();
        json!({ "sub": sub, "password": "pw", "email": format!("{sub}@acme.example"), "email_verified": true, "groups": groups })
    };
    house.idp.tell("/users", &json!([person("many", 80), person("all", 400)]));
    let (many, _) = house.signed_in("many", "/");
    let parts = many
        .cookies()
        .iter()
        .filter(|(name, _)| name.starts_with("__Host-doorward") && !name.contains("form") && !name.contains("turns"))
        .count();
    assert_eq!(parts, 2, "{:?}", many.cookies());
    assert_eq!(many.session().json()["groups"].as_array().map(Vec::len), Some(80));
    let all = house.person();
    let walk = all.sign_in(&house.url("/"), "all");
    assert_eq!(walk.answer.status, 403, "{}", walk.answer.text());
    assert!(walk.answer.text().contains("too many groups"), "{}", walk.answer.text());
    let failed = || house.events("sign_in").into_iter().find(|event| event["outcome"] == "failure");
    assert_eq!(eventually("the failure is recorded", failed)["reason"], "session_too_large");
}

#[test]
fn roles_of_a_sealed_session_are_those_of_the_present_configuration() {
    let house = house();
    let (ada, _) = house.signed_in("ada", "/");
    assert_eq!(ada.session().json()["role"], "admin");
    let file = house.door.config();
    let text = std::fs::read_to_string(&file).unwrap().replace("Platform: admin", "Platform: viewer");
    std::fs::write(&file, text).unwrap();
    eventually("the new roles", || (ada.session().json()["role"] == "editor").then_some(()));
    assert_eq!(ada.ask(&house.url("/admin/x"), &[]).status, 403);
}

#[test]
fn a_sealed_session_goes_on_while_the_store_cannot_be_asked() {
    let house = house();
    let (ada, _) = house.signed_in("ada", "/");
    // A database that is no database: every question to it fails.
    for name in ["doorward.db", "doorward.db-wal", "doorward.db-shm"] {
        let file = house.door.folder().join(name);
        if file.exists() {
            std::fs::write(&file, vec![0xff; 65536]).unwrap();
        }
    }
    let fresh = house.person();
    let answer = fresh.ask(&house.url("/.doorward/session"), &["-H", &cookie_line(&ada), "-H", "Accept: application/json"]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let stored = fresh.ask(&house.url("/x"), &["-H", &format!("Cookie: __Host-doorward={}", "A".repeat(43))]);
    assert_eq!(stored.status, 503, "what only the store knows cannot be checked: {}", stored.text());
}
