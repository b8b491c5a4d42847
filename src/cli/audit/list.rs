//! `doorward audit list`: the latest events that fit.
//!
//! Refuses to be endless; `export` gives everything.

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::filter::Filter;
use super::form::{self, Lines, Printer};
use crate::audit::Entry;
use crate::cli::store::{self, Store};
use crate::cli::table::Table;

#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    filter: Filter,
    /// At most so many, the newest.
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// In which form.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// The same as `--format json`.
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// A JSON array.
    Json,
    /// One JSON object in each line.
    Jsonl,
    /// Comma-separated values under a header.
    Csv,
}

impl List {
    pub(super) async fn run(self, store: &Store) -> anyhow::Result<()> {
        let mut filter = self.filter.asked(store).await?;
        filter.limit = self.limit;
        let mut entries = store.memory.trail.list(&filter).await.context("does another program hold the store? Try again")?;
        entries.reverse();
        match if self.json { Format::Json } else { self.format } {
            Format::Table => store::say(table(&entries)),
            Format::Json => store::print_json(&entries),
            Format::Jsonl => print(Lines::Jsonl, &entries),
            Format::Csv => print(Lines::Csv, &entries),
        }
    }
}

fn print(lines: Lines, entries: &[Entry]) -> anyhow::Result<()> {
    let mut printer = Printer::new(lines);
    if printer.begin()?.is_continue() {
        // Nobody reads on: that is the end, too.
        let _ = printer.print(entries)?;
    }
    Ok(())
}

fn table(entries: &[Entry]) -> Table {
    let mut table = Table::new(&["AT", "KIND", "OUTCOME", "ACTOR", "TARGET", "SOURCE", "DETAILS"]);
    for entry in entries {
        table.row(form::cells(entry));
    }
    table
}
