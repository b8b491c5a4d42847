//! Groups: those of the administrators, and those of a company's directory beside them.

use serde_json::{Value, json};

use super::town::Town;
use crate::support::{Answer, curl};

const DIRECTORY: &str = "\
admin_api: { roles: [admin] }
connections:
  - { id: okta, tenant: acme, domains: [acme.example], oidc: { issuer: 'https://okta.invalid', client_id: door } }
";

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
}

/// The ids of a list, in order.
fn ids(list: &Value) -> Vec<String> {
    list["items"].as_array().unwrap().iter().map(|one| text(one, "id")).collect()
}

#[test]
fn an_administrator_makes_changes_and_removes_groups_and_each_is_recorded_once() {
    let town = Town::new();
    let mut people = ["ada", "bob", "carol"].map(|name| town.person(name));
    people.sort();
    let [one, two, three] = &people;
    let made = town.change(
        201,
        "POST",
        "/groups",
        Some(&json!({ "name": " Engineering ", "members": [two, one, two] })),
        "group_created",
    );
    assert_eq!((&made["name"], &made["tenant"], &made["connection"]), (&"Engineering".into(), &"acme".into(), &Value::Null));
    let path = format!("/groups/{}", text(&made, "id"));
    let members = |wanted: &[&String]| {
        let listed = town.nothing(200, "GET", &format!("{path}/members"), None);
        assert_eq!(ids(&listed).iter().collect::<Vec<_>>(), wanted, "{listed}");
    };
    members(&[one, two]);
    // What the configuration maps the group to counts, wherever roles are asked for.
    let person = town.nothing(200, "GET", &format!("/users/{one}"), None);
    assert_eq!(
        (&person["groups"], &person["directory_groups"], &person["effective_roles"]),
        (&json!([]), &json!(["Engineering"]), &json!(["editor"]))
    );
    assert_eq!(ids(&town.nothing(200, "GET", "/roles/editor/users", None)), people[..2]);
    assert_eq!(town.nothing(200, "GET", &format!("/users/{three}"), None)["effective_roles"], json!([]));

    let same = json!({ "name": "engineering" });
    assert_eq!(town.refused(&town.acme, "POST", "/groups", Some(&same)), (409, "conflict".to_owned()));
    assert_eq!(town.ask(&town.globex, "POST", "/groups", Some(&same)).status, 201, "another tenant's names are its own");

    town.change(200, "PUT", &format!("{path}/members/{three}"), None, "group_changed");
    town.nothing(200, "PUT", &format!("{path}/members/{three}"), None);
    members(&[one, two, three]);
    town.change(200, "DELETE", &format!("{path}/members/{one}"), None, "group_changed");
    town.nothing(200, "DELETE", &format!("{path}/members/{one}"), None);
    members(&[two, three]);
    let left = town.nothing(200, "GET", &format!("/users/{one}"), None);
    assert_eq!((&left["active"], &left["effective_roles"]), (&true.into(), &json!([])), "locked out by nothing but a directory");

    let changed =
        town.change(200, "PATCH", &path, Some(&json!({ "name": "Builders", "members": [one, three] })), "group_changed");
    assert_eq!(changed["name"], "Builders");
    members(&[one, three]);
    town.nothing(200, "PATCH", &path, Some(&json!({ "members": [three, one], "name": "Builders" })));
    assert_eq!(town.nothing(200, "GET", &format!("/users/{one}"), None)["effective_roles"], json!([]), "the name gave the role");
    let event = town.events().pop().unwrap();
    assert_eq!((&event["details"]["joined"], &event["details"]["left"]), (&json!([one]), &json!([two])), "{event}");

    // Who is removed is in no group any more.
    town.done(204, "DELETE", &format!("/users/{three}"), None);
    members(&[one]);
    town.change(204, "DELETE", &path, None, "group_removed");
    assert_eq!(town.refused(&town.acme, "GET", &path, None), (404, "not_found".to_owned()));
    assert_eq!(town.refused(&town.acme, "DELETE", &path, None), (404, "not_found".to_owned()));
    assert_eq!(town.nothing(200, "GET", &format!("/users/{one}"), None)["directory_groups"], json!([]));
}

#[test]
fn what_no_group_can_be_is_refused_and_two_writers_are_kept_apart() {
    let town = Town::new();
    let ada = town.person("ada");
    let stranger = town.ask(&town.globex, "POST", "/users", Some(&json!({ "user_name": "gus" }))).json();
    let made = town.done(201, "POST", "/groups", Some(&json!({ "name": "Staff", "members": [ada] })));
    let path = format!("/groups/{}", text(&made, "id"));
    let before = town.events().len();
    for (body, field) in [
        (json!({ "name": "" }), "name"),
        (json!({ "name": "a\u{7}b" }), "name"),
        (json!({ "name": "x".repeat(257) }), "name"),
        (json!({ "name": "Other", "members": ["nobody"] }), "members[0]"),
        (json!({ "name": "Other", "members": [stranger["id"]] }), "members"),
        (json!({ "name": "Other", "members": ["00000000-0000-4000-8000-000000000000"] }), "members"),
        (json!({ "name": "Other", "connection": "okta" }), "connection"),
    ] {
        for (method, path) in [("POST", "/groups"), ("PATCH", path.as_str())] {
            let answer = town.ask(&town.acme, method, path, Some(&body));
            assert_eq!(
                (answer.status, answer.json()["field"].as_str()),
                (422, Some(field)),
                "{method} {body}: {}",
                answer.text()
            );
        }
    }
    let theirs = format!("{path}/members/{}", text(&stranger, "id"));
    assert_eq!(town.refused(&town.acme, "PUT", &theirs, None), (404, "not_found".to_owned()));
    let tag = format!("If-Match: {}", town.ask(&town.acme, "GET", &path, None).header("etag").unwrap());
    let rename = |name: &str| town.ask_with(&town.acme, "PATCH", &path, Some(&json!({ "name": name })), &[&tag]).status;
    assert_eq!([rename("First"), rename("Second")], [200, 412]);
    assert_eq!(town.done(200, "GET", &path, None)["name"], "First");
    assert_eq!(town.events().len(), before + 1);
}

#[test]
fn groups_are_listed_a_page_at_a_time_and_found_by_what_was_typed() {
    let town = Town::new();
    for name in ["Engineering", "100%", "e_n", "Board"] {
        town.done(201, "POST", "/groups", Some(&json!({ "name": name })));
    }
    let (mut seen, mut path) = (Vec::new(), "/groups?limit=3".to_owned());
    loop {
        let page = town.done(200, "GET", &path, None);
        seen.extend(page["items"].as_array().unwrap().iter().map(|group| text(group, "name")));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/groups?limit=3&after={next}");
    }
    seen.sort();
    assert_eq!(seen, ["100%", "Board", "Engineering", "e_n"]);
    let found = |query: &str| {
        let page = town.done(200, "GET", &format!("/groups?search={query}"), None);
        page["items"].as_array().unwrap().iter().map(|group| text(group, "name")).collect::<Vec<_>>()
    };
    assert_eq!(
        (found("ENGIN"), found("%25"), found("_")),
        (vec!["Engineering".to_owned()], vec!["100%".to_owned()], vec!["e_n".to_owned()])
    );
}

/// One request of acme's directory.
#[track_caller]
fn scim(town: &Town, token: &str, method: &str, path: &str, body: &Value) -> Answer {
    let (line, body) = (format!("Authorization: Bearer {token}"), body.to_string());
    let url = format!("http://{}/.doorward/scim/v2{path}", town.door.listener(0));
    curl(&["-X", method, "-H", &line, "-H", "Content-Type: application/scim+json", "--data-binary", &body, &url])
}

#[test]
fn a_directorys_groups_are_read_only_and_those_of_the_administrators_keep_nobody_in() {
    let town = Town::with(DIRECTORY);
    let token = text(&town.done(201, "POST", "/scim-tokens", Some(&json!({ "connection": "okta" }))), "secret");
    let ask = |method: &str, path: &str, body: Value| scim(&town, &token, method, path, &body);
    let ada = text(&ask("POST", "/Users", json!({ "userName": "ada@acme.example" })).json(), "id");
    let pushed = json!({ "displayName": "Engineering", "externalId": "g-1", "members": [{ "value": ada }] });
    let theirs = text(&ask("POST", "/Groups", pushed).json(), "id");
    let path = format!("/groups/{theirs}");
    let shown = town.done(200, "GET", &path, None);
    assert_eq!(
        (&shown["connection"], &shown["external_id"], &shown["name"]),
        (&"okta".into(), &"g-1".into(), &"Engineering".into())
    );
    assert_eq!(ids(&town.done(200, "GET", &format!("{path}/members"), None)), [ada.as_str()]);
    assert_eq!(ids(&town.done(200, "GET", "/roles/editor/users", None)), [ada.as_str()], "a directory's group gives roles, too");
    let bob = town.person("bob");
    for (method, path, body) in [
        ("PATCH", path.clone(), Some(json!({ "name": "Mine" }))),
        ("PATCH", path.clone(), Some(json!({ "members": [] }))),
        ("DELETE", path.clone(), None),
        ("PUT", format!("{path}/members/{bob}"), None),
        ("DELETE", format!("{path}/members/{ada}"), None),
    ] {
        let answer = town.ask(&town.acme, method, &path, body.as_ref());
        assert_eq!((answer.status, answer.json()["code"].as_str()), (409, Some("not_now")), "{method} {path}: {}", answer.text());
        assert!(answer.text().contains("the directory of the connection okta: it is changed there"), "{}", answer.text());
    }
    assert_eq!(town.done(200, "GET", &path, None), shown);

    // The administrators' group is none of the directory's, with whomever is in it.
    let own = town.done(201, "POST", "/groups", Some(&json!({ "name": "Board", "members": [ada, bob] })));
    let own = format!("/groups/{}", text(&own, "id"));
    assert_eq!(town.done(200, "GET", &format!("/users/{ada}"), None)["directory_groups"], json!(["Board", "Engineering"]));
    let person = ask("GET", &format!("/Users/{ada}"), Value::Null).json();
    assert_eq!(person["groups"].as_array().unwrap().len(), 1, "{person}");
    for path in ["/Groups", "/Groups?filter=displayName+eq+%22Board%22", "/Users?filter=groups.display+eq+%22Board%22"] {
        assert!(!ask("GET", path, Value::Null).text().contains("Board"), "{path}");
    }
    assert_eq!(ask("GET", "/Users?filter=groups.display+eq+%22Board%22", Value::Null).json()["totalResults"], 0);
    let foreign = own.replace("/groups", "/Groups");
    let (taken, seen) = (ask("DELETE", &foreign, Value::Null), ask("GET", &foreign, Value::Null));
    assert_eq!((taken.status, seen.status), (404, 404));
    assert_eq!(ask("POST", "/Groups", json!({ "displayName": "BOARD" })).status, 409, "names are unique in the tenant");

    // Out of the directory's last group is out, whatever administrators have added; and their group ends nothing.
    let active = || town.done(200, "GET", &format!("/users/{ada}"), None)["active"].clone();
    town.done(200, "DELETE", &format!("{own}/members/{ada}"), None);
    assert_eq!(active(), true);
    town.done(200, "PUT", &format!("{own}/members/{ada}"), None);
    let out = json!({ "Operations": [{ "op": "remove", "path": "members" }] });
    assert_eq!(ask("PATCH", &format!("/Groups/{theirs}"), out).status, 200);
    assert_eq!(active(), false, "the administrators' group does not stand for the directory's");
    town.done(200, "DELETE", &format!("{own}/members/{ada}"), None);
    town.done(200, "PUT", &format!("{own}/members/{ada}"), None);
    assert_eq!(active(), false, "nor does it let anybody in again");
    let back = json!({ "Operations": [{ "op": "add", "path": "members", "value": [{ "value": ada }] }] });
    assert_eq!(ask("PATCH", &format!("/Groups/{theirs}"), back).status, 200);
    assert_eq!(active(), true);
}
