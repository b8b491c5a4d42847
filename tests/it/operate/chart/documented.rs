//! Every value has a comment, a place in the schema and a row in the chart's README.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use super::chart;

/// What is shown whole: its parts are somebody else's to explain.
const WHOLE: [&str; 4] = ["config", "resources", "topologySpreadConstraints", "networkPolicy.operationsFrom"];

struct Row {
    path: String,
    /// As in the file; nothing for a heading.
    default: Option<String>,
    comment: String,
}

/// The keys of values.yaml with the comments above them. It is written in block style, two spaces a step.
fn rows() -> Vec<Row> {
    let text = fs::read_to_string(chart().join("values.yaml")).unwrap();
    let (mut rows, mut comment, mut place): (Vec<Row>, Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new(), Vec::new());
    for line in text.lines() {
        let indented = line.trim_start();
        let depth = (line.len() - indented.len()) / 2;
        if let Some(words) = indented.strip_prefix("# ") {
            comment.push(words);
        } else if let Some((key, rest)) =
            indented.split_once(':').filter(|(key, _)| key.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        {
            place.truncate(depth);
            place.push(key);
            let path = place.join(".");
            if WHOLE.iter().any(|whole| path.starts_with(&format!("{whole}."))) {
                continue;
            }
            let rest = rest.trim();
            let default = if WHOLE.contains(&path.as_str()) { Some("…".to_owned()) } else { Some(rest.to_owned()) };
            let comment = std::mem::take(&mut comment).join(" ");
            rows.push(Row { path, default: default.filter(|default| !default.is_empty()), comment });
        } else {
            comment.clear();
        }
    }
    rows
}

/// Every key that the schema knows, with the keys of closed objects.
fn known(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    if schema["additionalProperties"] != false && !path.is_empty() {
        return;
    }
    for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        known(schema, &path, found);
        found.insert(path);
    }
}

#[test]
fn every_value_has_a_comment_and_a_place_in_the_schema() {
    let schema: Value = serde_json::from_str(&fs::read_to_string(chart().join("values.schema.json")).unwrap()).unwrap();
    let mut found = BTreeSet::new();
    known(&schema, "", &mut found);
    // helm itself passes it on.
    found.remove("global");
    let rows = rows();
    for row in &rows {
        assert!(row.default.is_none() || !row.comment.is_empty(), "{} has no comment", row.path);
    }
    // Closed objects are written in flow style where they are empty: their keys are the schema's and the comment's.
    let written: BTreeSet<_> = rows.iter().map(|row| row.path.clone()).collect();
    let missing: Vec<_> = found.difference(&written).filter(|path| !path.contains("issuerRef.")).collect();
    assert!(missing.is_empty(), "not in values.yaml: {missing:?}");
    let unknown: Vec<_> = written.difference(&found).collect();
    assert!(unknown.is_empty(), "not in values.schema.json: {unknown:?}");
}

#[test]
fn the_readme_has_every_value() {
    let mut table = String::from("| value | default | |\n| --- | --- | --- |\n");
    for Row { path, default, comment } in rows() {
        if default.is_none() && comment.is_empty() {
            continue;
        }
        let default = default.map(|default| format!("`{default}`")).unwrap_or_default();
        let (default, comment) = (default.replace('|', "\\|"), comment.replace('|', "\\|"));
        writeln!(table, "| `{path}` | {default} | {comment} |").unwrap();
    }
    let readme = fs::read_to_string(chart().join("README.md")).unwrap();
    let written = readme.split("## Values\n\n").nth(1).unwrap();
    assert!(written == table, "helm/doorward/README.md is not what values.yaml says; below `## Values` it should be:\n{table}");
}
