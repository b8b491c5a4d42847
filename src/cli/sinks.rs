//! `doorward audit sinks` and `doorward audit dead-letters`: what was delivered, and what a receiver refuses.
//!
//! Refuses to deliver anything itself; a running door does.

use anyhow::ensure;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::store::{self, Store};
use super::table::{Table, or_dash};
use crate::audit::Head;
use crate::audit::sink::Cursor;
use crate::audit::what::{DeadLettersDropped, DeadLettersRetried};
use crate::clock::Timestamp;
use crate::model::TenantId;

#[derive(Debug, Args)]
pub(super) struct Sinks {
    /// A JSON array instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Letters {
    /// Events that receivers refuse for good.
    List {
        /// Only of this sink.
        #[arg(long)]
        sink: Option<String>,
        /// A JSON array instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Has them sent again by a running door, out of order.
    Retry(Which),
    /// Gives them up. They stay in the audit trail.
    Drop(Which),
}

#[derive(Debug, Args)]
pub(super) struct Which {
    sink: String,
    /// Only the event of this id.
    #[arg(long)]
    event: Option<String>,
}

/// How far one sink is in one chain.
#[derive(Serialize)]
struct Standing<'c> {
    sink: &'c str,
    chain: &'c str,
    /// `delivered`, `waiting`, `failing`, or `removed` where the configuration does not have the sink.
    state: &'static str,
    link: i64,
    queued: i64,
    lag_seconds: u64,
    sent: i64,
    refused: i64,
    lost: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    moved_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'c str>,
}

impl Sinks {
    pub(super) async fn run(self, store: &Store) -> anyhow::Result<()> {
        let heads = store.memory.trail.heads().await?;
        let cursors = store.memory.cursors.list(None).await?;
        let mut all = Vec::new();
        for cursor in &cursors {
            let Some(head) = heads.iter().find(|head| head.chain == cursor.chain) else { continue };
            all.push(standing(store, cursor, head).await?);
        }
        if self.json {
            return store::print_json(&all);
        }
        let mut table =
            Table::new(&["SINK", "CHAIN", "STATE", "QUEUED", "LAG", "SENT", "REFUSED", "LOST", "DELIVERED AT", "ERROR"]);
        for standing in &all {
            table.row([
                standing.sink.to_owned(),
                standing.chain.to_owned(),
                standing.state.to_owned(),
                standing.queued.to_string(),
                format!("{}s", standing.lag_seconds),
                standing.sent.to_string(),
                standing.refused.to_string(),
                standing.lost.to_string(),
                or_dash(standing.moved_at.as_ref()),
                or_dash(standing.error),
            ]);
        }
        store::say(table)
    }
}

async fn standing<'c>(store: &Store, cursor: &'c Cursor, head: &Head) -> anyhow::Result<Standing<'c>> {
    let queued = (head.link - cursor.link).max(0);
    let oldest = if queued > 0 { store.memory.trail.following(&cursor.chain, cursor.link, 1).await? } else { Vec::new() };
    let configured = store.config.audit.sinks.iter().any(|sink| sink.id.as_str() == cursor.sink);
    Ok(Standing {
        sink: &cursor.sink,
        chain: &cursor.chain,
        state: match () {
            () if !configured => "removed",
            () if cursor.error.is_some() => "failing",
            () if queued > 0 => "waiting",
            () => "delivered",
        },
        link: cursor.link,
        queued,
        lag_seconds: oldest.first().map_or(0, |oldest| store.now.since(oldest.at).as_secs()),
        sent: cursor.sent,
        refused: cursor.refused,
        lost: cursor.lost,
        moved_at: cursor.moved_at,
        failing_since: cursor.failing_since,
        error: cursor.error.as_deref(),
    })
}

impl Letters {
    pub(super) async fn run(self, store: &Store) -> anyhow::Result<()> {
        let cursors = &store.memory.cursors;
        // A sink is nobody's in particular.
        let tenant = TenantId::default();
        match self {
            Self::List { sink, json } => {
                let letters = cursors.letters(sink.as_deref()).await?;
                if json {
                    return store::print_json(&letters);
                }
                let mut table = Table::new(&["SINK", "EVENT", "KIND", "REFUSED AT", "AGAIN", "WHY"]);
                for letter in letters {
                    let again = if letter.again_at.is_some() { "soon" } else { "-" };
                    let refused_at = letter.refused_at.to_string();
                    table.row([letter.sink, letter.event, letter.kind, refused_at, again.to_owned(), letter.why]);
                }
                store::say(table)
            }
            Self::Retry(Which { sink, event }) => {
                let letters = some(cursors.retry(&sink, event.as_deref()).await?)?;
                store.record(&tenant, &sink, DeadLettersRetried { letters: Some(letters), event }).await?;
                store::say(format!("{letters} will be sent again by a running door"))
            }
            Self::Drop(Which { sink, event }) => {
                let letters = some(cursors.give_up(&sink, event.as_deref()).await?)?;
                store.record(&tenant, &sink, DeadLettersDropped { letters: Some(letters), event }).await?;
                store::say(format!("{letters} given up"))
            }
        }
    }
}

fn some(letters: u64) -> anyhow::Result<u64> {
    ensure!(letters > 0, "there is no such dead letter; `doorward audit dead-letters list` shows which there are");
    Ok(letters)
}
