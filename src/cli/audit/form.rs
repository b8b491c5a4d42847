//! In which form events are printed.
//!
//! Refuses to hand a spreadsheet a formula and a terminal a command: both come in what a stranger typed.

use std::io::{self, ErrorKind, StdoutLock, Write};
use std::ops::ControlFlow;

use clap::ValueEnum;
use serde::Serialize;

use crate::audit::Entry;
use crate::cli::table::{or_dash, shown};

/// A form in which one event is one line, however many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Lines {
    /// Text.
    Text,
    /// One JSON object in each line.
    Jsonl,
    /// Comma-separated values (RFC 4180) under a header. What a spreadsheet would take for a formula has a `'` before it.
    Csv,
}

/// The columns of CSV, always all of them.
const HEADER: [&str; 18] = [
    "seq",
    "at",
    "kind",
    "severity",
    "outcome",
    "reason",
    "tenant",
    "actor",
    "target",
    "credential",
    "session",
    "source",
    "user_agent",
    "request_id",
    "details",
    "id",
    "chain",
    "link",
];

/// Writes events to standard output as they come.
pub(super) struct Printer<W: Write = StdoutLock<'static>>(Sink<W>);

enum Sink<W: Write> {
    Text(W),
    Jsonl(W),
    Csv(Box<csv::Writer<W>>),
}

impl Printer {
    pub(super) fn new(lines: Lines) -> Self {
        Self::on(lines, io::stdout().lock())
    }
}

impl<W: Write> Printer<W> {
    fn on(lines: Lines, output: W) -> Self {
        Self(match lines {
            Lines::Text => Sink::Text(output),
            Lines::Jsonl => Sink::Jsonl(output),
            Lines::Csv => Sink::Csv(Box::new(csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(output))),
        })
    }

    /// The line above all others, where the form has one.
    pub(super) fn begin(&mut self) -> anyhow::Result<ControlFlow<()>> {
        go_on(match &mut self.0 {
            Sink::Csv(writer) => writer.write_record(HEADER).map_err(io::Error::from),
            Sink::Text(_) | Sink::Jsonl(_) => Ok(()),
        })
    }

    /// Prints them at once. Says to stop when nobody reads any more, which is no error: `head` does that.
    pub(super) fn print(&mut self, entries: &[Entry]) -> anyhow::Result<ControlFlow<()>> {
        go_on(entries.iter().try_for_each(|entry| self.line(entry)).and_then(|()| self.flush()))
    }

    fn line(&mut self, entry: &Entry) -> io::Result<()> {
        match &mut self.0 {
            Sink::Text(output) => writeln!(output, "{}", text(entry)),
            Sink::Jsonl(output) => {
                serde_json::to_writer(&mut *output, entry)?;
                output.write_all(b"\n")
            }
            Sink::Csv(writer) => writer.write_record(record(entry).map(harmless)).map_err(io::Error::from),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Sink::Text(output) | Sink::Jsonl(output) => output.flush(),
            Sink::Csv(writer) => writer.flush(),
        }
    }
}

fn go_on(done: io::Result<()>) -> anyhow::Result<ControlFlow<()>> {
    match done {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => Err(error.into()),
    }
}

/// The cells of a table that is read by people.
pub(super) fn cells(entry: &Entry) -> [String; 7] {
    let outcome = entry.reason.as_ref().map_or_else(|| entry.outcome.clone(), |why| format!("{} ({why})", entry.outcome));
    let details = if entry.details.is_empty() { "-".to_owned() } else { json(&entry.details) };
    [
        entry.at.to_string(),
        entry.kind.clone(),
        outcome,
        or_dash(entry.actor.as_ref()),
        or_dash(entry.target.as_ref()),
        or_dash(entry.source.as_ref()),
        details,
    ]
}

fn text(entry: &Entry) -> String {
    cells(entry).map(|cell| shown(&cell)).join("  ")
}

fn record(entry: &Entry) -> [String; HEADER.len()] {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    [
        entry.seq.to_string(),
        entry.at.to_string(),
        entry.kind.clone(),
        entry.severity().as_str().to_owned(),
        entry.outcome.clone(),
        text(&entry.reason),
        entry.tenant.clone(),
        text(&entry.actor),
        text(&entry.target),
        text(&entry.credential),
        text(&entry.session),
        text(&entry.source),
        text(&entry.user_agent),
        text(&entry.request_id),
        if entry.details.is_empty() { String::new() } else { json(&entry.details) },
        entry.id.clone(),
        entry.chain.clone(),
        entry.link.to_string(),
    ]
}

/// What cannot be a formula: OWASP's list of first characters, and those that a spreadsheet takes for them.
fn harmless(cell: String) -> String {
    let risky = ['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
    if cell.starts_with(risky) { format!("'{cell}") } else { cell }
}

/// Maps of JSON values can always be written.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(actor: &str) -> Entry {
        let entry = json!({ "seq": 7, "link": 0, "at": 1_800_000_000_000_i64, "kind": "sign_in", "outcome": "failure", "reason": "unknown_user",
            "tenant": "default", "actor": actor, "details": { "method": "password" } });
        serde_json::from_value(entry).unwrap()
    }

    fn printed(lines: Lines, actor: &str) -> String {
        let mut output = Vec::new();
        let mut printer = Printer::on(lines, &mut output);
        assert!(printer.begin().unwrap().is_continue() && printer.print(&[entry(actor)]).unwrap().is_continue());
        drop(printer);
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn a_cell_is_never_a_formula_and_never_breaks_its_row() {
        for typed in ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\u{ff1d}1"] {
            let text = printed(Lines::Csv, typed);
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            assert_eq!(reader.headers().unwrap(), HEADER.as_slice());
            let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
            assert_eq!((rows.len(), &rows[0][7]), (1, format!("'{typed}").as_str()), "{text}");
        }
        let text = printed(Lines::Csv, "a\",\"b\r\n=c");
        let rows: Vec<csv::StringRecord> = csv::Reader::from_reader(text.as_bytes()).records().collect::<Result<_, _>>().unwrap();
        assert_eq!((rows.len(), &rows[0][7]), (1, "a\",\"b\r\n=c"));
        assert_eq!(&rows[0][14], r#"{"method":"password"}"#);
    }

    #[test]
    fn one_event_is_one_line_whatever_was_typed() {
        let typed = "a\nb\u{1b}[2J\u{202e}";
        for lines in [Lines::Text, Lines::Jsonl] {
            let text = printed(lines, typed);
            assert_eq!(text.lines().count(), 1, "{text:?}");
            assert!(!text.contains('\u{1b}'), "{text:?}");
        }
        let read: serde_json::Value = serde_json::from_str(&printed(Lines::Jsonl, typed)).unwrap();
        assert_eq!(read["actor"], typed);
    }
}
