//! What a claim looks like as a header value.
//!
//! Refuses control characters (threats F13) and makes everything else plain ASCII that can be turned back: non-ASCII characters
//! are UTF-8 percent-encoded, and so is `%` itself, because one documented encoding can be undone and a guess cannot.

use http::HeaderValue;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// Encoded in every value: `%`, and what is not ASCII (which the encoder always takes).
const PLAIN: &AsciiSet = &CONTROLS.add(b'%');

/// `text` as the value of a header; `None` when it is empty or holds a control character.
#[must_use]
pub(super) fn single(text: &str) -> Option<HeaderValue> {
    finish(encode(text, PLAIN)?)
}

/// `items` joined by `separator`; a separator inside an item is encoded, so that no item reads as two (threats H7). Items that
/// are empty or hold a control character are left out; `None` when none is left.
#[must_use]
pub(super) fn list<'a>(items: impl IntoIterator<Item = &'a str>, separator: Separator) -> Option<HeaderValue> {
    finish(joined(items, separator)?)
}

/// As [`list`], before it becomes a value.
#[must_use]
pub(super) fn joined<'a>(items: impl IntoIterator<Item = &'a str>, separator: Separator) -> Option<String> {
    let set = separator.set();
    let items: Vec<String> = items.into_iter().filter_map(|item| encode(item, set)).collect();
    (!items.is_empty()).then(|| items.join(separator.as_str()))
}

/// As [`single`], before it becomes a value.
#[must_use]
pub(super) fn text(text: &str) -> Option<String> {
    encode(text, PLAIN)
}

/// A header value of text that was made by this module, or of configured text.
#[must_use]
pub(super) fn finish(text: String) -> Option<HeaderValue> {
    HeaderValue::try_from(text).ok().filter(|value| !value.is_empty())
}

/// What stands between the items of a list.
#[derive(Clone, Copy, Debug)]
pub(super) enum Separator {
    Comma,
    Bar,
    Space,
}

impl Separator {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Comma => ",",
            Self::Bar => "|",
            Self::Space => " ",
        }
    }

    fn set(self) -> &'static AsciiSet {
        const COMMA: &AsciiSet = &PLAIN.add(b',');
        const BAR: &AsciiSet = &PLAIN.add(b'|');
        const SPACE: &AsciiSet = &PLAIN.add(b' ');
        match self {
            Self::Comma => COMMA,
            Self::Bar => BAR,
            Self::Space => SPACE,
        }
    }
}

/// Spaces at either end are encoded too: a recipient trims them (RFC 9110 §5.5), and ` admin` is not `admin`.
fn encode(text: &str, set: &'static AsciiSet) -> Option<String> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return None;
    }
    let middle = text.trim_matches(' ');
    let (before, after) = match text.find(middle) {
        Some(at) if !middle.is_empty() => (at, text.len() - at - middle.len()),
        _ => (text.len(), 0),
    };
    let mut encoded = "%20".repeat(before);
    encoded.extend(utf8_percent_encode(middle, set));
    encoded.push_str(&"%20".repeat(after));
    Some(encoded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_group_that_holds_the_separator_stays_one_group() {
        assert_eq!(list(["a,admin", "b"], Separator::Comma).unwrap(), "a%2Cadmin,b");
        assert_eq!(list(["a|admin", "b"], Separator::Bar).unwrap(), "a%7Cadmin|b");
        assert_eq!(list(["a b", "c"], Separator::Space).unwrap(), "a%20b c");
        assert_eq!(list([" admin", "admin "], Separator::Comma).unwrap(), "%20admin,admin%20");
    }

    #[test]
    fn a_control_character_makes_a_value_absent_not_shorter() {
        for text in ["Ada\r\nX-Forwarded-User: root", "Ada\0", "Ada\u{7f}", "Ada\u{85}", ""] {
            assert_eq!(single(text), None, "{text:?}");
        }
        assert_eq!(list(["ok", "bad\n", ""], Separator::Comma).unwrap(), "ok");
        assert_eq!(list(["\n"], Separator::Comma), None);
    }

    proptest! {
        #[test]
        fn what_was_encoded_can_be_turned_back(text in "[^\\p{Cc}]{1,40}") {
            let value = single(&text).unwrap();
            let back = percent_encoding::percent_decode(value.as_bytes()).decode_utf8().unwrap();
            prop_assert_eq!(back, text);
        }

        #[test]
        fn a_list_has_as_many_items_as_it_was_given(items in proptest::collection::vec("[^\\p{Cc}]{1,12}", 1..6)) {
            for (separator, character) in [(Separator::Comma, ','), (Separator::Bar, '|'), (Separator::Space, ' ')] {
                let value = list(items.iter().map(String::as_str), separator).unwrap();
                prop_assert_eq!(value.to_str().unwrap().split(character).count(), items.len());
            }
        }
    }
}
