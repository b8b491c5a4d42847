//! PATCH (RFC 7644 §3.5.2): from a request's body to operations on known places.
//!
//! Refuses a path that leads nowhere before anything is changed, so that a patch is done whole or not at all.

mod apply;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use scim_v2::filter::{PatchPath, ValFilter};
use serde_json::Value;

use super::error::{Flaw, ScimError};
use super::filter;
use super::schema::{self, Attribute, ENTERPRISE, Kind, Place};

pub(super) use apply::apply;

/// Operations of one patch.
const MOST: usize = 1000;
/// Bytes of a path.
const LONGEST: usize = 1024;
/// Levels of nesting within a path's brackets.
const DEEPEST: usize = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Add,
    Replace,
    Remove,
}

/// Where an operation applies.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Target {
    /// The resource itself: the value names the places.
    Whole,
    /// The extension as a whole.
    Extension,
    At(Place),
    /// The values of a multi-valued attribute that fit, or one part of each.
    Chosen {
        place: Place,
        fits: ValFilter,
        part: Option<&'static Attribute>,
    },
    /// What may be named but not changed, such as `schemas`.
    Nothing,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Operation {
    pub op: Op,
    pub target: Target,
    pub value: Option<Value>,
}

/// The operations of a request's body.
pub(super) fn read(kind: Kind, body: &Value) -> Result<Vec<Operation>, ScimError> {
    let syntax = |detail: &str| ScimError::flaw(Flaw::InvalidSyntax, detail);
    let fields = body.as_object().ok_or_else(|| syntax("The body is no JSON object"))?;
    let operations = field(fields, "Operations").and_then(Value::as_array).ok_or_else(|| syntax("There are no Operations"))?;
    if operations.is_empty() || operations.len() > MOST {
        return Err(ScimError::value(format!("A patch has from 1 to {MOST} operations")));
    }
    operations.iter().map(|operation| read_one(kind, operation)).collect()
}

/// A member of an object, whatever the case of its name.
fn field<'v>(fields: &'v serde_json::Map<String, Value>, name: &str) -> Option<&'v Value> {
    fields.get(name).or_else(|| fields.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

fn read_one(kind: Kind, operation: &Value) -> Result<Operation, ScimError> {
    let syntax = |detail: String| ScimError::flaw(Flaw::InvalidSyntax, detail);
    let fields = operation.as_object().ok_or_else(|| syntax("An operation is no JSON object".to_owned()))?;
    let op = match field(fields, "op").and_then(Value::as_str).map(str::to_ascii_lowercase).as_deref() {
        Some("add") => Op::Add,
        Some("replace") => Op::Replace,
        Some("remove") => Op::Remove,
        _ => return Err(syntax("An op is one of add, replace and remove".to_owned())),
    };
    let target = match field(fields, "path") {
        None | Some(Value::Null) => Target::Whole,
        Some(Value::String(path)) if path.is_empty() => Target::Whole,
        Some(Value::String(path)) => aim(kind, path)?,
        Some(_) => return Err(ScimError::flaw(Flaw::InvalidPath, "A path is a string")),
    };
    let value = field(fields, "value").cloned();
    match (op, &target, &value) {
        (Op::Remove, Target::Whole, _) => Err(ScimError::flaw(Flaw::NoTarget, "What is to be removed needs a path")),
        (Op::Add | Op::Replace, _, None) => Err(ScimError::value("An operation has no value")),
        (Op::Add | Op::Replace, Target::Whole, Some(value)) if !value.is_object() => {
            Err(ScimError::value("Without a path the value has to be an object"))
        }
        _ => Ok(Operation { op, target, value }),
    }
}

/// Where a path leads.
pub(super) fn aim(kind: Kind, path: &str) -> Result<Target, ScimError> {
    let invalid = || ScimError::flaw(Flaw::InvalidPath, format!("The path {} leads nowhere", shown(path)));
    if path.len() > LONGEST {
        return Err(invalid());
    }
    if kind.extension().is_some() && path.eq_ignore_ascii_case(ENTERPRISE) {
        return Ok(Target::Extension);
    }
    if path.eq_ignore_ascii_case(kind.urn()) {
        return Ok(Target::Whole);
    }
    let target = match path.parse::<PatchPath>().map_err(|_| invalid())? {
        PatchPath::Attr(path) => Target::At(schema::resolve(kind, &path).ok_or_else(invalid)?),
        PatchPath::Value(chosen) => {
            let place = schema::resolve(kind, &chosen.attr).filter(|place| place.part.is_none()).ok_or_else(invalid)?;
            if !place.attribute.many || filter::inner_depth(&chosen.filter) > DEEPEST {
                return Err(invalid());
            }
            let part = match &chosen.sub_attr {
                Some(name) => Some(place.attribute.part(name).ok_or_else(invalid)?),
                None => None,
            };
            apply::check(place.attribute, &chosen.filter)?;
            Target::Chosen { place, fits: chosen.filter, part }
        }
    };
    writable(target, path)
}

/// What is read-only is named by mistake; but `schemas` is sent along by several.
fn writable(target: Target, path: &str) -> Result<Target, ScimError> {
    let (place, part) = match &target {
        Target::At(place) => (place, place.part),
        Target::Chosen { place, part, .. } => (place, *part),
        Target::Whole | Target::Extension | Target::Nothing => return Ok(target),
    };
    if place.attribute.name == "schemas" {
        return Ok(Target::Nothing);
    }
    if !place.attribute.is_writable() || part.is_some_and(|part| !part.is_writable()) {
        return Err(ScimError::flaw(Flaw::Mutability, format!("{} is read-only", shown(path))));
    }
    Ok(target)
}

/// As much of what a client sent as an error repeats.
fn shown(text: &str) -> String {
    text.chars().take(100).filter(|letter| !letter.is_control()).collect()
}
