//! Changes of an event's form: fields dropped, renamed, added.
//!
//! Refuses nothing: a field that is not there is not dropped or renamed, because events of other kinds have it.

use serde_json::{Map, Value};

use crate::config::sink::Fields;

/// What is changed, each name taken apart at its dots.
#[derive(Clone, Debug, Default)]
pub(super) struct Mapping {
    drop: Vec<Vec<String>>,
    rename: Vec<(Vec<String>, Vec<String>)>,
    add: Vec<(Vec<String>, String)>,
}

impl Mapping {
    pub(super) fn new(fields: &Fields) -> Self {
        let apart = |name: &String| name.split('.').map(str::to_owned).collect::<Vec<_>>();
        Self {
            drop: fields.drop.iter().map(apart).collect(),
            rename: fields.rename.iter().map(|(from, to)| (apart(from), apart(to))).collect(),
            add: fields.add.iter().map(|(name, text)| (apart(name), text.clone())).collect(),
        }
    }

    /// The changed form.
    pub(super) fn apply(&self, mut body: Map<String, Value>) -> Map<String, Value> {
        for name in &self.drop {
            take(&mut body, name);
        }
        for (from, to) in &self.rename {
            if let Some(value) = take(&mut body, from) {
                set(&mut body, to, value);
            }
        }
        for (name, text) in &self.add {
            set(&mut body, name, Value::from(text.as_str()));
        }
        body
    }
}

fn take(within: &mut Map<String, Value>, name: &[String]) -> Option<Value> {
    match name {
        [] => None,
        [last] => within.remove(last),
        [first, rest @ ..] => take(within.get_mut(first)?.as_object_mut()?, rest),
    }
}

/// What is in the way and has no fields of its own gives way.
fn set(within: &mut Map<String, Value>, name: &[String], value: Value) {
    match name {
        [] => {}
        [last] => drop(within.insert(last.clone(), value)),
        [first, rest @ ..] => {
            let inner = within.entry(first.as_str()).or_insert_with(|| Value::Object(Map::new()));
            if !inner.is_object() {
                *inner = Value::Object(Map::new());
            }
            if let Some(inner) = inner.as_object_mut() {
                set(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_dropped_then_renamed_then_added() {
        let fields: Fields = serde_json::from_value(json!({
            "drop": ["unmapped", "metadata.product", "absent.too"],
            "rename": { "metadata.uid": "event.id", "time": "timestamp", "absent": "present" },
            "add": { "environment": "production", "event.source": "door", "status.inner": "x" },
        }))
        .unwrap();
        let body =
            json!({ "time": 5, "status": "Success", "unmapped": 1, "metadata": { "uid": "7", "product": {}, "version": "1" } });
        let Value::Object(body) = body else { unreachable!("it is one") };
        assert_eq!(
            Value::Object(Mapping::new(&fields).apply(body)),
            json!({
                "timestamp": 5, "metadata": { "version": "1" }, "event": { "id": "7", "source": "door" },
                "environment": "production", "status": { "inner": "x" },
            })
        );
    }
}
