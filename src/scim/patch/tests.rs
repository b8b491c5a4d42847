//! PATCH against a model of its own, and as the providers really send it.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::model::{Email, Person, Step};
use super::{apply, read};
use crate::scim::error::ScimError;
use crate::scim::resource::normalise;
use crate::scim::schema::{ENTERPRISE, Kind};

fn patch(kind: Kind, resource: &Value, operations: Value) -> Result<Value, ScimError> {
    let before = resource.as_object().unwrap().clone();
    let body = json!({ "Operations": operations });
    let after = read(kind, &body).and_then(|operations| apply(kind, &before, &operations));
    assert_eq!(&Value::Object(before), resource);
    after.map(Value::Object)
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof!["a", "b", "c"].prop_map(|word: String| word)
}

fn email() -> impl Strategy<Value = Email> {
    (word(), proptest::option::of(word()), any::<bool>()).prop_map(|(value, kind, primary)| Email { value, kind, primary })
}

fn emails() -> impl Strategy<Value = Vec<Email>> {
    proptest::collection::vec(email(), 0..4).prop_map(|mut emails| {
        for email in emails.iter_mut().filter(|email| email.primary).skip(1) {
            email.primary = false;
        }
        emails
    })
}

fn step() -> impl Strategy<Value = Step> {
    let maybe = || proptest::option::of(word());
    prop_oneof![
        3 => maybe().prop_map(Step::Title),
        3 => any::<bool>().prop_map(Step::Active),
        2 => word().prop_map(Step::UserName),
        3 => maybe().prop_map(Step::Given),
        3 => (word(), maybe()).prop_map(|(family, given)| Step::Name(family, given)),
        3 => maybe().prop_map(Step::Department),
        5 => email().prop_map(Step::AddEmail),
        2 => emails().prop_map(Step::ReplaceEmails),
        1 => Just(Step::RemoveEmails),
        2 => word().prop_map(Step::RemoveEmailsOf),
        2 => word().prop_map(Step::RemoveEmail),
        3 => (word(), word(), any::<bool>()).prop_map(|(kind, value, add)| Step::EmailOf(kind, value, add)),
        1 => Just(Step::NoName),
        1 => Just(Step::Id),
    ]
}

/// One of the ways in which clients spell the step; `dialect` chooses.
fn spelt(step: &Step, dialect: u8) -> Value {
    let op = |op: &str| match dialect % 3 {
        0 => op.to_owned(),
        1 => op.to_uppercase(),
        _ => format!("{}{}", op[..1].to_uppercase(), &op[1..]),
    };
    let set = |path: &str, value: &Value| match (dialect / 3 % 5, value) {
        (_, Value::Null) if dialect.is_multiple_of(2) => json!({ "op": op("remove"), "path": path }),
        (0, Value::Null) | (1, _) => json!({ "op": op("replace"), "path": path, "value": value }),
        (_, Value::Null) => json!({ "op": op("replace"), "value": { path: value } }),
        (0, _) => json!({ "op": op("add"), "path": path.to_uppercase(), "value": value }),
        (2, _) => json!({ "op": op("replace"), "value": { path: value, "id": "mine", "meta": {} } }),
        (3, _) => json!({ "op": op("add"), "value": { path: value } }),
        _ => json!({ "op": op("replace"), "path": format!("urn:ietf:params:scim:schemas:core:2.0:User:{path}"), "value": value }),
    };
    match step {
        Step::Title(title) => set("title", &json!(title)),
        Step::Active(active) if dialect.is_multiple_of(2) => set("active", &json!(if *active { "True" } else { "False" })),
        Step::Active(active) => set("active", &json!(active)),
        Step::UserName(name) => set("userName", &json!(name)),
        Step::Given(given) => set("name.givenName", &json!(given)),
        Step::Name(family, given) => {
            let mut name = Map::new();
            name.insert("FamilyName".to_owned(), json!(family));
            name.extend(given.as_ref().map(|given| ("givenName".to_owned(), json!(given))));
            set("name", &Value::Object(name))
        }
        Step::Department(None) => json!({ "op": op("remove"), "path": format!("{ENTERPRISE}:department") }),
        Step::Department(department) => match dialect % 4 {
            0 => json!({ "op": op("add"), "path": ENTERPRISE, "value": { "department": department } }),
            1 => json!({ "op": op("replace"), "value": { ENTERPRISE: { "department": department } } }),
            2 => json!({ "op": op("replace"), "value": { format!("{ENTERPRISE}:department"): department } }),
            _ => json!({ "op": op("replace"), "path": format!("{ENTERPRISE}:department"), "value": department }),
        },
        Step::AddEmail(email) if dialect.is_multiple_of(2) => {
            json!({ "op": op("add"), "path": "emails", "value": [email.document()] })
        }
        Step::AddEmail(email) => json!({ "op": op("add"), "value": { "emails": email.document() } }),
        Step::ReplaceEmails(emails) => {
            let emails: Vec<Value> = emails.iter().map(Email::document).collect();
            json!({ "op": op("replace"), "path": "emails", "value": emails })
        }
        Step::RemoveEmails => json!({ "op": op("remove"), "path": "emails" }),
        Step::RemoveEmailsOf(kind) => json!({ "op": op("remove"), "path": format!("emails[type eq \"{kind}\"]") }),
        Step::RemoveEmail(value) => json!({ "op": op("remove"), "path": "emails", "value": [{ "value": value }] }),
        Step::EmailOf(kind, value, add) => {
            json!({ "op": op(if *add { "add" } else { "replace" }), "path": format!("emails[type eq \"{kind}\"].value"), "value": value })
        }
        Step::NoName => json!({ "op": op("remove"), "path": "userName" }),
        Step::Id => json!({ "op": op("replace"), "path": "id", "value": "mine" }),
    }
}

/// Some of six people, each at most once.
fn crew() -> impl Strategy<Value = Vec<String>> {
    let people: Vec<String> = (0..6).map(|number| format!("23a35c27-23d3-4c03-b4c5-6443c09e717{number}")).collect();
    proptest::sample::subsequence(people, 0..=6).prop_shuffle()
}

/// One of the ways in which clients add (0), replace (1), remove some (2) and remove all members (3).
fn regrouped(kind: u8, ids: &[String], dialect: u8) -> Value {
    let values: Vec<Value> = ids.iter().map(|id| json!({ "value": id, "$ref": null })).collect();
    let filter = || ids.iter().map(|id| format!("value eq \"{id}\"")).collect::<Vec<_>>().join(" or ");
    match (kind, dialect % 3) {
        (0, 0) => json!({ "op": "Add", "path": "members", "value": values }),
        (0, 1) => json!({ "op": "add", "path": "members", "value": ids }),
        (0, _) => json!({ "op": "add", "value": { "members": values } }),
        (1, 0) => json!({ "op": "Replace", "path": "members", "value": values }),
        (1, _) => json!({ "op": "replace", "value": { "members": values } }),
        (2, 0) if !ids.is_empty() => json!({ "op": "remove", "path": format!("members[{}]", filter()) }),
        (2, _) if !ids.is_empty() => json!({ "op": "Remove", "path": "members", "value": values }),
        _ => json!({ "op": "remove", "path": "members" }),
    }
}

proptest! {
    #[test]
    fn a_patch_does_what_the_model_does_or_nothing(steps in proptest::collection::vec((step(), any::<u8>()), 1..8), emails in emails()) {
        let start = Person { user_name: "ada".to_owned(), emails, ..Person::default() };
        // A name that is removed is missed at the end, if nobody has given another.
        let expected = steps.iter().enumerate().try_fold(start.clone(), |person, (place, (step, _))| match step {
            Step::NoName if steps[place..].iter().any(|(step, _)| matches!(step, Step::UserName(_))) => Some(person),
            step => person.after(step),
        });
        let operations: Vec<Value> = steps.iter().map(|(step, dialect)| spelt(step, *dialect)).collect();
        let patched = patch(Kind::User, &Value::Object(start.resource()), Value::Array(operations));
        prop_assert_eq!(patched.ok(), expected.map(|person| Value::Object(person.resource())), "{:?}", steps);
    }

    #[test]
    fn the_members_of_a_group_are_those_of_a_plain_list(steps in proptest::collection::vec((0_u8..4, crew(), any::<u8>()), 1..8), start in crew()) {
        let group = |members: &[String]| {
            let members: Vec<Value> = members.iter().map(|id| json!({ "value": id })).collect();
            if members.is_empty() { json!({ "displayName": "Staff" }) } else { json!({ "displayName": "Staff", "members": members }) }
        };
        let (mut expected, mut operations) = (start.clone(), Vec::new());
        for (kind, ids, dialect) in &steps {
            match kind {
                0 => ids.iter().for_each(|id| if !expected.contains(id) { expected.push(id.clone()) }),
                1 => expected.clone_from(ids),
                // A removal that names nobody removes everybody (RFC 7644 §3.5.2.2).
                2 if ids.is_empty() => expected.clear(),
                2 => expected.retain(|id| !ids.contains(id)),
                _ => expected.clear(),
            }
            operations.push(regrouped(*kind, ids, *dialect));
        }
        prop_assert_eq!(patch(Kind::Group, &group(&start), Value::Array(operations)), Ok(group(&expected)), "{:?}", steps);
    }

    #[test]
    fn nothing_a_stranger_sends_as_a_patch_is_a_panic(path in ".{0,60}", value in ".{0,20}", op in "(add|replace|remove)") {
        let _ = patch(Kind::User, &json!({ "userName": "ada" }), json!([{ "op": op, "path": path, "value": value }]));
    }
}

const ADA: &str = "23a35c27-23d3-4c03-b4c5-6443c09e7173";
const BOB: &str = "89bb1940-b905-4575-9e7f-6f887cfb368e";

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn providers_are_understood_in_their_dialects() {
    let emails =
        json!([{ "type": "work", "primary": true, "value": "a@acme.example" }, { "type": "home", "value": "h@acme.example" }]);
    let user = json!({ "userName": "ada", "active": true, "emails": emails, "title": "Countess", "roles": [{ "value": "x", "primary": true }] });
    let both = json!({ "displayName": "Staff", "members": [{ "value": ADA }, { "value": BOB }] });
    let changed = |whole: &Value, name: &str, value: Value| {
        let mut whole = whole.clone();
        whole[name] = value;
        whole
    };
    let without = |whole: &Value, name: &str| {
        let mut whole = whole.clone();
        whole.as_object_mut().unwrap().remove(name);
        whole
    };
    let work =
        |value: &str| json!([{ "type": "work", "primary": true, "value": value }, { "type": "home", "value": "h@acme.example" }]);
    for (who, kind, before, operation, after) in [
        (
            "Okta deactivates",
            Kind::User,
            &user,
            json!({ "op": "replace", "value": { "active": false } }),
            changed(&user, "active", json!(false)),
        ),
        (
            "Entra deactivates",
            Kind::User,
            &user,
            json!({ "op": "Replace", "path": "active", "value": "False" }),
            changed(&user, "active", json!(false)),
        ),
        (
            "Entra, older",
            Kind::User,
            &user,
            json!({ "op": "Replace", "path": "active", "value": [{ "$ref": null, "value": "False" }] }),
            changed(&user, "active", json!(false)),
        ),
        (
            "Entra changes mail",
            Kind::User,
            &user,
            json!({ "op": "Replace", "path": "emails[type eq \"work\"].value", "value": "n@acme.example" }),
            changed(&user, "emails", work("n@acme.example")),
        ),
        (
            "Entra adds what is not there",
            Kind::User,
            &user,
            json!({ "op": "Add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "+43" }),
            changed(&user, "phoneNumbers", json!([{ "type": "mobile", "value": "+43" }])),
        ),
        (
            "Entra's flat names",
            Kind::User,
            &user,
            json!({ "op": "Add", "value": { "name.givenName": "Ada", format!("{ENTERPRISE}:department"): "R&D" } }),
            changed(&changed(&user, "name", json!({ "givenName": "Ada" })), ENTERPRISE, json!({ "department": "R&D" })),
        ),
        (
            "Entra's roles",
            Kind::User,
            &user,
            json!({ "op": "Replace", "path": "roles[primary eq \"True\"].value", "value": "y" }),
            changed(&user, "roles", json!([{ "value": "y", "primary": true }])),
        ),
        (
            "Entra's manager",
            Kind::User,
            &user,
            json!({ "op": "Add", "path": format!("{ENTERPRISE}:manager"), "value": BOB }),
            changed(&user, ENTERPRISE, json!({ "manager": { "value": BOB } })),
        ),
        ("Entra forgets a title", Kind::User, &user, json!({ "op": "Remove", "path": "title" }), without(&user, "title")),
        (
            "OneLogin sends whole people",
            Kind::User,
            &user,
            json!({ "op": "replace", "value": { "schemas": [], "id": "7", "meta": {}, "groups": [], "title": "Queen" } }),
            changed(&user, "title", json!("Queen")),
        ),
        (
            "JumpCloud empties a title",
            Kind::User,
            &user,
            json!({ "op": "replace", "path": "title", "value": null }),
            without(&user, "title"),
        ),
        (
            "a core URN",
            Kind::User,
            &user,
            json!({ "op": "replace", "path": "urn:ietf:params:scim:schemas:core:2.0:User:title", "value": "Queen" }),
            changed(&user, "title", json!("Queen")),
        ),
        (
            "Okta removes a member",
            Kind::Group,
            &both,
            json!({ "op": "remove", "path": format!("members[value eq \"{BOB}\"]") }),
            changed(&both, "members", json!([{ "value": ADA }])),
        ),
        (
            "Okta removes two",
            Kind::Group,
            &both,
            json!({ "op": "remove", "path": format!("members[value eq \"{BOB}\" or value eq \"{ADA}\"]") }),
            without(&both, "members"),
        ),
        (
            "Entra removes a member",
            Kind::Group,
            &both,
            json!({ "op": "Remove", "path": "members", "value": [{ "$ref": null, "value": BOB }] }),
            changed(&both, "members", json!([{ "value": ADA }])),
        ),
        (
            "Entra adds one twice",
            Kind::Group,
            &both,
            json!({ "op": "Add", "path": "members", "value": [{ "$ref": null, "value": BOB }, { "value": BOB }] }),
            both.clone(),
        ),
        (
            "members by id alone",
            Kind::Group,
            &without(&both, "members"),
            json!({ "op": "add", "path": "members", "value": [ADA, BOB] }),
            both.clone(),
        ),
        (
            "Okta renames",
            Kind::Group,
            &both,
            json!({ "op": "replace", "value": { "id": "7", "displayName": "Crew" } }),
            changed(&both, "displayName", json!("Crew")),
        ),
        (
            "Okta replaces all",
            Kind::Group,
            &both,
            json!({ "op": "replace", "path": "members", "value": [{ "value": ADA, "display": "ada" }] }),
            changed(&both, "members", json!([{ "value": ADA }])),
        ),
        (
            "nobody is left",
            Kind::Group,
            &both,
            json!({ "op": "replace", "path": "members", "value": [] }),
            without(&both, "members"),
        ),
    ] {
        assert_eq!(patch(kind, before, json!([operation])), Ok(after), "{who}");
    }
}

#[test]
fn a_patch_that_cannot_be_done_names_what_is_wrong() {
    let user = json!({ "userName": "ada", "emails": [{ "type": "work", "value": "a" }] });
    for (operation, flaw) in [
        (json!({ "op": "replace", "path": "emails[type eq \"home\"].value", "value": "b" }), "noTarget"),
        (json!({ "op": "remove" }), "noTarget"),
        (json!({ "op": "add", "path": "colour", "value": "red" }), "invalidPath"),
        (json!({ "op": "add", "path": "emails[type eq", "value": "red" }), "invalidPath"),
        (json!({ "op": "add", "path": "urn:example:custom:2.0:User:tag", "value": "red" }), "invalidPath"),
        (json!({ "op": "add", "path": "title[value eq \"a\"]", "value": "red" }), "invalidPath"),
        (json!({ "op": "add", "path": "emails[colour eq \"red\"].value", "value": "red" }), "invalidFilter"),
        (json!({ "op": "replace", "path": "id", "value": "mine" }), "mutability"),
        (json!({ "op": "add", "path": "groups", "value": [{ "value": "admins" }] }), "mutability"),
        (json!({ "op": "remove", "path": "meta.created" }), "mutability"),
        (json!({ "op": "remove", "path": "userName" }), "invalidValue"),
        (json!({ "op": "replace", "path": "active", "value": "perhaps" }), "invalidValue"),
        (json!({ "op": "add", "path": "title" }), "invalidValue"),
        (json!({ "op": "add", "value": "title" }), "invalidValue"),
        (json!({ "op": "move", "path": "title", "value": "x" }), "invalidSyntax"),
        (json!("add"), "invalidSyntax"),
    ] {
        let shown = operation.to_string();
        let refused = patch(Kind::User, &user, json!([{ "op": "add", "path": "title", "value": "x" }, operation])).unwrap_err();
        assert_eq!((refused.status.as_u16(), refused.document()["scimType"].as_str()), (400, Some(flaw)), "{shown}");
    }
}

#[test]
fn recorded_requests_are_understood() {
    let group = json!({ "displayName": "Test SCIMv2", "members": [{ "value": BOB }] });
    let user = normalise(
        Kind::User,
        &json!({ "userName": "ada", "emails": [{ "type": "work", "primary": true, "value": "a@b.example" }] }),
    );
    let user = Value::Object(user.unwrap());
    for (kind, before, recorded, check) in [
        (Kind::Group, &group, OKTA_MEMBERS, json!([{ "value": ADA }, { "value": BOB }])),
        (Kind::Group, &group, OKTA_NAME, json!("Test SCIMv2")),
        (Kind::Group, &group, ENTRA_GROUP, json!("1879db59-3bdf-4490-ad68-ab880a269474updatedDisplayName")),
        (Kind::User, &user, ENTRA_USER, json!(false)),
        (Kind::User, &user, OKTA_USER, json!(false)),
    ] {
        let body: Value = serde_json::from_str(recorded).unwrap();
        let operations = read(kind, &body).unwrap();
        let after = apply(kind, before.as_object().unwrap(), &operations).unwrap();
        let told = [after.get("members"), after.get("displayName"), after.get("active")];
        assert!(told.contains(&Some(&check)), "{recorded}: {after:?}");
    }
}

// As recorded of Okta and Entra.
const OKTA_MEMBERS: &str = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[
 {"op":"remove","path":"members[value eq \"89bb1940-b905-4575-9e7f-6f887cfb368e\"]"},
 {"op":"add","path":"members","value":[{"value":"23a35c27-23d3-4c03-b4c5-6443c09e7173","display":"test.user@okta.local"}]},
 {"op":"replace","path":"members","value":[{"value":"23a35c27-23d3-4c03-b4c5-6443c09e7173","display":"test.user@okta.local"},
  {"value":"89bb1940-b905-4575-9e7f-6f887cfb368e","display":"test.user@okta.local"}]}]}"#;
const OKTA_NAME: &str = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[
 {"op":"replace","value":{"id":"abf4dd94-a4c0-4f67-89c9-76b03340cb9b","displayName":"Test SCIMv2"}}]}"#;
const OKTA_USER: &str = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[
 {"op":"replace","value":{"active":false}}]}"#;
const ENTRA_GROUP: &str = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[
 {"op":"Replace","path":"displayName","value":"1879db59-3bdf-4490-ad68-ab880a269474updatedDisplayName"},
 {"op":"Add","path":"members","value":[{"$ref":null,"value":"f648f8d5ea4e4cd38e9c"}]},
 {"op":"Remove","path":"members","value":[{"$ref":null,"value":"f648f8d5ea4e4cd38e9c"}]}]}"#;
const ENTRA_USER: &str = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[
 {"op":"Replace","path":"emails[type eq \"work\"].value","value":"updatedEmail@microsoft.com"},
 {"op":"Replace","path":"name.familyName","value":"updatedFamilyName"},
 {"op":"Replace","path":"userName","value":"5b50642d-79fc-4410-9e90-4c077cdd1a59@testuser.com"},
 {"op":"Replace","path":"active","value":false}]}"#;
