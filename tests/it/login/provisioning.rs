//! People whom a directory provisions, from their first day to their last: what they may do, and when it ends.

use std::process::Command;

use doorward::crypto::Digest;
use serde_json::{Value, json};

use super::house::{HOST, House, Person, Plan, received};
use crate::support::stream::client;
use crate::support::{Answer, Part, Stopwatch, Stream, curl, eventually, part, store};

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

/// A WebSocket, an event stream and a gRPC call with this credential, all of them flowing.
#[track_caller]
fn streams(house: &House, name: &str, value: &str) -> [Stream; 3] {
    let (line, authority) = (format!("{name}: {value}"), format!("{HOST}:{}", house.port));
    let here = format!("127.0.0.1:{}", house.port);
    let mut socket = client("ws-client.mjs");
    // The bystander's clients have patience for all that happens to others.
    socket.args(["--timeout", "120000"]);
    socket.env("NODE_TLS_REJECT_UNAUTHORIZED", "0").arg(format!("wss://{here}/live?push=50"));
    socket.args(["--header", &line, "--header", &format!("Host: {authority}")]);
    let mut events = Command::new("curl");
    events.args(["--silent", "-N", "--insecure", "--resolve", &format!("{authority}:127.0.0.1"), "-H", &line]);
    events.arg(house.url("/sse?every=50&count=0"));
    let mut call = client("grpc-client.mjs");
    call.args(["--deadline", "120000"]);
    call.args(["--target", &here, "--name", &authority, "--every", "50", "--ca"]).arg(house.door.folder().join("tls.crt"));
    call.args(["--metadata", &json!({ name.to_ascii_lowercase(): value }).to_string(), "count", "0"]);
    [("websocket", socket), ("events", events), ("grpc", call)].map(|(name, mut command)| Stream::start(name, &mut command))
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

    // Deactivated: out at once.
    directory.patch(&user, &json!({ "op": "Replace", "path": "active", "value": "False" }));
    is_out(&house, &person);
    assert_eq!(with_key(), 401);
    assert_eq!(house.person().sign_in(&house.url("/reports"), "bob").answer.status, 403, "nor can he come back by himself");

    // Reactivated: the same role, but not the old session.
    directory.patch(&user, &json!({ "op": "replace", "value": { "active": true } }));
    is_out(&house, &person);
    assert_eq!((role(&person, &house).as_deref(), with_key()), (Some("admin"), 200));

    // Out of the group, and in it again.
    directory.patch(&group, &json!({ "op": "remove", "path": format!("members[value eq \"{bob}\"]") }));
    is_out(&house, &person);
    assert_eq!(with_key(), 401);
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

/// What a person has: a browser, a key of their own, and streams by both.
struct Guest {
    person: Person,
    key: String,
    streams: Vec<Stream>,
}

impl Guest {
    #[track_caller]
    fn new(house: &House, who: &str) -> Self {
        let (person, _) = house.signed_in(who, "/reports");
        let ask = [
            "-X",
            "POST",
            "-H",
            "Accept: application/json",
            "-H",
            "Sec-Fetch-Site: same-origin",
            "-H",
            "Content-Type: application/json",
        ];
        let made = person.ask(&house.url("/.doorward/keys"), &[ask.as_slice(), &["-d", "{\"name\": \"own\"}"]].concat());
        assert_eq!(made.status, 201, "{}", made.text());
        let key = made.json()["secret"].as_str().unwrap().to_owned();
        let cookie = format!("__Host-doorward={}", person.cookie("__Host-doorward").unwrap());
        let streams = [streams(house, "Cookie", &cookie), streams(house, "X-Api-Key", &key)];
        Self { person, key, streams: streams.into_iter().flatten().collect() }
    }

    fn with_key(&self, house: &House) -> u16 {
        let resolve = format!("{HOST}:{}:127.0.0.1", house.port);
        curl(&["--insecure", "--resolve", &resolve, "-H", &format!("X-Api-Key: {}", self.key), &house.url("/x")]).status
    }

    /// Whoever they were, they are nobody any more.
    #[track_caller]
    fn is_put_out(&self, house: &House, since: Stopwatch) {
        assert_eq!((self.person.session().status, self.with_key(house)), (401, 401), "asked at once");
        for stream in &self.streams {
            stream.ends(since);
        }
    }
}

/// Applications that hold connections, and the routes to them.
fn applications() -> ([Part; 2], &'static str) {
    let parts = [part("ws-server", &[]), part("grpc-server", &[])];
    let settings = format!(
        "  - {{ path: /live, upstream: {{ url: http://127.0.0.1:{} }} }}\n  - {{ path: /door.Door/**, upstream: {{ url: h2c://127.0.0.1:{} }} }}\n\
         own_keys: {{ most: 9 }}",
        parts[0].port(),
        parts[1].port()
    );
    (parts, settings.leak())
}

#[test]
fn a_deactivation_cuts_each_kind_of_stream_within_a_second_and_a_reactivation_gives_the_same_role() {
    let (_applications, settings) = applications();
    let house = House::with(Plan { connection: "    provision: scim\n    domains: [acme.example]", settings, ..Plan::default() });
    let directory = Directory::of(&house);
    let made = |who: &str| {
        let made = directory.done("POST", "/Users", &json!({ "userName": format!("{who}@acme.example") }));
        made["id"].as_str().unwrap().to_owned()
    };
    let (bob, ada) = (made("bob"), made("ada"));
    let group =
        directory.done("POST", "/Groups", &json!({ "displayName": "Platform", "members": [{ "value": bob }, { "value": ada }] }));
    let (user, group) = (format!("/Users/{bob}"), format!("/Groups/{}", group["id"].as_str().unwrap()));
    let bystander = Guest::new(&house, "ada");
    let (out, back) = (
        json!({ "op": "replace", "path": "active", "value": false }),
        json!({ "op": "replace", "path": "active", "value": true }),
    );
    let leave = json!({ "op": "remove", "path": format!("members[value eq \"{bob}\"]") });
    let join = json!({ "op": "add", "path": "members", "value": [{ "value": bob }] });
    for (path, put_out, let_in) in [(&user, &out, &back), (&group, &leave, &join)] {
        let guest = Guest::new(&house, "bob");
        assert_eq!(guest.with_key(&house), 200);
        let since = Stopwatch::start();
        directory.patch(path, put_out);
        guest.is_put_out(&house, since);
        assert_eq!(
            house.person().sign_in(&house.url("/reports"), "bob").answer.status,
            403,
            "nor can they come back by themselves"
        );
        directory.patch(path, let_in);
        assert_eq!((guest.person.session().status, guest.with_key(&house)), (401, 200), "the key, but not the session");
        assert_eq!(role(&house.person(), &house).as_deref(), Some("admin"), "the same as before");
    }
    let guest = Guest::new(&house, "bob");
    let since = Stopwatch::start();
    directory.done("DELETE", &user, &Value::Null);
    guest.is_put_out(&house, since);
    for stream in &bystander.streams {
        stream.goes_on();
    }
    assert_eq!((bystander.person.session().status, bystander.with_key(&house)), (200, 200));
}

/// A sign-in that was under way makes its session just after all of the person's were ended.
#[test]
fn a_session_that_slips_in_while_somebody_is_put_out_does_not_come_back_with_them() {
    let house = House::with(Plan { connection: "    provision: scim\n    domains: [acme.example]", ..Plan::default() });
    let directory = Directory::of(&house);
    let bob = directory.done("POST", "/Users", &json!({ "userName": "bob@acme.example" }))["id"].as_str().unwrap().to_owned();
    let group = directory.done("POST", "/Groups", &json!({ "displayName": "Platform", "members": [{ "value": bob }] }));
    let (user, group) = (format!("/Users/{bob}"), format!("/Groups/{}", group["id"].as_str().unwrap()));
    let active = |active: bool| json!({ "op": "replace", "path": "active", "value": active });
    let leave = json!({ "op": "remove", "path": "members" });
    let join = json!({ "op": "add", "path": "members", "value": [{ "value": bob }] });
    let second = json!({ "op": "replace", "path": "displayName", "value": "Crew" });
    let status = |letter: &str| {
        let cookie = format!("Cookie: __Host-doorward={}", letter.repeat(43));
        house.person().ask(&house.url("/x"), &["-H", &cookie, "-H", "Accept: application/json"]).status
    };
    // Under another name each time, since what was refused is remembered for a while.
    let slips_in = |letter: &str| {
        let digest = Digest::of(letter.repeat(43).as_bytes()).to_hex();
        let newest = "(SELECT max(created_at) FROM sessions)";
        let statement = format!("UPDATE sessions SET revoked_at = NULL, digest = x'{digest}' WHERE created_at = {newest}");
        store::change(house.door.folder(), statement.leak());
    };
    for (letters, path, put_out, let_in) in
        [(["A", "B", "C"], &user, &active(false), &active(true)), (["D", "E", "F"], &group, &leave, &join)]
    {
        house.signed_in("bob", "/reports");
        slips_in(letters[0]);
        assert_eq!(status(letters[0]), 200, "it would be good");
        directory.patch(path, put_out);
        slips_in(letters[1]);
        assert_eq!(status(letters[1]), 401);
        slips_in(letters[2]);
        directory.patch(path, let_in);
        assert_eq!(status(letters[2]), 401, "it came back");
    }
    // Who has not been put out keeps what they have, in however many groups they are.
    let (person, _) = house.signed_in("bob", "/reports");
    directory.patch(&group, &second);
    directory.done("POST", "/Groups", &json!({ "displayName": "Second", "members": [{ "value": bob }] }));
    assert_eq!(person.session().status, 200);
}

#[test]
fn a_role_by_a_directorys_group_counts_in_lists_at_the_terminal_and_in_own_keys() {
    let house = House::with(Plan {
        connection: "    provision: scim\n    domains: [acme.example]",
        roles: "  scopes: { admin: ['*:*'], editor: ['api:read', 'api:write'], viewer: ['api:read'] }",
        settings: "  - { path: /write/**, scopes: ['api:write'] }\nown_keys: { most: 3, longest: 100d }\nadmin_api: { roles: [admin] }",
        ..Plan::default()
    });
    let directory = Directory::of(&house);
    let bob = directory.done("POST", "/Users", &json!({ "userName": "bob@acme.example" }))["id"].as_str().unwrap().to_owned();
    let members = json!([{ "value": bob }]);
    let group = directory.done("POST", "/Groups", &json!({ "displayName": "Engineering", "members": members }));
    let (person, _) = house.signed_in("bob", "/reports");
    let wish = json!({ "name": "writer", "roles": ["editor"], "scopes": ["api:write"] }).to_string();
    let fields = ["-H", "Accept: application/json", "-H", "Sec-Fetch-Site: same-origin", "-H", "Content-Type: application/json"];
    let made = person.ask(&house.url("/.doorward/keys"), &[&fields[..], &["-d", &wish]].concat());
    assert_eq!(made.status, 201, "{}", made.text());
    let key = format!("X-Api-Key: {}", made.json()["secret"].as_str().unwrap());
    let with_key = || house.person().ask(&house.url("/write/x"), &["-H", &key, "-H", "Accept: application/json"]);
    let written = with_key();
    assert_eq!((written.status, received(&written.json(), "x-doorward-role")), (200, Some("editor")), "{}", written.text());

    let administrator = house.door.command(&["key", "create", "--name", "administration", "--role", "admin"]);
    let administrator = format!("X-Api-Key: {}", administrator["secret"].as_str().unwrap());
    let holders = |role: &str| {
        let url = house.url(&format!("/.doorward/api/v1/roles/{role}/users"));
        let listed = house.person().ask(&url, &["-H", &administrator, "-H", "Accept: application/json"]).json();
        listed["items"].as_array().unwrap().iter().map(|user| user["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!((holders("editor"), holders("viewer")), (vec![json!(bob)], Vec::new()));
    let shown = house.door.command(&["user", "show", &bob]);
    assert_eq!((&shown["directory_groups"], &shown["effective_roles"]), (&json!(["Engineering"]), &json!(["editor"])), "{shown}");

    // What the group gave goes with it: in a group that gives nothing there is the default.
    directory.done("POST", "/Groups", &json!({ "displayName": "Chess club", "members": members }));
    directory.done("DELETE", &format!("/Groups/{}", group["id"].as_str().unwrap()), &Value::Null);
    eventually("the key to do no more than its owner may", || (with_key().status == 403).then_some(()));
    assert_eq!((holders("editor"), holders("viewer")), (Vec::new(), vec![json!(bob)]));
    assert_eq!(house.door.command(&["user", "show", &bob])["effective_roles"], json!(["viewer"]));
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

#[test]
fn who_signed_in_before_is_adopted_in_a_circle_of_operations_too() {
    let house = House::usual();
    let (person, _) = house.signed_in("bob", "/reports");
    let before = house.door.command(&["user", "list"])[0]["id"].as_str().unwrap().to_owned();
    let directory = Directory::of(&house);
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let post = |id: &str, name: &str, external: &str, manager: &str| {
        let data = json!({ "userName": name, "externalId": external, enterprise: { "manager": format!("bulkId:{manager}") } });
        json!({ "method": "POST", "path": "/Users", "bulkId": id, "data": data })
    };
    let operations = json!({ "Operations": [post("a", "ada", "x", "b"), post("b", "b.builder", "bob", "a")] });
    let answer = directory.done("POST", "/Bulk", &operations);
    let statuses = [&answer["Operations"][0]["status"], &answer["Operations"][1]["status"]];
    assert_eq!(statuses, [&json!("201"), &json!("201")], "{answer}");
    let ada = directory.done("GET", "/Users?filter=userName+eq+%22ada%22", &Value::Null)["Resources"][0].clone();
    assert_eq!(ada[enterprise]["manager"]["value"], json!(before), "the id that bob has had all along");
    let bob = directory.done("GET", &format!("/Users/{before}"), &Value::Null);
    assert_eq!((&bob["userName"], &bob[enterprise]["manager"]["value"]), (&json!("b.builder"), &ada["id"]));
    assert_eq!(person.ask(&house.url("/reports"), &[]).status, 200, "the session goes on");
    assert_eq!(house.door.command(&["user", "list"]).as_array().unwrap().len(), 2);
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
