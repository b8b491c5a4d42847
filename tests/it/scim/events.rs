//! Every operation of the door for directories that changes something, done once: one event, of the kind that is said here.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::house::{Client, House};

/// What a client may ask for, as RFC 7644 §3.2 lists it: each method at each place.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const PLACES: [&str; 12] = [
    "",
    "/Users",
    "/Users/{id}",
    "/Users/.search",
    "/Groups",
    "/Groups/{id}",
    "/Groups/.search",
    "/.search",
    "/Bulk",
    "/ServiceProviderConfig",
    "/ResourceTypes",
    "/Schemas",
];

/// A house, and what was done in it.
struct Walk {
    house: House,
    client: Client,
    done: BTreeSet<String>,
}

impl Walk {
    fn events(&self) -> Vec<Value> {
        let listed = self.house.door.command(&["audit", "list", "--limit", "500"]);
        listed.as_array().unwrap().iter().filter(|event| event["kind"] != "scim_token_created").cloned().collect()
    }

    /// `operation`: its method and place; it is one event of each of these kinds.
    #[track_caller]
    fn one(&mut self, operation: &str, id: &str, body: &Value, kinds: &[&str]) -> Value {
        let (method, place) = operation.split_once(' ').unwrap();
        let before: BTreeSet<String> = self.events().iter().map(|event| event["id"].to_string()).collect();
        let body = Some(body).filter(|body| !body.is_null());
        let answer = self.client.send(method, &place.replace("{id}", id), body, &[]);
        assert!((200..300).contains(&answer.status), "{operation}: {}", answer.text());
        let events = self.events();
        let new: Vec<&Value> = events.iter().filter(|event| !before.contains(&event["id"].to_string())).collect();
        let mut told: Vec<&str> = new.iter().map(|event| event["kind"].as_str().unwrap()).collect();
        told.sort_unstable();
        assert_eq!(told, kinds, "{operation}");
        for event in new {
            assert_eq!((&event["outcome"], &event["tenant"]), (&json!("success"), &json!("acme")), "{event}");
            assert_eq!((&event["actor"], &event["source"]), (&json!(format!("scim:{}", self.client.id)), &json!("127.0.0.1")));
            assert!(event["request_id"].is_string() && event["target"].is_string(), "{event}");
        }
        self.done.insert(operation.to_owned());
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    /// Asks for what is no change; the trail does not speak of it.
    #[track_caller]
    fn refused(&self, method: &str, place: &str) {
        let before = self.events().len();
        let place_of = place.replace("{id}", "00000000-0000-4000-8000-000000000000");
        let answer = self.client.send(method, &place_of, Some(&json!({ "schemas": [] })), &[]);
        assert!(answer.status >= 400, "{method} {place} changes something that is not said here: {}", answer.status);
        assert_eq!(self.events().len(), before, "{method} {place}");
    }
}

fn patch(operations: &Value) -> Value {
    json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations })
}

#[test]
fn every_scim_operation_that_changes_something_is_one_event_for_each_change() {
    let house = House::with("");
    let client = house.client("okta");
    let mut walk = Walk { house, client, done: BTreeSet::new() };
    let nothing = Value::Null;
    let id = |made: &Value| made["id"].as_str().unwrap().to_owned();
    let ada = id(&walk.one("POST /Users", "", &json!({ "userName": "ada@acme.example" }), &["user_created"]));
    let renamed = json!({ "userName": "ada@acme.example", "displayName": "Ada" });
    walk.one("PUT /Users/{id}", &ada, &renamed, &["user_changed"]);
    walk.one("PUT /Users/{id}", &ada, &renamed, &[]);
    let active = |active: bool| patch(&json!([{ "op": "replace", "path": "active", "value": active }]));
    walk.one("PATCH /Users/{id}", &ada, &active(false), &["user_deactivated"]);
    walk.one("PATCH /Users/{id}", &ada, &active(true), &["user_reactivated"]);
    let title = patch(&json!([{ "op": "add", "path": "title", "value": "Countess" }]));
    walk.one("PATCH /Users/{id}", &ada, &title, &["user_changed"]);

    let staff = json!({ "displayName": "Staff", "members": [{ "value": ada }] });
    let group = id(&walk.one("POST /Groups", "", &staff, &["group_created"]));
    walk.one("PUT /Groups/{id}", &group, &json!({ "displayName": "Crew", "members": [{ "value": ada }] }), &["group_changed"]);
    let leaves = patch(&json!([{ "op": "remove", "path": format!("members[value eq \"{ada}\"]") }]));
    walk.one("PATCH /Groups/{id}", &group, &leaves, &["group_changed"]);
    let again = patch(&json!([{ "op": "add", "path": "members", "value": [{ "value": ada }] }]));
    walk.one("PATCH /Groups/{id}", &group, &again, &["group_changed"]);

    let operations = json!([
        { "method": "POST", "path": "/Users", "bulkId": "bob", "data": { "userName": "bob@acme.example" } },
        { "method": "POST", "path": "/Groups", "bulkId": "club", "data": { "displayName": "Club", "members": [{ "value": "bulkId:bob" }] } },
        { "method": "PATCH", "path": format!("/Users/{ada}"), "data": active(false) },
        { "method": "DELETE", "path": format!("/Users/{ada}") },
    ]);
    let bulk = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations });
    walk.one("POST /Bulk", "", &bulk, &["group_created", "user_created", "user_deactivated", "user_deleted"]);
    walk.one("DELETE /Groups/{id}", &group, &nothing, &["group_removed"]);
    let carol = id(&walk.one("POST /Users", "", &json!({ "userName": "carol@acme.example" }), &["user_created"]));
    walk.one("DELETE /Users/{id}", &carol, &nothing, &["user_deleted"]);

    // Whoever adds a kind of resource says here what its events are.
    let kinds = walk.client.get("/ResourceTypes").json();
    let kinds: BTreeSet<&str> =
        kinds["Resources"].as_array().unwrap().iter().map(|kind| kind["endpoint"].as_str().unwrap()).collect();
    assert_eq!(kinds, BTreeSet::from(["/Users", "/Groups"]));

    // What only reads, and everything else that a client might try.
    for read in ["GET /Users", "GET /Groups", "GET /ServiceProviderConfig", "GET /ResourceTypes", "GET /Schemas", "GET "] {
        walk.one(read, "", &nothing, &[]);
    }
    for search in ["POST /.search", "POST /Users/.search", "POST /Groups/.search"] {
        walk.one(search, "", &json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"] }), &[]);
    }
    for method in METHODS {
        for place in PLACES.iter().filter(|place| !walk.done.contains(&format!("{method} {place}"))) {
            walk.refused(method, place);
        }
    }
}

#[test]
fn whoever_becomes_an_administrator_by_a_directorys_group_is_an_alarm() {
    let house = House::with(
        "roles: { ranked: [admin, viewer], groups: { Board: admin, Staff: viewer } }\nadmin_api: { roles: [admin] }\n",
    );
    let client = house.client("okta");
    let told = |kind: &str| house.events(kind).last().map(|event| event["details"]["administrator"] == json!(true));
    let (ada, bob) = (client.person("ada@acme.example"), client.person("bob@acme.example"));
    let staff = client.group("Staff", &[&ada]);
    assert_eq!(told("group_created"), Some(false));
    let board = client.group("Board", &[]);
    assert_eq!(told("group_created"), Some(false), "nobody is in it");
    let members = |op: &str, id: &str| json!([{ "op": op, "path": "members", "value": [{ "value": id }] }]);
    assert_eq!(client.patch(&format!("/Groups/{board}"), &members("add", &ada)).status, 200);
    assert_eq!(told("group_changed"), Some(true));
    assert_eq!(client.patch(&format!("/Groups/{board}"), &members("remove", &ada)).status, 200);
    assert_eq!(told("group_changed"), Some(false));
    assert_eq!(client.patch(&format!("/Groups/{staff}"), &members("add", &bob)).status, 200);
    assert_eq!(told("group_changed"), Some(false));
    client.done("DELETE", &format!("/Groups/{board}"), &Value::Null);
    let rename = json!([{ "op": "replace", "path": "displayName", "value": "Board" }]);
    assert_eq!(client.patch(&format!("/Groups/{staff}"), &rename).status, 200);
    assert_eq!(told("group_changed"), Some(true), "its members are administrators by its new name");

    let active = |active: bool| json!([{ "op": "replace", "path": "active", "value": active }]);
    assert_eq!(client.patch(&format!("/Users/{bob}"), &active(false)).status, 200);
    assert_eq!(client.patch(&format!("/Users/{bob}"), &active(true)).status, 200);
    assert_eq!(told("user_reactivated"), Some(true), "an administrator is back");
    let alarms = house.door.command(&["audit", "list", "--severity", "alarm"]);
    assert_eq!(alarms.as_array().map(Vec::len), Some(3), "{alarms:#}");
}
