//! Redirect loops: an application that always asks again, a browser that drops the session's cookie.

use serde_json::json;

use super::house::{House, Person};
use crate::support::eventually;

/// The browser keeps every cookie but the session's.
fn drop_session(person: &Person) {
    let text = std::fs::read_to_string(person.jar()).unwrap();
    let kept: Vec<&str> = text.lines().filter(|line| !line.contains("\t__Host-doorward\t")).collect();
    std::fs::write(person.jar(), kept.join("\n") + "\n").unwrap();
}

#[test]
fn an_application_that_always_sends_to_sign_in_is_found_out() {
    let house = House::usual();
    let (person, _) = house.signed_in("ada", "/");
    let round = |state: usize| person.ask(&house.url(&format!("/.doorward/sign-in?return_to=%2Fround%3Fstate%3D{state}")), &[]);
    for turn in 0..3 {
        assert_eq!(round(turn).status, 303, "turn {turn}");
    }
    let stopped = round(3);
    assert_eq!(stopped.status, 508, "{}", stopped.text());
    assert!(stopped.text().contains("sent in circles"), "{}", stopped.text());
    let elsewhere = person.ask(&house.url("/.doorward/sign-in?return_to=%2Felsewhere"), &[]);
    assert_eq!(elsewhere.status, 303, "another way back is no loop");
    eventually("the trail knows", || house.events("sign_in").into_iter().find(|event| event["reason"] == "redirect_loop"));
}

#[test]
fn a_browser_that_drops_the_session_is_told_and_so_is_the_difference_of_the_clocks() {
    let house = House::usual();
    house.idp.tell("/clock", &json!({ "skew_seconds": 40 }));
    let person = house.person();
    let first = person.sign_in(&house.url("/kept?x=1"), "ada");
    assert_eq!(first.answer.status, 200, "{}", first.answer.text());
    let mut last = first;
    for _ in 0..3 {
        drop_session(&person);
        last = person.walk(&house.url("/kept?x=1"));
    }
    assert_eq!(last.answer.status, 508, "{:#?} {}", last.hops, last.answer.text());
    let text = last.answer.text();
    // The answer takes its time to get here.
    assert!((30..=40).any(|seconds| text.contains(&format!("clock is {seconds} seconds ahead"))), "{text}");
}

#[test]
fn a_browser_without_cookies_is_told_so() {
    let house = House::usual();
    let callback = house.person().to_callback(&house.url("/"), "ada");
    let bare = house.person().ask(&callback, &[]);
    assert_eq!(bare.status, 400);
    assert!(bare.text().contains("allow them for this site"), "{}", bare.text());
}
