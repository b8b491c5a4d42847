//! The YAML document with the place of every key and value.
//!
//! Refuses duplicate keys, merge keys, tags, several documents, deep nesting and alias bombs, because each has been read in two
//! ways by two parsers. saphyr-parser gives the places, serde_yaml says what an unquoted word is.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};
use serde_yaml::Value;

use super::report::{Finding, Findings, Place, Report};

/// Deeper than any configuration, shallower than any stack.
const MAX_DEPTH: usize = 64;
/// After aliases have been followed.
const MAX_NODES: usize = 100_000;

/// A value and where it begins.
#[derive(Clone, Debug)]
pub struct Node {
    pub place: Place,
    pub content: Content,
}

#[derive(Clone, Debug)]
pub enum Content {
    /// Null, a truth value, a number or a text.
    Single(Value),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub key: String,
    pub key_place: Place,
    pub value: Node,
}

impl Node {
    fn size(&self) -> usize {
        1 + match &self.content {
            Content::Single(_) => 0,
            Content::List(items) => items.iter().map(Self::size).sum(),
            Content::Map(entries) => entries.iter().map(|entry| entry.value.size()).sum(),
        }
    }
}

/// Reads one document; what is wrong is added to `findings`. `None` if it cannot be read any further.
pub(super) fn parse(text: &str, findings: &mut Findings) -> Option<Node> {
    let mut reader = Reader { parser: Parser::new_from_str(text), anchors: HashMap::new(), nodes: 0, findings };
    let root = reader.document().ok()?;
    Some(root)
}

/// Reads one document that is no configuration of Doorward's.
///
/// # Errors
/// What is wrong with it, with its places.
pub fn outline(text: &str) -> Result<Node, Vec<Finding>> {
    let mut findings = Findings::default();
    let root = parse(text, &mut findings).filter(|_| findings.is_empty());
    root.ok_or_else(|| Report::of(std::path::PathBuf::new(), findings).findings)
}

/// What an unquoted word means, as serde_yaml has it: null, a truth value, a number, else text.
pub(super) fn plain(text: &str) -> Value {
    match serde_yaml::from_str(text) {
        Ok(value @ (Value::Null | Value::Bool(_) | Value::Number(_))) => value,
        _ => Value::String(text.to_owned()),
    }
}

/// Reading cannot go on; why is among the findings.
struct Stopped;

struct Reader<'a, 'f> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    findings: &'f mut Findings,
}

impl<'a> Reader<'a, '_> {
    fn document(&mut self) -> Result<Node, Stopped> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(_), _) => {}
                (Event::StreamEnd | Event::DocumentEnd, place) => return Err(self.stop(place, "the file is empty", "")),
                (event, place) => {
                    let root = self.node(event, place, 0)?;
                    self.nothing_follows()?;
                    return Ok(root);
                }
            }
        }
    }

    fn nothing_follows(&mut self) -> Result<(), Stopped> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::DocumentStart(_), place) => {
                    return Err(self.stop(place, "a second document begins here", "one file holds one configuration"));
                }
                _ => {}
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Place), Stopped> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, Place::from(span.start))),
            Some(Err(error)) => {
                let place = Place::from(*error.marker());
                Err(self.stop(place, format!("this is not YAML: {}", error.info()), ""))
            }
            None => Err(self.stop(Place::START, "the file ends too early", "")),
        }
    }

    fn stop(&mut self, place: Place, message: impl Into<String>, hint: &str) -> Stopped {
        self.findings.add(place, message, hint);
        Stopped
    }

    fn node(&mut self, event: Event<'a>, place: Place, depth: usize) -> Result<Node, Stopped> {
        self.nodes += 1;
        if depth > MAX_DEPTH {
            return Err(self.stop(place, format!("nested deeper than {MAX_DEPTH} levels"), ""));
        }
        let (anchor, tag, content) = match event {
            Event::Alias(id) => return self.alias(id, place),
            Event::Scalar(text, style, anchor, tag) => {
                let value = if style == ScalarStyle::Plain { plain(&text) } else { Value::String(text.into_owned()) };
                (anchor, tag, Content::Single(value))
            }
            Event::SequenceStart(anchor, tag) => (anchor, tag, self.list(depth)?),
            Event::MappingStart(anchor, tag) => (anchor, tag, self.map(depth)?),
            _ => return Err(self.stop(place, "this is not YAML: a value was expected", "")),
        };
        if let Some(tag) = tag {
            self.findings.add(place, format!("the tag `{tag}` has no meaning here"), "remove it; quotes make a text");
        }
        let node = Node { place, content };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, place: Place) -> Result<Node, Stopped> {
        let Some(target) = self.anchors.get(&id) else {
            return Err(self.stop(place, "this alias stands inside what it names", ""));
        };
        self.nodes += target.size();
        if self.nodes > MAX_NODES {
            return Err(self.stop(place, format!("aliases make this file larger than {MAX_NODES} values"), ""));
        }
        Ok(Node { place, content: target.content.clone() })
    }

    fn list(&mut self, depth: usize) -> Result<Content, Stopped> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Content::List(items)),
                (event, place) => items.push(self.node(event, place, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Content, Stopped> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen = HashMap::new();
        loop {
            let (event, key_place) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Content::Map(entries));
            }
            let key = self.key(event, key_place, depth)?;
            let (event, place) = self.next()?;
            let value = self.node(event, place, depth + 1)?;
            let Some(key) = key else { continue };
            if let Some(first) = seen.get(&key) {
                let first: &Place = first;
                self.findings.add(key_place, format!("`{key}` is written twice"), format!("the first is in line {}", first.line));
                continue;
            }
            seen.insert(key.clone(), key_place);
            entries.push(Entry { key, key_place, value });
        }
    }

    /// `None` if the key is refused and its value shall be passed over.
    fn key(&mut self, event: Event<'a>, place: Place, depth: usize) -> Result<Option<String>, Stopped> {
        match event {
            Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<" => {
                self.findings.add(
                    place,
                    "merge keys (`<<`) are not read",
                    "write the keys out, or name the whole value with `*alias`",
                );
                Ok(None)
            }
            Event::Scalar(text, ..) => Ok(Some(text.into_owned())),
            other => {
                self.findings.add(place, "a key must be a word, not a list, keys and values, or an alias", "");
                if !matches!(other, Event::Alias(_)) {
                    self.node(other, place, depth + 1)?;
                }
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The file comes from outside: whatever it holds is read or refused, with a place inside it, and never a panic.
        #[test]
        fn whatever_the_file_holds_is_read_or_refused(text in "([a-z]{1,3}|[-:,?#&*!|>'\"%@`{}\\[\\] \n\t]|<<|\\PC){0,60}") {
            let mut findings = Findings::default();
            let read = parse(&text, &mut findings);
            prop_assert!(read.is_some() || !findings.is_empty());
            for finding in findings.iter() {
                prop_assert!(finding.place.line >= 1 && finding.place.line <= text.lines().count() + 2, "{finding:?}");
            }
        }
    }
}
