//! People and roles: each operation allowed, refused, and recorded once.

use std::process::Command;
use std::time::Duration;

use doorward::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use super::town::Town;
use crate::support::{curl, eventually, store};

#[test]
fn an_administrator_makes_changes_locks_out_and_removes_people_and_each_is_recorded_once() {
    let town = Town::new();
    let new = json!({ "user_name": "ada", "email": "ada@acme.example", "name": "Ada Lovelace", "groups": ["Engineering"], "roles": ["viewer"] });
    let ada = town.change(201, "POST", "/users", Some(&new), "user_created");
    let path = format!("/users/{}", ada["id"].as_str().unwrap());
    assert_eq!((&ada["tenant"], &ada["active"], &ada["roles"]), (&"acme".into(), &true.into(), &json!(["viewer"])));
    assert_eq!(ada["effective_roles"], json!(["editor", "viewer"]), "what the group gives counts, too");
    assert_eq!(town.nothing(200, "GET", &path, None), ada);
    assert_eq!(town.refused(&town.acme, "POST", "/users", Some(&new)), (409, "conflict".to_owned()));

    let changed = town.change(200, "PATCH", &path, Some(&json!({ "name": "Countess Lovelace", "email": null })), "user_changed");
    assert_eq!(
        (&changed["name"], &changed["email"], &changed["user_name"]),
        (&"Countess Lovelace".into(), &Value::Null, &"ada".into())
    );
    town.nothing(200, "PATCH", &path, Some(&json!({ "name": "Countess Lovelace" })));

    let given = town.change(200, "PUT", &format!("/roles/admin{path}"), None, "role_assigned");
    assert_eq!(given["effective_roles"], json!(["admin", "editor", "viewer"]));
    town.nothing(200, "PUT", &format!("/roles/admin{path}"), None);
    let holders = town.nothing(200, "GET", "/roles/admin/users", None);
    assert_eq!(holders["items"].as_array().unwrap().len(), 1, "{holders}");
    let by_group = town.nothing(200, "GET", "/roles/editor/users", None);
    assert_eq!(by_group["items"][0]["id"], ada["id"], "{by_group}");
    town.change(200, "DELETE", &format!("/roles/admin{path}"), None, "role_unassigned");
    assert_eq!(town.refused(&town.acme, "PUT", &format!("/roles/owner{path}"), None).0, 404, "not declared");
    let roles = town.nothing(200, "GET", "/roles", None);
    let names: Vec<&Value> = roles["items"].as_array().unwrap().iter().map(|role| &role["name"]).collect();
    assert_eq!(names, ["admin", "editor", "viewer"]);

    assert_eq!(town.change(200, "POST", &format!("{path}/deactivate"), None, "user_deactivated")["active"], false);
    town.nothing(200, "POST", &format!("{path}/deactivate"), None);
    let back = town.change(200, "POST", &format!("{path}/reactivate"), None, "user_reactivated");
    assert_eq!((&back["active"], &back["roles"]), (&true.into(), &json!(["viewer"])), "with the roles they had");
    town.change(204, "DELETE", &path, None, "user_deleted");
    assert_eq!(town.refused(&town.acme, "GET", &path, None), (404, "not_found".to_owned()));
    assert_eq!(town.refused(&town.acme, "DELETE", &path, None), (404, "not_found".to_owned()));
}

#[test]
fn a_change_of_an_older_version_is_refused_and_one_of_the_newest_taken() {
    let town = Town::new();
    let path = format!("/users/{}", town.person("ada"));
    let seen = town.ask(&town.acme, "GET", &path, None);
    let tag = format!("If-Match: {}", seen.header("etag").unwrap());
    let name = |name: &str| json!({ "name": name });
    let first = town.ask_with(&town.acme, "PATCH", &path, Some(&name("One")), &[&tag]);
    assert_eq!(first.status, 200, "{}", first.text());
    let second = town.ask_with(&town.acme, "PATCH", &path, Some(&name("Two")), &[&tag]);
    assert_eq!((second.status, second.json()["code"].as_str()), (412, Some("changed_meanwhile")));
    assert_eq!(town.ask_with(&town.acme, "PATCH", &path, Some(&name("Two")), &["If-Match: nonsense"]).status, 412);
    assert_eq!(town.done(200, "GET", &path, None)["name"], "One");
    let newest = format!("If-Match: {}", first.header("etag").unwrap());
    assert_eq!(town.ask_with(&town.acme, "PATCH", &path, Some(&name("Two")), &[&newest]).status, 200);
}

#[test]
fn lists_come_a_page_at_a_time_and_a_search_finds_what_was_typed_as_it_was_typed() {
    let town = Town::new();
    for name in ["ada", "bob", "carol", "100%", "d_n"] {
        town.person(name);
    }
    let (mut seen, mut path) = (Vec::new(), "/users?limit=2".to_owned());
    loop {
        let answer = town.ask(&town.acme, "GET", &path, None);
        let page = answer.json();
        seen.extend(page["items"].as_array().unwrap().iter().map(|user| user["user_name"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else {
            assert_eq!(answer.header("link"), None);
            break;
        };
        assert!(answer.header("link").unwrap().contains(next), "{:?}", answer.headers);
        path = format!("/users?limit=2&after={next}");
    }
    seen.sort();
    assert_eq!(seen, ["100%", "ada", "bob", "carol", "d_n"]);
    let found = |query: &str| {
        let page = town.done(200, "GET", &format!("/users?{query}"), None);
        page["items"].as_array().unwrap().iter().map(|user| user["user_name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("search=AD"), ["ada"]);
    assert_eq!(found("search=%25"), ["100%"], "no pattern");
    assert_eq!(found("search=_"), ["d_n"]);
    assert_eq!(found("active=false"), [""; 0]);
    for wrong in ["limit=0", "limit=201", "limit=x", "active=maybe", "serach=ada"] {
        assert_eq!(town.refused(&town.acme, "GET", &format!("/users?{wrong}"), None), (400, "malformed".to_owned()), "{wrong}");
    }
}

#[test]
fn what_cannot_be_read_or_taken_is_refused_with_the_place_and_changes_nothing() {
    let town = Town::new();
    let before = town.events().len();
    let unfit = |body: Value, field: &str| {
        let answer = town.ask(&town.acme, "POST", "/users", Some(&body));
        assert_eq!((answer.status, answer.json()["field"].as_str()), (422, Some(field)), "{body}: {}", answer.text());
    };
    unfit(json!({ "user_name": "ada", "admin": true }), "admin");
    unfit(json!({ "user_name": "ada", "email": "a@b@c.example" }), "email");
    unfit(json!({ "user_name": "a\u{7}b" }), "user_name");
    unfit(json!({}), "user_name");
    unfit(json!({ "user_name": "ada", "roles": ["owner"] }), "roles");
    unfit(json!({ "user_name": "ada", "groups": [7] }), "groups[0]");
    unfit(json!({ "user_name": "ada", "password": "short" }), "password");
    let key = format!("X-Api-Key: {}", town.acme);
    let raw = |kind: &str, body: &str| {
        let kind = format!("Content-Type: {kind}");
        let answer = curl(&["-X", "POST", "-H", &key, "-H", &kind, "--data-binary", body, &town.url("/users")]);
        (answer.status, answer.json()["code"].as_str().unwrap().to_owned())
    };
    assert_eq!(raw("text/plain", "{\"user_name\":\"ada\"}"), (415, "not_json".to_owned()));
    assert_eq!(raw("application/json", "{\"user_name\":"), (400, "malformed".to_owned()));
    assert_eq!(raw("application/json", "{\"user_name\":\"ada\"} {}"), (400, "malformed".to_owned()));
    let large = format!("{{\"user_name\":\"{}\"}}", "a".repeat(200_000));
    let file = town.door.folder().join("large");
    std::fs::write(&file, large).unwrap();
    assert_eq!(raw("application/json", &format!("@{}", file.display())), (413, "too_large".to_owned()));
    assert_eq!(town.refused(&town.acme, "PUT", "/users", None), (405, "method_not_allowed".to_owned()));
    assert_eq!(town.refused(&town.acme, "GET", "/nowhere", None), (404, "not_found".to_owned()));
    assert_eq!(town.refused(&town.acme, "GET", "/users/not-an-id", None), (404, "not_found".to_owned()));
    assert_eq!(town.events().len(), before);
    assert_eq!(town.done(200, "GET", "/users", None)["items"], json!([]));
}

#[test]
fn only_who_has_the_role_gets_in_and_without_a_configured_role_nobody_does() {
    let town = Town::new();
    let key = |role: &str| {
        let made = town.door.command(&["key", "create", "--name", "x", "--role", role, "--tenant", "acme"]);
        made["secret"].as_str().unwrap().to_owned()
    };
    let editor = key("editor");
    for (method, path) in
        [("GET", "/users"), ("POST", "/users"), ("GET", "/openapi.json"), ("GET", "/audit"), ("DELETE", "/keys/x")]
    {
        assert_eq!(town.refused(&editor, method, path, Some(&json!({ "user_name": "mallory" }))), (403, "role".to_owned()));
        assert_eq!(curl(&["-X", method, &town.url(path)]).status, 401, "{method} {path}");
    }
    let client = town.door.command(&["client", "create", "--name", "x", "--role", "admin", "--tenant", "acme"]);
    let (id, secret) = (client["id"].as_str().unwrap(), client["secret"].as_str().unwrap());
    let asked = curl(&["-H", &format!("X-Client-Id: {id}"), "-H", &format!("X-Client-Secret: {secret}"), &town.url("/users")]);
    assert_eq!(asked.status, 200, "{}", asked.text());
    let closed = Town::with("");
    assert_eq!(closed.refused(&closed.acme, "GET", "/users", None), (403, "closed".to_owned()));
}

#[test]
fn a_request_that_is_sent_again_is_answered_again_and_done_once() {
    let town = Town::new();
    let again = |path: &str, body: &Value, key: &str| {
        town.ask_with(&town.acme, "POST", path, Some(body), &[&format!("Idempotency-Key: {key}")])
    };
    let body = json!({ "name": "deploy" });
    let first = again("/keys", &body, "one");
    assert_eq!(first.status, 201, "{}", first.text());
    let events = town.events().len();
    let second = again("/keys", &body, "one");
    assert_eq!((second.status, second.text()), (201, first.text()), "the secret, too");
    assert_eq!(second.header("idempotency-replayed"), Some("true"));
    let told = town.events();
    assert_eq!((told.len(), &told[events]["kind"]), (events + 1, &"secret_revealed".into()), "done once, and shown once more");
    let other = again("/keys", &json!({ "name": "other" }), "one");
    assert_eq!((other.status, other.json()["code"].as_str()), (422, Some("idempotency_key_used")));
    assert_eq!(again("/clients", &body, "one").status, 422, "another address");
    assert_eq!(again("/keys", &body, "two").status, 201);
    // What was refused may be tried again; and the key is the caller's own.
    assert_eq!(again("/users", &json!({ "user_name": "ada", "roles": ["owner"] }), "three").status, 422);
    assert_eq!(again("/users", &json!({ "user_name": "ada" }), "three").status, 201);
    let elsewhere = town.ask_with(&town.globex, "POST", "/keys", Some(&body), &["Idempotency-Key: one"]);
    assert_eq!(elsewhere.status, 201);
    assert_ne!(elsewhere.json()["id"], first.json()["id"]);
    // Whoever has the store does not have the secret.
    let secret = first.json()["secret"].as_str().unwrap().to_owned();
    for file in ["doorward.db", "doorward.db-wal"] {
        let bytes = std::fs::read(town.door.folder().join(file)).unwrap_or_default();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{file}");
    }
    assert_eq!(again("/keys", &body, &"k".repeat(201)).status, 400);
}

#[test]
fn of_two_at_once_with_one_idempotency_key_one_is_done() {
    let town = Town::new();
    let send = || {
        let mut command = Command::new("curl");
        command.args(["--silent", "--max-time", "20", "-X", "POST", "-H", "Idempotency-Key: race"]);
        command.args(["-H", &format!("X-Api-Key: {}", town.acme), "-H", "Content-Type: application/json"]);
        command.args(["--data-binary", "{\"name\":\"race\"}", &town.url("/keys")]);
        command.stdout(std::process::Stdio::piped()).spawn().unwrap()
    };
    let sent: Vec<_> = (0..8).map(|_| send()).collect();
    let answers: Vec<Value> =
        sent.into_iter().map(|child| serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap()).collect();
    assert!(answers.iter().any(|answer| answer["secret"].is_string()), "{answers:#?}");
    let all = town.done(200, "GET", "/keys", None);
    let made = all["items"].as_array().unwrap().iter().filter(|key| key["name"] == "race").count();
    assert_eq!(made, 1, "{all}");
}

#[test]
fn a_request_whose_caller_left_is_done_once_and_answered_when_they_ask_again() {
    let town = Town::new();
    let send = |patience: &str| {
        let mut command = Command::new("curl");
        command.args(["--silent", "--max-time", patience, "-X", "POST", "-H", "Idempotency-Key: cut"]);
        command.args(["-H", &format!("X-Api-Key: {}", town.acme), "-H", "Content-Type: application/json"]);
        command.args(["--data-binary", "{\"name\":\"cut\"}", &town.url("/keys")]);
        command.output().unwrap()
    };
    // Nobody writes while the test does.
    let cut = store::locked(town.door.folder(), || send("0.7"));
    assert_eq!((cut.status.code(), cut.stdout.len()), (Some(28), 0), "its patience ended before an answer");
    let told = eventually("the answer", || {
        let answer: Value = serde_json::from_slice(&send("20").stdout).unwrap();
        (answer["code"] != "in_progress").then_some(answer)
    });
    assert!(told["secret"].is_string(), "{told}");
    let all = town.done(200, "GET", "/keys", None);
    assert_eq!(all["items"].as_array().unwrap().iter().filter(|key| key["name"] == "cut").count(), 1, "{all}");
}

#[test]
fn a_request_that_was_stopped_before_its_answer_holds_its_key_for_a_minute_at_most() {
    let town = Town::new();
    let send = || town.ask_with(&town.acme, "POST", "/keys", Some(&json!({ "name": "lost" })), &["Idempotency-Key: lost"]);
    let folder = town.door.folder();
    store::change(folder, "CREATE TRIGGER lost BEFORE UPDATE ON answers BEGIN SELECT raise(ABORT, 'lost'); END");
    let begun = SystemClock.now();
    assert!(send().status >= 500, "its answer is lost");
    store::change(folder, "DROP TRIGGER lost");
    let held = send();
    assert_eq!((held.status, held.json()["code"].as_str()), (409, Some("in_progress")));
    let ends: i64 = store::look(folder, "SELECT max(expires_at) FROM answers");
    let minute = begun.after(Duration::from_secs(60)).millis();
    assert!((minute..minute + 10_000).contains(&ends), "{ends}, begun at {}", begun.millis());
    // As if it were over.
    store::change(folder, "UPDATE answers SET expires_at = 1");
    let (again, replayed) = (send(), send());
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, None), "{}", again.text());
    assert_eq!((replayed.status, replayed.header("idempotency-replayed")), (201, Some("true")));
}
