//! What a directory's client may expect of RFC 7644.

use serde_json::{Value, json};

use super::house::{Client, House};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Three people and two groups with a bit of everything.
fn furnish(client: &Client) -> [String; 3] {
    let ada = json!({
        "userName": "Ada", "externalId": "X-1", "title": "Countess", "name": { "givenName": "Ada", "familyName": "Lovelace" },
        "emails": [{ "value": "ada@home.example", "type": "home" }, { "value": "Ada@acme.example", "type": "work", "primary": true }],
        ENTERPRISE: { "department": "R&D", "manager": { "value": "42" } },
    });
    let bob = json!({
        "userName": "bob", "externalId": "x-1", "active": false, "name": { "familyName": "Builder" },
        "emails": [{ "value": "bob@acme.example", "type": "home" }],
    });
    let odd = json!({ "userName": "100%_\\'\"; DROP TABLE users; --", "title": "Ünïcödé ÄÖÜ" });
    let ids = [ada, bob, odd].map(|person| client.done("POST", "/Users", &person)["id"].as_str().unwrap().to_owned());
    client.group("Staff", &[&ids[0], &ids[1]]);
    client.group("Empty", &[]);
    ids
}

#[test]
fn every_kind_of_filter_finds_what_it_says() {
    for house in House::on_each_engine() {
        let client = house.client("okta");
        let [ada, ..] = furnish(&client);
        let odd = "100%_\\'\"; DROP TABLE users; --";
        for (filter, expected) in [
            ("userName eq \"ADA\"", vec!["Ada"]),
            ("urn:ietf:params:scim:schemas:core:2.0:User:userName eq \"ada\"", vec!["Ada"]),
            ("userName ne \"ada\"", vec!["bob", odd]),
            ("externalId eq \"X-1\"", vec!["Ada"]),
            ("externalId eq \"x-1\"", vec!["bob"]),
            ("title pr", vec!["Ada", odd]),
            ("not (title pr)", vec!["bob"]),
            ("title eq null", vec!["bob"]),
            ("title ne null", vec!["Ada", odd]),
            ("title co \"OUNT\"", vec!["Ada"]),
            ("title sw \"count\"", vec!["Ada"]),
            ("title ew \"ess\"", vec!["Ada"]),
            ("title eq \"ünïcödé äöü\"", vec![odd]),
            ("title co \"CÖD\"", vec![odd]),
            ("title co \"%\"", vec![]),
            ("title sw \"_\"", vec![]),
            ("userName co \"%_\\\\'\"", vec![odd]),
            ("userName ew \"--\"", vec![odd]),
            ("userName gt \"adz\"", vec!["bob"]),
            ("userName le \"ada\"", vec!["Ada", odd]),
            ("active eq true", vec!["Ada", odd]),
            ("active eq \"False\"", vec!["bob"]),
            ("emails pr", vec!["Ada", "bob"]),
            ("emails eq \"ada@ACME.example\"", vec!["Ada"]),
            ("emails.type eq \"work\"", vec!["Ada"]),
            ("emails[type eq \"work\" and value co \"@acme.example\"]", vec!["Ada"]),
            ("emails[type eq \"home\" and value co \"@acme.example\"]", vec!["bob"]),
            ("emails[type eq \"home\" and primary eq true]", vec![]),
            ("emails[primary eq false and type eq \"home\"]", vec!["Ada", "bob"]),
            ("emails[not (type eq \"home\")]", vec!["Ada"]),
            ("emails[display pr]", vec![]),
            ("name.familyName eq \"lovelace\" or name.familyName eq \"builder\"", vec!["Ada", "bob"]),
            ("name.familyName eq \"lovelace\" and active eq true", vec!["Ada"]),
            ("not (name.familyName eq \"lovelace\" or active eq false)", vec![odd]),
            ("groups.display eq \"staff\"", vec!["Ada", "bob"]),
            ("not (groups pr)", vec![odd]),
            (
                "meta.created gt \"2020-01-01T00:00:00Z\" and meta.lastModified lt \"2099-01-01T00:00:00+01:00\"",
                vec!["Ada", "bob", odd],
            ),
            ("meta.created lt \"2020-01-01T00:00:00Z\"", vec![]),
            ("meta.resourceType eq \"User\"", vec!["Ada", "bob", odd]),
            ("schemas eq \"urn:ietf:params:scim:schemas:core:2.0:Group\"", vec![]),
            ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq \"r&d\"", vec!["Ada"]),
            ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager eq \"42\"", vec!["Ada"]),
            ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value sw \"4\"", vec!["Ada"]),
        ] {
            assert_eq!(client.found("/Users", filter, ""), expected, "{filter}");
        }
        let of_ada = format!("members eq \"{ada}\"");
        for (filter, expected) in [
            ("displayName eq \"STAFF\"", vec!["Staff"]),
            (of_ada.as_str(), vec!["Staff"]),
            ("not (members pr)", vec!["Empty"]),
            ("meta.resourceType eq \"Group\"", vec!["Staff", "Empty"]),
        ] {
            assert_eq!(client.found("/Groups", filter, ""), expected, "{filter}");
        }
    }
}

#[test]
fn injections_into_filters_find_nothing_and_break_nothing() {
    for house in House::on_each_engine() {
        let client = house.client("okta");
        furnish(&client);
        let before = client.get("/Users").text();
        for text in [
            "' OR '1'='1",
            "\\\" or \\\"1\\\"=\\\"1",
            "'; DROP TABLE users; --",
            "') UNION SELECT id FROM users --",
            "$1",
            "?",
            "{0}",
            "%",
            "_",
            "\\\\",
            "a' AND sleep(9) --",
            "x\\u0027 OR 1=1 --",
            "/**/",
            "null",
            "; SELECT pg_sleep(9)",
            "${7*7}",
            "\\u2019 or 1=1",
        ] {
            for filter in [
                format!("userName eq \"{text}\""),
                format!("title co \"{text}\" and userName sw \"{text}\" and externalId ew \"{text}\""),
                format!("emails[type eq \"{text}\" or value gt \"{text}\"] and title eq \"{text}\""),
            ] {
                let found = client.found("/Users", &filter, "");
                assert!(found.is_empty() || (found.len() == 1 && text.len() == 1), "{filter}: {found:?}");
            }
            for raw in [format!("userName {text} \"a\""), format!("{text} eq \"a\""), format!("userName eq \"a\" {text}")] {
                let query: String = url::form_urlencoded::byte_serialize(raw.as_bytes()).collect();
                let answer = client.get(&format!("/Users?filter={query}"));
                assert_eq!((answer.status, &answer.json()["scimType"]), (400, &json!("invalidFilter")), "{raw}");
            }
            let sorted = client
                .get(&format!("/Users?sortBy={}", url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()));
            assert_eq!(sorted.status, 400, "sorted by {text}");
        }
        assert_eq!(client.get("/Users").text(), before);
    }
}

#[test]
fn lists_are_sorted_and_paged() {
    for house in House::on_each_engine() {
        let client = house.client("okta");
        furnish(&client);
        let names = |more: &str| client.found("/Users", "userName pr", more);
        assert_eq!(names("&sortBy=name.familyName"), ["bob", "Ada", "100%_\\'\"; DROP TABLE users; --"]);
        assert_eq!(names("&sortBy=name.familyName&sortOrder=descending")[1..], ["Ada", "bob"]);
        assert_eq!(names("&sortBy=emails&count=2"), ["Ada", "bob"], "by the primary one");
        assert_eq!(names("&sortBy=USERNAME&sortOrder=descending&count=1"), ["bob"]);
        assert_eq!(names("&startIndex=2&count=1"), ["bob"]);
        assert!(names("&startIndex=4").is_empty() && names("&count=0").is_empty());
        let page = client.get("/Users?startIndex=3&count=7").json();
        assert_eq!((&page["totalResults"], &page["startIndex"], &page["itemsPerPage"]), (&json!(3), &json!(3), &json!(1)));
        let everything = client.get("?count=4&startIndex=2").json();
        let kinds: Vec<&Value> =
            everything["Resources"].as_array().unwrap().iter().map(|one| &one["meta"]["resourceType"]).collect();
        assert_eq!(
            (&everything["totalResults"], kinds),
            (&json!(5), vec![&json!("User"), &json!("User"), &json!("Group"), &json!("Group")])
        );
        let search = json!({ "filter": "displayName eq \"Staff\"", "attributes": ["displayName"], "count": 5 });
        let found = client.done("POST", "/.search", &search);
        assert_eq!(found["Resources"][0]["displayName"], "Staff", "{found}");
        assert_eq!(found["Resources"][0].as_object().unwrap().len(), 3, "{found}");
        assert_eq!(client.done("POST", "/Users/.search", &json!({ "filter": "active eq false" }))["totalResults"], 1);
    }
}

#[test]
fn versions_keep_two_writers_apart() {
    for house in House::on_each_engine() {
        let client = house.client("okta");
        let path = format!("/Users/{}", client.person("ada"));
        let (first, group) = (client.get(&path), client.group("Staff", &[]));
        let etag = first.header("etag").unwrap().to_owned();
        assert_eq!(first.json()["meta"]["version"], json!(etag));
        let with = |method: &str, name: &str, value: &str, body: Option<Value>| {
            client.send(method, &path, body.as_ref(), &[&format!("{name}: {value}")]).status
        };
        assert_eq!(with("GET", "If-None-Match", &etag, None), 304);
        let title = |title: &str| Some(json!({ "Operations": [{ "op": "replace", "path": "title", "value": title }] }));
        assert_eq!(with("PATCH", "If-Match", &etag, title("a")), 200);
        assert_eq!(with("PATCH", "If-Match", &etag, title("b")), 412);
        assert_eq!(with("PUT", "If-Match", &etag, Some(json!({ "userName": "ada" }))), 412);
        assert_eq!(with("DELETE", "If-Match", &etag, None), 412);
        assert_eq!(with("PATCH", "If-Match", "*", title("c")), 200);
        assert_eq!(with("GET", "If-None-Match", &etag, None), 200);
        let before = client.get(&path).header("etag").unwrap().to_owned();
        let ada = path.trim_start_matches("/Users/");
        let joins =
            client.patch(&format!("/Groups/{group}"), &json!([{ "op": "add", "path": "members", "value": [{ "value": ada }] }]));
        assert_eq!(joins.status, 200);
        let after = client.get(&path);
        assert_ne!(after.header("etag"), Some(before.as_str()), "groups are told with the person");
        assert_eq!(with("DELETE", "If-Match", after.header("etag").unwrap(), None), 204);
        assert_eq!(client.get(&path).status, 404);
    }
}

#[test]
fn a_bulk_request_resolves_what_refers_to_each_other() {
    for house in House::on_each_engine() {
        let client = house.client("okta");
        let operations = json!([
            { "method": "POST", "path": "/Groups", "bulkId": "g", "data": { "displayName": "Staff", "members": [{ "value": "bulkId:u" }] } },
            { "method": "POST", "path": "/Users", "bulkId": "u", "data": { "userName": "ada", ENTERPRISE: { "manager": { "value": "bulkId:b" } } } },
            { "method": "POST", "path": "/Users", "bulkId": "b", "data": { "userName": "bob" } },
            { "method": "POST", "path": "/Users", "bulkId": "x", "data": { "userName": "BOB" } },
            { "method": "PATCH", "path": "/Users/bulkId:b", "data": { "Operations": [{ "op": "add", "path": "title", "value": "boss" }] } },
            { "method": "PUT", "path": "/Users/bulkId:x", "data": { "userName": "carol" } },
            { "method": "POST", "path": "/Users", "bulkId": "c1", "data": { "userName": "c1", ENTERPRISE: { "manager": { "value": "bulkId:c2" } } } },
            { "method": "POST", "path": "/Users", "bulkId": "c2", "data": { "userName": "c2", ENTERPRISE: { "manager": { "value": "bulkId:c1" } } } },
            { "method": "GET", "path": "/Users" },
        ]);
        let answer = client.done("POST", "/Bulk", &json!({ "Operations": operations }));
        let mut statuses: Vec<(String, String)> = answer["Operations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (one["bulkId"].as_str().unwrap_or("-").to_owned(), one["status"].as_str().unwrap().to_owned()))
            .collect();
        statuses.sort();
        let expected = [
            ("-", "200"),
            ("-", "400"),
            ("-", "409"),
            ("b", "201"),
            ("c1", "201"),
            ("c2", "201"),
            ("g", "201"),
            ("u", "201"),
            ("x", "409"),
        ];
        assert_eq!(statuses, expected.map(|(id, status)| (id.to_owned(), status.to_owned())), "{answer}");
        let ada = client.get("/Users?filter=userName+eq+%22ada%22").json()["Resources"][0].clone();
        let bob = client.get("/Users?filter=userName+eq+%22bob%22").json()["Resources"][0].clone();
        assert_eq!((&ada[ENTERPRISE]["manager"]["value"], &bob["title"]), (&bob["id"], &json!("boss")));
        assert_eq!(ada["groups"][0]["display"], "Staff");

        let [c1, c2] = ["c1", "c2"]
            .map(|name| client.get(&format!("/Users?filter=userName+eq+%22{name}%22")).json()["Resources"][0].clone());
        assert_eq!((&c1[ENTERPRISE]["manager"]["value"], &c2[ENTERPRISE]["manager"]["value"]), (&c2["id"], &c1["id"]));

        let wrong = json!({ "method": "DELETE", "path": "/Users/nobody" });
        let stops = json!({ "failOnErrors": 2, "Operations": [wrong, wrong, wrong] });
        assert_eq!(client.done("POST", "/Bulk", &stops)["Operations"].as_array().unwrap().len(), 2);
    }
}

#[test]
fn there_are_limits_on_what_is_sent_at_once() {
    for house in House::on_each_engine() {
        let client = house.client("okta");
        let operation = json!({ "method": "DELETE", "path": "/Users/nobody" });
        let answer = client.ask("POST", "/Bulk", &json!({ "Operations": vec![operation; 1001] }));
        assert_eq!(answer.status, 413, "{}", answer.text());
        let large = house.door.folder().join("large");
        std::fs::write(&large, format!("{{\"userName\": \"{}\"}}", "x".repeat(1024 * 1024))).unwrap();
        let line = format!("Authorization: Bearer {}", client.token);
        let file = format!("@{}", large.display());
        let url = format!("{}/Users", client.base());
        let answer = crate::support::curl(&["-X", "POST", "-H", &line, "-H", "Expect:", "--data-binary", &file, &url]);
        assert_eq!((answer.status, &answer.json()["status"]), (413, &json!("413")));
        let person = |number: u32| json!({ "method": "POST", "path": "/Users", "bulkId": format!("{number}"), "data": { "userName": format!("p{number}") } });
        client.done("POST", "/Bulk", &json!({ "Operations": (0..201).map(person).collect::<Vec<_>>() }));
        let page = client.get("/Users?count=100000").json();
        assert_eq!((&page["itemsPerPage"], &page["totalResults"]), (&json!(200), &json!(201)));
        // Less than the parser itself would mind.
        let deep = format!("{}title pr{}", "not (".repeat(30), ")".repeat(30));
        let query: String = url::form_urlencoded::byte_serialize(deep.as_bytes()).collect();
        assert_eq!(client.get(&format!("/Users?filter={query}")).status, 400);
        let too_many = client.patch(
            &format!("/Users/{}", client.person("ada")),
            &Value::Array(vec![json!({ "op": "remove", "path": "title" }); 1001]),
        );
        assert_eq!(too_many.status, 400);
    }
}

/// One event for each change; none for what changes nothing or is refused.
#[test]
fn each_change_is_one_event_in_the_trail() {
    for house in House::on_each_engine() {
        let client = house.client("okta");
        let ada = client.person("ada");
        let group = client.group("Staff", &[&ada]);
        let (user, group) = (format!("/Users/{ada}"), format!("/Groups/{group}"));
        for _ in 0..2 {
            client.done(
                "PUT",
                &user,
                &json!({ "userName": "ada", "title": "Countess", ENTERPRISE: { "department": "secret-lab" } }),
            );
            assert_eq!(client.patch(&group, &json!([{ "op": "remove", "path": "members" }])).status, 200);
        }
        assert_eq!(client.ask("POST", "/Users", &json!({ "userName": "ada" })).status, 409);
        assert_eq!(client.send("DELETE", &group, None, &[]).status, 204);
        assert_eq!(client.send("DELETE", &user, None, &[]).status, 204);
        let all = house.door.command(&["audit", "list"]);
        let mut ours: Vec<&Value> =
            all.as_array().unwrap().iter().filter(|event| event["actor"] == format!("scim:{}", client.id)).collect();
        ours.sort_by_key(|event| event["seq"].as_i64());
        let kinds: Vec<&str> = ours.iter().map(|event| event["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["user_created", "group_created", "user_changed", "group_changed", "group_removed", "user_deleted"]);
        assert_eq!(ours[2]["details"]["changed"], json!(["department", "title"]));
        assert!(ours.iter().all(|event| event["tenant"] == "acme" && event["details"]["connection"] == "okta"));
        assert!(!all.to_string().contains("secret-lab"));
    }
}
