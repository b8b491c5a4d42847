//! People whom a directory provisions, from their first day to their last: what they may do, and when it ends.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::house::{HOST, House, Person, Plan, received};
use crate::support::{Answer, Process, curl};

/// What the product promises, and what the client takes to notice.
const AT_ONCE: Duration = Duration::from_millis(1700);

struct Directory<'h> {
    house: &'h House,
    token: String,
}

impl<'h> Directory<'h> {
    #[track_caller]
    fn of(house: &'h House) -> Self {
        let made = house.door.command(&["scim-token", "create", "--connection", "idp"]);
        Self { house, token: made["secret"].as_str().unwrap().to_owned() }
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        let (line, body) = (format!("Authorization: Bearer {}", self.token), body.to_string());
        let resolve = format!("{HOST}:{}:127.0.0.1", self.house.port);
        let url = self.house.url(&format!("/.doorward/scim/v2{path}"));
        curl(&["--insecure", "--resolve", &resolve, "-X", method, "-H", &line, "--data-binary", &body, &url])
    }

    #[track_caller]
    fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.ask(method, path, body);
        assert!((200..300).contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.text());
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    #[track_caller]
    fn patch(&self, path: &str, operation: &Value) {
        self.done("PATCH", path, &json!({ "Operations": [operation] }));
    }
}

/// An answer that goes on.
fn stream(house: &House, arguments: &[&str]) -> Process {
    let resolve = format!("{HOST}:{}:127.0.0.1", house.port);
    let mut command = Command::new("curl");
    command.args(["--silent", "-N", "--insecure", "--resolve", &resolve]).args(arguments);
    let process = Process::start(command.arg(house.url("/sse?every=50&count=0")));
    assert!((0..4).all(|_| process.line(Duration::from_secs(10)).is_ok()), "it does not flow: {}", process.said());
    process
}

#[track_caller]
fn ends_at_once(stream: &Process, since: Instant) {
    while stream.line(AT_ONCE.saturating_sub(since.elapsed()).max(Duration::from_millis(1))).is_ok() {
        assert!(since.elapsed() < AT_ONCE, "it goes on");
    }
    assert!(since.elapsed() < AT_ONCE, "it ended only after {:?}", since.elapsed());
}

/// Where somebody's browser gets without signing in anew.
#[track_caller]
fn is_out(house: &House, person: &Person) {
    let answer = person.ask(&house.url("/reports"), &[]);
    assert!(matches!(answer.status, 302 | 303), "still in: {} {}", answer.status, answer.text());
}

#[track_caller]
fn role(person: &Person, house: &House) -> Option<String> {
    let walk = person.walk(&house.url("/reports"));
    // The provider may know them still.
    let walk = if walk.url.contains("/interaction/") { person.log_in(&walk, "bob") } else { walk };
    assert_eq!(walk.answer.status, 200, "{}", walk.answer.text());
    received(&walk.answer.json(), "x-doorward-role").map(str::to_owned)
}

#[test]
fn a_person_comes_goes_and_comes_back_as_the_directory_says() {
    let house = House::with(Plan {
        connection: "    provision: scim\n    domains: [acme.example]",
        settings: "  - { path: /keys/**, accept: [api_key] }",
        ..Plan::default()
    });
    let directory = Directory::of(&house);
    let unknown = house.person().sign_in(&house.url("/reports"), "bob");
    assert_eq!(unknown.answer.status, 403, "nobody has provisioned bob");

    let bob = directory.done("POST", "/Users", &json!({ "userName": "Bob@acme.example", "displayName": "Bob B." }));
    let bob = bob["id"].as_str().unwrap();
    let user = format!("/Users/{bob}");
    let group = directory.done("POST", "/Groups", &json!({ "displayName": "Platform", "members": [{ "value": bob }] }));
    let group = format!("/Groups/{}", group["id"].as_str().unwrap());
    let person = house.person();
    assert_eq!(role(&person, &house).as_deref(), Some("admin"), "the group gives it");
    let echo = person.ask(&house.url("/reports"), &[]).json();
    assert_eq!(received(&echo, "x-doorward-groups"), Some("Chess,Platform"), "the provider's groups and the directory's");
    assert_eq!(received(&echo, "x-doorward-name"), Some("Bob B."), "the directory's name");
    let key = house.door.command(&["key", "create", "--name", "bob's", "--owner", bob]);
    let key = format!("X-Api-Key: {}", key["secret"].as_str().unwrap());
    let resolve = format!("{HOST}:{}:127.0.0.1", house.port);
    let with_key = || curl(&["--insecure", "--resolve", &resolve, "-H", &key, &house.url("/keys/x")]).status;
    assert_eq!(with_key(), 200);

    // Deactivated: out at once, streams included.
    let live = stream(&house, &["-H", &key]);
    let since = Instant::now();
    directory.patch(&user, &json!({ "op": "Replace", "path": "active", "value": "False" }));
    is_out(&house, &person);
    assert_eq!(with_key(), 401);
    ends_at_once(&live, since);
    assert_eq!(house.person().sign_in(&house.url("/reports"), "bob").answer.status, 403, "nor can he come back by himself");

    // Reactivated: the same role, but not the old session.
    directory.patch(&user, &json!({ "op": "replace", "value": { "active": true } }));
    is_out(&house, &person);
    assert_eq!((role(&person, &house).as_deref(), with_key()), (Some("admin"), 200));

    // Out of the group, and in it again.
    let live = stream(&house, &["-H", &key]);
    let since = Instant::now();
    directory.patch(&group, &json!({ "op": "remove", "path": format!("members[value eq \"{bob}\"]") }));
    is_out(&house, &person);
    assert_eq!(with_key(), 401);
    ends_at_once(&live, since);
    assert_eq!(directory.done("GET", &user, &Value::Null)["active"], json!(true), "the directory has not said otherwise");
    directory.patch(&group, &json!({ "op": "add", "path": "members", "value": [{ "value": bob }] }));
    is_out(&house, &person);
    // Another browser: one that is sent to sign in so often in so short a time is told that it goes in circles.
    let person = house.person();
    assert_eq!((role(&person, &house).as_deref(), with_key()), (Some("admin"), 200));

    // Out of one group of two: the other one's role, after signing in anew.
    let second = directory.done("POST", "/Groups", &json!({ "displayName": "Engineering", "members": [{ "value": bob }] }));
    directory.done("DELETE", &group, &Value::Null);
    is_out(&house, &person);
    assert_eq!((role(&person, &house).as_deref(), with_key()), (Some("editor"), 200));
    assert!(second["id"].is_string());

    directory.done("DELETE", &user, &Value::Null);
    is_out(&house, &person);
    assert_eq!(with_key(), 401);
    assert_eq!(house.person().sign_in(&house.url("/reports"), "bob").answer.status, 403);
}

#[test]
fn who_signed_in_before_is_adopted_and_not_doubled() {
    let house = House::usual();
    let (person, _) = house.signed_in("bob", "/reports");
    let before = house.door.command(&["user", "list"]);
    assert_eq!(before.as_array().unwrap().len(), 1);
    let directory = Directory::of(&house);
    assert_eq!(directory.done("GET", "/Users", &Value::Null)["totalResults"], json!(0), "nobody's yet");
    let sent =
        json!({ "userName": "b.builder", "externalId": "bob", "emails": [{ "value": "bob@acme.example", "primary": true }] });
    let adopted = directory.done("POST", "/Users", &sent);
    assert_eq!(adopted["id"], before[0]["id"]);
    assert_eq!(directory.ask("POST", "/Users", &sent).status, 409, "once");
    let after = house.door.command(&["user", "list"]);
    assert_eq!(after.as_array().unwrap().len(), 1, "{after}");
    assert_eq!((&after[0]["user_name"], &after[0]["provisioned_by"]), (&json!("b.builder"), &json!("idp")));
    assert_eq!(person.ask(&house.url("/reports"), &[]).status, 200, "the session goes on");
    let (_, walk) = house.signed_in("bob", "/reports");
    assert_eq!(received(&walk.answer.json(), "x-doorward-email"), Some("bob@acme.example"));
    assert_eq!(house.door.command(&["user", "list"]).as_array().unwrap().len(), 1);
}

/// And the other way round: provisioned first, at a connection that would make accounts.
#[test]
fn who_was_provisioned_is_recognised_at_the_first_sign_in() {
    let house = House::usual();
    let directory = Directory::of(&house);
    let by_subject = directory.done("POST", "/Users", &json!({ "userName": "a.lovelace", "externalId": "ada" }));
    let by_address = directory.done("POST", "/Users", &json!({ "userName": "bob@acme.example" }));
    for (who, expected) in [("ada", by_subject), ("bob", by_address)] {
        let (_, walk) = house.signed_in(who, "/reports");
        assert_eq!(received(&walk.answer.json(), "x-doorward-user"), expected["id"].as_str(), "{who}");
    }
    assert_eq!(house.door.command(&["user", "list"]).as_array().unwrap().len(), 2);
    // Whose address the provider has not verified is not whom the directory means.
    let eve = directory.done("POST", "/Users", &json!({ "userName": "eve@acme.example" }));
    let walk = house.person().sign_in(&house.url("/reports"), "eve");
    let user = if walk.answer.status == 200 { received(&walk.answer.json(), "x-doorward-user").map(str::to_owned) } else { None };
    assert_ne!(user.as_deref(), eve["id"].as_str());
}
