//! Fills the types from what fits the schema, and finds the values that are written wrongly.
//!
//! Refuses to stop at the first of them: what the deserializer objects to is reported, taken out, and the rest is tried again.

use std::collections::{BTreeSet, HashMap};

use serde::de::DeserializeOwned;
use serde_path_to_error::{Deserializer, Segment, Track};
use serde_yaml::Value;

use super::fit::Facts;
use super::problem::Path;
use super::report::{Findings, Place};
use super::shape::{Schema, Shape, Text};
use super::shown::shown;

/// Each round costs one pass over the file; nobody mends more than this at once.
const MAX_ROUNDS: usize = 500;

/// The configuration, or a part of it that stands alone, if nothing is wrong with it.
pub(super) fn typed<T: DeserializeOwned>(
    mut value: Value,
    schema: Schema<'_>,
    facts: &Facts,
    findings: &mut Findings,
) -> Option<T> {
    let mut removed = Removed::default();
    for _ in 0..MAX_ROUNDS {
        let mut track = Track::new();
        let tracked = Deserializer::new(&value, &mut track);
        // serde_yaml would want `!url` for an enum with content; this reads `url:`.
        let error: serde_yaml::Error = match serde_yaml::with::singleton_map_recursive::deserialize(tracked) {
            Ok(typed) => return findings.is_empty().then_some(typed),
            Err(error) => error,
        };
        let steps = steps(&track.path(), &value);
        let Some(target) = at(&value, &steps) else { break };
        let path = removed.original(&steps);
        let outcome_of_earlier = target.is_null() || removed.touches(&path) || (is_container(target) && !findings.is_empty());
        if !outcome_of_earlier {
            let place = facts.places.get(&path).copied().unwrap_or(Place::START);
            let (message, hint) = objection(&error, target, schema, &steps, facts.referenced.contains(&path));
            findings.add(place, message, hint);
        }
        if steps.is_empty() {
            break;
        }
        remove(&mut value, &steps);
        removed.note(&steps);
    }
    None
}

/// One step down into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Item(usize),
}

/// The part of the deserializer's path that can be followed in the value.
fn steps(path: &serde_path_to_error::Path, value: &Value) -> Vec<Step> {
    let mut steps = Vec::new();
    for segment in path {
        steps.push(match segment {
            Segment::Seq { index } => Step::Item(*index),
            Segment::Map { key } | Segment::Enum { variant: key } => Step::Key(key.clone()),
            Segment::Unknown => return steps,
        });
        if at(value, &steps).is_none() {
            steps.pop();
        }
    }
    steps
}

fn at<'v>(value: &'v Value, steps: &[Step]) -> Option<&'v Value> {
    steps.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.as_mapping()?.get(key.as_str()),
        Step::Item(index) => value.as_sequence()?.get(*index),
    })
}

fn remove(value: &mut Value, steps: &[Step]) {
    let Some((last, within)) = steps.split_last() else { return };
    let parent = within.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.as_mapping_mut()?.get_mut(key.as_str()),
        Step::Item(index) => value.as_sequence_mut()?.get_mut(*index),
    });
    match (parent, last) {
        (Some(Value::Mapping(mapping)), Step::Key(key)) => drop(mapping.remove(key.as_str())),
        (Some(Value::Sequence(items)), Step::Item(index)) if *index < items.len() => drop(items.remove(*index)),
        _ => {}
    }
}

fn is_container(value: &Value) -> bool {
    value.is_mapping() || value.is_sequence()
}

fn objection(
    error: &serde_yaml::Error,
    target: &Value,
    schema: Schema<'_>,
    steps: &[Step],
    referenced: bool,
) -> (String, String) {
    let name = steps.iter().rev().find_map(|step| match step {
        Step::Key(key) => Some(format!("`{}`", shown(key))),
        Step::Item(_) => None,
    });
    let name = name.unwrap_or_else(|| "the configuration".to_owned());
    let wanted = steps.iter().try_fold(schema.root(), |node, step| match (schema.wanted(node).shape, step) {
        (Shape::Section(section), Step::Key(key)) => section.keys.get(key),
        (Shape::OneOf(sections), Step::Key(key)) => sections.into_iter().find_map(|section| section.keys.get(key)),
        (Shape::Table(item), Step::Key(_)) | (Shape::List { item, .. }, Step::Item(_)) => Some(item),
        _ => None,
    });
    let Some(wanted) = wanted.map(|node| schema.wanted(node)) else { return (format!("{name}: {error}"), String::new()) };
    let hint = wanted.format.unwrap_or_default().to_owned();
    let hidden = referenced || matches!(wanted.shape, Shape::Text(Text { secret: true, .. }));
    match (target, wanted.shape.is_single()) {
        (Value::String(text), true) if !hidden => (format!("{name}: `{}` is not {}", shown(text), wanted.noun), hint),
        (_, true) => (format!("{name}: what it holds is not {}", wanted.noun), hint),
        (_, false) => (format!("{name}: {error}"), hint),
    }
}

/// What was taken out: the items behind it have moved up, but are still called by the numbers of the file.
#[derive(Default)]
struct Removed {
    items: HashMap<Path, BTreeSet<usize>>,
    paths: Vec<Path>,
}

impl Removed {
    fn original(&self, steps: &[Step]) -> Path {
        steps.iter().fold(Path::root(), |path, step| match step {
            Step::Key(key) => path.key(key),
            Step::Item(index) => path.item(self.number(&path, *index)),
        })
    }

    fn number(&self, list: &Path, index: usize) -> usize {
        let gone = self.items.get(list);
        gone.into_iter().flatten().fold(index, |number, gone| if *gone <= number { number + 1 } else { number })
    }

    fn note(&mut self, steps: &[Step]) {
        self.paths.push(self.original(steps));
        if let Some((Step::Item(index), list)) = steps.split_last() {
            let list = self.original(list);
            let number = self.number(&list, *index);
            self.items.entry(list).or_default().insert(number);
        }
    }

    /// Whether something below `path` was taken out, so that what is missing there is no news.
    fn touches(&self, path: &Path) -> bool {
        self.paths.iter().any(|removed| removed.is_below(path))
    }
}
