//! `doorward audit export`: everything that fits, for another program.
//!
//! Refuses to gather it first: events are printed as they are read, because a trail is larger than a memory.

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::filter::Filter;
use super::form::{Lines, Printer};
use crate::audit::{AuditFilter, Order};
use crate::cli::store::Store;

/// Events that are read at once.
const PAGE: u32 = 1000;

#[derive(Debug, Args)]
pub(in crate::cli) struct Export {
    #[command(flatten)]
    filter: Filter,
    /// In which form.
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// One JSON object in each line.
    Jsonl,
    /// Comma-separated values (RFC 4180) under a header. What a spreadsheet would take for a formula has a `'` before it.
    Csv,
}

impl Export {
    pub(super) async fn run(self, store: &Store) -> anyhow::Result<()> {
        // What is recorded meanwhile is left out: a busy trail would otherwise have no end.
        let mut filter = self.filter.asked(store).await?;
        filter = AuditFilter { order: Order::Oldest, limit: PAGE, until: Some(filter.until.unwrap_or(store.now)), ..filter };
        let mut printer = Printer::new(match self.format {
            Format::Jsonl => Lines::Jsonl,
            Format::Csv => Lines::Csv,
        });
        let mut flow = printer.begin()?;
        while flow.is_continue() {
            let found = store.memory.trail.search(&filter).await.context("not everything was printed")?;
            flow = printer.print(&found.entries)?;
            match found.next {
                Some(next) => filter.from = Some(next),
                None => break,
            }
        }
        Ok(())
    }
}
