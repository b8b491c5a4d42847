//! Keys and clients: made, changed, rotated, revoked; and a key that stops working stops at once.

use std::time::Duration;

use serde_json::{Value, json};

use super::town::Town;
use crate::support::{Stopwatch, curl, eventually};

/// What the door says to this credential: who it is, or 401.
fn known(town: &Town, fields: &[&str]) -> u16 {
    let url = format!("http://{}/.doorward/session", town.door.listener(0));
    let mut arguments = Vec::new();
    for field in fields {
        arguments.extend(["-H", field]);
    }
    arguments.push(&url);
    curl(&arguments).status
}

#[test]
fn keys_are_made_changed_rotated_and_revoked_and_their_secrets_are_shown_once() {
    let town = Town::new();
    let body = json!({ "name": "deploy", "scopes": ["api:read"], "roles": ["viewer"], "networks": ["127.0.0.0/8"], "expires_at": "2036-01-01T00:00:00Z" });
    let made = town.change(201, "POST", "/keys", Some(&body), "key_created");
    let (path, secret) = (format!("/keys/{}", made["id"].as_str().unwrap()), made["secret"].as_str().unwrap().to_owned());
    assert_eq!((&made["tenant"], &made["expires_at"]), (&"acme".into(), &"2036-01-01T00:00:00.000Z".into()));
    let sent = format!("X-Api-Key: {secret}");
    assert_eq!(known(&town, &[&sent]), 200);
    let changed = town.change(200, "PATCH", &path, Some(&json!({ "name": "release", "expires_at": null })), "key_changed");
    assert_eq!(
        (&changed["name"], &changed["expires_at"], &changed["scopes"]),
        (&"release".into(), &Value::Null, &json!(["api:read"]))
    );
    let rotated = town.change(200, "POST", &format!("{path}/rotate"), Some(&json!({ "overlap_seconds": 3600 })), "key_rotated");
    let newest = format!("X-Api-Key: {}", rotated["secret"].as_str().unwrap());
    assert_eq!((known(&town, &[&sent]), known(&town, &[&newest])), (200, 200), "both for a while");
    assert!(rotated["previous_until"].is_string());
    for (at, listed) in [("/keys", town.done(200, "GET", "/keys", None)), (path.as_str(), town.done(200, "GET", &path, None))] {
        let text = listed.to_string();
        assert!(!text.contains(&secret) && !text.contains("digest") && !text.contains("\"secret\""), "{at}: {text}");
    }
    let begun = Stopwatch::start();
    town.change(204, "DELETE", &path, None, "key_revoked");
    eventually("both secrets to be refused", || ([known(&town, &[&sent]), known(&town, &[&newest])] == [401, 401]).then_some(()));
    begun.within(Duration::from_secs(5));
    town.nothing(204, "DELETE", &path, None);
    assert_eq!(town.refused(&town.acme, "PATCH", &path, Some(&json!({ "name": "back" }))), (409, "not_now".to_owned()));
    assert_eq!(town.refused(&town.acme, "POST", &format!("{path}/rotate"), Some(&json!({}))), (409, "not_now".to_owned()));
    let trail = Value::from(town.events()).to_string();
    assert!(!trail.contains(&secret), "no secret in the trail");
}

#[test]
fn clients_are_kept_apart_from_keys() {
    let town = Town::new();
    let made = town.change(201, "POST", "/clients", Some(&json!({ "name": "partner" })), "client_created");
    let id = made["id"].as_str().unwrap();
    let sent = [format!("X-Client-Id: {id}"), format!("X-Client-Secret: {}", made["secret"].as_str().unwrap())];
    assert_eq!(known(&town, &[&sent[0], &sent[1]]), 200);
    assert_eq!(town.refused(&town.acme, "GET", &format!("/keys/{id}"), None).0, 404);
    town.change(200, "PATCH", &format!("/clients/{id}"), Some(&json!({ "name": "supplier" })), "client_changed");
    town.change(200, "POST", &format!("/clients/{id}/rotate"), Some(&json!({ "overlap_seconds": 0 })), "client_rotated");
    eventually("the secret before to be refused", || (known(&town, &[&sent[0], &sent[1]]) == 401).then_some(()));
    town.change(204, "DELETE", &format!("/clients/{id}"), None, "client_revoked");
}

#[test]
fn a_key_dies_with_its_owners_deactivation_and_no_key_is_made_for_who_is_locked_out() {
    let town = Town::new();
    let ada = town.person("ada");
    let made = town.done(201, "POST", "/keys", Some(&json!({ "name": "own", "owner": ada })));
    let sent = format!("X-Api-Key: {}", made["secret"].as_str().unwrap());
    assert_eq!(known(&town, &[&sent]), 200);
    town.done(200, "POST", &format!("/users/{ada}/deactivate"), None);
    let deactivated = Stopwatch::start();
    eventually("the key to be refused", || (known(&town, &[&sent]) == 401).then_some(()));
    deactivated.within(Duration::from_secs(1));
    let answer = town.ask(&town.acme, "POST", "/keys", Some(&json!({ "name": "more", "owner": ada })));
    assert_eq!((answer.status, answer.json()["field"].as_str()), (422, Some("owner")));
    for (field, value) in
        [("scopes", json!(["two words"])), ("networks", json!(["10.0.0.0/99"])), ("expires_at", json!("2001-01-01T00:00:00Z"))]
    {
        let answer = town.ask(&town.acme, "POST", "/keys", Some(&json!({ "name": "odd", field: value })));
        assert_eq!(answer.status, 422, "{}", answer.text());
        assert!(answer.json()["field"].as_str().unwrap().starts_with(field), "{}", answer.text());
    }
}
