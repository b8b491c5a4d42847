//! What a file may say in other words, or not at all: brought into the words of the schema, before and after it is held against it.
//!
//! Refuses to touch what was typed in full, because each thing is written in one way, in the schema and in the examples; these are the
//! words that people try first.

use serde_yaml::{Mapping, Value};

use super::document::{Content, Entry, Node};
use super::preset;
use super::sink::Sink;

/// Puts usual words in the places of others: `bearer[].audience`, and `identity_headers.assertion: true`.
pub(super) fn reword(root: &mut Node) {
    let bearer = entry(root, "bearer").and_then(|entry| entry.value.items());
    for issuer in bearer.into_iter().flatten() {
        if entry(issuer, "audiences").is_none()
            && let Some(audience) = entry(issuer, "audience")
        {
            "audiences".clone_into(&mut audience.key);
            if !matches!(audience.value.content, Content::List(_)) {
                let list = Node { place: audience.value.place, content: Content::List(Vec::new()) };
                let one = std::mem::replace(&mut audience.value, list);
                audience.value.content = Content::List(vec![one]);
            }
        }
    }
    let assertion = entry(root, "identity_headers").and_then(|headers| entry(&mut headers.value, "assertion"));
    if let Some(assertion) = assertion
        && let Content::Single(Value::Bool(wanted)) = assertion.value.content
    {
        assertion.value.content = if wanted { Content::Map(Vec::new()) } else { Content::Single(Value::Null) };
    }
}

fn entry<'n>(node: &'n mut Node, key: &str) -> Option<&'n mut Entry> {
    let Content::Map(entries) = &mut node.content else { return None };
    entries.iter_mut().find(|entry| entry.key == key)
}

impl Node {
    fn items(&mut self) -> Option<&mut Vec<Self>> {
        if let Content::List(items) = &mut self.content { Some(items) } else { None }
    }
}

/// Fills in what goes without saying: what presets know, names of sinks, and for whom assertions are.
pub(super) fn complete(config: &mut Value) {
    preset::complete(config);
    let public_url = config.get("public_url").cloned();
    let assertion = config.get_mut("identity_headers").and_then(|headers| headers.get_mut("assertion"));
    if let (Some(assertion), Some(public_url)) = (assertion.and_then(Value::as_mapping_mut), public_url) {
        supply(assertion, "audience", public_url);
    }
    let sinks = config.get_mut("audit").and_then(|audit| audit.get_mut("sinks")).and_then(Value::as_sequence_mut);
    for sink in sinks.into_iter().flatten().filter_map(Value::as_mapping_mut) {
        if let Some(kind) = Sink::KINDS.into_iter().find(|kind| sink.contains_key(*kind)) {
            supply(sink, "id", kind.into());
        }
    }
}

fn supply(section: &mut Mapping, key: &str, value: Value) {
    if section.get(key).is_none_or(Value::is_null) {
        section.insert(key.into(), value);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::load::load_with;

    #[test]
    fn usual_words_mean_what_the_words_of_the_schema_mean() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("doorward.yaml");
        let known = |name: &str| {
            if name == "URL" { Ok("https://app.example.com".to_owned()) } else { Err(std::env::VarError::NotPresent) }
        };
        let load = |rest: &str| {
            let text = format!(
                "version: 1\npublic_url: {{ env: URL }}\nlisteners: [{{ address: 127.0.0.1:0 }}]\nupstream: {{ url: http://a }}\nsecret_key: x\n{rest}"
            );
            std::fs::write(&file, text).unwrap();
            load_with(&file, &known).unwrap().config
        };
        let config = load(
            "\
bearer: [{ issuer: https://a, audience: api://app }, { issuer: https://b, audience: [c, d] }, { issuer: https://e, audience: { env: URL } }]
identity_headers: { assertion: true }
audit: { sinks: [{ splunk_hec: { url: https://siem:8088, token: t } }, { id: own, stdout: {} }] }
",
        );
        let audiences: Vec<_> = config.bearer.iter().map(|issuer| issuer.audiences.join(" ")).collect();
        assert_eq!(audiences, ["api://app", "c d", "https://app.example.com"]);
        assert_eq!(config.identity_headers.assertion.unwrap().audience, "https://app.example.com");
        assert_eq!(config.audit.sinks.iter().map(|sink| sink.id.as_str()).collect::<Vec<_>>(), ["splunk_hec", "own"]);
        assert!(load("identity_headers: { assertion: false }").identity_headers.assertion.is_none());
    }
}
