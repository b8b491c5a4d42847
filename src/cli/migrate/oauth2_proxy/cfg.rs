//! oauth2-proxy's configuration file, which is TOML.
//!
//! Refuses keys that oauth2-proxy does not know, as it does itself, but all of them at once and with their lines.

use std::path::Path;

use toml_edit::{Document, Value as Typed};

use super::known::{ALL, Known, Part};
use super::settings::{Raw, Saying, Settings};
use super::trouble::{Origin, Troubles, like};

/// Reads the file's text.
pub(super) fn read(file: &Path, text: &str, troubles: &mut Troubles) -> Settings {
    let mut settings = Settings::default();
    let line = |at: usize| text.get(..at).unwrap_or(text).matches('\n').count() + 1;
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let at = error.span().map_or(1, |span| line(span.start));
            let hint = "texts stand in quotes, lists in brackets: `email_domains = [\"example.com\"]`";
            // Its first line only: the others quote the file, and a secret may stand there.
            let what = error.message().lines().next().unwrap_or_default().to_owned();
            troubles.add(&Origin::line(file, at), format!("this is not TOML: {what}"), hint);
            return settings;
        }
    };
    for (name, item) in document.iter() {
        let span = document.key(name).and_then(toml_edit::Key::span).or_else(|| item.span());
        let origin = Origin::line(file, span.map_or(1, |span| line(span.start)));
        if item.is_table_like() {
            let hint = "the file has no sections; the alpha configuration is a file of its own";
            troubles.add(&origin, format!("`{name}` is not a value"), hint);
            continue;
        }
        let Some(known) = Known::of_file(name) else {
            troubles.add(&origin, format!("unknown option `{name}`"), hint(name));
            continue;
        };
        let Some(raw) = item.as_value().and_then(raw) else {
            troubles.add(&origin, format!("`{name}` is neither a text, a number, true or false, nor a list of texts"), "");
            continue;
        };
        settings.say(known, raw, Saying { name, origin, variable: None }, false, troubles);
    }
    settings
}

fn hint(name: &str) -> String {
    let flag = name.trim_start_matches('-');
    if let Some(known) = ALL.iter().find(|known| known.flag == flag && !known.file.is_empty()) {
        return format!("in the file it is `{}`", known.file);
    }
    let names = ALL.iter().filter(|known| matches!(known.part, Part::Core | Part::Legacy)).map(|known| known.file);
    like(name, names, "oauth2-proxy 7.15 has no such option")
}

fn raw(value: &Typed) -> Option<Raw> {
    Some(match value {
        Typed::String(text) => Raw::Text(text.value().clone()),
        Typed::Boolean(truth) => Raw::Truth(*truth.value()),
        Typed::Integer(number) => Raw::Number(*number.value()),
        Typed::Float(number) => Raw::Float(*number.value()),
        Typed::Array(items) => Raw::List(items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<_>>()?),
        Typed::Datetime(_) | Typed::InlineTable(_) => return None,
    })
}
