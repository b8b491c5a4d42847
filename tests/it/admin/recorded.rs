//! Every operation of the API that changes something, done once: one event, of the kind that is said here.

use std::collections::BTreeSet;
use std::sync::Arc;

use doorward::app::memory::Memory;
use doorward::clock::{SharedClock, SystemClock};
use doorward::model::UserId;
use serde_json::{Value, json};

use super::town::Town;
use crate::support::session::just_begun;

const SETTINGS: &str = "\
admin_api: { roles: [admin] }
connections:
  - { id: okta, tenant: acme, provision: invited, domains: [acme.example], oidc: { issuer: 'https://okta.invalid', client_id: door } }
";

/// What was done so far.
struct Walk {
    town: Town,
    done: BTreeSet<String>,
}

impl Walk {
    /// `operation`: its method and path as the document has them; `ids` stand for what is in braces.
    #[track_caller]
    fn one(&mut self, operation: &str, ids: &[&str], body: Value, kind: &str) -> Value {
        let (method, path) = operation.split_once(' ').unwrap();
        let mut address = String::new();
        let mut ids = ids.iter();
        for part in path.split_inclusive('/') {
            let name = part.trim_end_matches('/');
            let filled = if name.starts_with('{') { ids.next().unwrap() } else { name };
            address.push_str(&part.replace(name, filled));
        }
        let before = self.town.events().len();
        let body = Some(&body).filter(|body| !body.is_null());
        let answer = self.town.ask(&self.town.acme, method, &address, body);
        assert!((200..300).contains(&answer.status), "{operation}: {}", answer.text());
        let events = self.town.events();
        let new: Vec<&Value> = events[before..].iter().map(|event| &event["kind"]).collect();
        assert_eq!(new, [kind], "{operation}");
        self.done.insert(operation.to_owned());
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    /// A session of this person in the store.
    fn session(&self, user: &str, handle: &str) {
        let mut session = just_begun(UserId(user.parse().unwrap()), handle, &format!("value-of-{handle}"));
        session.tenant = "acme".parse().unwrap();
        let clock: SharedClock = Arc::new(SystemClock);
        let config = doorward::config::load(&self.town.door.config()).unwrap().config;
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async { Memory::open(&config, &clock).await.unwrap().sessions.create(&session).await.unwrap() });
    }
}

fn id(made: &Value) -> String {
    made["id"].as_str().unwrap_or_else(|| panic!("no id in {made}")).to_owned()
}

#[test]
fn every_operation_that_changes_something_is_one_event() {
    let mut walk = Walk { town: Town::with(SETTINGS), done: BTreeSet::new() };
    let nothing = Value::Null;
    let ada = id(&walk.one("POST /users", &[], json!({ "user_name": "ada" }), "user_created"));
    let ada = ada.as_str();
    walk.one("PATCH /users/{id}", &[ada], json!({ "name": "Ada" }), "user_changed");
    walk.one("PUT /roles/{role}/users/{id}", &["viewer", ada], nothing.clone(), "role_assigned");
    walk.one("DELETE /roles/{role}/users/{id}", &["viewer", ada], nothing.clone(), "role_unassigned");
    walk.session(ada, "first");
    walk.one("DELETE /users/{id}/sessions/{session}", &[ada, "first"], nothing.clone(), "session_ended");
    walk.session(ada, "second");
    walk.one("DELETE /users/{id}/sessions", &[ada], nothing.clone(), "session_ended");
    walk.session(ada, "third");
    walk.one("POST /users/{id}/deactivate", &[ada], nothing.clone(), "user_deactivated");
    walk.one("POST /users/{id}/reactivate", &[ada], nothing.clone(), "user_reactivated");

    let group = id(&walk.one("POST /groups", &[], json!({ "name": "Staff" }), "group_created"));
    let group = group.as_str();
    walk.one("PATCH /groups/{id}", &[group], json!({ "name": "Crew" }), "group_changed");
    walk.one("PUT /groups/{id}/members/{user}", &[group, ada], nothing.clone(), "group_changed");
    walk.one("DELETE /groups/{id}/members/{user}", &[group, ada], nothing.clone(), "group_changed");
    walk.one("DELETE /groups/{id}", &[group], nothing.clone(), "group_removed");

    for (noun, kind) in [("keys", "key"), ("clients", "client")] {
        let made = id(&walk.one(&format!("POST /{noun}"), &[], json!({ "name": "deploy" }), &format!("{kind}_created")));
        let made = made.as_str();
        walk.one(&format!("PATCH /{noun}/{{id}}"), &[made], json!({ "name": "release" }), &format!("{kind}_changed"));
        walk.one(&format!("POST /{noun}/{{id}}/rotate"), &[made], json!({}), &format!("{kind}_rotated"));
        walk.one(&format!("DELETE /{noun}/{{id}}"), &[made], nothing.clone(), &format!("{kind}_revoked"));
    }

    let invited = walk.one("POST /invitations", &[], json!({ "address": "bob@acme.example" }), "invitation_created");
    let again = walk.one("POST /invitations/{id}/send", &[&id(&invited)], nothing.clone(), "invitation_created");
    walk.one("DELETE /invitations/{id}", &[&id(&again)], nothing.clone(), "invitation_revoked");

    let token = |walk: &mut Walk| {
        id(&walk.one("POST /scim-tokens", &[], json!({ "connection": "okta", "name": "Okta" }), "scim_token_created"))
    };
    let first = token(&mut walk);
    walk.one("POST /scim-tokens/{id}/rotation", &[&first], nothing.clone(), "scim_token_rotated");
    walk.one("DELETE /scim-tokens/{id}/rotation", &[&first], nothing.clone(), "scim_token_rotated");
    walk.one("POST /scim-tokens/{id}/rotation", &[&first], nothing.clone(), "scim_token_rotated");
    walk.one("POST /scim-tokens/{id}/rotation/complete", &[&first], nothing.clone(), "scim_token_rotated");
    walk.one("DELETE /scim-tokens/{id}", &[&first], nothing.clone(), "scim_token_revoked");
    token(&mut walk);
    walk.one("DELETE /connections/{id}/scim-tokens", &["okta"], nothing.clone(), "scim_token_revoked");

    let connection = |name: &str| {
        json!({
            "id": "partners", "display_name": name, "domains": ["partner.example"],
            "oidc": { "issuer": "https://login.partner.example", "client_id": "door", "client_secret": "a-secret-nobody-sees" },
        })
    };
    walk.one("POST /connections", &[], connection("Partner"), "connection_created");
    walk.one("PUT /connections/{id}", &["partners"], connection("Partners"), "connection_updated");
    walk.one("DELETE /connections/{id}", &["partners"], nothing.clone(), "connection_removed");

    walk.one("POST /users/{id}/erase", &[ada], nothing.clone(), "user_erased");
    let bob = id(&walk.one("POST /users", &[], json!({ "user_name": "bob" }), "user_created"));
    walk.one("DELETE /users/{id}", &[&bob], nothing, "user_deleted");

    // Whoever adds an operation says here what its event is.
    let document = walk.town.done(200, "GET", "/openapi.json", None);
    let mut changing = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = path.strip_prefix("/.doorward/api/v1").unwrap();
        let methods = item.as_object().unwrap().keys().filter(|method| *method != "get");
        changing.extend(methods.map(|method| format!("{} {path}", method.to_uppercase())));
    }
    assert_eq!(walk.done, changing);
}

#[test]
fn a_new_administrator_is_told_as_one_however_they_become_it() {
    let town = Town::with("admin_api: { roles: [admin, editor] }\n");
    let told = |method: &str, path: &str, body: Option<Value>| {
        let answer = town.ask(&town.acme, method, path, body.as_ref());
        assert!((200..300).contains(&answer.status), "{method} {path}: {}", answer.text());
        let event = town.events().pop().unwrap();
        (answer.json()["id"].as_str().unwrap_or_default().to_owned(), event["details"]["administrator"] == json!(true))
    };
    let (ada, told_of_her) = told("POST", "/users", Some(json!({ "user_name": "ada" })));
    assert!(!told_of_her);
    assert!(!told("PUT", &format!("/roles/viewer/users/{ada}"), None).1);
    assert!(told("PUT", &format!("/roles/admin/users/{ada}"), None).1);
    assert!(!told("PATCH", &format!("/users/{ada}"), Some(json!({ "name": "Ada" }))).1, "she is one already");
    let (bob, told_of_him) = told("POST", "/users", Some(json!({ "user_name": "bob", "roles": ["admin"] })));
    assert!(told_of_him);
    assert!(!told("PATCH", &format!("/users/{bob}"), Some(json!({ "roles": ["viewer"] }))).1);
    assert!(told("PATCH", &format!("/users/{bob}"), Some(json!({ "roles": ["admin"] }))).1);
    // What the group gives is the configuration's to say: Engineering makes editors.
    let (group, empty) = told("POST", "/groups", Some(json!({ "name": "Engineering" })));
    assert!(!empty);
    let (carol, _) = told("POST", "/users", Some(json!({ "user_name": "carol" })));
    assert!(told("PUT", &format!("/groups/{group}/members/{carol}"), None).1);
    assert!(!told("DELETE", &format!("/groups/{group}/members/{carol}"), None).1);
    assert!(told("POST", "/keys", Some(json!({ "name": "deploy", "roles": ["admin"] }))).1);
    assert!(!told("POST", "/keys", Some(json!({ "name": "reader", "roles": ["viewer"] }))).1);
}

#[test]
fn a_secret_that_is_answered_once_more_is_recorded_and_nothing_else_is() {
    let town = Town::new();
    let body = json!({ "name": "deploy" });
    let ask = |path: &str, body: &Value| {
        let answer = town.ask_with(&town.acme, "POST", path, Some(body), &["Idempotency-Key: once"]);
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()
    };
    let made = ask("/keys", &body);
    let before = town.events();
    assert_eq!(ask("/keys", &body)["secret"], made["secret"]);
    let after = town.events();
    assert_eq!(after.len(), before.len() + 1, "{after:#?}");
    let event = after.last().unwrap();
    assert_eq!((&event["kind"], &event["target"]), (&json!("secret_revealed"), &made["id"]), "{event}");
    assert_eq!(event["details"]["request"], "POST /.doorward/api/v1/keys");
    assert_eq!((&event["credential"], &event["source"]), (&json!("api_key"), &json!("127.0.0.1")));

    let person = json!({ "user_name": "ada" });
    let ask = |body: &Value| town.ask_with(&town.acme, "POST", "/users", Some(body), &["Idempotency-Key: another"]).status;
    assert_eq!((ask(&person), ask(&person)), (201, 201));
    assert_eq!(town.events().len(), after.len() + 1, "a person is no secret");
}
