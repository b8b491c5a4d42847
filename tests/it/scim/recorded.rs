//! What Okta and Entra ID were recorded to send, and the examples of the RFCs: each is replayed, and each has its verdict here by name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::house::{Client, House};

/// What becomes of a file.
struct Case {
    file: &'static str,
    /// Where the file is a body alone.
    request: Option<(&'static str, &'static str)>,
    /// What is at the address before.
    before: Value,
    /// Recorded ids that are to be people, and groups, here.
    people: &'static [&'static str],
    groups: &'static [&'static str],
    status: u16,
    /// What the answer says: where this is an object, by JSON pointer, and in place of what was recorded.
    says: Value,
}

const ADA: &str = "2819c223-7f76-453a-919d-413861904646";
const JAMES: &str = "08e1d05d-121c-4561-8b96-473d93df9210";
const OKTA: [&str; 2] = ["23a35c27-23d3-4c03-b4c5-6443c09e7173", "89bb1940-b905-4575-9e7f-6f887cfb368e"];

/// Exchanges: address, request, and the answer that the provider took.
const EXCHANGES: &str = "elimity/internal/idp_test/testdata";
/// Bodies.
const BODIES: [&str; 2] = ["elimity/testdata/patch/add", "rfc7643-7644-samples/samples"];

fn case(file: &'static str, status: u16) -> Case {
    Case { file, request: None, before: Value::Null, people: &[], groups: &[], status, says: Value::Null }
}

fn exchanges() -> Vec<Case> {
    let okta = json!({ "userName": "test.user@okta.local", "name": { "givenName": "Test", "familyName": "User" }, "active": true,
        "emails": [{ "primary": true, "value": "test.user@okta.local", "type": "work", "display": "test.user@okta.local" }] });
    let entra = |user: &str, mail: &str| {
        json!({ "userName": user, "externalId": "58342554-38d6-4ec8-948c-50044d0a33fd", "active": true,
            "name": { "formatted": "givenName familyName", "familyName": "familyName", "givenName": "givenName" },
            "emails": [{ "value": mail, "type": "work", "primary": true }] })
    };
    let group = |name: &str| json!({ "displayName": name });
    let external = |id: &str| json!({ "displayName": "displayName", "externalId": id });
    vec![
        case("okta/user_exists", 200),
        case("okta/create_user", 201),
        Case { before: okta.clone(), ..case("okta/retrieve_user", 200) },
        Case { before: okta.clone(), ..case("okta/update_user", 200) },
        Case {
            before: {
                let mut user = okta;
                user["name"]["givenName"] = json!("Another");
                user
            },
            ..case("okta/update_user_patch", 200)
        },
        case("okta/create_group", 201),
        Case {
            groups: &["b1c794f24f4c49f4b5d503a4cb2686ea"],
            before: json!({ "displayName": "Test SCIMv2", "members": [{ "value": "b1c794f24f4c49f4b5d503a4cb2686ea" }] }),
            ..case("okta/retrieve_group", 200)
        },
        Case {
            people: &OKTA,
            before: json!({ "displayName": "Test SCIMv2", "members": [{ "value": OKTA[1] }] }),
            says: json!({ "/members/1/type": "User" }),
            ..case("okta/update_group_membership", 200)
        },
        // What was recorded is another name than was asked for.
        Case { before: group("Before"), says: json!({ "/displayName": "Test SCIMv2" }), ..case("okta/update_group_name", 200) },
        case("azuread/get_user_query_0", 200),
        case("azuread/create_user", 201),
        Case {
            before: entra(
                "Test_User_feed3ace-693c-4e5a-82e2-694be1b39934",
                "Test_User_22370c1a-9012-42b2-bf64-86099c2a1c22@testuser.com",
            ),
            ..case("azuread/get_user_resp", 200)
        },
        Case {
            before: json!({ "userName": "Test_User_dfeef4c5-5681-4387-b016-bdf221e82081", "externalId": "7fce0092-d52e-4f76-b727-3955bd72c939",
                "name": { "familyName": "familyName", "givenName": "givenName" },
                "emails": [{ "value": "Test_User_91b67701-697b-46de-b864-bd0bbe4f99c1@testuser.com", "type": "work", "primary": true }] }),
            ..case("azuread/get_user_query_resp", 200)
        },
        // `formatted` is kept as it was sent; nothing is put together here.
        Case {
            before: {
                let mut user = entra("before", "before@testuser.com");
                user["externalId"] = json!("6c75de36-30fa-4d2d-a196-6bdcdb6b6539");
                user
            },
            says: json!({ "/name/formatted": "givenName familyName" }),
            ..case("azuread/update_user", 200)
        },
        case("azuread/create_group", 201),
        Case { before: external("60f1bb27-2e1e-402d-bcc4-ec999564a194"), ..case("azuread/get_group", 200) },
        Case { before: external("0db508eb-91e2-46e4-809c-30dcbda0c685"), ..case("azuread/get_group_dn", 200) },
        Case {
            people: &["f648f8d5ea4e4cd38e9c"],
            before: external("60f1bb27-2e1e-402d-bcc4-ec999564a194"),
            ..case("azuread/update_group", 200)
        },
    ]
}

fn bodies() -> Vec<Case> {
    let body = |file, method, path, status| Case { request: Some((method, path)), ..case(file, status) };
    let user = || {
        json!({ "userName": "bjensen", "name": { "givenName": "Before", "middleName": "X" },
        "emails": [{ "value": "bjensen@example.com", "type": "work" }, { "value": "other@example.org", "type": "work" }],
        "addresses": [{ "type": "work", "locality": "Hollywood" }] })
    };
    let group = || json!({ "displayName": "Staff", "members": [{ "value": ADA }] });
    let on_user = |file, says| Case { before: user(), says, ..body(file, "PATCH", "/Users/", 200) };
    let on_group = |file, says| Case { people: &[ADA, JAMES], before: group(), says, ..body(file, "PATCH", "/Groups/", 200) };
    let person = |file| body(file, "POST", "/Users", 201);
    let bulk = |file, says| Case { says, ..body(file, "POST", "/Bulk", 200) };
    let babs = json!({ "/emails/2": { "value": "babs@jensen.org", "type": "home" }, "/nickName": "Babs" });
    vec![
        on_user("attributes", babs.clone()),
        on_user(
            "complex",
            json!({ "/name": { "givenName": "Barbara", "middleName": "X", "familyName": "Jensen", "formatted": "Barbara Jensen" } }),
        ),
        Case {
            before: json!({ "displayName": "Staff" }),
            ..on_group("member", json!({ "/members/0/type": "User", "/members/1": null }))
        },
        Case { says: json!({ "/name/formatted": "Ms. Barbara J Jensen III" }), ..person("rfc7644-3.3-user-post_request") },
        Case { says: json!({ "/externalId": "bjensen" }), ..person("rfc7644-3.14-user-post_request") },
        Case { says: json!({ "/meta/resourceType": "User", "/active": true }), ..person("rfc7643-8.1-user-minimal") },
        Case {
            says: json!({ "/ims/0/value": "someaimhandle", "/password": null, "/addresses/1/type": "home" }),
            ..person("rfc7643-8.2-user-full")
        },
        Case {
            says: json!({ "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/department": "Tour Operations", "/groups": null }),
            ..person("rfc7643-8.3-enterprise_user")
        },
        Case {
            people: &[ADA, "902c246b-6245-4190-8e05-00816be7344a"],
            says: json!({ "/displayName": "Tour Guides", "/members/1/type": "User" }),
            ..body("rfc7643-8.4-group", "POST", "/Groups", 201)
        },
        Case {
            before: user(),
            says: json!({ "/name/middleName": "Jane", "/emails/1/value": "babs@jensen.org", "/addresses": null }),
            ..body("rfc7644-3.5.1-user-put_request", "PUT", "/Users/", 200)
        },
        Case {
            before: json!({ "displayName": "Smithers" }),
            says: json!({ "/totalResults": 1, "/Resources/0/displayName": "Smithers", "/Resources/0/meta": null }),
            ..body("rfc7644-3.4.3-search_request", "POST", "/.search", 200)
        },
        on_user("rfc7644-3.5.2.1-patch_op-add_emails", babs),
        Case {
            before: json!({ "displayName": "Staff" }),
            ..on_group("rfc7644-3.5.2.1-patch_op-add_members", json!({ "/members/0/type": "User", "/members/1": null }))
        },
        on_group("rfc7644-3.5.2.2-patch_op-remove_all_members", json!({ "/members": null, "/displayName": "Staff" })),
        on_group("rfc7644-3.5.2.2-patch_op-remove_one_member", json!({ "/members/0/type": "User", "/members/1": null })),
        on_user(
            "rfc7644-3.5.2.2-patch_op-remove_multi_complex_value",
            json!({ "/emails/0/value": "other@example.org", "/emails/1": null }),
        ),
        // `value eq"…"`: between the two the grammar has a space (RFC 7644 §3.4.2.2).
        Case {
            status: 400,
            ..on_group("rfc7644-3.5.2.2-patch_op-remove_and_add_one_member", json!({ "/scimType": "invalidPath" }))
        },
        on_user(
            "rfc7644-3.5.2.3-patch_op-replace_all_email_values",
            json!({ "/emails/0/primary": true, "/emails/1/type": "home", "/emails/2": null }),
        ),
        on_group("rfc7644-3.5.2.3-patch_op-replace_all_members", json!({ "/members/1/type": "User", "/members/2": null })),
        on_user(
            "rfc7644-3.5.2.3-patch_op-replace_street_address",
            json!({ "/addresses/0/streetAddress": "1010 Broadway Ave", "/addresses/0/locality": "Hollywood" }),
        ),
        on_user(
            "rfc7644-3.5.2.3-patch_op-replace_user_work_address",
            json!({ "/addresses/0/postalCode": "91608", "/addresses/0/primary": true }),
        ),
        bulk(
            "rfc7644-3.7.1-bulk_request-circular_conflict",
            json!({ "/Operations/0/status": "201", "/Operations/1/status": "201" }),
        ),
        bulk(
            "rfc7644-3.7.2-bulk_request-enterprise_user",
            json!({ "/Operations/0/status": "201", "/Operations/1/status": "201" }),
        ),
        bulk(
            "rfc7644-3.7.2-bulk_request-temporary_identifier",
            json!({ "/Operations/0/status": "201", "/Operations/1/status": "201" }),
        ),
        // The second is about nobody, and one failure is enough to stop.
        bulk(
            "rfc7644-3.7.3-bulk_request-multiple_operations",
            json!({ "/Operations/0/status": "201", "/Operations/1/status": "404", "/Operations/2": null }),
        ),
    ]
}

/// What a server says, and nobody sends.
const ANSWERS: [&str; 22] = [
    "rfc7643-8.5-service_provider_configuration",
    "rfc7643-8.6-resource_type-group",
    "rfc7643-8.6-resource_type-user",
    "rfc7643-8.7.1-schema-enterprise_user",
    "rfc7643-8.7.1-schema-group",
    "rfc7643-8.7.1-schema-user",
    "rfc7643-8.7.2-schema-resource_type",
    "rfc7643-8.7.2-schema-schema",
    "rfc7643-8.7.2-schema-service_provider_configuration",
    "rfc7644-3.12-error-bad_request",
    "rfc7644-3.12-error-not_found",
    "rfc7644-3.14-user-post_response",
    "rfc7644-3.3-user-post_response",
    "rfc7644-3.4.1-user-known-resource",
    "rfc7644-3.4.2-list_response-partial_attributes",
    "rfc7644-3.4.3-list_response-post_query",
    "rfc7644-3.5.1-user-put_response",
    "rfc7644-3.6-error-not_found",
    "rfc7644-3.7.1-list_response-circular_reference",
    "rfc7644-3.7.2-bulk_response-temporary_identifier",
    "rfc7644-3.7.3-bulk_response-error_invalid_syntax",
    "rfc7644-3.7.3-bulk_response-multiple_errors",
];
const MORE_ANSWERS: [&str; 5] = [
    "rfc7644-3.7.3-bulk_response-multiple_operations",
    "rfc7644-3.7.3-error-invalid_syntax",
    "rfc7644-3.7.4-error-payload_too_large",
    "rfc7644-3.9-user-partial_response",
    "rfc7644-4-list_response-resource_types",
];

fn folder() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpora");
    let folder = Path::new(option_env!("DOORWARD_CORPORA").unwrap_or(beside)).join("scim");
    if !folder.is_dir() {
        eprintln!("not run: {} is not there", folder.display());
        return None;
    }
    Some(folder)
}

/// The files below `folder`, by their names without the ending.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|file| format!("{name}/{file}")));
        } else {
            found.insert(name);
        }
    }
    found
}

/// What a provider looks at in an answer: neither our ids nor our times, and what is absent, null or empty is the same.
fn plain(value: &Value) -> Value {
    let left_out = ["id", "meta", "schemas", "$ref", "display", "itemsPerPage", "type"];
    match value {
        Value::Object(fields) => {
            let is_member = fields.contains_key("$ref") || (fields.len() == 2 && fields.contains_key("display"));
            let told =
                fields.iter().filter(|(name, _)| !(left_out[..6].contains(&name.as_str()) || (is_member && *name == "type")));
            let told = told.map(|(name, value)| (name.clone(), plain(value)));
            Value::Object(told.filter(|(_, value)| !value.is_null() && *value != json!([])).collect::<Map<_, _>>())
        }
        Value::Array(values) => values.iter().map(plain).collect(),
        value => value.clone(),
    }
}

fn replay(client: &Client, case: &Case, recorded: &str) {
    let (mut recorded, mut before) = (recorded.to_owned(), case.before.to_string());
    let mut stands_for = |theirs: &str, ours: &str| {
        recorded = recorded.replace(theirs, ours);
        before = before.replace(theirs, ours);
    };
    for (place, id) in case.people.iter().enumerate() {
        stands_for(id, &client.person(&format!("member-{place}")));
    }
    for id in case.groups {
        stands_for(id, &client.group("SCIM 2 Group A", &[]));
    }
    let recorded: Value = serde_json::from_str(&recorded).unwrap();
    let text = |name: &str| recorded[name].as_str().unwrap().to_owned();
    let (method, path) =
        case.request.map_or_else(|| (text("method"), text("path")), |(method, path)| (method.to_owned(), path.to_owned()));
    let mut address = path.clone();
    if !case.before.is_null() {
        let kind = if case.before["userName"].is_string() { "/Users" } else { "/Groups" };
        let made = client.done("POST", kind, &serde_json::from_str(&before).unwrap());
        if path.starts_with(&format!("{kind}/")) {
            address = format!("{kind}/{}", made["id"].as_str().unwrap());
        }
    }
    let body = if case.request.is_some() { Some(&recorded) } else { recorded.get("request") };
    let answer = client.send(&method, &address, body, &[]);
    assert_eq!(answer.status, case.status, "{}: {}", case.file, answer.text());
    let told = answer.json();
    assert!(!answer.text().contains("1mz050nq") && !answer.text().contains("t1meMa$heen"), "{}: a password", case.file);
    for (pointer, expected) in case.says.as_object().into_iter().flatten() {
        assert_eq!(told.pointer(pointer).unwrap_or(&Value::Null), expected, "{}: {pointer} of {told}", case.file);
    }
    if let Some(response) = recorded.get("response") {
        assert_eq!(recorded["statusCode"], json!(answer.status), "{}", case.file);
        let mut response = response.clone();
        for (pointer, value) in case.says.as_object().into_iter().flatten() {
            if let Some(place) = response.pointer_mut(pointer) {
                place.clone_from(value);
            }
        }
        let (ours, theirs) = (plain(&told), plain(&response));
        for (name, value) in theirs.as_object().unwrap() {
            assert_eq!(ours.get(name), Some(value), "{}: {name} of {told}", case.file);
        }
    }
    for kind in ["/Users", "/Groups"] {
        for one in client.get(kind).json()["Resources"].as_array().unwrap() {
            assert_eq!(client.send("DELETE", &format!("{kind}/{}", one["id"].as_str().unwrap()), None, &[]).status, 204);
        }
    }
}

#[test]
fn what_okta_and_entra_were_recorded_to_send_and_the_rfcs_examples_get_their_verdicts() {
    let Some(folder) = folder() else { return };
    let named = |cases: &[Case]| cases.iter().map(|case| case.file.to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(files(&folder.join(EXCHANGES)), named(&exchanges()), "each has a verdict");
    let answers = ANSWERS.iter().chain(&MORE_ANSWERS).map(|name| (*name).to_owned());
    let there: BTreeSet<String> = BODIES.iter().flat_map(|part| files(&folder.join(part))).collect();
    assert_eq!(there, named(&bodies()).into_iter().chain(answers).collect(), "each has a verdict");
    let others = files(&folder).into_iter().filter(|file| !file.starts_with("elimity/schema/")).count();
    assert_eq!(others, exchanges().len() + there.len(), "there are others that nobody looks at");

    let read = |part: &str, file: &str| std::fs::read_to_string(folder.join(part).join(format!("{file}.json")));
    for house in House::on_each_engine() {
        let client = house.client("google");
        for case in exchanges() {
            replay(&client, &case, &read(EXCHANGES, case.file).unwrap());
        }
        for case in bodies() {
            let recorded = BODIES.iter().find_map(|part| read(part, case.file).ok()).unwrap();
            replay(&client, &case, &recorded);
        }
    }
}
