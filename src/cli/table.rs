//! Text in columns.
//!
//! Refuses to pass control characters on: a name or a browser's user agent must not be able to command the terminal.

use std::fmt::Write as _;

/// Rows under their headings, each column as wide as its widest cell.
pub(super) struct Table(Vec<Vec<String>>);

impl Table {
    pub(super) fn new(headings: &[&str]) -> Self {
        Self(vec![headings.iter().map(|heading| (*heading).to_owned()).collect()])
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.0.push(cells.iter().map(|cell| shown(cell)).collect());
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.0.first().map_or(0, Vec::len);
        let width = |column| self.0.iter().map(|row| row.get(column).map_or(0, |cell: &String| cell.chars().count())).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        for row in &self.0 {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                write!(line, "{cell:width$}  ")?;
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Names and values below each other.
pub(super) fn facts<const N: usize>(facts: [(&str, String); N]) -> String {
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines = facts.map(|(name, value)| format!("{name:width$}  {}", shown(&value)));
    lines.join("\n")
}

/// Several values in one cell.
pub(super) fn listed(items: impl IntoIterator<Item = impl ToString>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { "-".to_owned() } else { items.join(",") }
}

/// A value that may be missing.
pub(super) fn or_dash(item: Option<impl ToString>) -> String {
    item.map_or_else(|| "-".to_owned(), |item| item.to_string())
}

pub(super) fn shown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        // Besides control characters, those that turn the direction of the rest of the line.
        if letter.is_control() || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            safe.extend(letter.escape_unicode());
        } else {
            safe.push(letter);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_control_characters_are_shown_not_sent() {
        let mut table = Table::new(&["ID", "NAME"]);
        table.row(["long id".to_owned(), "a\u{1b}[2Jb".to_owned()]);
        table.row(["ä".to_owned(), "ok\u{202e}".to_owned()]);
        assert_eq!(table.to_string(), "ID       NAME\nlong id  a\\u{1b}[2Jb\nä        ok\\u{202e}\n");
    }
}
