//! `doorward audit tail`: the last events, and those to come.
//!
//! Refuses to end because the store is away for a while; it says so and goes on where it was.

use std::ops::ControlFlow;
use std::time::Duration;

use clap::Args;

use super::filter::Filter;
use super::form::{Lines, Printer};
use crate::audit::{AuditError, AuditFilter, AuditStore, Entry, Listing, Order, Place};
use crate::cli::store::Store;
use crate::clock::Timestamp;

/// How often it is looked for new ones. The events of other replicas come to the store and to nobody else.
const EVERY: Duration = Duration::from_millis(500);
/// Events that are read at once.
const PAGE: u32 = 1000;
/// Before all events.
const START: Place = Place { at: Timestamp::from_millis(0), seq: 0 };

#[derive(Debug, Args)]
pub(in crate::cli) struct Tail {
    #[command(flatten)]
    filter: Filter,
    /// So many of those that are there.
    #[arg(short = 'n', long, default_value_t = 10)]
    lines: u32,
    /// Go on with those to come, until Ctrl-C.
    #[arg(short, long)]
    follow: bool,
    /// In which form.
    #[arg(long, value_enum, default_value_t = Lines::Text)]
    format: Lines,
}

impl Tail {
    pub(super) async fn run(self, store: &Store) -> anyhow::Result<()> {
        let trail = &*store.memory.trail;
        let filter = self.filter.asked(store).await?;
        let mut printer = Printer::new(self.format);
        let last = AuditFilter { order: Order::LastRecorded, limit: 1, ..AuditFilter::default() };
        let end = trail.list(&last).await?.first().map_or(START, Entry::place);
        let mut entries = trail.list(&AuditFilter { limit: self.lines, ..filter.clone() }).await?;
        // One that came in between is among those to come.
        entries.retain(|entry| entry.seq <= end.seq);
        entries.reverse();
        if printer.begin()?.is_break() || printer.print(&entries)?.is_break() || !self.follow {
            return Ok(());
        }
        let filter = AuditFilter { order: Order::Recorded, from: Some(end), limit: PAGE, ..filter };
        tokio::select! {
            ended = follow(trail, filter, &mut printer) => ended,
            interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
        }
    }
}

/// Prints what comes, until nobody reads it.
async fn follow(trail: &dyn AuditStore, mut filter: AuditFilter, printer: &mut Printer) -> anyhow::Result<()> {
    let mut away = false;
    loop {
        match trail.search(&filter).await {
            Ok(found) => {
                away = false;
                if printed(&mut filter, &found, printer)?.is_break() {
                    return Ok(());
                }
                if found.next.is_some() {
                    continue;
                }
            }
            Err(error) => tell(&mut away, &error),
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn printed(filter: &mut AuditFilter, found: &Listing, printer: &mut Printer) -> anyhow::Result<ControlFlow<()>> {
    if let Some(seen) = found.next.or(found.entries.last().map(Entry::place)) {
        filter.from = Some(seen);
    }
    if found.entries.is_empty() { Ok(ControlFlow::Continue(())) } else { printer.print(&found.entries) }
}

fn tell(away: &mut bool, error: &AuditError) {
    if !std::mem::replace(away, true) {
        eprintln!("doorward: {error}; trying again");
    }
}
