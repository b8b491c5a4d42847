//! `config/`: the published schema and the examples.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::config::{Desk, yaml};
use crate::support::door::doorward;

fn published() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

fn schema() -> Value {
    serde_json::from_slice(&fs::read(published().join("doorward.schema.json")).unwrap()).unwrap()
}

fn read(file: &Path) -> Value {
    serde_yaml::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

#[test]
fn the_published_schema_is_what_the_command_prints() {
    let printed = String::from_utf8(doorward(&["schema"]).output().unwrap().stdout).unwrap();
    let kept = fs::read_to_string(published().join("doorward.schema.json")).unwrap();
    assert!(printed == kept, "the types changed: doorward schema > config/doorward.schema.json");
}

#[test]
fn every_example_is_valid_by_the_published_schema() {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    for file in yaml(&published()) {
        let problems: Vec<String> =
            validator.iter_errors(&read(&file)).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert_eq!(problems, [""; 0], "{}", file.display());
    }
}

/// The schema is for editors: what it lets through must not be what the program refuses for its shape.
#[test]
fn the_published_schema_refuses_what_is_misspelt() {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config/bad");
    for name in
        ["unknown-key", "unknown-nested-key", "missing-nested-key", "unknown-word", "number-for-text", "reference-of-two-kinds"]
    {
        assert!(!validator.is_valid(&read(&fixtures.join(name).with_extension("yaml"))), "{name}");
    }
}

/// With the files and variables that they name, in a folder that stands in for the machine's.
#[test]
fn every_example_is_understood_with_no_warning_that_it_does_not_expect() {
    let desk = Desk::new();
    desk.complete();
    let here = desk.path("files").to_str().unwrap().to_owned();
    for file in yaml(&published()) {
        let name = file.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&file).unwrap();
        desk.write(name, &text.replace("/etc/doorward", &here).replace("/var/lib/doorward", &here));
        let output = desk.check(&["--config", name]);
        let told = if name == "stateless.yaml" { STATELESS } else { "" };
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{name}: ok\n{told}"));
    }
}

/// What an example without a store has to be told.
const STATELESS: &str = include_str!("stateless.txt");

#[test]
fn the_full_example_holds_every_key() {
    let schema = schema();
    let mut known = BTreeSet::new();
    declared(&schema, "", &mut known);
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        declared(definition, name, &mut known);
    }
    let mut written = BTreeSet::new();
    found(&read(&published().join("full.yaml")), &schema, "", &schema, &mut written);
    let missing: Vec<_> = known.difference(&written).collect();
    assert!(known.len() > 100, "{known:?}");
    assert!(missing.is_empty(), "not in config/full.yaml: {missing:?}");
}

/// The keys that one named part of the schema knows; references to other named parts are theirs.
fn declared(node: &Value, part: &str, known: &mut BTreeSet<String>) {
    if part == "Reference" {
        return;
    }
    for (key, child) in node["properties"].as_object().into_iter().flatten() {
        known.insert(format!("{part}.{key}"));
        declared(child, part, known);
    }
    for alternative in ["anyOf", "oneOf"].iter().flat_map(|key| node[key].as_array().into_iter().flatten()) {
        declared(alternative, part, known);
    }
}

/// Which of them a document uses.
fn found(value: &Value, node: &Value, part: &str, schema: &Value, written: &mut BTreeSet<String>) {
    if let Some(name) = node["$ref"].as_str().and_then(|to| to.strip_prefix("#/$defs/")) {
        return found(value, &schema["$defs"][name], name, schema, written);
    }
    for alternative in ["anyOf", "oneOf"].iter().flat_map(|key| node[key].as_array().into_iter().flatten()) {
        found(value, alternative, part, schema, written);
    }
    match value {
        Value::Object(entries) => {
            for (key, child) in entries {
                if let Some(known) = node["properties"].get(key) {
                    written.insert(format!("{part}.{key}"));
                    found(child, known, part, schema, written);
                } else if node["additionalProperties"].is_object() {
                    found(child, &node["additionalProperties"], part, schema, written);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| found(item, &node["items"], part, schema, written)),
        _ => {}
    }
}
