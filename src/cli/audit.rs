//! `doorward audit`: what happened.
//!
//! Refuses to change the trail; it can only be read here.

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::sinks::{Letters, Sinks};
use super::store::{self, Store};
use super::table::{Table, or_dash};
use crate::audit::{AuditFilter, Entry, Kind};
use crate::clock::Timestamp;
use crate::config::Span;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The latest events, oldest first.
    List(List),
    /// How far each sink is.
    Sinks(Sinks),
    /// Events that receivers refuse for good.
    #[command(subcommand)]
    DeadLetters(Letters),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only from then on: so long ago (`24h`), or a moment (`2026-11-22T04:00:00Z`).
    #[arg(long, value_name = "WHEN")]
    since: Option<Since>,
    /// Only of this kind. Can be repeated.
    #[arg(long = "kind", value_name = "KIND", value_parser = kind)]
    kinds: Vec<Kind>,
    /// Only what this one did: a user id, key id, client id or `cli:NAME`.
    #[arg(long)]
    actor: Option<String>,
    /// Only of this tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// At most so many, the newest.
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// A JSON array instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug)]
enum Since {
    Ago(Span),
    Moment(Timestamp),
}

impl std::str::FromStr for Since {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(span) = text.parse() {
            return Ok(Self::Ago(span));
        }
        let moment: jiff::Timestamp =
            text.parse().map_err(|_| "a duration such as `24h`, or a moment such as `2026-11-22T04:00:00Z`")?;
        Ok(Self::Moment(Timestamp::from_millis(moment.as_millisecond())))
    }
}

fn kind(text: &str) -> Result<Kind, String> {
    let known = Kind::ALL.iter().find(|kind| kind.as_str() == text);
    known.copied().ok_or_else(|| format!("one of {}", Kind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")))
}

impl Command {
    pub(super) async fn run(self, store: &Store) -> anyhow::Result<()> {
        match self {
            Self::List(command) => command.run(store).await,
            Self::Sinks(command) => command.run(store).await,
            Self::DeadLetters(command) => command.run(store).await,
        }
    }
}

impl List {
    async fn run(self, store: &Store) -> anyhow::Result<()> {
        let since = self.since.map(|since| match since {
            Since::Ago(span) => store.now.before(span.0),
            Since::Moment(moment) => moment,
        });
        let filter = AuditFilter {
            since,
            kinds: self.kinds,
            actor: self.actor,
            tenant: self.tenant,
            limit: self.limit,
            ..AuditFilter::default()
        };
        let mut entries = store.memory.trail.list(&filter).await.context("does another program hold the store? Try again")?;
        entries.reverse();
        if self.json {
            return store::print_json(&entries);
        }
        store::say(table(&entries))
    }
}

fn table(entries: &[Entry]) -> Table {
    let mut table = Table::new(&["AT", "KIND", "OUTCOME", "ACTOR", "TARGET", "SOURCE", "DETAILS"]);
    for entry in entries {
        let outcome = entry.reason.as_ref().map_or_else(|| entry.outcome.clone(), |why| format!("{} ({why})", entry.outcome));
        let details = if entry.details.is_empty() { "-".to_owned() } else { serde_json::json!(entry.details).to_string() };
        table.row([
            entry.at.to_string(),
            entry.kind.clone(),
            outcome,
            or_dash(entry.actor.as_ref()),
            or_dash(entry.target.as_ref()),
            or_dash(entry.source.as_ref()),
            details,
        ]);
    }
    table
}
