//! Holds a document against the schema: what is unknown, missing or of the wrong kind, and what is kept elsewhere.
//!
//! Refuses to go on with a part that does not fit: it is reported once and left out, so that one mistake makes one problem.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path as FilePath, PathBuf};

use serde_yaml::{Mapping, Value};

use super::document::{Content, Entry, Node, plain};
use super::problem::Path;
use super::reference::{self, Environment, ReferenceError};
use super::report::{Findings, Place};
use super::shape::{File, Schema, Section, Shape, Text, Wanted};
use super::shown::shown;

/// What is known of a file once it was held against the schema.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) places: HashMap<Path, Place>,
    /// Files that are read or named.
    pub(super) files: BTreeSet<PathBuf>,
    /// Values that came from elsewhere and are therefore not shown.
    pub(super) referenced: HashSet<Path>,
    /// Secrets that are written in the file itself.
    pub(super) inline_secrets: BTreeSet<Path>,
}

/// What is outside the document, and whether it may name it.
#[derive(Clone, Copy)]
pub(super) enum Outside<'f> {
    /// Relative paths start from the folder.
    Near { folder: &'f FilePath, environment: Environment<'f> },
    /// The document was sent from elsewhere: nothing on this machine is its sender's to name.
    Away,
}

pub(super) struct Fitting<'f> {
    pub(super) schema: Schema<'f>,
    pub(super) outside: Outside<'f>,
    pub(super) findings: &'f mut Findings,
    pub(super) facts: &'f mut Facts,
}

const AWAY: &str = "write the value itself: only the configuration file names what is kept elsewhere";

/// Where a value stands: its path, its place, and what people call it.
#[derive(Clone)]
struct At {
    path: Path,
    place: Place,
    name: String,
}

impl<'f> Fitting<'f> {
    /// The part of the document that fits.
    pub(super) fn root(&mut self, node: &Node) -> Option<Value> {
        let at = At { path: Path::root(), place: node.place, name: "the configuration".to_owned() };
        let wanted = self.schema.wanted(self.schema.root());
        self.value(node, &wanted, &at)
    }

    fn value(&mut self, node: &Node, wanted: &Wanted<'f>, at: &At) -> Option<Value> {
        self.facts.places.insert(at.path.clone(), at.place);
        if let Some(reference) = reference_in(node, &wanted.shape) {
            return self.referenced(reference, wanted, at);
        }
        match (&wanted.shape, &node.content) {
            (_, Content::Single(Value::Null)) => self.nothing(wanted, at),
            (Shape::Section(section), Content::Map(entries)) => Some(self.section(section, entries, at)),
            (Shape::Either(kinds), content) => self.either(kinds, content, node, wanted, at),
            (Shape::OneOf(sections), Content::Map(entries)) => self.one_of(sections, entries, at),
            (Shape::Table(item), Content::Map(entries)) => Some(self.table(item, entries, at)),
            (Shape::List { item, at_least }, Content::List(items)) => Some(self.list(item, *at_least, items, wanted, at)),
            (shape, Content::Single(value)) if shape.is_single() => {
                if matches!(shape, Shape::Text(Text { secret: true, .. })) {
                    self.facts.inline_secrets.insert(at.path.clone());
                }
                self.single(value.clone(), wanted, at)
            }
            (_, content) => self.wrong_kind(content, wanted, at),
        }
    }

    fn problem(&mut self, at: &At, message: String, hint: impl Into<String>) -> Option<Value> {
        self.findings.add(at.place, message, hint);
        None
    }

    fn nothing(&mut self, wanted: &Wanted<'f>, at: &At) -> Option<Value> {
        if wanted.optional {
            return Some(Value::Null);
        }
        self.problem(at, format!("{} is empty", at.name), "write a value, or remove the line")
    }

    fn wrong_kind(&mut self, content: &Content, wanted: &Wanted<'f>, at: &At) -> Option<Value> {
        let found = match content {
            Content::Single(Value::Bool(_)) => "`true` or `false`",
            Content::Single(Value::Number(number)) if number.is_f64() => "a fraction",
            Content::Single(Value::Number(_)) => "a number",
            Content::Single(_) => "text",
            Content::List(_) => "a list",
            Content::Map(_) => "keys and values",
        };
        let noun = match &wanted.shape {
            Shape::Words(words) => format!("one of {}", listed(words.iter().copied())),
            _ => wanted.noun.to_owned(),
        };
        let hint = match content {
            Content::Single(_) if matches!(wanted.noun, "text" | "secret text" | "a word") => "put it in quotes",
            Content::Map(_) if wanted.shape.is_single() => "if it is kept elsewhere, write `{ env: NAME }` or `{ file: path }`",
            _ => wanted.format.or(wanted.about).unwrap_or_default(),
        };
        self.problem(at, format!("{} should be {noun}, not {found}", at.name), one_line(hint))
    }

    fn list(&mut self, item: &'f serde_json::Value, at_least: usize, items: &[Node], wanted: &Wanted<'f>, at: &At) -> Value {
        if items.len() < at_least {
            self.findings.add(
                at.place,
                format!("{} needs at least {at_least}", at.name),
                one_line(wanted.about.unwrap_or_default()),
            );
        }
        let wanted = self.schema.wanted(item);
        let fitting = items.iter().enumerate().map(|(index, node)| {
            let at = At { path: at.path.item(index), place: node.place, name: format!("item {} of {}", index + 1, at.name) };
            // An item that does not fit keeps its seat, so that the others keep their numbers.
            self.value(node, &wanted, &at).unwrap_or(Value::Null)
        });
        Value::Sequence(fitting.collect())
    }

    fn table(&mut self, item: &'f serde_json::Value, entries: &[Entry], at: &At) -> Value {
        let wanted = self.schema.wanted(item);
        let mut table = Mapping::new();
        for entry in entries {
            if let Some(value) = self.value(&entry.value, &wanted, &at_entry(entry, &entry.key, at)) {
                table.insert(Value::String(entry.key.clone()), value);
            }
        }
        Value::Mapping(table)
    }

    fn section(&mut self, section: &Section<'f>, entries: &[Entry], at: &At) -> Value {
        let mut fitting = Mapping::new();
        let mut meant = BTreeSet::new();
        for entry in entries {
            let key = if section.keys.contains_key(&entry.key) {
                Some(entry.key.as_str())
            } else {
                self.unknown(entry, section, entries)
            };
            let Some((key, schema)) = key.and_then(|key| section.keys.get_key_value(key)) else { continue };
            meant.insert(key.as_str());
            let wanted = self.schema.wanted(schema);
            if let Some(value) = self.value(&entry.value, &wanted, &at_entry(entry, key, at)) {
                fitting.insert(Value::String(key.clone()), value);
            }
        }
        for key in section.required.iter().filter(|key| !meant.contains(**key)) {
            let about = section.keys.get(*key).and_then(|schema| self.schema.wanted(schema).about).unwrap_or_default();
            self.findings.add(at.place, format!("`{key}` is missing in {}", at.name), one_line(about));
        }
        Value::Mapping(fitting)
    }

    /// Reports an unknown key. Returns the key that it most likely stands for, so that its value is looked at as well and its
    /// absence is not a second problem.
    fn unknown(&mut self, entry: &Entry, section: &Section<'f>, entries: &[Entry]) -> Option<&'f str> {
        let meant = closest(&entry.key, section.keys.keys().map(String::as_str));
        let hint = match meant {
            Some(key) => format!("did you mean `{key}`?"),
            None => format!("known here: {}", listed(section.keys.keys().map(String::as_str))),
        };
        self.findings.add(entry.key_place, format!("unknown key `{}`", shown(&entry.key)), hint);
        meant.filter(|key| !entries.iter().any(|other| other.key == *key))
    }

    /// The kind of value that was written, if it is among those that may be.
    fn either(
        &mut self,
        kinds: &[&'f serde_json::Value],
        content: &Content,
        node: &Node,
        wanted: &Wanted<'f>,
        at: &At,
    ) -> Option<Value> {
        let fits = |shape: &Shape<'_>| match content {
            Content::List(_) => matches!(shape, Shape::List { .. }),
            Content::Map(_) => matches!(shape, Shape::Section(_) | Shape::OneOf(_) | Shape::Table(_)),
            Content::Single(Value::Bool(_)) => matches!(shape, Shape::Truth),
            Content::Single(Value::Number(_)) => matches!(shape, Shape::Integer { .. } | Shape::Number),
            Content::Single(_) => matches!(shape, Shape::Text(_) | Shape::Words(_)),
        };
        match kinds.iter().map(|kind| self.schema.wanted(kind)).find(|kind| fits(&kind.shape)) {
            Some(kind) => self.value(node, &kind, at),
            None => self.wrong_kind(content, wanted, at),
        }
    }

    fn one_of(&mut self, sections: &[Section<'f>], entries: &[Entry], at: &At) -> Option<Value> {
        let all = || sections.iter().flat_map(|section| section.keys.keys().map(String::as_str));
        match entries {
            [entry] if all().any(|key| key == entry.key) => {
                let section = sections.iter().find(|section| section.keys.contains_key(&entry.key))?;
                Some(self.section(section, entries, at))
            }
            _ => self.problem(at, format!("{} should have exactly one key", at.name), format!("one of {}", listed(all()))),
        }
    }

    fn single(&mut self, value: Value, wanted: &Wanted<'f>, at: &At) -> Option<Value> {
        match (&wanted.shape, &value) {
            (Shape::Text(Text { file: Some(file), .. }), Value::String(path)) => {
                let Outside::Near { folder, .. } = self.outside else {
                    return self.problem(at, format!("{} would name a file of the server", at.name), AWAY);
                };
                let path = folder.join(path);
                if *file == File::Read {
                    self.facts.files.insert(path.clone());
                }
                path.into_os_string().into_string().ok().map(Value::String)
            }
            (Shape::Text(_), Value::String(_)) | (Shape::Truth, Value::Bool(_)) | (Shape::Number, Value::Number(_)) => {
                Some(value)
            }
            (Shape::Integer { least, most }, Value::Number(number)) if !number.is_f64() => {
                self.within(number.as_i64().unwrap_or(i64::MAX), *least, *most, wanted, at)?;
                Some(value)
            }
            (Shape::Words(words), Value::String(word)) if words.contains(&word.as_str()) => Some(value),
            (Shape::Words(words), Value::String(word)) => {
                let hint = closest(word, words.iter().copied()).map(|word| format!("did you mean `{word}`?")).unwrap_or_default();
                let word = if self.facts.referenced.contains(&at.path) {
                    "what it names".to_owned()
                } else {
                    format!("`{}`", shown(word))
                };
                self.problem(at, format!("{}: {word} is not one of {}", at.name, listed(words.iter().copied())), hint)
            }
            _ => self.wrong_kind(&Content::Single(value), wanted, at),
        }
    }

    fn within(&mut self, number: i64, least: Option<i64>, most: Option<i64>, wanted: &Wanted<'f>, at: &At) -> Option<()> {
        let message = match (least, most) {
            (Some(least), Some(most)) if least == most && number != least => format!("{} should be {least}", at.name),
            (Some(least), _) if number < least => format!("{} should be at least {least}", at.name),
            (_, Some(most)) if number > most => format!("{} should be at most {most}", at.name),
            _ => return Some(()),
        };
        self.problem(at, message, one_line(wanted.about.unwrap_or_default()));
        None
    }

    fn referenced(&mut self, reference: Reference<'_>, wanted: &Wanted<'f>, at: &At) -> Option<Value> {
        let Outside::Near { folder, environment } = self.outside else {
            return self.problem(at, format!("{} would be read on the server", at.name), AWAY);
        };
        let text = match reference {
            Reference::Environment(name) => reference::from_environment(name, environment),
            Reference::File(path) => {
                let path = folder.join(path);
                self.facts.files.insert(path.clone());
                reference::from_file(&path)
            }
        };
        self.facts.referenced.insert(at.path.clone());
        match text {
            Ok(text) if matches!(wanted.shape, Shape::Text(_) | Shape::Words(_)) => self.single(Value::String(text), wanted, at),
            Ok(text) => self.single(plain(text.trim()), wanted, at),
            Err(error) => self.unavailable(&error, at),
        }
    }

    fn unavailable(&mut self, error: &ReferenceError, at: &At) -> Option<Value> {
        self.problem(at, format!("{}: {error}", at.name), error.hint())
    }
}

#[derive(Clone, Copy)]
enum Reference<'n> {
    Environment(&'n str),
    File(&'n str),
}

/// Only where a single value is wanted: a table may have a key `env` of its own.
fn reference_in<'n>(node: &'n Node, shape: &Shape<'_>) -> Option<Reference<'n>> {
    let Content::Map(entries) = &node.content else { return None };
    let [Entry { key, value: Node { content: Content::Single(Value::String(name)), .. }, .. }] = entries.as_slice() else {
        return None;
    };
    match key.as_str() {
        _ if !shape.is_single() || name.is_empty() || name.contains('\0') => None,
        "env" => Some(Reference::Environment(name)),
        "file" => Some(Reference::File(name)),
        _ => None,
    }
}

/// A single value is at its own place; anything larger is at its key, where a person looks for it.
fn at_entry(entry: &Entry, key: &str, within: &At) -> At {
    let place = if matches!(&entry.value.content, Content::Single(value) if !value.is_null()) {
        entry.value.place
    } else {
        entry.key_place
    };
    At { path: within.path.key(key), place, name: format!("`{}`", shown(key)) }
}

/// The known word that was most likely meant: a slip or two of the fingers away.
fn closest<'w>(typed: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let slips = (typed.chars().count() / 3).clamp(1, 3);
    known
        .map(|word| (strsim::damerau_levenshtein(&typed.to_lowercase().replace('-', "_"), word), word))
        .filter(|(distance, _)| *distance <= slips)
        .min()
        .map(|(_, word)| word)
}

fn listed<'w>(words: impl Iterator<Item = &'w str>) -> String {
    words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
