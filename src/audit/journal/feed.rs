//! From the disk into the trail.
//!
//! Refuses to let go of an event before the trail has it: after a crash in between it comes a second time, and the trail knows it by its id.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Journal;
use crate::audit::health::Health;
use crate::audit::recorder::{BATCH, RETRY};
use crate::audit::{AuditError, AuditStore, Event};

/// How long more is waited for where few events came: each transaction costs as much as many events do.
const GATHERING: Duration = Duration::from_millis(50);
/// How long the trail may take before what waits is made safe from a loss of power.
const PROMPT: Duration = Duration::from_millis(100);
/// How often it is looked for what a dead process left.
const LOOK: Duration = Duration::from_secs(60);

/// Moves what is in `journal` into `trail`, in order, for as long as it is let.
pub(in crate::audit) async fn feed(trail: Arc<dyn AuditStore>, health: Health, journal: Arc<Journal>) {
    let mut kept = journal.kept.subscribe();
    loop {
        while let Some(count) = empty_next(&*trail, &health, &journal).await {
            if count < BATCH {
                tokio::time::sleep(GATHERING).await;
            }
        }
        adopt(&*trail, &journal).await;
        let more = async { kept.wait_for(|end| *end > *journal.taken.borrow()).await.is_ok() };
        if let Ok(false) = tokio::time::timeout(LOOK, more).await {
            return;
        }
    }
}

/// Moves the oldest events; says how many, if there were any.
async fn empty_next(trail: &dyn AuditStore, health: &Health, journal: &Arc<Journal>) -> Option<usize> {
    let (events, count) = on_disk(journal, oldest).await.filter(|(_, count)| *count > 0)?;
    append_at_last(trail, health, journal, &events).await;
    on_disk(journal, move |journal| taken(journal, count)).await;
    Some(count)
}

/// What dead processes left, for as long as the trail takes it.
async fn adopt(trail: &dyn AuditStore, journal: &Arc<Journal>) {
    for left in on_disk(journal, Journal::left_behind).await.unwrap_or_default() {
        let left = Arc::new(left);
        let events = left.waiting();
        while let Some((events, count @ 1..)) = on_disk(&left, oldest).await {
            if append(trail, &events).await.is_err() {
                return;
            }
            on_disk(&left, move |journal| taken(journal, count)).await;
        }
        tracing::info!(events, file = %left.path.display(), "events that a process left behind are in the audit trail");
        if let Err(error) = std::fs::remove_file(&left.path) {
            tracing::warn!(%error, file = %left.path.display(), "a journal that nobody needs cannot be removed");
        }
    }
}

/// Does `work` where it may wait for the disk; `None` if it could not be done.
async fn on_disk<T: Send + 'static>(journal: &Arc<Journal>, work: impl FnOnce(&Journal) -> T + Send + 'static) -> Option<T> {
    let journal = Arc::clone(journal);
    let done = tokio::task::spawn_blocking(move || work(&journal)).await;
    done.inspect_err(|error| tracing::error!(%error, "the journal of audit events could not be worked on")).ok()
}

/// The oldest events, and how many records they are.
fn oldest(journal: &Journal) -> (Vec<Event>, usize) {
    let mut ring = journal.ring();
    match ring.oldest(BATCH) {
        Ok(records) => {
            drop(ring);
            let events = records.iter().filter_map(|record| readable(journal, record)).collect();
            (events, records.len())
        }
        Err(error) => {
            let events = ring.len();
            tracing::error!(%error, events, "the journal of audit events is damaged: what waited in it is lost");
            journal.lost.fetch_add(events, Ordering::Relaxed);
            told(ring.abandon());
            journal.taken.send_replace(ring.end());
            (Vec::new(), 0)
        }
    }
}

fn readable(journal: &Journal, record: &[u8]) -> Option<Event> {
    let read = serde_json::from_slice(record);
    read.inspect_err(|error| {
        journal.lost.fetch_add(1, Ordering::Relaxed);
        tracing::error!(%error, "an event in the journal was written by another version and is lost");
    })
    .ok()
}

fn taken(journal: &Journal, count: usize) {
    let mut ring = journal.ring();
    told(ring.take(count));
    journal.taken.send_replace(ring.end() - ring.len());
}

fn told(done: io::Result<()>) {
    if let Err(error) = done {
        tracing::error!(%error, "the journal of audit events cannot be written");
    }
}

async fn append_at_last(trail: &dyn AuditStore, health: &Health, journal: &Arc<Journal>, events: &[Event]) {
    let mut silent = false;
    loop {
        let mut trying = std::pin::pin!(append(trail, events));
        let done = if let Ok(done) = tokio::time::timeout(PROMPT, &mut trying).await {
            done
        } else {
            on_disk(journal, Journal::sync).await;
            trying.await
        };
        let Err(error) = health.noted(done) else { break };
        on_disk(journal, Journal::sync).await;
        if !std::mem::replace(&mut silent, true) {
            tracing::warn!(%error, "audit events wait on the disk for the store");
        }
        tokio::time::sleep(RETRY).await;
    }
    if silent {
        tracing::info!("the store takes audit events again");
    }
}

async fn append(trail: &dyn AuditStore, events: &[Event]) -> Result<(), AuditError> {
    if events.is_empty() { Ok(()) } else { trail.append(events.to_vec()).await }
}
