//! Keys that people make for themselves: within what they have, now; by script, and in a browser.

use std::sync::Arc;
use std::time::{Duration, Instant};

use doorward::app::memory::Memory;
use doorward::clock::{Clock as _, SharedClock, SystemClock, Timestamp};
use doorward::directory::Directory;
use doorward::model::{Program, ProgramKind, User};
use serde_json::{Value, json};

use super::browser::{browse, log_in, said};
use super::house::{House, Person, Plan, field, received};
use crate::support::{Answer, eventually, store};

const SCOPES: &str = "  scopes: { admin: ['*:*'], editor: ['api:read', 'api:write'], viewer: ['api:read'] }";
const OWN_KEYS: &str = "  - { path: /write/**, scopes: ['api:write'] }\nown_keys: { most: 3, longest: 100d }";

fn house() -> House {
    House::with(Plan { roles: SCOPES, settings: OWN_KEYS, ..Plan::default() })
}

/// As a script of the application would ask.
#[track_caller]
fn call(house: &House, person: &Person, method: &str, path: &str, body: &Value) -> Answer {
    let text = body.to_string();
    let mut arguments = vec!["-X", method, "-H", "Accept: application/json", "-H", "Sec-Fetch-Site: same-origin"];
    if !body.is_null() {
        arguments.extend(["-H", "Content-Type: application/json", "-d", &text]);
    }
    person.ask(&house.url(&format!("/.doorward/keys{path}")), &arguments)
}

#[track_caller]
fn make(house: &House, person: &Person, wish: &Value) -> Value {
    let made = call(house, person, "POST", "", wish);
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.header("cache-control"), Some("no-store"));
    made.json()
}

fn secret(made: &Value) -> String {
    made["secret"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
}

fn with_key(house: &House, key: &str, path: &str) -> Answer {
    house.person().ask(&house.url(path), &["-H", &format!("X-Api-Key: {key}"), "-H", "Accept: application/json"])
}

/// Does something to the directory, as an administrator would.
fn administer(house: &House, work: impl AsyncFnOnce(&dyn Directory)) {
    let clock: SharedClock = Arc::new(SystemClock);
    let config = doorward::config::load(&house.door.config()).unwrap().config;
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        work(&*Memory::open(&config, &clock).await.unwrap().directory).await;
    });
}

/// Changes the person behind the key.
fn change(house: &House, id: &str, change: impl Fn(&mut User)) {
    administer(house, async |directory| {
        let mut user = directory.user(id.parse().unwrap()).await.unwrap().unwrap();
        change(&mut user);
        directory.update_user(&user).await.unwrap();
    });
}

fn end_key(house: &House, id: &str, end: Timestamp) {
    administer(house, async |directory| {
        let key = directory.program(ProgramKind::ApiKey, id).await.unwrap().unwrap();
        directory.update_program(&key, &Program { expires_at: Some(end), ..key.clone() }).await.unwrap();
    });
}

#[test]
fn people_make_use_renew_and_revoke_their_own_keys() {
    let house = house();
    let (bob, _) = house.signed_in("bob", "/");
    let made = make(
        &house,
        &bob,
        &json!({ "name": "nightly", "roles": ["viewer"], "scopes": ["api:read"], "networks": ["127.0.0.0/8"], "expires_in": "30d" }),
    );
    let (first, id) = (secret(&made), made["id"].as_str().unwrap());
    assert!(first.starts_with(&format!("dw_{id}_")), "{made}");
    let seen = with_key(&house, &first, "/data");
    assert_eq!((seen.status, received(&seen.json(), "x-doorward-roles")), (200, Some("viewer")), "{}", seen.text());
    let listed = call(&house, &bob, "GET", "", &Value::Null);
    assert_eq!((listed.status, listed.json()["keys"].as_array().unwrap().len()), (200, 1));
    assert!(!listed.text().contains(&first), "a secret is shown once");
    assert_eq!(listed.json()["may"]["scopes"], json!(["api:read"]));

    let second = secret(&call(&house, &bob, "POST", &format!("/{id}/rotate"), &json!({})).json());
    assert_eq!((with_key(&house, &first, "/data").status, with_key(&house, &second, "/data").status), (200, 200));
    let third = secret(&call(&house, &bob, "POST", &format!("/{id}/rotate"), &json!({ "overlap": "0s" })).json());
    eventually("the old secrets to be refused", || (with_key(&house, &second, "/data").status == 401).then_some(()));
    assert_eq!((with_key(&house, &first, "/data").status, with_key(&house, &third, "/data").status), (401, 200));

    assert_eq!(call(&house, &bob, "DELETE", &format!("/{id}"), &Value::Null).status, 204);
    eventually("the key to be refused", || (with_key(&house, &third, "/data").status == 401).then_some(()));
    assert_eq!(call(&house, &bob, "DELETE", &format!("/{id}"), &Value::Null).status, 404);
    for (kind, count) in [("key_created", 1), ("key_rotated", 2), ("key_revoked", 1)] {
        let events = house.events(kind);
        assert_eq!(events.len(), count, "{events:#?}");
        assert_eq!((&events[0]["target"], &events[0]["credential"]), (&json!(id), &json!("session")));
        assert!(events[0]["session"].is_string() && !events[0].to_string().contains("dw_"), "{}", events[0]);
    }
}

#[test]
fn a_key_is_given_no_more_than_its_maker_has() {
    let house = house();
    let (bob, _) = house.signed_in("bob", "/");
    for (wish, why) in [
        (json!({ "name": "a", "roles": ["admin"] }), "role admin"),
        (json!({ "name": "a", "scopes": ["api:write"] }), "permission api:write"),
        (json!({ "name": "a", "scopes": ["api:*"] }), "permission api:*"),
        (json!({ "name": "a", "expires_in": "101d" }), "100 days at most"),
        (json!({ "name": " " }), "name"),
        (json!({ "name": "a", "owner": "somebody" }), "unknown field"),
        (json!({ "name": "a", "networks": ["everywhere"] }), "JSON"),
    ] {
        let refused = call(&house, &bob, "POST", "", &wish);
        assert_eq!(refused.status, 422, "{wish}: {}", refused.text());
        assert!(refused.json()["detail"].as_str().unwrap().contains(why), "{}", refused.text());
    }
    for number in 0..3 {
        let made = make(&house, &bob, &json!({ "name": format!("key {number}") }));
        assert!(made["expires_at"].is_string(), "each has an end: {made}");
    }
    let full = call(&house, &bob, "POST", "", &json!({ "name": "one too many" }));
    assert_eq!((full.status, &full.json()["code"]), (409, &json!("full")));
    let (ada, _) = house.signed_in("ada", "/");
    make(&house, &ada, &json!({ "name": "narrower than the wildcard", "scopes": ["report:write"] }));
}

#[test]
fn a_role_that_is_taken_away_narrows_the_key_from_the_next_request() {
    let house = house();
    let (ada, _) = house.signed_in("ada", "/");
    let id = ada.session().json()["subject"].as_str().unwrap().to_owned();
    let key = secret(&make(&house, &ada, &json!({ "name": "deploy", "roles": ["admin"], "scopes": ["api:*"] })));
    let statuses = || ["/admin/x", "/write/x", "/data"].map(|path| with_key(&house, &key, path).status);
    assert_eq!(statuses(), [200, 200, 200]);
    change(&house, &id, |user| user.groups = Vec::new());
    eventually("the key to do less", || (statuses() == [403, 403, 200]).then_some(()));
    let seen = with_key(&house, &key, "/data").json();
    assert_eq!(received(&seen, "x-doorward-roles"), None, "the default role was not asked for: {seen}");
    assert_eq!(received(&seen, "x-doorward-scopes"), Some("api:read"), "what both have");
    change(&house, &id, |user| user.groups = vec!["Platform".to_owned()]);
    eventually("the key to do the same again", || (statuses() == [200, 200, 200]).then_some(()));
    change(&house, &id, |user| user.active = false);
    eventually("the key to die with its owner", || (statuses() == [401, 401, 401]).then_some(()));
}

#[test]
fn a_key_works_from_its_networks_and_until_its_end() {
    let house = house();
    let (bob, _) = house.signed_in("bob", "/");
    let made = make(&house, &bob, &json!({ "name": "office", "networks": ["127.0.0.2/32"], "expires_in": "1h" }));
    let (key, id) = (secret(&made), made["id"].as_str().unwrap());
    let from = |address: &str| {
        let headers = ["-H", &format!("X-Api-Key: {key}"), "-H", "Accept: application/json"];
        house.person().from(address).ask(&house.url("/data"), &headers).status
    };
    assert_eq!([from("127.0.0.2"), from("127.0.0.1"), from("127.0.0.3")], [200, 401, 401]);
    let end = SystemClock.now().after(Duration::from_secs(3));
    end_key(&house, id, end);
    let last = eventually("the key to end", || {
        let asked = SystemClock.now();
        (from("127.0.0.2") == 401).then_some(asked)
    });
    assert!(last.after(Duration::from_secs(10)) > end && SystemClock.now() >= end, "not before its end");
    let reasons: Vec<Value> = house.events("credential_refused").iter().map(|event| event["reason"].clone()).collect();
    assert_eq!(reasons, ["network", "network", "expired"]);
    let shown = call(&house, &bob, "GET", &format!("/{id}"), &Value::Null).json();
    assert_eq!((&shown["networks"], &shown["expires_at"]), (&json!(["127.0.0.2/32"]), &json!(end.to_string())), "{shown}");
}

#[test]
fn when_a_key_was_last_used_is_seen_by_its_owner_and_not_written_with_each_request() {
    let house = house();
    let (bob, _) = house.signed_in("bob", "/");
    let made = make(&house, &bob, &json!({ "name": "busy" }));
    assert_eq!(made["last_used_at"], Value::Null);
    store::change(house.door.folder(), "CREATE TABLE written (at INTEGER)");
    store::change(
        house.door.folder(),
        "CREATE TRIGGER written AFTER UPDATE ON programs BEGIN INSERT INTO written VALUES (NEW.last_used_at); END",
    );
    let (key, begun) = (secret(&made), Instant::now());
    for _ in 0..100 {
        assert_eq!(with_key(&house, &key, "/data").status, 200);
    }
    let used = eventually("its last use", || {
        let shown = call(&house, &bob, "GET", "", &Value::Null).json()["keys"][0]["last_used_at"].clone();
        shown.as_str().map(str::to_owned)
    });
    assert!(*used > *made["created_at"].as_str().unwrap(), "{used}");
    let written: i64 = store::look(house.door.folder(), "SELECT count(*) FROM written");
    // Every five seconds, if there was anything; one that came late is followed by the next in time.
    let most = i64::try_from(begun.elapsed().as_secs() / 5).unwrap() + 2;
    assert!((1..=most).contains(&written), "{written} writes for a hundred requests in {:?}", begun.elapsed());
}

#[test]
fn nobody_touches_the_keys_of_somebody_else_nor_makes_one_with_a_key() {
    let house = house();
    let ((ada, _), (bob, _)) = (house.signed_in("ada", "/"), house.signed_in("bob", "/"));
    let made = make(&house, &ada, &json!({ "name": "hers" }));
    let (key, id) = (secret(&made), made["id"].as_str().unwrap());
    for (method, path) in [("GET", ""), ("POST", "/rotate"), ("DELETE", "")] {
        let answer = call(&house, &bob, method, &format!("/{id}{path}"), &if path.is_empty() { Value::Null } else { json!({}) });
        assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("missing")), "{method} {path}");
    }
    assert_eq!(with_key(&house, &key, "/data").status, 200);
    for way in [format!("X-Api-Key: {key}"), format!("Authorization: Bearer {key}")] {
        let tried = house.person().ask(
            &house.url("/.doorward/keys"),
            &["-H", &way, "-H", "Content-Type: application/json", "-d", "{\"name\":\"its child\"}"],
        );
        assert_eq!(tried.status, 401, "{}", tried.text());
    }
    assert_eq!(call(&house, &house.person(), "GET", "", &Value::Null).status, 401);
    let json = "Content-Type: application/json";
    for (headers, status) in [
        (vec![json, "Origin: https://evil.example"], 403),
        (vec![json, "Sec-Fetch-Site: same-site"], 403),
        (vec!["Content-Type: text/plain"], 415),
        (vec!["Content-Type: application/x-www-form-urlencoded"], 403),
    ] {
        let mut arguments = vec!["-H", "Accept: application/json", "-d", "{\"name\":\"forged\"}"];
        arguments.extend(headers.iter().flat_map(|header| ["-H", header]));
        let answer = ada.ask(&house.url("/.doorward/keys"), &arguments);
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.text());
    }
    assert_eq!(call(&house, &ada, "GET", "", &Value::Null).json()["keys"].as_array().unwrap().len(), 1);
}

#[test]
fn a_new_secret_takes_a_recent_sign_in_and_the_second_factor_where_one_is_asked_for() {
    let house = house();
    house.tamper(&json!({ "claims": { "auth_time": 1_600_000_000 } }));
    let (bob, _) = house.signed_in("bob", "/");
    let refused = call(&house, &bob, "POST", "", &json!({ "name": "a" }));
    assert_eq!((refused.status, &refused.json()["code"]), (403, &json!("sign_in_too_old")), "{}", refused.text());
    assert!(refused.json()["step_up"].as_str().unwrap().contains("/.doorward/step-up?max_age=600"), "{}", refused.text());
    assert_eq!(call(&house, &bob, "GET", "", &Value::Null).status, 200, "to look takes none");
    let page = bob.ask(&house.url("/.doorward/keys"), &[]).text();
    assert!(page.contains("sign in again") && !page.contains("name=\"expires_in\""), "{page}");

    let strict = format!("{SCOPES}\n  mfa: [admin]");
    let house = House::with(Plan { roles: Box::leak(strict.into_boxed_str()), settings: OWN_KEYS, ..Plan::default() });
    let (ada, _) = house.signed_in("ada", "/.doorward/sessions");
    let refused = call(&house, &ada, "POST", "", &json!({ "name": "a" }));
    assert_eq!((refused.status, &refused.json()["code"]), (403, &json!("second_factor")), "{}", refused.text());
}

#[test]
fn own_keys_are_off_unless_configured_and_may_be_for_some_roles_only() {
    let house = House::usual();
    let (ada, _) = house.signed_in("ada", "/");
    assert_eq!(call(&house, &ada, "GET", "", &Value::Null).status, 404);
    assert_eq!(call(&house, &ada, "POST", "", &json!({ "name": "a" })).status, 404);
    assert!(!ada.ask(&house.url("/.doorward/sessions"), &[]).text().contains("/.doorward/keys"));

    let house = House::with(Plan { settings: "own_keys: { roles: [admin] }", ..Plan::default() });
    let ((ada, _), (bob, _)) = (house.signed_in("ada", "/"), house.signed_in("bob", "/"));
    make(&house, &ada, &json!({ "name": "a" }));
    let refused = call(&house, &bob, "POST", "", &json!({ "name": "a" }));
    assert_eq!((refused.status, &refused.json()["code"]), (403, &json!("not_for_you")));
    assert_eq!(bob.ask(&house.url("/.doorward/keys"), &[]).status, 403);
}

#[test]
fn a_key_that_an_administrator_made_can_be_revoked_by_its_owner_and_not_taken_over() {
    let house = house();
    let (bob, _) = house.signed_in("bob", "/");
    let id = bob.session().json()["subject"].as_str().unwrap().to_owned();
    let given = house.door.command(&["key", "create", "--name", "given", "--owner", &id, "--role", "admin"]);
    let (key, id) = (given["secret"].as_str().unwrap(), given["id"].as_str().unwrap());
    let listed = call(&house, &bob, "GET", "", &Value::Null).json();
    assert_eq!(listed["keys"][0]["administered"], true, "{listed}");
    let refused = call(&house, &bob, "POST", &format!("/{id}/rotate"), &json!({}));
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("administered")), "its secret would be more than bob has");
    assert_eq!(with_key(&house, key, "/admin/x").status, 200);
    assert_eq!(call(&house, &bob, "DELETE", &format!("/{id}"), &Value::Null).status, 204);
    eventually("the key to be refused", || (with_key(&house, key, "/admin/x").status == 401).then_some(()));
}

#[test]
fn the_page_takes_only_its_own_form_and_says_what_was_wrong() {
    let house = house();
    let (bob, _) = house.signed_in("bob", "/");
    let own = house.url("/.doorward/keys");
    let token = field(&bob.ask(&own, &[]).text(), "token");
    let foreign = bob.post(&own, &[("token", &token), ("name", "forged")], &["Origin: https://evil.example"]);
    assert_eq!(foreign.status, 403, "{}", foreign.text());
    let wrong = bob.post(&own, &[("token", &token), ("name", "ci"), ("scope", "api:write"), ("expires_in", "30d")], &[]);
    assert_eq!(wrong.status, 422);
    let page = wrong.text();
    assert!(page.contains("You do not have the permission api:write.") && page.contains("value=\"ci\""), "{page}");
    let made = bob.post(&own, &[("token", &token), ("name", "<b>ci</b>"), ("role", "viewer"), ("expires_in", "30d")], &[]);
    let page = made.text();
    assert!(made.status == 201 && page.contains("&lt;b&gt;ci&lt;/b&gt;") && !page.contains("<b>"), "{page}");
    let key = page.split("class=\"secret\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert_eq!(with_key(&house, &key, "/data").status, 200);
    assert!(!bob.ask(&own, &[]).text().contains(&key), "a secret is shown once");
    let (eve, _) = house.signed_in("ada", "/");
    let hers = field(&eve.ask(&own, &[]).text(), "token");
    let id = key.split('_').nth(1).unwrap();
    assert_eq!(eve.post(&format!("{own}/{id}/revoke"), &[("token", &hers)], &[]).status, 404);
    assert_eq!(with_key(&house, &key, "/data").status, 200);
    assert_eq!(bob.post(&format!("{own}/{id}/revoke"), &[("token", &token)], &[]).status, 303);
    eventually("the key to be refused", || (with_key(&house, &key, "/data").status == 401).then_some(()));
}

#[test]
fn a_key_is_made_and_revoked_by_keyboard_on_a_page_without_an_axe_finding() {
    let house = house();
    let mut steps = vec![json!({ "goto": house.url("/.doorward/keys") }), json!({ "wait_for": "[name=login]" })];
    steps.extend(log_in("ada"));
    steps.extend(
        json!([
            { "wait_for_url": "/keys$" }, { "axe": 1 },
            { "fill": ["#name", "laptop"] }, { "key": "Tab" }, { "focused": 1 }, { "key": "Space" },
            { "press": ["#name", "Enter"] },
            { "wait_for": "code.secret" }, { "axe": 1 }, { "text": "[role=status]" }, { "text": "ul.plain" },
            { "color_scheme": "dark" }, { "viewport": [360, 640] }, { "axe": 1 },
            { "goto": house.url("/.doorward/sessions") }, { "click": "a[href$='/keys']" }, { "wait_for_url": "/keys$" },
            { "press": ["button[aria-label='Revoke laptop, for ever']", "Enter"] },
            { "wait_for_text": "You have no keys." },
            { "problems": 1 },
        ])
        .as_array()
        .unwrap()
        .clone(),
    );
    let lines = browse(&Value::Array(steps));
    for page in said(&lines, "axe") {
        assert_eq!(page["findings"], json!([]));
    }
    assert!(said(&lines, "focused")[0]["focused"].to_string().contains("name=\\\"role\\\""), "{:?}", said(&lines, "focused"));
    let texts = said(&lines, "text");
    assert!(texts[0]["text"].as_str().unwrap().contains("dw_"), "{}", texts[0]);
    assert!(texts[1]["text"].as_str().unwrap().contains("admin"), "the role that was chosen: {}", texts[1]);
    let problems = said(&lines, "problems")[0]["problems"].to_string();
    assert!(!problems.contains("Content Security Policy"), "{problems}");
}
