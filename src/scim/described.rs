//! Between a resource and what the directory keeps of it.
//!
//! Refuses an address that the connection may not speak for as the person's own: it stays an attribute among others (threats K2).

use serde_json::{Map, Value, json};

use super::error::ScimError;
use super::resource::{self, Attributes};
use super::schema::{Attribute, ENTERPRISE, Kind, Type};
use crate::crypto::Digest;
use crate::directory::{Described, Indexed};
use crate::model::{Domain, EmailAddress, Group, Member, Provisioned};

/// Bytes of a value that are searched by.
const SEARCHED: usize = 1024;
/// Bytes of a person's name, as it goes to the application.
const NAME: usize = 256;

/// The whole resource as a PATCH sees it.
pub(super) fn whole(person: &Provisioned) -> Attributes {
    let mut attributes = person.attributes.clone();
    attributes.insert("userName".to_owned(), person.user.user_name.clone().into());
    attributes.extend(person.active.map(|active| ("active".to_owned(), active.into())));
    if let Some(id) = &person.external_id {
        attributes.insert("externalId".to_owned(), id.clone().into());
    }
    attributes
}

/// What the directory keeps of a person.
pub(super) fn person(mut attributes: Attributes, domains: &[Domain]) -> Result<Described, ScimError> {
    resource::check_required(Kind::User, &attributes)?;
    // Accepted and not kept.
    attributes.remove("password");
    let index = index(&attributes);
    let text = |value: Option<Value>| value.and_then(|value| value.as_str().map(str::to_owned));
    let user_name = text(attributes.remove("userName")).unwrap_or_default();
    Ok(Described {
        external_id: text(attributes.remove("externalId")),
        active: attributes.remove("active").and_then(|value| value.as_bool()),
        email: email(&attributes, &user_name, domains),
        user_name,
        name: name(&attributes),
        attributes,
        index,
    })
}

/// The primary address, or that for work, or the first, or else the name, that is one and that the connection may speak for.
fn email(attributes: &Attributes, user_name: &str, domains: &[Domain]) -> Option<EmailAddress> {
    let values = attributes.get("emails").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let rank = |value: &&Value| match (resource::is_primary(value), value.get("type").and_then(Value::as_str)) {
        (true, _) => 0,
        (false, Some("work")) => 1,
        (false, _) => 2,
    };
    let mut ranked: Vec<&Value> = values.iter().collect();
    ranked.sort_by_key(rank);
    let texts = ranked.into_iter().filter_map(|value| value.get("value")?.as_str()).chain([user_name]);
    let mut addresses = texts.filter_map(|text| text.parse::<EmailAddress>().ok());
    let serves = |address: &EmailAddress| domains.is_empty() || domains.iter().any(|domain| domain.as_str() == address.domain());
    addresses.find(serves)
}

fn name(attributes: &Attributes) -> Option<String> {
    let name = attributes.get("name");
    let part = |part: &str| name.and_then(|name| name.get(part)).and_then(Value::as_str);
    let display = attributes.get("displayName").and_then(Value::as_str);
    let joined = || {
        let parts: Vec<&str> = [part("givenName"), part("familyName")].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    };
    let chosen = display.or(part("formatted")).map(str::to_owned).or_else(joined)?;
    let plain: String = chosen.trim().chars().filter(|letter| !letter.is_control()).collect();
    let plain = plain[..plain.floor_char_boundary(NAME)].trim().to_owned();
    (!plain.is_empty()).then_some(plain)
}

/// What a person is found by, but for what has a column of its own.
fn index(attributes: &Attributes) -> Vec<Indexed> {
    let mut entries = Vec::new();
    for (name, value) in attributes {
        if name == ENTERPRISE {
            for (name, value) in value.as_object().into_iter().flatten() {
                let known = Kind::User.extension().into_iter().flatten().find(|known| known.name == name);
                index_one(&mut entries, &format!("enterprise:{name}"), known, value);
            }
        } else if !matches!(name.as_str(), "userName" | "active" | "externalId") {
            index_one(&mut entries, name, Kind::User.attribute(name), value);
        }
    }
    entries
}

fn index_one(entries: &mut Vec<Indexed>, name: &str, attribute: Option<&'static Attribute>, value: &Value) {
    let Some(attribute) = attribute else { return };
    let several = match value {
        Value::Array(values) => values.as_slice(),
        one => std::slice::from_ref(one),
    };
    // The primary value comes first, so that it is what is sorted by.
    let primary = several.iter().position(resource::is_primary).unwrap_or(0);
    for (place, value) in several.iter().enumerate() {
        let element = match place {
            place if place == primary => 0,
            place if place < primary => place + 1,
            place => place,
        };
        let element = i64::try_from(element).unwrap_or(i64::MAX);
        let mut add = |part: &str, of: &Attribute, value: &Value| {
            if let Some(value) = comparable(of, value) {
                entries.push(Indexed { attribute: name.to_owned(), element, part: part.to_owned(), value });
            }
        };
        match value {
            Value::Object(fields) => {
                for (part, value) in fields {
                    if let Some(of) = attribute.part(part) {
                        add(part, of, value);
                    }
                }
            }
            value => add("", attribute, value),
        }
    }
}

fn comparable(of: &Attribute, value: &Value) -> Option<String> {
    match value {
        Value::Bool(truth) => Some(truth.to_string()),
        Value::String(text) if of.exact || matches!(of.kind, Type::Binary) => Some(short(text)),
        Value::String(text) => Some(short(&text.to_lowercase())),
        _ => None,
    }
}

fn short(text: &str) -> String {
    text[..text.floor_char_boundary(SEARCHED)].to_owned()
}

/// The version of a person: when they were changed, and in which groups they are, since that is told with them.
pub(super) fn version(person: &Provisioned) -> String {
    let changed = person.user.updated_at.millis();
    if person.groups.is_empty() {
        return format!("W/\"{changed}\"");
    }
    let ids: Vec<String> = person.groups.iter().map(|group| format!("{} {}", group.group, group.display_name)).collect();
    let parts: Vec<&[u8]> = ids.iter().map(String::as_bytes).collect();
    format!("W/\"{changed}.{}\"", &Digest::of_parts(&parts).to_hex()[..16])
}

/// The person as they are told.
pub(super) fn document(base: &str, person: &Provisioned) -> Map<String, Value> {
    let mut told = whole(person);
    let mut schemas = vec![Kind::User.urn()];
    if told.contains_key(ENTERPRISE) {
        schemas.push(ENTERPRISE);
    }
    told.insert("schemas".to_owned(), json!(schemas));
    told.insert("id".to_owned(), person.user.id.to_string().into());
    if !person.groups.is_empty() {
        let group = |group: &crate::model::Membership| {
            let (id, name) = (group.group, &group.display_name);
            json!({ "value": id, "$ref": format!("{base}/Groups/{id}"), "display": name, "type": "direct" })
        };
        told.insert("groups".to_owned(), person.groups.iter().map(group).collect());
    }
    let location = format!("{base}/Users/{}", person.user.id);
    let (created, changed) = (person.user.created_at, person.user.updated_at);
    told.insert("meta".to_owned(), meta(Kind::User, &location, created, changed, &version(person)));
    told
}

fn meta(kind: Kind, location: &str, created: crate::clock::Timestamp, changed: crate::clock::Timestamp, version: &str) -> Value {
    json!({
        "resourceType": kind.name(),
        "created": created.to_string(),
        "lastModified": changed.to_string(),
        "location": location,
        "version": version,
    })
}

pub(super) fn group_version(group: &Group) -> String {
    format!("W/\"{}\"", group.updated_at.millis())
}

/// The group as it is told; with its members where they are asked for.
pub(super) fn group_document(base: &str, group: &Group, members: Option<&[Member]>) -> Map<String, Value> {
    let location = format!("{base}/Groups/{}", group.id);
    let mut told = Map::new();
    told.insert("schemas".to_owned(), json!([Kind::Group.urn()]));
    told.insert("id".to_owned(), group.id.to_string().into());
    told.insert("displayName".to_owned(), group.display_name.clone().into());
    if let Some(id) = &group.external_id {
        told.insert("externalId".to_owned(), id.clone().into());
    }
    if let Some(members) = members.filter(|members| !members.is_empty()) {
        let member = |member: &Member| {
            let (id, kind) = (member.id, if member.is_group { Kind::Group } else { Kind::User });
            let mut told = json!({ "value": id, "$ref": format!("{base}{}/{id}", kind.endpoint()), "type": kind.name() });
            if let (Some(display), Value::Object(fields)) = (&member.display, &mut told) {
                fields.insert("display".to_owned(), display.clone().into());
            }
            told
        };
        told.insert("members".to_owned(), members.iter().map(member).collect());
    }
    told.insert("meta".to_owned(), meta(Kind::Group, &location, group.created_at, group.updated_at, &group_version(group)));
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(resource: Value, domains: &[&str]) -> Described {
        let domains: Vec<Domain> = domains.iter().map(|domain| domain.parse().unwrap()).collect();
        person(resource.as_object().unwrap().clone(), &domains).unwrap()
    }

    #[test]
    fn an_address_of_a_foreign_domain_is_not_the_persons_own() {
        let resource = json!({ "userName": "ada", "emails": [
            { "value": "ada@home.example", "type": "home" }, { "value": "ada@evil.example", "primary": true }, { "value": "ada@acme.example", "type": "work" },
        ]});
        let email = |domains| described(resource.clone(), domains).email.map(String::from);
        assert_eq!(email(&[]).as_deref(), Some("ada@evil.example"));
        assert_eq!(email(&["acme.example"]).as_deref(), Some("ada@acme.example"));
        assert_eq!(email(&["home.example", "acme.example"]).as_deref(), Some("ada@acme.example"));
        assert_eq!(email(&["other.example"]), None);
        let named = described(json!({ "userName": "ada@acme.example" }), &["acme.example"]);
        assert_eq!(named.email.map(String::from).as_deref(), Some("ada@acme.example"));
    }

    #[test]
    fn what_is_searched_by_is_in_lower_case_and_the_primary_value_comes_first() {
        let described = described(
            json!({
                "userName": "Ada", "externalId": "X", "active": false, "title": "Countess", "name": { "familyName": "Lovelace", "givenName": "Ada" },
                "emails": [{ "value": "B@b.example" }, { "value": "a@a.example", "primary": true }],
                ENTERPRISE: { "department": "R&D" }, "password": "secret",
            }),
            &[],
        );
        assert_eq!((described.name.as_deref(), described.active), (Some("Ada Lovelace"), Some(false)));
        assert!(!described.attributes.contains_key("password") && !described.attributes.contains_key("userName"));
        let mut entries: Vec<String> = described
            .index
            .iter()
            .map(|entry| format!("{} {} {} {}", entry.attribute, entry.element, entry.part, entry.value))
            .collect();
        entries.sort();
        let expected = [
            "emails 0 primary true",
            "emails 0 value a@a.example",
            "emails 1 value b@b.example",
            "enterprise:department 0  r&d",
            "name 0 familyName lovelace",
            "name 0 givenName ada",
            "title 0  countess",
        ];
        assert_eq!(entries, expected);
    }
}
