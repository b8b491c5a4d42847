//! The same in Chromium: what a person sees, clicks and types; every page held against axe-core.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::house::{House, Plan};
use super::pages::picture;
use crate::support::Process;

const LOCAL: &str = "  - id: local\n    password: { lock_after: 2 }";

/// Runs the steps; fails with what the browser said if one does.
#[track_caller]
pub(super) fn browse(steps: &Value) -> Vec<Value> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("steps.json");
    std::fs::write(&file, steps.to_string()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parts/browser.mjs");
    let process = Process::start(Command::new("node").arg(script).arg("--steps").arg(format!("@{}", file.display())));
    let mut said = Vec::new();
    loop {
        let line = process.json_line();
        assert!(line["error"].is_null(), "{line:#}\nbefore: {said:#?}");
        if line["done"] == true {
            return said;
        }
        said.push(line);
    }
}

/// What the steps of this kind said.
pub(super) fn said<'a>(lines: &'a [Value], did: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["did"] == did).collect()
}

/// The provider's login form, filled in.
pub(super) fn log_in(who: &str) -> [Value; 3] {
    [json!({ "fill": ["[name=login]", who] }), json!({ "fill": ["[name=password]", "pw"] }), json!({ "click": "button" })]
}

fn steps(parts: impl IntoIterator<Item = Vec<Value>>) -> Value {
    Value::Array(parts.into_iter().flatten().collect())
}

#[test]
fn a_person_clicks_through_signing_in_and_out() {
    let house = House::usual();
    let url = |path: &str| house.url(path);
    let lines = browse(&steps([
        vec![json!({ "goto": url("/reports?from=1") }), json!({ "wait_for": "[name=login]" })],
        log_in("ada").to_vec(),
        vec![
            json!({ "wait_for_url": "/reports" }),
            json!({ "content": 1 }),
            json!({ "cookies": 1 }),
            json!({ "evaluate": "document.cookie" }),
            json!({ "fetch": url("/.doorward/session") }),
            // The provider knows the person now and does not ask: the browser then carries the fragment along.
            json!({ "goto": url("/.doorward/sign-in/idp?return_to=%2Fdeep%3Fx#part-two") }),
            // Back to the provider's form and forward again: no dead end on the way.
            json!({ "back": 1 }),
            json!({ "goto": url("/after") }),
            json!({ "goto": url("/.doorward/sign-out") }),
            json!({ "click": "main button" }),
            json!({ "click": "button[name=logout][value=yes]" }),
            json!({ "wait_for_text": "You are signed out" }),
            json!({ "url": 1 }),
            json!({ "problems": 1 }),
            json!({ "goto": url("/.doorward/session") }),
        ],
    ]));
    assert_eq!(said(&lines, "wait_for_url")[0]["url"], url("/reports?from=1"));
    assert_eq!(said(&lines, "goto")[1]["url"], url("/deep?x#part-two"));
    assert!(said(&lines, "content")[0]["html"].as_str().unwrap().contains("ada@acme.example"));
    let cookies = &said(&lines, "cookies")[0]["cookies"];
    let session = cookies.as_array().unwrap().iter().find(|cookie| cookie["name"] == "__Host-doorward").unwrap();
    assert_eq!((&session["httpOnly"], &session["secure"], &session["sameSite"]), (&json!(true), &json!(true), &json!("Lax")));
    assert_eq!(said(&lines, "evaluate")[0]["value"], "", "scripts see no cookie of ours");
    assert_eq!(said(&lines, "fetch")[0]["status"], 200);
    assert_eq!(said(&lines, "goto").last().unwrap()["status"], 401);
    assert!(said(&lines, "url")[0]["url"].as_str().unwrap().starts_with(&url("/.doorward/signed-out")));
    let problems = said(&lines, "problems")[0]["problems"].as_array().unwrap();
    assert!(problems.iter().all(|problem| !problem.as_str().unwrap().contains("Content Security Policy")), "{problems:#?}");
}

#[test]
fn ten_tabs_of_one_browser_all_arrive() {
    let house = House::usual();
    let mut parts = Vec::new();
    for tab in 0..10 {
        if tab > 0 {
            parts.push(vec![json!({ "new_tab": 1 })]);
        }
        parts.push(vec![json!({ "goto": house.url(&format!("/tab-{tab}")) }), json!({ "wait_for": "[name=login]" })]);
    }
    for tab in (0..10).rev() {
        parts.push(vec![json!({ "tab": tab })]);
        parts.push(log_in("ada").to_vec());
        parts.push(vec![json!({ "wait_for_url": format!("/tab-{tab}$") })]);
    }
    let lines = browse(&steps(parts));
    assert_eq!(said(&lines, "wait_for_url").len(), 10);
}

#[test]
fn a_local_account_signs_in_by_keyboard_and_a_wrong_password_is_announced() {
    let house = House::with(Plan { connections: LOCAL, ..Plan::default() });
    let made = house.door.command(&["user", "create", "--name", "dora"]);
    let right = made["password"].as_str().unwrap();
    let lines = browse(&json!([
        { "goto": house.url("/kept") },
        { "wait_for": "#user:focus" }, { "focused": 1 },
        { "fill": ["#user", "dora"] }, { "key": "Tab" }, { "focused": 1 },
        { "fill": ["#password", "wrong password"] }, { "key": "Enter" },
        { "wait_for": "[role=alert]" }, { "text": "[role=alert]" }, { "focused": 1 },
        { "fill": ["#password", right] }, { "key": "Enter" },
        { "wait_for_url": "/kept$" },
        { "problems": 1 },
    ]));
    let focused: Vec<&str> = said(&lines, "focused").iter().map(|line| line["focused"].as_str().unwrap()).collect();
    assert!(focused[0].contains("id=\"user\"") && focused[1].contains("id=\"password\""), "{focused:#?}");
    assert!(focused[2].contains("id=\"password\"") && focused[2].contains("aria-describedby=\"problem\""), "{focused:#?}");
    assert_eq!(said(&lines, "text")[0]["text"], "The user name or the password is wrong.");
}

#[test]
fn signing_in_works_over_plain_http_on_this_machine() {
    let upstream = crate::support::part("echo", &[]);
    let port = crate::support::free_port();
    let configuration = format!(
        "version: 1\npublic_url: http://127.0.0.1:{port}\nlisteners: [{{ address: 127.0.0.1:{port} }}]\n\
         upstream: {{ url: http://127.0.0.1:{} }}\nstore: {{ url: sqlite:{{folder}}/doorward.db }}\nsecret_key: {{ file: secret }}\n\
         connections: [{{ id: local, password: {{}} }}]\n",
        upstream.port()
    );
    let door = crate::support::Door::serve(&configuration, |folder| {
        std::fs::write(folder.join("secret"), "0123456789abcdef0123456789abcdef").unwrap();
    });
    let made = door.command(&["user", "create", "--name", "dora"]);
    let lines = browse(&json!([
        { "goto": format!("http://127.0.0.1:{port}/kept") },
        { "fill": ["#user", "dora"] }, { "fill": ["#password", made["password"]] }, { "click": "main button" },
        { "wait_for_url": "/kept$" }, { "content": 1 },
    ]));
    assert!(said(&lines, "content")[0]["html"].as_str().unwrap().contains("\"upstream\""));
}

#[test]
fn what_stands_behind_the_hash_survives_a_typed_sign_in() {
    let house = House::with(Plan { connections: LOCAL, ..Plan::default() });
    let made = house.door.command(&["user", "create", "--name", "dora"]);
    let lines = browse(&steps([
        vec![
            json!({ "goto": house.url("/deep?x=1#part/two") }),
            json!({ "click": "main a.button" }),
            json!({ "wait_for": "[name=login]" }),
        ],
        log_in("ada").to_vec(),
        vec![
            json!({ "wait_for_url": "/deep" }),
            json!({ "new_person": 1 }),
            json!({ "goto": house.url("/deep?x=2#part-three") }),
            json!({ "fill": ["#user", "dora"] }),
            json!({ "fill": ["#password", made["password"]] }),
            json!({ "click": "main button" }),
            json!({ "wait_for_url": "/deep" }),
            json!({ "problems": 1 }),
        ],
    ]));
    let arrived: Vec<&Value> = said(&lines, "wait_for_url").iter().map(|line| &line["url"]).collect();
    assert_eq!(arrived, [&json!(house.url("/deep?x=1#part/two")), &json!(house.url("/deep?x=2#part-three"))]);
    let problems = said(&lines, "problems")[0]["problems"].to_string();
    assert!(!problems.contains("Content Security Policy"), "{problems}");
}

#[test]
fn the_address_leads_to_the_company_by_keyboard_and_back_without_a_dead_end() {
    let house = House::with(Plan { connection: "    domains: [acme.example]", connections: LOCAL, ..Plan::default() });
    let lines = browse(&steps([
        vec![json!({ "goto": house.url("/reports?from=1") }), json!({ "focused": 1 }), json!({ "axe": 1 })],
        picture("address"),
        vec![
            json!({ "fill": ["[name=email]", "ada@victim.example@acme.example"] }),
            json!({ "key": "Enter" }),
            json!({ "wait_for": "#problem" }),
            json!({ "axe": 1 }),
            json!({ "color_scheme": "dark" }),
            json!({ "viewport": [360, 640] }),
        ],
        picture("address-mistake"),
        vec![
            json!({ "fill": ["[name=email]", "ada@acme.example"] }),
            json!({ "key": "Enter" }),
            json!({ "wait_for": "[name=login]" }),
            json!({ "evaluate": "document.querySelector('[name=login]').value" }),
            json!({ "problems": 1 }),
            // Back to the address and on again.
            json!({ "back": 1 }),
            json!({ "wait_for": "[name=email]" }),
            json!({ "goto": house.url("/reports?from=1") }),
            json!({ "fill": ["[name=email]", "ada@acme.example"] }),
            json!({ "click": "main button" }),
            json!({ "wait_for": "[name=login]" }),
        ],
        log_in("ada").to_vec(),
        vec![json!({ "wait_for_url": "/reports" })],
    ]));
    assert!(said(&lines, "focused")[0]["focused"].to_string().contains("email"), "{:#?}", said(&lines, "focused"));
    for page in said(&lines, "axe") {
        assert_eq!(page["findings"], json!([]));
    }
    assert_eq!(said(&lines, "evaluate")[0]["value"], "ada@acme.example", "the provider was told who it is");
    let problems = said(&lines, "problems")[0]["problems"].as_array().unwrap();
    assert!(problems.iter().all(|problem| !problem.as_str().unwrap().contains("Content Security Policy")), "{problems:#?}");
    assert_eq!(said(&lines, "wait_for_url")[0]["url"], house.url("/reports?from=1"));
}
