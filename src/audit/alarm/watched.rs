//! The trail as the recorder sees it: alarms are added after the events that set them off, in the same piece.
//!
//! Refuses to count an event twice because the store was away at the first try, and to lose the alarm that it set off.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::{Alarms, Rules};
use crate::audit::{AuditError, AuditFilter, AuditStore, Entry, Event, Head, Listing};
use crate::clock::Timestamp;
use crate::model::UserId;

/// Events that were heard and may come again; the newest.
const AGAIN: usize = 8192;
/// Alarms that the trail has not taken yet; the newest.
const OWED: usize = 1024;

/// A trail that is watched.
#[derive(Debug)]
pub struct Watched {
    trail: Arc<dyn AuditStore>,
    alarms: Alarms,
    unwritten: Mutex<Unwritten>,
}

/// What the trail did not take.
#[derive(Debug, Default)]
struct Unwritten {
    /// Events that were heard: ids are in the order of time.
    heard: BTreeSet<Uuid>,
    alarms: VecDeque<Event>,
}

impl Unwritten {
    fn keep(&mut self, ids: Vec<Uuid>, alarms: Vec<Event>) {
        self.heard.extend(ids);
        while self.heard.len() > AGAIN {
            self.heard.pop_first();
        }
        self.alarms.extend(alarms);
        let over = self.alarms.len().saturating_sub(OWED);
        self.alarms.drain(..over);
    }
}

impl Watched {
    #[must_use]
    pub fn new(trail: Arc<dyn AuditStore>) -> Self {
        Self { trail, alarms: Alarms::default(), unwritten: Mutex::default() }
    }

    /// Puts other rules in force.
    pub fn follow(&self, rules: Rules) {
        self.alarms.follow(rules);
    }

    /// How long it is learnt from where a key or client is used; `None`: nobody wants to know of a new network.
    #[must_use]
    pub fn learning(&self) -> Option<Duration> {
        self.alarms.learning()
    }

    fn unwritten(&self) -> MutexGuard<'_, Unwritten> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What follows from `events` and from what could not be written before.
    fn hear(&self, events: &[Event]) -> Vec<Event> {
        let mut unwritten = self.unwritten();
        let mut alarms: Vec<Event> = unwritten.alarms.drain(..).collect();
        for event in events {
            if !unwritten.heard.remove(&event.id) {
                alarms.extend(self.alarms.hear(event));
            }
        }
        alarms
    }
}

#[async_trait]
impl AuditStore for Watched {
    async fn append(&self, events: Vec<Event>) -> Result<(), AuditError> {
        let alarms = self.hear(&events);
        let ids: Vec<Uuid> = events.iter().map(|event| event.id).collect();
        // Whoever is told that it failed may give up; what followed from it does not.
        let done = self.trail.append(events.into_iter().chain(alarms.iter().cloned()).collect()).await;
        if done.is_err() {
            self.unwritten().keep(ids, alarms);
        }
        done
    }

    async fn search(&self, filter: &AuditFilter) -> Result<Listing, AuditError> {
        self.trail.search(filter).await
    }

    async fn following(&self, chain: &str, after_link: i64, limit: u32) -> Result<Vec<Entry>, AuditError> {
        self.trail.following(chain, after_link, limit).await
    }

    async fn heads(&self) -> Result<Vec<Head>, AuditError> {
        self.trail.heads().await
    }

    async fn forget(&self, person: UserId, names: &[String]) -> Result<u64, AuditError> {
        self.trail.forget(person, names).await
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, AuditError> {
        self.trail.purge(before).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::audit::moody::Moody;
    use crate::audit::{Kind, Outcome};
    use crate::model::TenantId;

    fn removal() -> Event {
        Event::new(Timestamp::from_seconds(1_800_000_000), Kind::UserDeleted, Outcome::Success, &TenantId::default())
    }

    #[tokio::test]
    async fn what_is_written_at_a_second_try_counts_once_and_an_alarm_outlives_the_event_that_set_it_off() {
        let trail = Arc::new(Moody::default());
        let watched = Watched::new(trail.clone());
        watched.follow(Rules { mass_deprovisioning: 3, window: Duration::from_secs(60), ..Rules::default() });
        let again = removal();
        trail.down.store(true, Ordering::SeqCst);
        for _ in 0..5 {
            assert!(watched.append(vec![again.clone()]).await.is_err());
        }
        trail.down.store(false, Ordering::SeqCst);
        assert!(watched.append(vec![again, removal()]).await.is_ok());
        assert_eq!(trail.kinds(), [Kind::UserDeleted; 2], "two are not three");

        trail.down.store(true, Ordering::SeqCst);
        assert!(watched.append(vec![removal()]).await.is_err(), "whoever asked for it gives up");
        trail.down.store(false, Ordering::SeqCst);
        for _ in 0..2 {
            assert!(
                watched
                    .append(vec![Event::new(removal().at, Kind::SignOut, Outcome::Success, &TenantId::default())])
                    .await
                    .is_ok()
            );
        }
        assert_eq!(trail.kinds()[2..], [Kind::SignOut, Kind::MassDeprovisioning, Kind::SignOut]);
    }

    #[tokio::test]
    async fn a_trail_that_is_down_for_long_does_not_fill_the_memory() {
        let trail = Arc::new(Moody::default());
        trail.down.store(true, Ordering::SeqCst);
        let watched = Watched::new(trail);
        for _ in 0..AGAIN / 256 + 8 {
            assert!(watched.append((0..256).map(|_| removal()).collect()).await.is_err());
        }
        watched.unwritten().keep(Vec::new(), (0..2 * OWED).map(|_| removal()).collect());
        let unwritten = watched.unwritten();
        assert_eq!((unwritten.heard.len(), unwritten.alarms.len()), (AGAIN, OWED));
    }
}
