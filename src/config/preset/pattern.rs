//! What an address looks like: text with `{words}` for what is the customer's own.
//!
//! Refuses to be exact: it gives advice, and advice that is often wrong is not read.

/// Whether `text` is `pattern` with something without a slash (a UUID for `{uuid}`) in the place of each `{word}`.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let Some((before, rest)) = pattern.split_once('{') else { return pattern == text };
    let (Some((word, after)), Some(text)) = (rest.split_once('}'), text.strip_prefix(before)) else { return false };
    let ends = text.char_indices().map(|(at, letter)| (at + letter.len_utf8(), letter)).take_while(|(_, letter)| *letter != '/');
    ends.map(|(end, _)| text.split_at(end)).any(|(own, rest)| is(word, own) && fits(after, rest))
}

fn is(word: &str, own: &str) -> bool {
    word != "uuid" || uuid::Uuid::try_parse(own).is_ok()
}
