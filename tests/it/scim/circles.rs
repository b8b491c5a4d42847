//! Bulk operations that refer to each other in a circle, and groups in groups, which is what they are mostly about.

use serde_json::{Value, json};

use super::house::{Client, House};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn group(id: &str, members: &[&str]) -> Value {
    let members: Vec<Value> = members.iter().map(|name| json!({ "value": format!("bulkId:{name}") })).collect();
    json!({ "method": "POST", "path": "/Groups", "bulkId": id, "data": { "displayName": format!("Group {id}"), "members": members } })
}

fn person(id: &str, name: &str, manager: &str) -> Value {
    let data = json!({ "userName": name, ENTERPRISE: { "manager": { "value": format!("bulkId:{manager}") } } });
    json!({ "method": "POST", "path": "/Users", "bulkId": id, "data": data })
}

/// How each operation went, by its name, in their order of doing.
#[track_caller]
fn outcomes(client: &Client, operations: &[Value]) -> (Vec<(String, String)>, Value) {
    let answer = client.done("POST", "/Bulk", &json!({ "Operations": operations }));
    let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
    let all = answer["Operations"].as_array().unwrap();
    (all.iter().map(|one| (text(one, "bulkId"), text(one, "status"))).collect(), answer)
}

/// The id that the answer's location says.
fn id(answer: &Value, name: &str) -> String {
    let one = answer["Operations"].as_array().unwrap().iter().find(|one| one["bulkId"] == name).unwrap();
    one["location"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

fn owned(outcomes: &[(&str, &str)]) -> Vec<(String, String)> {
    outcomes.iter().map(|(name, status)| ((*name).to_owned(), (*status).to_owned())).collect()
}

/// RFC 7644 §3.7.1 has two groups that are each other's members.
#[test]
fn what_refers_to_each_other_in_a_circle_is_made_together() {
    for house in House::on_each_engine() {
        let client = house.client("okta");
        let operations = [
            json!({ "method": "PATCH", "path": "/Groups/bulkId:b", "data": { "Operations": [{ "op": "add", "path": "externalId", "value": "x" }] } }),
            group("a", &["b", "ada"]),
            group("b", &["a"]),
            group("c", &["d"]),
            group("d", &["e"]),
            group("e", &["c", "a"]),
            group("own", &["own"]),
            person("ada", "ada", "bob"),
            person("bob", "bob", "ada"),
            person("eve", "eve", "eve"),
        ];
        let (went, answer) = outcomes(&client, &operations);
        let expected = [("own", "201"), ("ada", "201"), ("bob", "201"), ("a", "201"), ("b", "201"), ("", "200")];
        let rest = [("c", "201"), ("d", "201"), ("e", "201"), ("eve", "201")];
        assert_eq!(went, owned(&[expected.as_slice(), &rest].concat()), "{answer}");
        let read = |kind: &str, name: &str| client.get(&format!("/{kind}/{}", id(&answer, name))).json();
        let members = |name: &str| {
            let mut members: Vec<(String, String)> = read("Groups", name)["members"]
                .as_array()
                .unwrap()
                .iter()
                .map(|member| {
                    let reference = member["$ref"].as_str().unwrap();
                    let path = reference.rsplit_once("/scim/v2").unwrap().1;
                    assert_eq!(client.get(path).json()["id"], member["value"]);
                    (member["type"].as_str().unwrap().to_owned(), member["value"].as_str().unwrap().to_owned())
                })
                .collect();
            members.sort();
            members
        };
        let of = |kind: &str, name: &str| (kind.to_owned(), id(&answer, name));
        assert_eq!(members("a"), [of("Group", "b"), of("User", "ada")]);
        assert_eq!(
            (members("b"), members("c"), members("own")),
            (vec![of("Group", "a")], vec![of("Group", "d")], vec![of("Group", "own")])
        );
        assert_eq!(members("e").len(), 2);
        assert_eq!(read("Groups", "b")["externalId"], "x");
        for (who, manager) in [("ada", "bob"), ("bob", "ada"), ("eve", "eve")] {
            assert_eq!(read("Users", who)[ENTERPRISE]["manager"]["value"], id(&answer, manager));
        }
        let events = house.events("group_created");
        assert_eq!(events.len(), 6, "each is an event of its own: {events:?}");
    }
}

#[test]
fn a_circle_of_which_one_fails_leaves_nothing_behind() {
    for house in House::on_each_engine() {
        let client = house.client("okta");
        client.person("taken");
        let elsewhere = house.client("google").group("Theirs", &[]);
        let mut foreign = group("f2", &["f1"]);
        foreign["data"]["members"].as_array_mut().unwrap().push(json!({ "value": elsewhere }));
        let operations = [
            person("one", "one", "two"),
            person("two", "TAKEN", "one"),
            group("f1", &["f2"]),
            foreign,
            person("n1", "n1", "n2"),
            json!({ "method": "POST", "path": "/Users", "bulkId": "n2", "data": { "title": "bulkId:n1" } }),
            group("after", &["one"]),
            group("fine", &[]),
            group("fine", &[]),
        ];
        let (went, answer) = outcomes(&client, &operations);
        let expected =
            [("one", "409"), ("two", "409"), ("f1", "409"), ("f2", "400"), ("n1", "409"), ("n2", "400"), ("after", "409")];
        assert_eq!(went, owned(&[expected.as_slice(), &[("fine", "201"), ("fine", "400")]].concat()), "{answer}");
        assert_eq!(answer["Operations"][1]["response"]["scimType"], "uniqueness", "{answer}");
        assert_eq!(client.found("/Users", "userName pr", ""), ["taken"]);
        assert_eq!(client.found("/Groups", "displayName pr", ""), ["Group fine"]);
    }
}

#[test]
fn a_circle_is_no_larger_than_a_hundred() {
    for house in House::on_each_engine() {
        let client = house.client("okta");
        let ring = |prefix: &str, size: usize| -> Vec<Value> {
            let name = |place: usize| format!("{prefix}{}", place % size);
            (0..size).map(|place| group(&name(place), &[&name(place + 1)])).collect()
        };
        let (went, answer) = outcomes(&client, &[ring("large", 101), ring("small", 100)].concat());
        let statuses: Vec<&str> = went.iter().map(|(_, status)| status.as_str()).collect();
        assert_eq!(statuses, [vec!["409"; 101], vec!["201"; 100]].concat(), "{answer}");
        assert_eq!(client.get("/Groups?count=0").json()["totalResults"], 100);
    }
}

/// Who is in the inner group is not in the outer one: no role comes by way of it.
#[test]
fn a_group_in_a_group_is_told_and_gives_nobody_anything() {
    for house in House::on_each_engine() {
        let client = house.client("okta");
        let ada = client.person("ada");
        let inner = client.group("Inner", &[&ada]);
        let outer = client.group("Outer", &[&inner]);
        let told = client.get(&format!("/Groups/{outer}?attributes=members.display,members.type")).json();
        assert_eq!((&told["members"][0]["display"], &told["members"][0]["type"]), (&json!("Inner"), &json!("Group")), "{told}");
        assert_eq!(client.found("/Groups", &format!("members.value eq \"{inner}\""), ""), ["Outer"]);
        let groups = client.get(&format!("/Users/{ada}")).json()["groups"].clone();
        assert_eq!((groups.as_array().unwrap().len(), &groups[0]["display"]), (1, &json!("Inner")));
        let shown = house.door.command(&["user", "show", "ada", "--tenant", "acme"]);
        assert_eq!(shown["directory_groups"], json!(["Inner"]), "{shown}");

        // Out of the outer one: nobody was in it, and nobody leaves.
        let removed = client
            .patch(&format!("/Groups/{outer}"), &json!([{ "op": "remove", "path": format!("members[value eq \"{inner}\"]") }]));
        assert_eq!((removed.status, removed.json().get("members")), (200, None));
        assert_eq!(house.door.command(&["user", "show", "ada", "--tenant", "acme"])["active"], true);
        client.done(
            "PATCH",
            &format!("/Groups/{outer}"),
            &json!({ "Operations": [{ "op": "add", "path": "members", "value": [{ "value": inner }] }] }),
        );
        client.done("DELETE", &format!("/Groups/{inner}"), &Value::Null);
        assert_eq!(client.get(&format!("/Groups/{outer}")).json().get("members"), None, "what is gone is nobody's member");
    }
}
