//! What a client sent, in the one form that is kept: names as the schema spells them, values of the schema's types.
//!
//! Refuses values of another type, two primary ones and texts without end. What is read-only or in no schema is left out, because
//! clients send back what they were given and more (RFC 7644 §3.3), and none of it may have an effect (threats K4).

use serde_json::{Map, Value};

use super::error::{Flaw, ScimError};
use super::schema::{self, Attribute, ENTERPRISE, Kind, Place, Type};

/// A resource's attributes, those of the extension below its URN.
pub(super) type Attributes = Map<String, Value>;

/// Bytes of one text.
const TEXT: usize = 4096;
/// Bytes of one certificate.
const BINARY: usize = 16 * 1024;
/// Values of one attribute of a person; a group may have as many members as fit a request.
const VALUES: usize = 100;
/// Bytes of a whole person.
const WHOLE: usize = 64 * 1024;

/// What `sent` means. `schemas` is not asked for: several clients leave it out, and the address says what it is.
pub(super) fn normalise(kind: Kind, sent: &Value) -> Result<Attributes, ScimError> {
    let Value::Object(sent) = sent else { return Err(ScimError::flaw(Flaw::InvalidSyntax, "The resource is no JSON object")) };
    let mut attributes = Attributes::new();
    for (name, value) in sent {
        set_named(kind, &mut attributes, name, value)?;
    }
    check_required(kind, &attributes)?;
    check_size(kind, &attributes)?;
    Ok(attributes)
}

/// Sets what a key of a resource names: an attribute, the extension, or one of its attributes by its URN.
fn set_named(kind: Kind, attributes: &mut Attributes, name: &str, sent: &Value) -> Result<(), ScimError> {
    if let (true, Some(known)) = (name.eq_ignore_ascii_case(ENTERPRISE), kind.extension()) {
        for (name, value) in sent.as_object().into_iter().flatten() {
            if let Some(attribute) = known.iter().find(|known| known.name.eq_ignore_ascii_case(name)) {
                put(attributes, Place { extension: true, attribute, part: None }, value)?;
            }
        }
        return Ok(());
    }
    let place = match kind.attribute(name) {
        Some(attribute) => Some(Place { extension: false, attribute, part: None }),
        // Such as `urn:…:User:department`, or `name.givenName`.
        None => match name.parse() {
            Ok(scim_v2::filter::PatchPath::Attr(path)) => schema::resolve(kind, &path),
            _ => None,
        },
    };
    match place {
        Some(place) => put(attributes, place, sent),
        None => Ok(()),
    }
}

fn put(attributes: &mut Attributes, place: Place, sent: &Value) -> Result<(), ScimError> {
    if !place.attribute.is_writable() || place.part.is_some_and(|part| !part.is_writable()) {
        return Ok(());
    }
    let Some(root) = root_mut(attributes, place.extension) else { return Ok(()) };
    match place.part {
        None => match value(place.attribute, sent)? {
            Some(value) => drop(root.insert(place.attribute.name.to_owned(), value)),
            None => drop(root.remove(place.attribute.name)),
        },
        Some(part) => {
            let whole = root.entry(place.attribute.name).or_insert_with(|| Value::Object(Map::new()));
            if let (Some(value), Value::Object(fields)) = (single(part, sent)?, whole) {
                fields.insert(part.name.to_owned(), value);
            }
        }
    }
    prune(attributes);
    Ok(())
}

/// Where the attributes are, in the extension or outside.
pub(super) fn root_mut(attributes: &mut Attributes, extension: bool) -> Option<&mut Attributes> {
    if !extension {
        return Some(attributes);
    }
    attributes.entry(ENTERPRISE).or_insert_with(|| Value::Object(Map::new())).as_object_mut()
}

/// Drops what is empty: absent, `null` and an empty list are the same (RFC 7643 §2.5).
pub(super) fn prune(attributes: &mut Attributes) {
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(values) => values.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    if let Some(Value::Object(fields)) = attributes.get_mut(ENTERPRISE) {
        fields.retain(|_, value| !empty(value));
    }
    attributes.retain(|_, value| !empty(value));
}

/// The value of an attribute as it is kept; `None` where it is unassigned.
pub(super) fn value(attribute: &Attribute, sent: &Value) -> Result<Option<Value>, ScimError> {
    if !attribute.many {
        return single(attribute, sent);
    }
    let several = match sent {
        Value::Array(values) => values.as_slice(),
        one => std::slice::from_ref(one),
    };
    if attribute.name != "members" && several.len() > VALUES {
        return Err(ScimError::value(format!("{} has more than {VALUES} values", attribute.name)));
    }
    let mut values = Vec::with_capacity(several.len());
    for sent in several {
        values.extend(single(attribute, sent)?);
    }
    if values.iter().filter(|value| is_primary(value)).count() > 1 {
        return Err(ScimError::value(format!("{} has more than one primary value", attribute.name)));
    }
    Ok((!values.is_empty()).then_some(Value::Array(values)))
}

pub(super) fn is_primary(value: &Value) -> bool {
    value.get("primary") == Some(&Value::Bool(true))
}

/// One value of an attribute, of several or the only one.
pub(super) fn single(attribute: &Attribute, sent: &Value) -> Result<Option<Value>, ScimError> {
    let wrong = |what: &str| Err(ScimError::value(format!("{} has to be {what}", attribute.name)));
    match (attribute.kind, sent) {
        (_, Value::Null) => Ok(None),
        (Type::Complex(parts), Value::Object(fields)) => object(attribute, parts, fields),
        // Some send the value alone: `"manager": "26118915"`, `"members": ["…"]`.
        (Type::Complex(_), Value::String(_)) => match attribute.part("value") {
            Some(part) => Ok(single(part, sent)?.map(|value| Value::Object(Map::from_iter([("value".to_owned(), value)])))),
            None => wrong("an object"),
        },
        (Type::Complex(_), _) => wrong("an object"),
        // Older Entra: `[{"$ref": null, "value": "False"}]`.
        (_, Value::Array(values)) => match values.as_slice() {
            [Value::Object(only)] if only.contains_key("value") => single(attribute, &only["value"]),
            _ => wrong("a single value"),
        },
        (Type::Boolean, Value::Bool(_)) => Ok(Some(sent.clone())),
        // Entra sends `"False"` (and `"True"`).
        (Type::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(Value::Bool(true))),
        (Type::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(Value::Bool(false))),
        (Type::Boolean, _) => wrong("true or false"),
        (kind, Value::String(text)) => {
            let most = if kind == Type::Binary { BINARY } else { TEXT };
            if text.len() > most {
                return wrong(&format!("at most {most} bytes long"));
            }
            if text.contains('\0') {
                return wrong("without U+0000");
            }
            Ok(Some(sent.clone()))
        }
        // An employee number may be a number to whoever sends it.
        (Type::Text, Value::Number(number)) => Ok(Some(Value::String(number.to_string()))),
        _ => wrong("a string"),
    }
}

fn object(attribute: &Attribute, parts: &'static [Attribute], fields: &Map<String, Value>) -> Result<Option<Value>, ScimError> {
    let mut kept = Map::new();
    for (name, sent) in fields {
        let Some(part) = parts.iter().find(|part| part.name.eq_ignore_ascii_case(name)) else { continue };
        // What is shown of a member is the person's own.
        if !part.is_writable() || (attribute.name == "members" && part.name != "value") {
            continue;
        }
        if let Some(value) = single(part, sent)? {
            kept.insert(part.name.to_owned(), value);
        }
    }
    Ok((!kept.is_empty()).then_some(Value::Object(kept)))
}

/// Whether there is what every such resource needs.
pub(super) fn check_required(kind: Kind, attributes: &Attributes) -> Result<(), ScimError> {
    let name = kind.name_attribute();
    match attributes.get(name).and_then(Value::as_str) {
        Some(text) if text.trim().is_empty() => Err(ScimError::value(format!("{name} is empty"))),
        Some(text) if text.len() > 256 || text.chars().any(char::is_control) => {
            Err(ScimError::value(format!("{name} has to be at most 256 bytes long, without control characters")))
        }
        Some(_) => Ok(()),
        None => Err(ScimError::value(format!("{name} is missing"))),
    }
}

/// Whether a person is not larger than any person is.
pub(super) fn check_size(kind: Kind, attributes: &Attributes) -> Result<(), ScimError> {
    if kind == Kind::User && Value::Object(attributes.clone()).to_string().len() > WHOLE {
        return Err(ScimError::value(format!("The resource is larger than {WHOLE} bytes")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_providers_send_is_kept_in_one_form() {
        let sent = json!({
            "SCHEMAS": ["urn:example:anything"], "id": "mine", "meta": { "resourceType": "User" }, "groups": [{ "value": "admins" }],
            "USERNAME": "ada", "active": "False", "password": null, "roles": [], "unknown": { "a": 1 },
            "name": { "GivenName": "Ada", "formatted": null }, "emails": { "value": "ada@acme.example", "Primary": "True" },
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:user": { "manager": "42", "employeeNumber": 7 },
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department": "R&D", "name.familyName": "Lovelace",
        });
        let kept = normalise(Kind::User, &sent).unwrap();
        let expected = json!({
            "userName": "ada", "active": false, "name": { "givenName": "Ada", "familyName": "Lovelace" },
            "emails": [{ "value": "ada@acme.example", "primary": true }],
            ENTERPRISE: { "manager": { "value": "42" }, "employeeNumber": "7", "department": "R&D" },
        });
        assert_eq!(Value::Object(kept), expected);
    }

    #[test]
    fn what_is_of_another_type_is_refused() {
        let long = "x".repeat(TEXT + 1);
        for wrong in [
            json!({ "userName": ["ada"] }),
            json!({ "userName": " " }),
            json!({ "userName": "a\u{0}b" }),
            json!({ "displayName": "Ada" }),
            json!({ "userName": "ada", "active": "perhaps" }),
            json!({ "userName": "ada", "active": 1 }),
            json!({ "userName": "ada", "name": "Ada" }),
            json!({ "userName": "ada", "title": { "a": 1 } }),
            json!({ "userName": "ada", "title": long }),
            json!({ "userName": "ada", "emails": [{ "value": "a", "primary": true }, { "value": "b", "primary": true }] }),
            json!({ "userName": "ada", "emails": vec!["a"; VALUES + 1] }),
            json!([]),
        ] {
            let refused = normalise(Kind::User, &wrong).unwrap_err();
            assert_eq!(refused.status, 400, "{wrong}");
        }
    }
}
