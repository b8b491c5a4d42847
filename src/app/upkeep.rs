//! Upkeep of the stores: what is over leaves after a while.
//!
//! Refuses to remove what is recent: an ended session's tombstone outlives every cache and cookie that may still hold the session.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

use super::memory::Memory;
use crate::audit::{Occasion, Spool, spool};
use crate::clock::SharedClock;
use crate::directory::BreakGlassFile;

const EVERY: Duration = Duration::from_secs(3600);
/// How often it is stated where the chains of the audit trail stand.
const CHECKPOINTS: Duration = Duration::from_secs(60);
/// How long an expired session can still be looked at.
const EXPIRED_SESSIONS: Duration = Duration::from_secs(24 * 3600);

/// How long a sign-in by mail counts against its address.
const MAILED_LINKS: Duration = Duration::from_secs(25 * 3600);

/// How long a network is known to a key that is not used from it.
const NETWORKS: Duration = Duration::from_secs(180 * 24 * 3600);

/// When the allocator is first asked to give memory back, and how often then.
const STARTED: Duration = Duration::from_secs(2);
const GIVE_BACK: Duration = Duration::from_secs(60);
/// Bytes that the allocator does not keep for another time.
const LARGE: usize = 4 * 1024 * 1024;

/// Removes old sessions, and audit events older than `retention`, now and every hour until the handle is dropped.
pub fn start(memory: Memory, clock: SharedClock, retention: Duration) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            purge(&memory, &clock, retention).await;
            tokio::time::sleep(EVERY).await;
        }
    }))
}

/// Lets the allocator give back what starting, a reload or a burst of requests has used, until the handle is dropped. It does so when
/// something large is freed, and a door that nobody asks frees nothing.
pub fn give_back() -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async {
        tokio::time::sleep(STARTED).await;
        loop {
            // Never written to, it takes no memory itself.
            drop(std::hint::black_box(Vec::<u8>::with_capacity(LARGE)));
            tokio::time::sleep(GIVE_BACK).await;
        }
    }))
}

/// States where the chains of the audit trail stand, every minute until the handle is dropped.
pub fn checkpoints(memory: &Memory) -> AbortOnDropHandle<()> {
    let proof = memory.proof.clone();
    AbortOnDropHandle::new(tokio::spawn(async move {
        let Some(proof) = proof else { return };
        loop {
            tokio::time::sleep(CHECKPOINTS).await;
            if let Err(error) = proof.checkpoint(Occasion::Regular).await {
                tracing::warn!(%error, "it could not be stated where the audit trail stands");
            }
        }
    }))
}

/// Moves events that wait on the disk into the trail, until the handle is dropped.
pub fn follow_spool(memory: &Memory, break_glass_file: &Path) -> AbortOnDropHandle<()> {
    let spool = Spool::new(BreakGlassFile::beside(break_glass_file, ".spool"));
    AbortOnDropHandle::new(tokio::spawn(spool::follow(spool, Arc::clone(&memory.trail))))
}

async fn purge(memory: &Memory, clock: &SharedClock, retention: Duration) {
    let now = clock.now();
    match memory.sessions.purge(now.before(EXPIRED_SESSIONS)).await {
        Ok(sessions) => tracing::debug!(sessions, "old sessions were removed"),
        Err(error) => tracing::warn!(%error, "old sessions were not removed"),
    }
    match memory.links.purge_links(now.before(MAILED_LINKS)).await {
        Ok(links) => tracing::debug!(links, "old sign-ins by mail were removed"),
        Err(error) => tracing::warn!(%error, "old sign-ins by mail were not removed"),
    }
    match memory.tries.purge_tries(now).await {
        Ok(tries) => tracing::debug!(tries, "tries that do not count any more were removed"),
        Err(error) => tracing::warn!(%error, "tries that do not count any more were not removed"),
    }
    match memory.networks.purge_networks(now.before(NETWORKS)).await {
        Ok(networks) => tracing::debug!(networks, "networks that no key is used from any more were forgotten"),
        Err(error) => tracing::warn!(%error, "networks that no key is used from any more were not forgotten"),
    }
    match memory.trail.purge(now.before(retention)).await {
        Ok(events) => tracing::debug!(events, "old audit events were removed"),
        Err(error) => tracing::warn!(%error, "old audit events were not removed"),
    }
}
