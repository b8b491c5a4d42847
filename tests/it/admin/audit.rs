//! `/audit`: what happened, a page at a time.

use serde_json::{Value, json};

use super::town::Town;

/// Every page of a search, as `Link` leads from one to the next.
#[track_caller]
fn walked(town: &Town, search: &str) -> Vec<Value> {
    let (mut path, mut all) = (format!("/audit?{search}"), Vec::new());
    for _ in 0..50 {
        let answer = town.ask(&town.acme, "GET", &path, None);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let page = answer.json();
        all.extend(page["items"].as_array().unwrap().iter().cloned());
        let Some(link) = answer.header("link") else {
            assert_eq!(page.get("next"), None);
            return all;
        };
        assert!(page["next"].is_string());
        path = format!("/audit{}", link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap());
    }
    panic!("{search} has no end");
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["kind"].as_str().unwrap()).collect()
}

#[test]
fn pages_hold_everything_once_newest_first_and_keep_what_was_asked() {
    let town = Town::new();
    let people: Vec<String> = (0..9).map(|number| town.person(&format!("person{number}"))).collect();
    let events = walked(&town, "kind=user_created&limit=2&outcome=success&severity=notice&since=2020-01-01T00%3A00%3A00Z");
    let targets: Vec<&str> = events.iter().map(|event| event["target"].as_str().unwrap()).collect();
    assert_eq!(targets, people.iter().rev().map(String::as_str).collect::<Vec<_>>());
    assert!(events.iter().all(|event| event["severity"] == "notice"));
    // RFC 3339 in UTC, so that texts are in the order of time.
    let written = |event: &Value| event["logged_at"].as_str().unwrap() >= event["at"].as_str().unwrap();
    assert!(events.iter().all(written), "{events:#?}");
}

#[test]
fn a_person_is_found_by_name_or_id_and_never_beyond_the_tenant() {
    let town = Town::new();
    let id = town.person("ada");
    town.done(200, "POST", &format!("/users/{id}/deactivate"), None);
    for who in ["ada", id.as_str()] {
        assert_eq!(kinds(&walked(&town, &format!("user={who}&limit=1"))), ["user_deactivated", "user_created"], "{who}");
        let elsewhere = town.ask(&town.globex, "GET", &format!("/audit?user={who}"), None).json();
        assert_eq!(elsewhere["items"], json!([]), "{who}");
    }
}

#[test]
fn what_failed_is_found_by_address_reason_and_request() {
    let town = Town::new();
    assert_eq!(town.refused(&town.acme, "GET", "/users/none", None).0, 404);
    let denied = town.door.command(&["key", "create", "--name", "powerless", "--role", "viewer", "--tenant", "acme"]);
    assert_eq!(town.refused(denied["secret"].as_str().unwrap(), "GET", "/users", None).0, 403);
    let found = crate::support::eventually("it is noted", || {
        let found = walked(&town, "severity=warning&source=127.0.0.1");
        (!found.is_empty()).then_some(found)
    });
    assert_eq!(kinds(&found), ["access_denied"]);
    let (reason, request) = (found[0]["reason"].as_str().unwrap(), found[0]["request_id"].as_str().unwrap());
    assert_eq!(walked(&town, &format!("reason={reason}&request_id={request}&outcome=failure")), found);
    assert_eq!(walked(&town, &format!("request_id={request}&source=192.0.2.1")), [0; 0].map(Value::from));
}

#[test]
fn what_cannot_be_asked_is_said() {
    let town = Town::new();
    for wrong in [
        "after=7",
        "after=a.b",
        "kind=sign_on",
        "outcome=maybe",
        "severity=worst",
        "source=here",
        "since=soon",
        "limit=0",
        "who=me",
    ] {
        let (status, _) = town.refused(&town.acme, "GET", &format!("/audit?{wrong}"), None);
        assert!([400, 422].contains(&status), "{wrong}: {status}");
    }
}
