//! A provider's tokens are refreshed in the background: once, however many ask; and what comes of it.

use serde_json::json;

use super::house::{Person, received};
use super::replicas::{Engine, Replicas, Setting, person};
use crate::support::{curl, eventually, shows_token};

/// Asks until the provider was asked for tokens `times` times in all.
#[track_caller]
fn until_asked(doors: &Replicas, who: &Person, times: usize) {
    eventually("the provider is asked for tokens", || {
        assert_eq!(doors.session(0, who).status, 200);
        (doors.asked_for_tokens() >= times).then_some(())
    });
    assert_eq!(doors.asked_for_tokens(), times);
}

#[test]
fn tokens_are_refreshed_once_however_many_requests_and_replicas_ask() {
    let doors = refreshed_once(Engine::Sqlite);
    let stored = ["doorward.db", "doorward.db-wal"].map(|name| std::fs::read(doors.folder.path().join(name)).unwrap_or_default());
    assert!(stored.iter().all(|bytes| !shows_token(&String::from_utf8_lossy(bytes))), "no token lies open in the store");
}

#[test]
fn tokens_are_refreshed_once_across_replicas_on_postgresql() {
    refreshed_once(Engine::Postgres);
}

#[track_caller]
fn refreshed_once(on: Engine) -> Replicas {
    let mut doors = Replicas::start(2, &Setting { on, ..Setting::default() });
    let who = doors.signed_in();
    assert_eq!((doors.session(0, &who).status, doors.session(1, &who).status), (200, 200));
    for round in 2..5 {
        doors.pass(9);
        assert_eq!((doors.session(0, &who).status, doors.asked_for_tokens()), (200, round - 1), "not due yet");
        doors.pass(2);
        let cookie = format!("Cookie: __Host-doorward={}", who.cookie("__Host-doorward").unwrap());
        std::thread::scope(|scope| {
            for number in 0..40 {
                let (url, cookie) = (doors.at(number % 2, "/.doorward/session"), cookie.as_str());
                scope.spawn(move || assert_eq!(curl(&["-H", cookie, &url]).status, 200, "others are served meanwhile"));
            }
        });
        // The provider gives each refresh token once, and takes all back when one is used twice.
        until_asked(&doors, &who, round);
        eventually("the new tokens are written down", || {
            (doors.version_of_tokens() == i64::try_from(round).unwrap() - 1).then_some(())
        });
    }
    doors
}

#[test]
fn a_provider_that_is_down_keeps_the_session_and_is_asked_again() {
    let mut doors = Replicas::start(1, &Setting::default());
    let who = doors.signed_in();
    let answers = [
        json!(503),
        json!(429),
        json!({ "status": 400, "body": { "error": "temporarily_unavailable" } }),
        json!({ "status": 401, "body": { "error": "invalid_client" } }),
    ];
    for (number, fault) in answers.into_iter().enumerate() {
        doors.idp.tell("/faults", &json!({ "/token": fault }));
        doors.pass(11);
        until_asked(&doors, &who, 2 + number);
        assert_eq!(doors.session(0, &who).status, 200, "{fault}");
    }
    doors.idp.tell("/faults", &json!({ "/token": null }));
    doors.pass(2);
    until_asked(&doors, &who, 6);
    eventually("the new tokens are written down", || (doors.version_of_tokens() == 1).then_some(()));
    assert_eq!(doors.session(0, &who).status, 200);
}

#[test]
fn a_refresh_token_that_is_taken_no_more_ends_the_session() {
    let mut doors = Replicas::start(1, &Setting::default());
    let who = doors.signed_in();
    doors.idp.tell("/faults", &json!({ "/token": { "status": 400, "body": { "error": "invalid_grant" } } }));
    doors.pass(11);
    assert_eq!(doors.session(0, &who).status, 200, "the request that finds it out is served");
    eventually("the session is dead", || (doors.session(0, &who).status == 401).then_some(()));
}

#[test]
fn a_no_that_leaves_open_why_ends_the_session_when_it_was_said_three_times() {
    let mut doors = Replicas::start(1, &Setting::default());
    let who = doors.signed_in();
    let refuse = json!({ "/token": { "status": 400, "body": { "error": "invalid_request" } } });
    doors.idp.tell("/faults", &refuse);
    doors.pass(11);
    until_asked(&doors, &who, 2);
    doors.idp.tell("/faults", &json!({ "/token": null }));
    eventually("a slip passes", || (doors.version_of_tokens() == 1).then_some(()));
    assert_eq!((doors.session(0, &who).status, doors.asked_for_tokens()), (200, 3));
    doors.idp.tell("/faults", &refuse);
    doors.pass(11);
    eventually("the session is dead", || (doors.session(0, &who).status == 401).then_some(()));
    assert_eq!(doors.asked_for_tokens(), 6);
}

#[test]
fn a_late_no_does_not_end_a_session_that_another_replica_has_refreshed() {
    let mut doors = Replicas::start(2, &Setting::default());
    let who = doors.signed_in();
    doors.idp.tell("/faults", &json!({ "/token": { "delay": 3000, "status": 400, "body": { "error": "invalid_grant" } } }));
    doors.pass(11);
    until_asked(&doors, &who, 2);
    // The first door waits for its answer; its turn ends, and the second door is faster.
    doors.idp.tell("/faults", &json!({ "/token": null }));
    doors.pass(2);
    eventually("the second door refreshes", || {
        assert_eq!(doors.session(1, &who).status, 200);
        (doors.version_of_tokens() == 1).then_some(())
    });
    doors.stop(0);
    assert_eq!(doors.session(1, &who).status, 200, "the first door has had its no by now");
    doors.pass(11);
    eventually("and the tokens go on", || {
        assert_eq!(doors.session(1, &who).status, 200);
        (doors.version_of_tokens() == 2).then_some(())
    });
}

#[test]
fn what_the_provider_says_anew_of_a_person_counts_at_once() {
    let mut doors = Replicas::start(2, &Setting::default());
    let who = doors.signed_in();
    assert_eq!(doors.session(1, &who).json()["role"], "viewer");
    doors.idp.tell("/users", &json!([person(&["Chess", "Platform"])]));
    doors.pass(11);
    eventually("the new role is there", || (doors.session(0, &who).json()["role"] == "admin").then_some(()));
    eventually("at the other door too", || (doors.session(1, &who).json()["role"] == "admin").then_some(()));
    assert_eq!(doors.session(1, &who).json()["groups"], json!(["Chess", "Platform"]));
    // The ID token of another person under the same refresh token is no refresh.
    doors.idp.tell("/tamper", &json!({ "claims": { "sub": "eve" } }));
    doors.pass(11);
    eventually("the session is dead", || (doors.session(0, &who).status == 401).then_some(()));
}

#[test]
fn the_application_gets_the_access_token_that_is_good_now_and_never_one_that_has_ended() {
    let settings = "identity_headers: { presets: [doorward], access_token: true }";
    let mut doors = Replicas::start(2, &Setting { settings, ..Setting::default() });
    let who = doors.signed_in();
    let token = |doors: &Replicas, number: usize| {
        let answer = who.ask(&doors.at(number, "/x"), &["-H", "X-Forwarded-Access-Token: forged"]);
        assert_eq!(answer.status, 200);
        received(&answer.json(), "x-forwarded-access-token").map(str::to_owned)
    };
    let first = token(&doors, 0).unwrap();
    assert!(first.len() > 20 && first != "forged", "{first}");
    doors.pass(11);
    assert_eq!(token(&doors, 0).as_ref(), Some(&first), "it is good for an hour, and a refresh is not waited for");
    let second = eventually("the new one is used", || token(&doors, 0).filter(|token| *token != first));
    // Nobody was here for long; whoever knows the session goes on without, whoever does not waits for a new one.
    doors.pass(70);
    assert_eq!(token(&doors, 0), None);
    let third = eventually("a third one is used", || token(&doors, 1));
    assert!(third != second && third != first);
    doors.idp.tell("/faults", &json!({ "/token": 503 }));
    doors.pass(70);
    assert_eq!(token(&doors, 1), None);
}

#[test]
fn without_the_setting_no_token_leaves_the_door() {
    let doors = Replicas::start(1, &Setting::default());
    let who = doors.signed_in();
    let answer = who.ask(&doors.at(0, "/x"), &["-H", "X-Forwarded-Access-Token: forged"]);
    assert_eq!(received(&answer.json(), "x-forwarded-access-token"), None);
}
