//! Which attributes of a resource are told (RFC 7644 §3.9).
//!
//! Refuses to leave out what is always returned: a resource without its id names nothing.

use scim_v2::filter::PatchPath;
use serde_json::{Map, Value};

use super::error::ScimError;
use super::schema::{self, Attribute, ENTERPRISE, Kind, Place, Returned};

/// Names that a client may give; there are fewer attributes, and parts of them.
const MOST: usize = 200;

/// What a client wants to hear.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Projection {
    #[default]
    Usual,
    /// These, and what is always returned.
    Only(Vec<String>),
    /// All but these.
    Without(Vec<String>),
}

impl Projection {
    /// From the lists of a request; the two exclude each other (RFC 7644 §3.9), and the wish for little counts.
    pub(super) fn of(attributes: Vec<String>, excluded: Vec<String>) -> Result<Self, ScimError> {
        // Each is looked for in each resource.
        if attributes.len() + excluded.len() > MOST {
            return Err(ScimError::value(format!("At most {MOST} attributes are named")));
        }
        Ok(match (attributes.is_empty(), excluded.is_empty()) {
            (false, _) => Self::Only(attributes),
            (true, false) => Self::Without(excluded),
            (true, true) => Self::Usual,
        })
    }

    /// Whether the attribute is told at all, so that it need not be looked up if not.
    pub(super) fn wants(&self, kind: Kind, name: &str) -> bool {
        let named = |names: &[String]| {
            names.iter().filter_map(|name| place(kind, name)).any(|named| match named {
                Named::Place(place) => place.attribute.name == name,
                Named::Extension => false,
            })
        };
        match self {
            Self::Usual => true,
            Self::Only(names) => named(names),
            Self::Without(names) => !names.iter().any(|text| {
                matches!(place(kind, text), Some(Named::Place(Place { attribute, part: None, .. })) if attribute.name == name)
            }),
        }
    }

    /// The resource as it is told.
    pub(super) fn apply(&self, kind: Kind, resource: Map<String, Value>) -> Map<String, Value> {
        match self {
            Self::Usual => resource,
            Self::Only(names) => only(kind, &resource, names),
            Self::Without(names) => without(kind, resource, names),
        }
    }
}

enum Named {
    Place(Place),
    Extension,
}

fn place(kind: Kind, name: &str) -> Option<Named> {
    let name = name.trim();
    if name.eq_ignore_ascii_case(ENTERPRISE) {
        return Some(Named::Extension);
    }
    match name.parse().ok()? {
        PatchPath::Attr(path) => schema::resolve(kind, &path).map(Named::Place),
        PatchPath::Value(_) => None,
    }
}

fn is_always(attribute: &Attribute) -> bool {
    attribute.returned == Returned::Always
}

fn only(kind: Kind, resource: &Map<String, Value>, names: &[String]) -> Map<String, Value> {
    let always = |name: &String| kind.attribute(name).is_some_and(is_always);
    let mut told: Map<String, Value> =
        resource.iter().filter(|(name, _)| always(name)).map(|(name, value)| (name.clone(), value.clone())).collect();
    for named in names.iter().filter_map(|name| place(kind, name)) {
        let place = match named {
            Named::Extension => {
                told.extend(resource.get(ENTERPRISE).map(|value| (ENTERPRISE.to_owned(), value.clone())));
                continue;
            }
            Named::Place(place) => place,
        };
        let from = if place.extension { resource.get(ENTERPRISE).and_then(Value::as_object) } else { Some(resource) };
        let Some(value) = from.and_then(|from| from.get(place.attribute.name)) else { continue };
        let into = if place.extension {
            match told.entry(ENTERPRISE).or_insert_with(|| Value::Object(Map::new())) {
                Value::Object(fields) => fields,
                _ => continue,
            }
        } else {
            &mut told
        };
        match place.part {
            None => drop(into.insert(place.attribute.name.to_owned(), value.clone())),
            Some(part) => add_part(into, place.attribute, part.name, value),
        }
    }
    told
}

/// Adds one part of each of the values to what is told of them already.
fn add_part(into: &mut Map<String, Value>, attribute: &Attribute, part: &str, value: &Value) {
    let take = |from: &Value, into: &mut Value| {
        if let (Some(found), Value::Object(fields)) = (from.get(part), into) {
            fields.insert(part.to_owned(), found.clone());
        }
    };
    let empty = || Value::Object(Map::new());
    match value {
        Value::Array(values) => {
            let told = into.entry(attribute.name).or_insert_with(|| values.iter().map(|_| empty()).collect());
            if let Value::Array(told) = told {
                values.iter().zip(told).for_each(|(from, into)| take(from, into));
            }
        }
        one => take(one, into.entry(attribute.name).or_insert_with(empty)),
    }
}

fn without(kind: Kind, mut resource: Map<String, Value>, names: &[String]) -> Map<String, Value> {
    for named in names.iter().filter_map(|name| place(kind, name)) {
        let place = match named {
            Named::Extension => {
                resource.remove(ENTERPRISE);
                continue;
            }
            Named::Place(place) if is_always(place.attribute) => continue,
            Named::Place(place) => place,
        };
        let from =
            if place.extension { resource.get_mut(ENTERPRISE).and_then(Value::as_object_mut) } else { Some(&mut resource) };
        let Some(from) = from else { continue };
        match (place.part, from.get_mut(place.attribute.name)) {
            (None, _) => drop(from.remove(place.attribute.name)),
            (Some(part), Some(Value::Array(values))) => {
                values.iter_mut().filter_map(Value::as_object_mut).for_each(|fields| drop(fields.remove(part.name)));
            }
            (Some(part), Some(Value::Object(fields))) => drop(fields.remove(part.name)),
            (Some(_), _) => {}
        }
    }
    resource
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(projection: &Projection) -> Value {
        let resource = json!({
            "schemas": [Kind::User.urn()], "id": "1", "userName": "ada", "title": "Countess", "meta": { "version": "1", "created": "2" },
            "emails": [{ "value": "a", "type": "work" }, { "value": "b", "type": "home" }],
            ENTERPRISE: { "department": "R&D", "manager": { "value": "2", "displayName": "Bob" } },
        });
        Value::Object(projection.apply(Kind::User, resource.as_object().unwrap().clone()))
    }

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn only_what_was_named_and_what_is_always_told() {
        let names =
            ["USERNAME", "emails.value", " urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value", "colour"];
        let expected = json!({
            "schemas": [Kind::User.urn()], "id": "1", "userName": "ada", "emails": [{ "value": "a" }, { "value": "b" }],
            ENTERPRISE: { "manager": { "value": "2" } },
        });
        assert_eq!(told(&Projection::of(list(&names), list(&["id"])).unwrap()), expected);
    }

    #[test]
    fn all_but_what_was_named_and_never_without_its_id() {
        let names = ["id", "schemas", "emails.type", "title", "meta.created", ENTERPRISE];
        let expected = json!({
            "schemas": [Kind::User.urn()], "id": "1", "userName": "ada", "meta": { "version": "1" },
            "emails": [{ "value": "a" }, { "value": "b" }],
        });
        assert_eq!(told(&Projection::of(Vec::new(), list(&names)).unwrap()), expected);
    }

    #[test]
    fn what_is_not_told_need_not_be_looked_up() {
        let of = |attributes: &[&str], excluded: &[&str]| Projection::of(list(attributes), list(excluded)).unwrap();
        let without = of(&[], &["members"]);
        assert!(!without.wants(Kind::Group, "members") && without.wants(Kind::Group, "displayName"));
        assert!(!of(&["displayName"], &[]).wants(Kind::Group, "members"));
        assert!(of(&["members.value"], &[]).wants(Kind::Group, "members"));
    }

    #[test]
    fn no_more_is_named_than_there_is() {
        let names = |count| vec!["userName".to_owned(); count];
        assert!(Projection::of(names(MOST), Vec::new()).is_ok());
        for (attributes, excluded) in [(MOST + 1, 0), (0, MOST + 1), (MOST, 1)] {
            let refused = Projection::of(names(attributes), names(excluded)).unwrap_err();
            assert_eq!(refused.status, 400);
        }
    }
}
