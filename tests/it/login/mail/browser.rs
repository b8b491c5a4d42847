//! The whole way in Chromium: the page, the letter as a mail program shows it, the link, the button.

use serde_json::{Value, json};

use super::house::{House, Plan};
use crate::login::browser::{browse, said};
use crate::login::pages::picture;

/// Every page was held against axe-core, and no policy was violated.
#[track_caller]
fn assert_sound(lines: &[Value]) {
    for audit in said(lines, "axe") {
        assert_eq!(audit["findings"], json!([]), "{audit:#}");
        assert!(audit["passes"].as_u64().is_some_and(|passes| passes > 5), "{audit:#}");
    }
    // That a page says 400 is told on the console, too.
    let problems = said(lines, "problems").last().unwrap()["problems"].as_array().unwrap();
    let told: Vec<&Value> = problems.iter().filter(|line| !line.as_str().unwrap().contains("Failed to load resource")).collect();
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn a_person_signs_in_by_the_link_in_the_letter() {
    let house = House::usual();
    let mailbox = format!("http://127.0.0.1:{}/mailbox", house.mail.ready["control"]);
    let shot = |name: &str| picture(&format!("mail-{name}"))[0].clone();
    let lines = browse(&json!([
        { "goto": house.url("/reports?from=1") },
        { "wait_for": "#email" },
        { "axe": 1 },
        shot("address"),
        { "fill": ["#email", "ada@acme.example"] },
        { "key": "Enter" },
        { "wait_for": "#code" },
        { "axe": 1 },
        shot("waiting"),
        { "focused": 1 },
        { "fill": ["#code", "12"] },
        { "key": "Enter" },
        { "wait_for": "#problem" },
        { "axe": 1 },
        shot("no-code"),
        { "new_tab": 1 },
        { "goto": mailbox },
        { "axe": 1 },
        shot("letter"),
        { "color_scheme": "dark" },
        { "axe": 1 },
        shot("letter-dark"),
        { "click": "a.button" },
        { "wait_for_text": "One more click signs you in" },
        { "axe": 1 },
        shot("link-dark"),
        { "problems": 1 },
        { "click": "button" },
        { "wait_for_url": "/reports\\?from=1$" },
        { "content": 1 },
        { "fetch": house.url("/.doorward/session") },
        // Back to the page that waits: it leads on, not into a dead end.
        { "tab": 0 },
        { "back": 1 },
        { "url": 1 },
    ]));
    assert_sound(&lines);
    assert!(said(&lines, "focused")[0]["focused"].as_str().unwrap().contains("id=\"code\""));
    let session: Value = serde_json::from_str(said(&lines, "fetch")[0]["body"].as_str().unwrap()).unwrap();
    assert_eq!(session["email"], "ada@acme.example");
    let application = said(&lines, "content")[0]["html"].as_str().unwrap();
    assert!(!application.contains("token="), "the application saw the link's token: {application}");
    assert_eq!(said(&lines, "url").last().unwrap()["url"], house.url("/"));
}

#[test]
fn a_link_in_another_browser_says_where_to_go_on() {
    let house = House::usual();
    let mailbox = format!("http://127.0.0.1:{}/mailbox", house.mail.ready["control"]);
    let lines = browse(&json!([
        { "goto": house.url("/.doorward/sign-in/email") },
        { "fill": ["#email", "ada@acme.example"] },
        { "click": "button" },
        { "wait_for": "#code" },
        { "new_person": 1 },
        { "goto": mailbox },
        { "click": "a.button" },
        { "wait_for_text": "Go back to where you began" },
        { "axe": 1 },
        picture("mail-elsewhere")[0],
        { "count": "form" },
        { "goto": house.url("/.doorward/session") },
    ]));
    for audit in said(&lines, "axe") {
        assert_eq!(audit["findings"], json!([]), "{audit:#}");
    }
    assert_eq!(said(&lines, "count")[0]["count"], 0);
    assert_eq!(said(&lines, "goto").last().unwrap()["status"], 401);
}

#[test]
fn an_invited_person_accepts_in_a_browser() {
    let house = House::with(Plan { connection: "provision: invited", ..Plan::default() });
    let made = house.door.command(&["user", "invite", "ada@acme.example", "--role", "admin", "--no-mail"]);
    let lines = browse(&json!([
        { "goto": made["link"] },
        { "wait_for_text": "This invitation is for" },
        { "axe": 1 },
        picture("invitation")[0],
        { "click": "button" },
        { "wait_for": "#email" },
        { "evaluate": "document.querySelector('#email').value" },
        { "problems": 1 },
        { "goto": made["link"].as_str().unwrap().replace("token=", "token=x") },
        { "wait_for_text": "of no more use" },
        { "axe": 1 },
        picture("invitation-spent")[0],
    ]));
    assert_eq!(said(&lines, "evaluate")[0]["value"], "ada@acme.example");
    assert_sound(&lines);
}
