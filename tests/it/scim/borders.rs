//! One token is good for its own connection's people and groups, and for nothing else.

use serde_json::{Value, json};

use super::house::House;
use crate::support::{curl, eventually};

/// Every read and write there is, at this person and this group.
fn attempts(user: &str, group: &str) -> Vec<(&'static str, String, Value)> {
    let patch = |operations: Value| json!({ "Operations": operations });
    let member = |id: &str| json!([{ "value": id }]);
    let one = |method: &str, path: &str, data: Value| json!({ "Operations": [{ "method": method, "path": path, "bulkId": "b", "data": data }] });
    let (at_user, at_group) = (format!("/Users/{user}"), format!("/Groups/{group}"));
    vec![
        ("GET", at_user.clone(), Value::Null),
        ("GET", format!("{at_user}?attributes=userName"), Value::Null),
        ("PUT", at_user.clone(), json!({ "userName": "taken-over" })),
        ("PATCH", at_user.clone(), patch(json!([{ "op": "replace", "path": "active", "value": false }]))),
        ("PATCH", at_user.clone(), patch(json!([{ "op": "replace", "value": { "userName": "taken-over" } }]))),
        ("PATCH", at_user.clone(), patch(json!([{ "op": "add", "path": "emails", "value": "e@evil.example" }]))),
        ("DELETE", at_user.clone(), Value::Null),
        ("GET", at_group.clone(), Value::Null),
        ("GET", format!("{at_group}?attributes=members"), Value::Null),
        ("PUT", at_group.clone(), json!({ "displayName": "taken-over" })),
        ("PATCH", at_group.clone(), patch(json!([{ "op": "replace", "path": "displayName", "value": "taken-over" }]))),
        ("PATCH", at_group.clone(), patch(json!([{ "op": "remove", "path": "members" }]))),
        ("PATCH", at_group.clone(), patch(json!([{ "op": "add", "path": "members", "value": member(user) }]))),
        ("DELETE", at_group.clone(), Value::Null),
        ("POST", "/Groups".to_owned(), json!({ "displayName": "thieves", "members": member(user) })),
        ("POST", "/Groups".to_owned(), json!({ "displayName": "thieves", "members": member(group) })),
        ("POST", "/Bulk".to_owned(), one("DELETE", &at_user, Value::Null)),
        (
            "POST",
            "/Bulk".to_owned(),
            one("PATCH", &at_user, patch(json!([{ "op": "replace", "path": "active", "value": false }]))),
        ),
        ("POST", "/Bulk".to_owned(), one("PUT", &at_group, json!({ "displayName": "taken-over" }))),
        ("POST", "/Bulk".to_owned(), one("DELETE", &at_group, Value::Null)),
    ]
}

/// Lists and searches that name what is not theirs.
fn searches(user: &str, group: &str) -> Vec<(&'static str, String)> {
    [
        ("/Users", format!("id eq \"{user}\"")),
        ("/Users", "userName eq \"ada\"".to_owned()),
        ("/Users", "externalId eq \"ext-ada\"".to_owned()),
        ("/Users", "emails.value eq \"ada@globex.example\"".to_owned()),
        ("/Users", "emails[value co \"globex\"]".to_owned()),
        ("/Users", format!("groups.value eq \"{group}\"")),
        ("/Users", "groups.display eq \"Staff\"".to_owned()),
        ("/Users", "userName pr or not (userName pr)".to_owned()),
        ("/Groups", format!("id eq \"{group}\"")),
        ("/Groups", "displayName eq \"Staff\"".to_owned()),
        ("/Groups", format!("members.value eq \"{user}\"")),
        ("/Groups", format!("members[value eq \"{user}\"]")),
        ("", "id pr".to_owned()),
    ]
    .into_iter()
    .collect()
}

#[test]
fn more_than_fifty_attempts_across_tenants_and_connections_are_refused() {
    for house in House::on_each_engine() {
        let victim = house.client("google");
        let ada =
            json!({ "userName": "ada", "externalId": "ext-ada", "emails": [{ "value": "ada@globex.example", "primary": true }] });
        let user = victim.done("POST", "/Users", &ada)["id"].as_str().unwrap().to_owned();
        let group = victim.group("Staff", &[&user]);
        let before = [victim.get(&format!("/Users/{user}")).text(), victim.get(&format!("/Groups/{group}")).text()];
        let mut tried = 0;
        // Another tenant's, and then one of the same tenant's other connection.
        let neighbour = house.client("okta");
        let (own, second) = (neighbour.person("own"), house.client("entra"));
        let own_group = neighbour.group("Own", &[&own]);
        for (thief, user, group) in [(&neighbour, &user, &group), (&second, &user, &group), (&second, &own, &own_group)] {
            for (method, path, body) in attempts(user, group) {
                let answer = if body.is_null() { thief.send(method, &path, None, &[]) } else { thief.ask(method, &path, &body) };
                let status = match path.as_str() {
                    "/Bulk" => answer.json()["Operations"][0]["status"].as_str().unwrap().parse().unwrap(),
                    _ => answer.status,
                };
                assert!(matches!(status, 400 | 404), "{method} {path} {body}: {} {}", answer.status, answer.text());
                tried += 1;
            }
            for (path, filter) in searches(user, group) {
                let query: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
                let found = thief.get(&format!("{path}?filter={query}")).text();
                assert!(!found.contains(user.as_str()) && !found.contains(group.as_str()), "{path} {filter}: {found}");
                tried += 1;
            }
        }
        assert!(tried > 50, "{tried}");
        assert_eq!([victim.get(&format!("/Users/{user}")).text(), victim.get(&format!("/Groups/{group}")).text()], before);
        assert_eq!(neighbour.found("/Users", "userName pr", ""), ["own"]);
    }
}

#[test]
fn a_local_account_can_neither_be_seen_nor_taken_over() {
    for house in House::on_each_engine() {
        let client = house.client("okta");
        let root = house.door.command(&["user", "create", "--name", "root@acme.example", "--tenant", "acme"]);
        assert!(root["password"].is_string(), "{root}");
        assert!(client.found("/Users", "userName pr", "").is_empty());
        for name in ["root@acme.example", "ROOT@ACME.example"] {
            let refused = client.ask("POST", "/Users", &json!({ "userName": name }));
            assert_eq!((refused.status, &refused.json()["scimType"]), (409, &json!("uniqueness")), "{name}");
        }
        let eve = client.person("eve");
        let renamed = client
            .patch(&format!("/Users/{eve}"), &json!([{ "op": "replace", "path": "userName", "value": "root@acme.example" }]));
        assert_eq!(renamed.status, 409, "{}", renamed.text());
        assert_eq!(client.found("/Users", "userName pr", ""), ["eve"]);
    }
}

#[test]
fn what_a_client_says_of_rights_has_no_effect() {
    for house in House::on_each_engine() {
        let client = house.client("okta");
        let made = client.done(
            "POST",
            "/Users",
            &json!({
                "userName": "eve", "id": "11111111-1111-1111-1111-111111111111", "groups": [{ "value": "admins" }],
                "roles": [{ "value": "admin" }], "entitlements": [{ "value": "*" }], "password": "hunter2", "meta": { "created": "1970" },
                "tenant": "globex", "provisioned_by": "google", "password_hash": "x",
            }),
        );
        assert_ne!(made["id"], json!("11111111-1111-1111-1111-111111111111"));
        assert_eq!((&made["groups"], &made["password"]), (&Value::Null, &Value::Null));
        let shown = house.door.command(&["user", "show", "eve", "--tenant", "acme"]);
        let told = |name: &str| shown[name].clone();
        assert_eq!((told("roles"), told("groups"), told("directory_groups")), (json!([]), json!([]), json!([])), "{shown}");
        assert_eq!(told("provisioned_by"), json!("okta"));
    }
}

#[test]
fn a_token_opens_the_door_at_its_own_tenants_host_alone_and_is_recorded_where_it_was_refused() {
    let house = House::with_hosts();
    let client = house.client("okta");
    let at = |host: &str| client.send("GET", "/Users", None, &[&format!("Host: {host}:1")]).status;
    assert_eq!(["acme.test", "globex.test", "localhost"].map(at), [200, 401, 401]);
    let absent = curl(&["-H", "Host: globex.test:1", &format!("{}/Users", client.base())]);
    assert_eq!(absent.status, 401);
    let refused = eventually("all are recorded", || Some(house.events("credential_refused")).filter(|events| events.len() == 3));
    let told = |name: &str| {
        let mut told: Vec<&str> = refused.iter().map(|event| event[name].as_str().unwrap()).collect();
        told.sort_unstable();
        told
    };
    assert_eq!(told("tenant"), ["acme", "globex", "globex"], "of the host, or else of the token");
    assert_eq!(told("reason"), ["absent", "unknown", "unknown"]);
}

/// The door looks at its own tokens only, and they open no other door.
#[test]
fn a_scim_token_opens_no_other_door_and_no_other_credential_this_one() {
    let house = House::with("routes: [{ path: /app }]");
    let client = house.client("google");
    let key = house.door.command(&["key", "create", "--name", "k", "--scope", "*:*"]);
    let key = key["secret"].as_str().unwrap();
    assert_eq!(client.with_token(key).get("/Users").status, 401);
    let other = |line: &str| curl(&["-H", line, &format!("{}/Users", client.base())]).status;
    for line in [
        format!("X-Api-Key: {key}"),
        format!("Authorization: Basic {}", client.token),
        format!("Authorization: {}", client.token),
        format!("X-Api-Key: {}", client.token),
        "Cookie: __Host-doorward=x".to_owned(),
    ] {
        assert_eq!(other(&line), 401, "{line}");
    }
    let app = format!("http://{}/app", house.door.listener(0));
    for line in [format!("Authorization: Bearer {}", client.token), format!("X-Api-Key: {}", client.token)] {
        assert_eq!(curl(&["-H", &line, &app]).status, 401, "{line}");
    }
}
