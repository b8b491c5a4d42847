//! Revocation: what changed in the store reaches every cache and every open stream.
//!
//! Refuses to lose a change silently: a subscriber that fell behind is told [`Change::Everything`], because forgetting too much
//! costs a look-up and forgetting too little keeps a door open.

mod ear;
mod follower;
mod valkey;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::broadcast;

use crate::clock::Timestamp;
use crate::model::{Change, Listeners};

pub use follower::Follower;
pub use valkey::ValkeyFollower;

/// Changes a subscriber may be behind before it has to forget everything.
const BACKLOG: usize = 1024;
const FOLLOWING: i64 = i64::MIN;

/// Where changes are heard from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// The store.
    Store,
    /// The store of sessions, where that is another.
    Sessions,
}

/// Hands changes to whoever has to forget something. Clones share it.
#[derive(Clone)]
pub struct Bus {
    changes: broadcast::Sender<Change>,
    /// Who has to have forgotten before anything else happens.
    forgetful: Listeners,
    /// For each [`Feed`] since when nothing could be heard from it, or [`FOLLOWING`].
    blind_since: Arc<[AtomicI64; 2]>,
}

/// Whether the bus hears of the changes that others make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedState {
    Following,
    /// A store has not answered since then: a revocation made elsewhere is not yet known here.
    BlindSince(Timestamp),
}

impl Default for Bus {
    fn default() -> Self {
        let following = || AtomicI64::new(FOLLOWING);
        Self {
            changes: broadcast::Sender::new(BACKLOG),
            forgetful: Listeners::default(),
            blind_since: Arc::new([following(), following()]),
        }
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus").field("state", &self.state()).finish_non_exhaustive()
    }
}

impl Bus {
    /// Everything published from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        Subscription(self.changes.subscribe())
    }

    /// `forget` is called for every change from now on, when it is published or made here, and must not wait.
    pub fn forget_by(&self, forget: impl Fn(&Change) + Send + Sync + 'static) {
        self.forgetful.add(forget);
    }

    pub fn publish(&self, change: Change) {
        self.forgetful.tell(&change);
        // Nobody listening is nobody who has a stream to end.
        let _ = self.changes.send(change);
    }

    /// Has what this process changed forgotten by the time its maker is answered, and not when the feed tells of it.
    fn hear_at_once(&self, of: &Listeners) {
        let forgetful = self.forgetful.clone();
        of.add(move |change| forgetful.tell(change));
    }

    /// Of all feeds: blind since the first of them is.
    #[must_use]
    pub fn state(&self) -> FeedState {
        let since = self.blind_since.iter().map(|since| since.load(Ordering::Relaxed)).filter(|since| *since != FOLLOWING);
        since.min().map_or(FeedState::Following, |since| FeedState::BlindSince(Timestamp::from_millis(since)))
    }

    /// Notes that nothing can be heard from `feed` since `at`, unless that was so before; says whether it was not.
    fn blind(&self, feed: Feed, at: Timestamp) -> bool {
        let since = &self.blind_since[feed as usize];
        since.compare_exchange(FOLLOWING, at.millis(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Notes that changes are heard from `feed` again; says whether they were not before.
    fn following(&self, feed: Feed) -> bool {
        self.blind_since[feed as usize].swap(FOLLOWING, Ordering::Relaxed) != FOLLOWING
    }
}

/// One subscriber's place in the stream of changes.
#[derive(Debug)]
pub struct Subscription(broadcast::Receiver<Change>);

impl Subscription {
    /// The next change, [`Change::Everything`] after falling behind, or `None` when the bus is gone.
    pub async fn next(&mut self) -> Option<Change> {
        match self.0.recv().await {
            Ok(change) => Some(change),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Change::Everything),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Digest;

    #[tokio::test]
    async fn a_subscriber_that_fell_behind_forgets_everything() {
        let bus = Bus::default();
        let mut late = bus.subscribe();
        let change = |number: usize| Change::Session(Digest::of(&number.to_be_bytes()));
        for number in 0..=BACKLOG {
            bus.publish(change(number));
        }
        assert_eq!(late.next().await, Some(Change::Everything));
        assert_eq!(late.next().await, Some(change(1)));
        drop(bus);
        let mut last = None;
        while let Some(next) = late.next().await {
            last = Some(next);
        }
        assert_eq!(last, Some(change(BACKLOG)));
    }

    #[test]
    fn blindness_is_counted_from_its_beginning() {
        let bus = Bus::default();
        assert_eq!(bus.state(), FeedState::Following);
        assert!(bus.blind(Feed::Store, Timestamp::from_seconds(10)));
        assert!(!bus.blind(Feed::Store, Timestamp::from_seconds(20)));
        assert_eq!(bus.state(), FeedState::BlindSince(Timestamp::from_seconds(10)));
        assert!(bus.following(Feed::Store));
        assert!(!bus.following(Feed::Store));
        assert_eq!(bus.state(), FeedState::Following);
    }

    #[test]
    fn a_bus_sees_only_when_all_its_feeds_do() {
        let bus = Bus::default();
        assert!(bus.blind(Feed::Store, Timestamp::from_seconds(20)));
        assert!(bus.blind(Feed::Sessions, Timestamp::from_seconds(10)));
        assert_eq!(bus.state(), FeedState::BlindSince(Timestamp::from_seconds(10)));
        assert!(bus.following(Feed::Sessions));
        assert_eq!(bus.state(), FeedState::BlindSince(Timestamp::from_seconds(20)));
        assert!(bus.following(Feed::Store));
        assert_eq!(bus.state(), FeedState::Following);
    }
}
