//! What a configuration has, to say later what of it is different: parts and names, and digests of all that is in them.
//!
//! Refuses to keep or tell a value, because it may be a secret.

use std::collections::BTreeMap;

use serde_yaml::Value;

use crate::crypto::Digest;

/// Lists whose items have names, and where: the keys that lead there, and the one that holds an item's name.
const NAMED: [(&[&str], &str); 4] =
    [(&["connections"], "id"), (&["tenants"], "id"), (&["routes"], "name"), (&["audit", "sinks"], "id")];

/// The parts of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// By the keys of the file.
    parts: BTreeMap<String, Digest>,
    /// `connections/ID`, `routes/NAME` …
    items: BTreeMap<String, Digest>,
}

/// How one configuration differs from another, by names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Keys of the file below which anything is different.
    pub parts: Vec<String>,
    pub added: Vec<String>,
    pub changed: Vec<String>,
    pub removed: Vec<String>,
}

impl Outline {
    /// Of what was typed, once its references have been followed.
    pub(super) fn of(typed: &Value) -> Self {
        let mut outline = Self::default();
        for (key, value) in typed.as_mapping().into_iter().flatten() {
            outline.parts.insert(text(key), digest(std::slice::from_ref(&value)));
        }
        for (keys, id) in NAMED {
            let list = keys.iter().try_fold(typed, |value, key| value.get(*key)).and_then(Value::as_sequence);
            let mut named: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
            for item in list.into_iter().flatten() {
                named.entry(format!("{}/{}", keys.join("/"), name(item, id))).or_default().push(item);
            }
            outline.items.extend(named.into_iter().map(|(name, items)| (name, digest(&items))));
        }
        outline
    }

    /// What is different now.
    #[must_use]
    pub fn until(&self, now: &Self) -> Difference {
        let all = self.parts.keys().chain(now.parts.keys());
        let mut parts: Vec<String> = all.filter(|part| self.parts.get(*part) != now.parts.get(*part)).cloned().collect();
        parts.sort();
        parts.dedup();
        let only = |one: &Self, other: &Self| one.items.keys().filter(|name| !other.items.contains_key(*name)).cloned().collect();
        let is_other = |(name, digest): &(&String, &Digest)| self.items.get(*name).is_some_and(|before| before != *digest);
        Difference {
            parts,
            added: only(now, self),
            changed: now.items.iter().filter(is_other).map(|(name, _)| name.clone()).collect(),
            removed: only(self, now),
        }
    }
}

/// What an item is called; a route without a name is called by its host and path, as everywhere.
fn name(item: &Value, id: &str) -> String {
    let of = |key: &str| item.get(key).and_then(Value::as_str);
    of(id).map_or_else(|| format!("{}{}", of("host").unwrap_or_default(), of("path").unwrap_or("/**")), str::to_owned)
}

fn text(key: &Value) -> String {
    key.as_str().map(str::to_owned).unwrap_or_default()
}

fn digest(values: &[&Value]) -> Digest {
    // What was read can be written.
    Digest::of(serde_yaml::to_string(values).unwrap_or_default().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(text: &str) -> Outline {
        Outline::of(&serde_yaml::from_str(text).unwrap())
    }

    #[test]
    fn what_differs_is_told_by_its_name_and_never_by_its_value() {
        let before = outline(
            "version: 1\nsecret_key: opens-everything\nconnections: [{ id: okta, oidc: { client_secret: old } }, { id: gone }]\n\
             routes: [{ path: /a }, { host: b.example, path: /b, access: public }, { name: c, path: /c }]\n\
             audit: { retention: 1d, sinks: [{ id: soc, url: 'https://one' }] }",
        );
        let after = outline(
            "version: 1\nsecret_key: opens-something-else\nconnections: [{ id: okta, oidc: { client_secret: new } }, { id: came }]\n\
             routes: [{ path: /a }, { host: b.example, path: /b, access: required }, { path: /c }]\n\
             audit: { retention: 1d, sinks: [{ id: soc, url: 'https://two' }] }\nlimits: { headers: 5 }",
        );
        let told = before.until(&after);
        assert_eq!(told.parts, ["audit", "connections", "limits", "routes", "secret_key"]);
        assert_eq!(told.added, ["connections/came", "routes//c"]);
        assert_eq!(told.changed, ["audit/sinks/soc", "connections/okta", "routes/b.example/b"]);
        assert_eq!(told.removed, ["connections/gone", "routes/c"]);
        assert_eq!(before.until(&before), Difference::default());
        let debug = format!("{before:?}{told:?}");
        assert!(!debug.contains("opens") && !debug.contains("https"), "{debug}");
    }
}
