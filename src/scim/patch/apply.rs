//! Operations done on a resource, one after the other.
//!
//! Refuses to change what it was given: it answers another resource, or an error and no resource (RFC 7644 §3.5.2: "atomic").

use std::collections::HashSet;

use scim_v2::filter::{AttrExp, CompValue, CompareOp, ValFilter};
use serde_json::{Map, Value};

use super::{Op, Operation, Target, aim};
use crate::scim::error::{Flaw, ScimError};
use crate::scim::filter::{part as part_of, truth};
use crate::scim::resource::{self, Attributes, is_primary, root_mut};
use crate::scim::schema::{Attribute, ENTERPRISE, Kind, Place, Type};

/// What `resource` is after all of `operations`.
pub(in crate::scim) fn apply(kind: Kind, resource: &Attributes, operations: &[Operation]) -> Result<Attributes, ScimError> {
    let mut patched = resource.clone();
    for operation in operations {
        perform(kind, &mut patched, operation.op, &operation.target, operation.value.as_ref())?;
        resource::prune(&mut patched);
    }
    resource::check_required(kind, &patched)?;
    resource::check_size(kind, &patched)?;
    Ok(patched)
}

fn perform(kind: Kind, resource: &mut Attributes, op: Op, target: &Target, value: Option<&Value>) -> Result<(), ScimError> {
    match (op, target) {
        (_, Target::Nothing) | (Op::Remove, Target::Whole) => Ok(()),
        (Op::Remove, Target::Extension) => {
            resource.remove(ENTERPRISE);
            Ok(())
        }
        (Op::Remove, Target::At(place)) => remove(resource, *place, value),
        (Op::Remove, Target::Chosen { place, fits, part }) => remove_chosen(resource, *place, fits, *part),
        (op, Target::Whole) => each(kind, resource, op, value, None),
        (op, Target::Extension) => each(kind, resource, op, value, Some(ENTERPRISE)),
        (op, Target::At(place)) => set(resource, op, *place, value.unwrap_or(&Value::Null)),
        (op, Target::Chosen { place, fits, part }) => {
            set_chosen(resource, op, *place, fits, *part, value.unwrap_or(&Value::Null))
        }
    }
}

/// A value without a path: each of its members is an operation of its own. What is read-only or unknown has no effect, since
/// clients send whole resources.
fn each(kind: Kind, resource: &mut Attributes, op: Op, value: Option<&Value>, within: Option<&str>) -> Result<(), ScimError> {
    let Some(Value::Object(fields)) = value else { return Err(ScimError::value("The value has to be an object")) };
    for (name, value) in fields {
        let path = within.map_or_else(|| name.clone(), |urn| format!("{urn}:{name}"));
        match aim(kind, &path) {
            Ok(target) => perform(kind, resource, op, &target, Some(value))?,
            Err(ScimError { flaw: Some(Flaw::InvalidPath | Flaw::Mutability | Flaw::InvalidFilter), .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn set(resource: &mut Attributes, op: Op, place: Place, sent: &Value) -> Result<(), ScimError> {
    let attribute = place.attribute;
    let Some(root) = root_mut(resource, place.extension) else { return Ok(()) };
    if let Some(part) = place.part {
        return set_part(root, attribute, part, sent);
    }
    let Some(new) = resource::value(attribute, sent)? else {
        // To add nothing changes nothing; to replace by nothing is to remove.
        if op == Op::Replace {
            root.remove(attribute.name);
        }
        return Ok(());
    };
    match (root.get_mut(attribute.name), new) {
        (Some(Value::Object(old)), Value::Object(new)) if !attribute.many => {
            old.extend(new);
            // A part sent as null is unassigned.
            for (name, value) in sent.as_object().into_iter().flatten() {
                if let (Value::Null, Some(part)) = (value, attribute.part(name)) {
                    old.remove(part.name);
                }
            }
        }
        (Some(Value::Array(old)), Value::Array(new)) if op == Op::Add => add_values(attribute, old, new),
        (_, new) => drop(root.insert(attribute.name.to_owned(), new)),
    }
    Ok(())
}

/// A part of the only value, or of each of several (RFC 7644 §3.5.2.3).
fn set_part(root: &mut Attributes, attribute: &Attribute, part: &Attribute, sent: &Value) -> Result<(), ScimError> {
    let value = resource::single(part, sent)?;
    let change = |fields: &mut Map<String, Value>| match &value {
        Some(value) => drop(fields.insert(part.name.to_owned(), value.clone())),
        None => drop(fields.remove(part.name)),
    };
    match root.get_mut(attribute.name) {
        Some(Value::Object(fields)) => change(fields),
        Some(Value::Array(values)) => values.iter_mut().filter_map(Value::as_object_mut).for_each(change),
        _ if value.is_some() => {
            let mut fields = Map::new();
            change(&mut fields);
            let whole = Value::Object(fields);
            root.insert(attribute.name.to_owned(), if attribute.many { Value::Array(vec![whole]) } else { whole });
        }
        _ => {}
    }
    Ok(())
}

/// Adds what is not there yet; a new primary value takes the place of the old (RFC 7644 §3.5.2).
fn add_values(attribute: &Attribute, old: &mut Vec<Value>, new: Vec<Value>) {
    if new.iter().any(is_primary) {
        old.iter_mut().filter_map(Value::as_object_mut).for_each(|value| drop(value.remove("primary")));
    }
    if attribute.name == "members" {
        let known: HashSet<String> = old.iter().filter_map(id_of).collect();
        let mut added = HashSet::new();
        let fresh = |value: &Value| id_of(value).is_some_and(|id| !known.contains(&id) && added.insert(id));
        let mut fresh = fresh;
        old.extend(new.into_iter().filter(|value| fresh(value)));
        return;
    }
    for value in new {
        if !old.contains(&value) {
            old.push(value);
        }
    }
}

fn id_of(value: &Value) -> Option<String> {
    value.get("value").and_then(Value::as_str).map(str::to_owned)
}

/// Without a value the attribute goes; with one, only those values of it that are named (as Entra sends it).
fn remove(resource: &mut Attributes, place: Place, value: Option<&Value>) -> Result<(), ScimError> {
    let attribute = place.attribute;
    let Some(root) = root_mut(resource, place.extension) else { return Ok(()) };
    let named = match value.filter(|_| attribute.many && place.part.is_none()) {
        Some(sent) => resource::value(attribute, sent)?,
        None => None,
    };
    match (place.part, root.get_mut(attribute.name), named) {
        (None, Some(Value::Array(values)), Some(Value::Array(named))) => {
            let ids: HashSet<String> = named.iter().filter_map(id_of).collect();
            // Who is named by their value is meant by it, whatever else is sent with it.
            values.retain(|value| !named.contains(value) && !id_of(value).is_some_and(|id| ids.contains(&id)));
        }
        (None, ..) => drop(root.remove(attribute.name)),
        (Some(part), Some(Value::Object(fields)), _) => drop(fields.remove(part.name)),
        (Some(part), Some(Value::Array(values)), _) => {
            values.iter_mut().filter_map(Value::as_object_mut).for_each(|fields| drop(fields.remove(part.name)));
            values.retain(|value| value.as_object().is_none_or(|fields| !fields.is_empty()));
        }
        (Some(_), ..) => {}
    }
    Ok(())
}

/// What is not there is removed already: clients repeat themselves.
fn remove_chosen(
    resource: &mut Attributes,
    place: Place,
    fits: &ValFilter,
    part: Option<&'static Attribute>,
) -> Result<(), ScimError> {
    let Some(root) = root_mut(resource, place.extension) else { return Ok(()) };
    let Some(Value::Array(values)) = root.get_mut(place.attribute.name) else { return Ok(()) };
    let mut kept = Vec::with_capacity(values.len());
    for mut value in std::mem::take(values) {
        match (matches(place.attribute, fits, &value)?, part) {
            (false, _) => kept.push(value),
            (true, None) => {}
            (true, Some(part)) => {
                if let Value::Object(fields) = &mut value {
                    fields.remove(part.name);
                }
                if value.as_object().is_some_and(|fields| !fields.is_empty()) {
                    kept.push(value);
                }
            }
        }
    }
    *values = kept;
    Ok(())
}

fn set_chosen(
    resource: &mut Attributes,
    op: Op,
    place: Place,
    fits: &ValFilter,
    part: Option<&'static Attribute>,
    sent: &Value,
) -> Result<(), ScimError> {
    let attribute = place.attribute;
    // What is set of each, and what goes because it was sent as null.
    let new = match part {
        Some(part) => {
            Value::Object(resource::single(part, sent)?.map(|value| (part.name.to_owned(), value)).into_iter().collect())
        }
        None => resource::single(attribute, sent)?.unwrap_or(Value::Null),
    };
    let Value::Object(new) = new else { return Err(ScimError::value(format!("{} has to be an object", attribute.name))) };
    let Some(root) = root_mut(resource, place.extension) else { return Ok(()) };
    let slot = root.entry(attribute.name).or_insert_with(|| Value::Array(Vec::new()));
    let Value::Array(values) = slot else { return Err(ScimError::flaw(Flaw::NoTarget, "There are no such values")) };
    let mut chosen = Vec::new();
    for (index, value) in values.iter().enumerate() {
        if matches(attribute, fits, value)? {
            chosen.push(index);
        }
    }
    if chosen.is_empty() {
        let made = (op == Op::Add).then(|| described(attribute, fits)).flatten();
        let made = made.map(Value::Object).map(|made| resource::single(attribute, &made)).transpose()?.flatten();
        let Some(Value::Object(mut made)) = made else {
            return Err(ScimError::flaw(Flaw::NoTarget, "No value fits the path's filter"));
        };
        made.extend(new);
        add_values(attribute, values, vec![Value::Object(made)]);
        return Ok(());
    }
    if new.get("primary") == Some(&Value::Bool(true)) {
        values.iter_mut().filter_map(Value::as_object_mut).for_each(|value| drop(value.remove("primary")));
    }
    for index in chosen {
        let Some(Value::Object(fields)) = values.get_mut(index) else { continue };
        match part {
            Some(part) if new.is_empty() => drop(fields.remove(part.name)),
            None if op == Op::Replace => fields.clone_from(&new),
            _ => fields.extend(new.clone()),
        }
    }
    values.retain(|value| value.as_object().is_none_or(|fields| !fields.is_empty()));
    Ok(())
}

/// The value that a filter describes, if it says of each part what it is: `type eq "work"` (as Entra adds one).
fn described(attribute: &'static Attribute, fits: &ValFilter) -> Option<Map<String, Value>> {
    match fits {
        ValFilter::Attr(AttrExp::Comparison(path, CompareOp::Eq, value)) => {
            let part = part_of(attribute, path).ok()?;
            let value = match (part.kind, value) {
                (Type::Boolean, value) => Value::Bool(truth(value)?),
                (_, CompValue::Str(text)) => Value::String(text.clone()),
                _ => return None,
            };
            Some(Map::from_iter([(part.name.to_owned(), value)]))
        }
        ValFilter::And(all) => all.iter().try_fold(Map::new(), |mut whole, one| {
            whole.extend(described(attribute, one)?);
            Some(whole)
        }),
        _ => None,
    }
}

/// Whether the filter makes sense of this attribute's values.
pub(super) fn check(attribute: &'static Attribute, fits: &ValFilter) -> Result<(), ScimError> {
    matches(attribute, fits, &Value::Null).map(drop)
}

/// Whether one value fits. Looks at the whole filter, so that what is wrong with it does not depend on the values.
fn matches(attribute: &'static Attribute, fits: &ValFilter, value: &Value) -> Result<bool, ScimError> {
    match fits {
        ValFilter::Not(inner) => Ok(!matches(attribute, inner, value)?),
        ValFilter::And(all) => all.iter().try_fold(true, |so_far, one| Ok(matches(attribute, one, value)? && so_far)),
        ValFilter::Or(any) => any.iter().try_fold(false, |so_far, one| Ok(matches(attribute, one, value)? || so_far)),
        ValFilter::Attr(AttrExp::Present(path)) => Ok(value.get(part_of(attribute, path)?.name).is_some()),
        ValFilter::Attr(AttrExp::Comparison(path, op, wanted)) => {
            let part = part_of(attribute, path)?;
            compare(part, op, value.get(part.name), wanted)
        }
    }
}

fn compare(part: &Attribute, op: &CompareOp, found: Option<&Value>, wanted: &CompValue) -> Result<bool, ScimError> {
    let senseless = || ScimError::flaw(Flaw::InvalidFilter, format!("{} cannot be compared with {wanted} by {op}", part.name));
    let negated = *op == CompareOp::Ne;
    if *wanted == CompValue::Null {
        return if negated || *op == CompareOp::Eq { Ok(found.is_some() == negated) } else { Err(senseless()) };
    }
    if part.kind == Type::Boolean {
        let wanted = truth(wanted).filter(|_| negated || *op == CompareOp::Eq).ok_or_else(senseless)?;
        // Who is not said to be the primary one is not.
        let found = found.and_then(Value::as_bool).unwrap_or(false);
        return Ok((found == wanted) != negated);
    }
    let CompValue::Str(wanted) = wanted else { return Err(senseless()) };
    let fold = |text: &str| if part.exact { text.to_owned() } else { text.to_lowercase() };
    let Some(found) = found.and_then(Value::as_str).map(fold) else { return Ok(negated) };
    let wanted = fold(wanted);
    Ok(match op {
        CompareOp::Eq => found == wanted,
        CompareOp::Ne => found != wanted,
        CompareOp::Co => found.contains(&wanted),
        CompareOp::Sw => found.starts_with(&wanted),
        CompareOp::Ew => found.ends_with(&wanted),
        CompareOp::Gt => found > wanted,
        CompareOp::Ge => found >= wanted,
        CompareOp::Lt => found < wanted,
        CompareOp::Le => found <= wanted,
    })
}
