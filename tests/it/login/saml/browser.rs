//! The same in Chromium, which decides by itself which cookies come along when another site posts.

use serde_json::json;

use super::house::SamlHouse;
use crate::login::browser::{browse, said};
use crate::login::pages::picture;

#[test]
fn a_browser_carries_the_attempt_across_the_providers_post_and_nothing_else() {
    let house = SamlHouse::simplesamlphp(&[("corp", json!({}), "key: { file: own.key }\ncertificate: { file: own.crt }")]);
    let lines = browse(&json!([
        { "goto": house.url("/reports?from=1") },
        { "wait_for": "[name=username]" },
        { "fill": ["[name=username]", "ada"] }, { "fill": ["[name=password]", "pw"] }, { "click": "button, [type=submit]" },
        { "wait_for_url": "/reports" },
        { "content": 1 },
        { "cookies": 1 },
        { "goto": house.url("/.doorward/sign-out") },
        { "click": "main button" },
        { "wait_for_text": "You are signed out" },
        { "problems": 1 },
    ]));
    assert_eq!(said(&lines, "wait_for_url")[0]["url"], house.url("/reports?from=1"));
    assert!(said(&lines, "content")[0]["html"].as_str().unwrap().contains("ada@acme.example"));
    let cookies = said(&lines, "cookies")[0]["cookies"].as_array().unwrap();
    let session = cookies.iter().find(|cookie| cookie["name"] == "__Host-doorward").unwrap();
    assert_eq!(session["sameSite"], "Lax");
    assert!(cookies.iter().all(|cookie| !cookie["name"].as_str().unwrap().contains("attempt")), "{cookies:#?}");
    let problems = said(&lines, "problems")[0]["problems"].as_array().unwrap();
    assert!(problems.iter().all(|problem| !problem.as_str().unwrap().contains("Content Security Policy")), "{problems:#?}");
}

#[test]
fn a_request_by_post_leaves_with_a_button() {
    let house = SamlHouse::samlp(&json!({}), "binding: post");
    let lines = browse(&json!([
        { "goto": house.url("/kept") },
        { "axe": 1 },
        picture("leave-by-post")[0],
        { "focused": 1 },
        { "click": "main button" },
        { "click": "text=Go" },
        { "wait_for_url": "/kept$" },
        { "content": 1 },
        { "problems": 1 },
    ]));
    assert_eq!(said(&lines, "axe")[0]["findings"], json!([]));
    assert!(said(&lines, "content")[0]["html"].as_str().unwrap().contains("ada@acme.example"));
    let problems = said(&lines, "problems")[0]["problems"].as_array().unwrap();
    assert!(problems.iter().all(|problem| !problem.as_str().unwrap().contains("Content Security Policy")), "{problems:#?}");
}
