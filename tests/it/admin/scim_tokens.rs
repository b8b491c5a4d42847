//! Tokens of directories: made, exchanged in two phases, disabled and revoked, each recorded once.

use serde_json::{Value, json};

use super::town::Town;
use crate::support::{curl, eventually};

const DIRECTORIES: &str = "\
admin_api: { roles: [admin] }
connections:
  - { id: okta, tenant: acme, oidc: { issuer: 'https://okta.invalid', client_id: door } }
  - { id: google, tenant: globex, oidc: { issuer: 'https://google.invalid', client_id: door } }
";

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
}

/// What the directory's door says to a token.
fn works(town: &Town, token: &str) -> u16 {
    let url = format!("http://{}/.doorward/scim/v2/Users", town.door.listener(0));
    curl(&["-H", &format!("Authorization: Bearer {token}"), &url]).status
}

#[test]
fn a_token_is_made_shown_once_exchanged_and_revoked() {
    let town = Town::with(DIRECTORIES);
    let body = json!({ "connection": "okta", "name": "Okta", "expires_at": "2036-01-01T00:00:00Z" });
    let made = town.change(201, "POST", "/scim-tokens", Some(&body), "scim_token_created");
    assert_eq!((&made["state"], &made["tenant"], &made["name"]), (&"live".into(), &"acme".into(), &"Okta".into()));
    assert!(text(&made, "address").ends_with("/.doorward/scim/v2"), "{made}");
    let (path, old) = (format!("/scim-tokens/{}", text(&made, "id")), text(&made, "secret"));
    assert_eq!(works(&town, &old), 200);
    let rotation = format!("{path}/rotation");
    assert_eq!(town.refused(&town.acme, "POST", &format!("{rotation}/complete"), None), (409, "not_now".to_owned()));
    assert_eq!(town.refused(&town.acme, "DELETE", &rotation, None), (409, "not_now".to_owned()));

    let first = text(&town.change(200, "POST", &rotation, None, "scim_token_rotated"), "secret");
    assert_eq!((works(&town, &old), works(&town, &first)), (200, 200));
    assert_eq!(town.nothing(200, "GET", &path, None)["state"], "rotating");
    town.change(200, "DELETE", &rotation, None, "scim_token_rotated");
    assert_eq!((works(&town, &old), works(&town, &first)), (200, 401));
    let second = text(&town.change(200, "POST", &rotation, None, "scim_token_rotated"), "secret");
    town.change(200, "POST", &format!("{rotation}/complete"), None, "scim_token_rotated");
    assert_eq!((works(&town, &old), works(&town, &first), works(&town, &second)), (401, 401, 200));
    let phases: Vec<Value> = town.events().iter().filter_map(|event| event["details"].get("phase").cloned()).collect();
    assert_eq!(phases, ["start", "cancel", "start", "complete"]);

    let calls = || town.nothing(200, "GET", &format!("{path}/calls?limit=200"), None)["items"].as_array().unwrap().clone();
    let kept = eventually("the calls are kept", || Some(calls()).filter(|calls| !calls.is_empty()));
    assert_eq!((&kept[0]["method"], &kept[0]["target"]), (&"GET".into(), &"/.doorward/scim/v2/Users".into()));
    let listed = town.nothing(200, "GET", "/scim-tokens", None);
    let everything = [Value::from(kept), listed, Value::from(town.events())].map(|seen| seen.to_string()).concat();
    for secret in [&old, &first, &second] {
        assert!(!everything.contains(&secret[secret.len() - 20..]), "{everything}");
    }
    assert!(!everything.contains("digest"), "{everything}");

    town.change(204, "DELETE", &path, None, "scim_token_revoked");
    assert_eq!(works(&town, &second), 401);
    town.nothing(204, "DELETE", &path, None);
    assert_eq!(town.refused(&town.acme, "POST", &rotation, None), (409, "not_now".to_owned()), "a revocation is for ever");
}

#[test]
fn disabling_revokes_what_lives_and_people_stay() {
    let town = Town::with(DIRECTORIES);
    let make = || town.done(201, "POST", "/scim-tokens", Some(&json!({ "connection": "okta" })));
    let (one, two) = (make(), make());
    town.done(204, "DELETE", &format!("/scim-tokens/{}", text(&one, "id")), None);
    let ended = town.change(200, "DELETE", "/connections/okta/scim-tokens", None, "scim_token_revoked");
    assert_eq!(ended["revoked"], json!([two["id"]]));
    assert_eq!(works(&town, &text(&two, "secret")), 401);
    assert_eq!(town.nothing(200, "DELETE", "/connections/okta/scim-tokens", None)["revoked"], json!([]));
    for (body, field) in [
        (json!({ "connection": "nowhere" }), "connection"),
        (json!({ "connection": "google" }), "connection"),
        (json!({ "connection": "okta", "name": "" }), "name"),
        (json!({ "connection": "okta", "expires_at": "2001-01-01T00:00:00Z" }), "expires_at"),
    ] {
        let answer = town.ask(&town.acme, "POST", "/scim-tokens", Some(&body));
        assert_eq!((answer.status, answer.json()["field"].as_str()), (422, Some(field)), "{body}: {}", answer.text());
    }
    let page = town.done(200, "GET", "/scim-tokens?limit=1", None);
    let rest = town.done(200, "GET", &format!("/scim-tokens?limit=1&after={}", text(&page, "next")), None);
    assert_ne!(page["items"][0]["id"], rest["items"][0]["id"]);
}

#[test]
fn a_token_that_is_asked_for_twice_is_made_once_and_kept_sealed() {
    let town = Town::with(DIRECTORIES);
    let body = json!({ "connection": "okta" });
    let ask = || town.ask_with(&town.acme, "POST", "/scim-tokens", Some(&body), &["Idempotency-Key: one"]);
    let (first, second) = (ask(), ask());
    assert_eq!((first.status, second.text()), (201, first.text()), "the secret, too");
    assert_eq!(town.done(200, "GET", "/scim-tokens", None)["items"].as_array().unwrap().len(), 1);
    let secret = text(&first.json(), "secret");
    for file in ["doorward.db", "doorward.db-wal"] {
        let bytes = std::fs::read(town.door.folder().join(file)).unwrap_or_default();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{file}");
    }
}
