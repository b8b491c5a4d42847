//! The JSON Schema of the configuration file.
//!
//! Refuses to be written by hand: it is derived from the types that read the file, because a second description would drift.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::Config;
use super::connection::Connection;

/// What the file's types say, before references are allowed for.
#[must_use]
pub fn of_config() -> Value {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Config>();
    Value::from(schema)
}

/// What the type of one connection says.
#[must_use]
pub(super) fn of_connection() -> Value {
    Value::from(SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Connection>())
}

/// The schema that editors use, as published in `config/doorward.schema.json`: every single value may also be written as
/// `{ env: NAME }` or `{ file: path }`. Indented, with a final newline.
///
/// # Errors
/// When the schema cannot be written as JSON.
pub fn published() -> Result<String, serde_json::Error> {
    let mut schema = of_config();
    allow_references(&mut schema);
    if let Some(definitions) = schema.get_mut("$defs").and_then(Value::as_object_mut) {
        definitions.insert("Reference".to_owned(), reference());
    }
    Ok(serde_json::to_string_pretty(&schema)? + "\n")
}

fn reference() -> Value {
    json!({
        "description": "A value kept elsewhere: in an environment variable, or in a file (relative to this one; a final newline is not part of it).",
        "type": "object",
        "oneOf": [{ "required": ["env"] }, { "required": ["file"] }],
        "properties": { "env": { "type": "string", "minLength": 1 }, "file": { "type": "string", "minLength": 1 } },
        "additionalProperties": false
    })
}

/// Goes to every place where a value is described and lets single values be references as well.
fn allow_references(schema: &mut Value) {
    let Value::Object(fields) = schema else { return };
    for key in ["properties", "$defs"] {
        if let Some(Value::Object(children)) = fields.get_mut(key) {
            children.values_mut().for_each(allow_references);
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(child) = fields.get_mut(key) {
            allow_references(child);
        }
    }
    if is_single_value(fields) {
        let described = std::mem::take(fields);
        fields.extend(or_reference(described));
    } else {
        for key in ["anyOf", "oneOf"] {
            if let Some(Value::Array(alternatives)) = fields.get_mut(key) {
                alternatives.iter_mut().for_each(allow_references);
            }
        }
    }
}

/// Keeps the description outside, where editors look for it.
fn or_reference(mut described: Map<String, Value>) -> Map<String, Value> {
    let mut outer = Map::new();
    for key in ["description", "default", "writeOnly"] {
        if let Some(value) = described.remove(key) {
            outer.insert(key.to_owned(), value);
        }
    }
    outer.insert("anyOf".to_owned(), json!([described, { "$ref": "#/$defs/Reference" }]));
    outer
}

/// Text, numbers, yes and no, and words from a list.
fn is_single_value(schema: &Map<String, Value>) -> bool {
    let single = |kind: &Value| matches!(kind.as_str(), Some("string" | "integer" | "number" | "boolean"));
    match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(single),
        Some(kind) => single(kind),
        None => schema
            .get("oneOf")
            .and_then(Value::as_array)
            .is_some_and(|words| words.iter().all(|word| word.as_object().is_some_and(is_single_value))),
    }
}
