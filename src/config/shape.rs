//! What the schema wants at one place of the file.
//!
//! Refuses to know the configuration's words: it reads the schema that was derived from the types, so that a new key needs no
//! second description.

use serde_json::{Map, Value};

/// The schema of the whole file.
#[derive(Clone, Copy)]
pub(super) struct Schema<'s> {
    root: &'s Value,
}

/// What may stand at a place.
pub(super) struct Wanted<'s> {
    pub(super) shape: Shape<'s>,
    /// Whether nothing (`null`) may stand there.
    pub(super) optional: bool,
    /// What the key is for.
    pub(super) about: Option<&'s str>,
    /// How its kind of value is written.
    pub(super) format: Option<&'s str>,
    /// What its kind of value is called.
    pub(super) noun: &'s str,
}

pub(super) enum Shape<'s> {
    /// Known keys.
    Section(Section<'s>),
    /// Exactly one of these sections.
    OneOf(Vec<Section<'s>>),
    /// Any of these kinds of value.
    Either(Vec<&'s Value>),
    /// Keys that the administrator chooses.
    Table(&'s Value),
    List {
        item: &'s Value,
        at_least: usize,
    },
    Text(Text),
    /// A number, whole or not.
    Number,
    Integer {
        least: Option<i64>,
        most: Option<i64>,
    },
    Truth,
    Words(Vec<&'s str>),
}

pub(super) struct Section<'s> {
    pub(super) keys: &'s Map<String, Value>,
    pub(super) required: Vec<&'s str>,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Text {
    pub(super) secret: bool,
    /// Names a file, relative to the configuration file.
    pub(super) file: Option<File>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum File {
    /// Part of the configuration: another one is a reason to load again.
    Read,
    Written,
}

impl Shape<'_> {
    /// Whether one value stands there, which may also be kept elsewhere.
    pub(super) fn is_single(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Number | Self::Integer { .. } | Self::Truth | Self::Words(_))
    }
}

impl<'s> Schema<'s> {
    pub(super) fn new(root: &'s Value) -> Self {
        Self { root }
    }

    pub(super) fn root(self) -> &'s Value {
        self.root
    }

    /// Reads what `node` says, following a reference to a named type and taking `null` apart. A schema that this reader does
    /// not understand is taken as text, which the deserializer then refuses; a test holds the whole schema against this.
    pub(super) fn wanted(self, node: &'s Value) -> Wanted<'s> {
        let (named, optional) = Self::without_null(node);
        let target = self.followed(named);
        let text = |value: &'s Value, key: &str| value.get(key).and_then(Value::as_str);
        let shape = shape(target);
        Wanted {
            optional: optional || kinds(target).contains(&"null"),
            about: text(node, "description").or_else(|| text(named, "description")),
            format: text(target, "description").filter(|_| shape.is_single() && !std::ptr::eq(target, named)),
            noun: text(target, "title")
                .filter(|_| shape.is_single() || matches!(shape, Shape::Either(_)))
                .unwrap_or_else(|| noun(&shape)),
            shape,
        }
    }

    fn without_null(node: &Value) -> (&Value, bool) {
        let Some([first, second]) = node.get("anyOf").and_then(Value::as_array).map(Vec::as_slice) else { return (node, false) };
        match (kinds(first).as_slice(), kinds(second).as_slice()) {
            (_, ["null"]) => (first, true),
            (["null"], _) => (second, true),
            _ => (node, false),
        }
    }

    fn followed(self, node: &'s Value) -> &'s Value {
        let name = node.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix("#/$defs/"));
        name.and_then(|name| self.root.get("$defs")?.get(name)).unwrap_or(node)
    }
}

fn kinds(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn shape(schema: &Value) -> Shape<'_> {
    if let Some(words) = words(schema) {
        return Shape::Words(words);
    }
    if let Some(kinds) = schema.get("anyOf").and_then(Value::as_array) {
        return Shape::Either(kinds.iter().collect());
    }
    if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
        // Words may stand beside sections.
        let sections: Option<Vec<_>> = choices.iter().map(section).collect();
        return sections.map_or_else(|| Shape::Either(choices.iter().collect()), Shape::OneOf);
    }
    match kinds(schema).into_iter().find(|kind| *kind != "null") {
        Some("object") => match (section(schema), schema.get("additionalProperties")) {
            (_, Some(item @ Value::Object(_))) => Shape::Table(item),
            (Some(section), _) => Shape::Section(section),
            (None, _) => Shape::Text(Text::default()),
        },
        Some("array") => Shape::List {
            item: schema.get("items").unwrap_or(&Value::Null),
            at_least: schema.get("minItems").and_then(Value::as_u64).and_then(|least| usize::try_from(least).ok()).unwrap_or(0),
        },
        Some("boolean") => Shape::Truth,
        Some("number") => Shape::Number,
        Some("integer") => Shape::Integer {
            least: schema.get("minimum").and_then(Value::as_i64),
            most: schema.get("maximum").and_then(Value::as_i64).or_else(|| widest(schema)),
        },
        _ => Shape::Text(Text {
            secret: schema.get("writeOnly").and_then(Value::as_bool).unwrap_or(false),
            file: match schema.get("format").and_then(Value::as_str) {
                Some("file") => Some(File::Read),
                Some("written-file") => Some(File::Written),
                _ => None,
            },
        }),
    }
}

/// The largest number of a narrow integer type, which schemars says only by the type's name.
fn widest(schema: &Value) -> Option<i64> {
    match schema.get("format")?.as_str()? {
        "uint8" => Some(u8::MAX.into()),
        "uint16" => Some(u16::MAX.into()),
        "uint32" => Some(u32::MAX.into()),
        _ => None,
    }
}

fn section(schema: &Value) -> Option<Section<'_>> {
    let keys = schema.get("properties")?.as_object()?;
    let required = schema.get("required").and_then(Value::as_array);
    Some(Section { keys, required: required.into_iter().flatten().filter_map(Value::as_str).collect() })
}

/// A word from a list: `const`, `enum`, or a choice of such.
fn words(schema: &Value) -> Option<Vec<&str>> {
    if let Some(word) = schema.get("const") {
        return word.as_str().map(|word| vec![word]);
    }
    if let Some(listed) = schema.get("enum") {
        return listed.as_array()?.iter().map(Value::as_str).collect();
    }
    let choices = schema.get("oneOf")?.as_array()?.iter().map(words).collect::<Option<Vec<_>>>()?;
    Some(choices.concat())
}

fn noun(shape: &Shape<'_>) -> &'static str {
    match shape {
        Shape::Section(_) | Shape::OneOf(_) | Shape::Table(_) => "keys and values",
        Shape::Either(_) => "`true`, `false` or a list",
        Shape::List { .. } => "a list",
        Shape::Text(_) => "text",
        Shape::Number => "a number",
        Shape::Integer { .. } => "a whole number",
        Shape::Truth => "`true` or `false`",
        Shape::Words(_) => "a word",
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    /// Whatever schemars makes of the types must be something that this reader tells apart.
    #[test]
    fn the_whole_schema_is_understood() {
        let root = schema::of_config();
        let mut seen = Vec::new();
        visit(Schema::new(&root), &root, "", &mut seen);
        for (path, kind) in [
            ("listeners[].tls.certificates[].cert", "file"),
            ("audit.journal", "written file"),
            ("secret_key", "secret"),
            ("sessions.idle", "text"),
            ("routes[].access", "words"),
            ("routes[].access_events", "words"),
            ("routes[].access_events.sample", "number"),
            ("bearer[].jwks|url", "text"),
            ("limits.header_count", "integer"),
            ("upstream.headers.*", "secret"),
        ] {
            assert!(seen.contains(&(path.to_owned(), kind)), "{path} is not {kind}");
        }
    }

    fn visit(schema: Schema<'_>, node: &Value, path: &str, seen: &mut Vec<(String, &'static str)>) {
        let mut keys = |section: &Section<'_>, between: &str| {
            for (key, child) in section.keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}{between}{key}") };
                visit(schema, child, &path, seen);
            }
        };
        match schema.wanted(node).shape {
            Shape::Section(section) => keys(&section, "."),
            Shape::OneOf(sections) => {
                assert!(sections.len() > 1, "{path} is a choice of nothing");
                for section in &sections {
                    keys(section, "|");
                }
            }
            Shape::Either(kinds) => kinds.iter().for_each(|kind| visit(schema, kind, path, seen)),
            Shape::Table(item) => visit(schema, item, &format!("{path}.*"), seen),
            Shape::List { item, .. } => visit(schema, item, &format!("{path}[]"), seen),
            Shape::Text(Text { secret: true, .. }) => seen.push((path.to_owned(), "secret")),
            Shape::Text(Text { file: Some(File::Read), .. }) => seen.push((path.to_owned(), "file")),
            Shape::Text(Text { file: Some(File::Written), .. }) => seen.push((path.to_owned(), "written file")),
            Shape::Text(_) => {
                let (node, _) = Schema::without_null(node);
                assert!(kinds(schema.followed(node)).contains(&"string"), "{path} is not understood: {node}");
                seen.push((path.to_owned(), "text"));
            }
            Shape::Integer { .. } => seen.push((path.to_owned(), "integer")),
            Shape::Number => seen.push((path.to_owned(), "number")),
            Shape::Truth => seen.push((path.to_owned(), "truth")),
            Shape::Words(words) => {
                assert!(!words.is_empty(), "{path} is a choice of nothing");
                seen.push((path.to_owned(), "words"));
            }
        }
    }
}
