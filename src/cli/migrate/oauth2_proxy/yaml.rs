//! YAML with comments, as a person would write it.
//!
//! Refuses to leave a word unquoted that could be read as anything but itself.

use std::fmt::Write as _;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    /// As it is written: a number, a truth value, or a text that is quoted already.
    Word(String),
    /// On one line.
    Flow(Vec<Node>),
    Map(Map),
    List(Vec<Map>),
}

/// Keys in their order, each with the comments above it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Map {
    entries: Vec<(Vec<String>, String, Node)>,
    /// Comments above the first key.
    head: Vec<String>,
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Word(quoted(text))
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Word(quoted(&text))
    }
}

impl From<bool> for Node {
    fn from(truth: bool) -> Self {
        Self::Word(truth.to_string())
    }
}

impl From<Map> for Node {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Node {
    fn from(items: Vec<T>) -> Self {
        Self::Flow(items.into_iter().map(Into::into).collect())
    }
}

impl Map {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a key.
    pub(super) fn set(&mut self, key: &str, value: impl Into<Node>) -> &mut Self {
        self.entries.push((Vec::new(), key.to_owned(), value.into()));
        self
    }

    /// Adds a key where there is something to say.
    pub(super) fn set_some(&mut self, key: &str, value: Option<impl Into<Node>>) -> &mut Self {
        if let Some(value) = value {
            self.set(key, value);
        }
        self
    }

    /// Puts a comment above the key that was added last.
    pub(super) fn say(&mut self, comment: impl Into<String>) -> &mut Self {
        match self.entries.last_mut() {
            Some((comments, _, _)) => comments.push(comment.into()),
            None => self.head.push(comment.into()),
        }
        self
    }

    /// Puts a comment above everything.
    pub(super) fn head(&mut self, comment: impl Into<String>) -> &mut Self {
        self.head.push(comment.into());
        self
    }

    /// The keys with one value, on one line.
    pub(super) fn one(key: &str, value: impl Into<Node>) -> Self {
        let mut map = Self::new();
        map.set(key, value);
        map
    }

    fn write(&self, out: &mut String, indent: usize, mut first: bool) {
        for line in self.head.iter().flat_map(|text| wrapped(text, indent)) {
            begin(out, indent, &mut first);
            let _ = writeln!(out, "# {line}");
        }
        for (comments, key, value) in &self.entries {
            for line in comments.iter().flat_map(|text| wrapped(text, indent)) {
                begin(out, indent, &mut first);
                let _ = writeln!(out, "# {line}");
            }
            begin(out, indent, &mut first);
            let _ = write!(out, "{}:", quoted(key));
            value.write(out, indent);
        }
    }

    fn is_plain(&self) -> bool {
        let plain =
            |value: &Node| matches!(value, Node::Word(_) | Node::Flow(_)) || matches!(value, Node::Map(map) if map.is_plain());
        self.head.is_empty() && self.entries.iter().all(|(comments, _, value)| comments.is_empty() && plain(value))
    }

    /// `{ key: value }`
    fn inline(&self) -> String {
        let pairs: Vec<String> =
            self.entries.iter().map(|(_, key, value)| format!("{}: {}", quoted(key), value.inline())).collect();
        if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) }
    }
}

impl Node {
    fn write(&self, out: &mut String, indent: usize) {
        match self {
            Self::Word(_) | Self::Flow(_) => {
                let _ = writeln!(out, " {}", self.inline());
            }
            Self::Map(map) if map.is_plain() && map.entries.len() < 2 => {
                let _ = writeln!(out, " {}", map.inline());
            }
            Self::Map(map) => {
                out.push('\n');
                map.write(out, indent + 2, false);
            }
            Self::List(items) => {
                out.push('\n');
                for item in items {
                    item.item(out, indent + 2);
                }
            }
        }
    }

    fn inline(&self) -> String {
        match self {
            Self::Word(word) => word.clone(),
            Self::Flow(items) => format!("[{}]", items.iter().map(Self::inline).collect::<Vec<_>>().join(", ")),
            Self::Map(map) => map.inline(),
            Self::List(items) => format!("[{}]", items.iter().map(Map::inline).collect::<Vec<_>>().join(", ")),
        }
    }
}

impl Map {
    fn item(&self, out: &mut String, indent: usize) {
        let mut first = false;
        let mut bare = Self { entries: self.entries.clone(), head: Vec::new() };
        // A comment above the first key stands above the item.
        let lead = bare.entries.first_mut().map(|(comments, _, _)| std::mem::take(comments)).unwrap_or_default();
        for line in self.head.iter().chain(&lead).flat_map(|text| wrapped(text, indent)) {
            begin(out, indent, &mut first);
            let _ = writeln!(out, "# {line}");
        }
        begin(out, indent, &mut first);
        out.push_str("- ");
        if bare.is_plain() && bare.inline().len() + indent < 110 {
            let _ = writeln!(out, "{}", bare.inline());
        } else {
            bare.write(out, indent + 2, true);
        }
    }

    /// The whole document.
    pub(super) fn document(&self) -> String {
        let mut out = String::new();
        for line in self.head.iter().flat_map(|text| wrapped(text, 0)) {
            let _ = writeln!(out, "# {line}");
        }
        for (comments, key, value) in &self.entries {
            out.push('\n');
            let one = Self { entries: vec![(comments.clone(), key.clone(), value.clone())], head: Vec::new() };
            one.write(&mut out, 0, false);
        }
        out
    }
}

/// Indents, but for what stands behind a `- `.
fn begin(out: &mut String, indent: usize, first: &mut bool) {
    if std::mem::take(first) {
        return;
    }
    out.extend(std::iter::repeat_n(' ', indent));
}

/// A comment in lines that can be read.
fn wrapped(text: &str, indent: usize) -> Vec<String> {
    let width = 110_usize.saturating_sub(indent).max(40);
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() || line.chars().count() + word.chars().count() < width => {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The text bare where it can only be read as itself, else in quotes.
fn quoted(text: &str) -> String {
    let safe =
        |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '.' | '/' | '-' | '@' | '+' | '=' | '*' | ':' | ' ');
    let bare = text.chars().all(safe)
        && text.starts_with(|sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '/' | '_'))
        && !text.ends_with([':', ' '])
        && !text.contains(": ")
        && matches!(serde_yaml::from_str(text), Ok(serde_yaml::Value::String(read)) if read == text);
    if bare { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_the_text_is_it_is_read_as_itself(text in "(\\PC|[\\n\\t]){0,40}") {
            let mut map = Map::new();
            map.set("key", text.as_str()).set("list", vec![text.as_str()]).say("why\nthat is: so # here");
            let mut outer = Map::new();
            outer.head("above").set("outer", Node::List(vec![map.clone()])).set("inner", map);
            let read: serde_yaml::Value = serde_yaml::from_str(&outer.document()).unwrap();
            for at in [&read["outer"][0], &read["inner"]] {
                prop_assert_eq!(at["key"].as_str(), Some(text.as_str()));
                prop_assert_eq!(at["list"][0].as_str(), Some(text.as_str()));
            }
        }
    }

    #[test]
    fn a_document_looks_as_if_somebody_wrote_it() {
        let mut route = Map::new();
        route.set("path", "/a/**").set("access", "optional");
        let mut list = Map::new();
        list.head("why").set("path", "/b").say("because").set("groups", vec!["x y", "true"]);
        let mut all = Map::new();
        all.head("Made by hand.").set("version", Node::Word("1".to_owned())).set("routes", Node::List(vec![route, list]));
        all.set("secret", Map::one("file", "/etc/x"));
        let expected = "\
# Made by hand.

version: 1

routes:
  - { path: /a/**, access: optional }
  # why
  # because
  - { path: /b, groups: [x y, \"true\"] }

secret: { file: /etc/x }
";
        assert_eq!(all.document(), expected);
    }
}
