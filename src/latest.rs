//! The latest time of each of many keys, gathered in memory until somebody writes them down together.
//!
//! Refuses to grow without bound: past its capacity a new key waits for the next round, because "last used" may be late but
//! memory may not run out.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Timestamp;

/// Requests on different cores rarely meet in one of sixteen.
const SHARDS: usize = 16;
const KEYS_PER_SHARD: usize = 8192;

type Shard<K> = Mutex<HashMap<K, Timestamp>>;

/// Times by key. Noting one takes a lock for some tens of nanoseconds and allocates only for a new key.
#[derive(Debug)]
pub struct Latest<K> {
    shards: [Shard<K>; SHARDS],
    spread: RandomState,
}

impl<K> Default for Latest<K> {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Shard::default()), spread: RandomState::new() }
    }
}

impl<K: Hash + Eq> Latest<K> {
    /// Notes that `key` was seen `at`; an earlier time than the noted one changes nothing.
    pub fn note<Q>(&self, key: &Q, at: Timestamp)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let place = usize::try_from(self.spread.hash_one(key) % SHARDS as u64).unwrap_or_default();
        let mut shard = lock(&self.shards[place]);
        if let Some(noted) = shard.get_mut(key) {
            *noted = at.max(*noted);
        } else if shard.len() < KEYS_PER_SHARD {
            shard.insert(key.to_owned(), at);
        }
    }

    /// Everything noted since the last call.
    #[must_use]
    pub fn take(&self) -> Vec<(K, Timestamp)> {
        self.shards.iter().flat_map(|shard| std::mem::take(&mut *lock(shard))).collect()
    }
}

/// A thread that died while noting a time has left the map whole.
fn lock<K>(shard: &Shard<K>) -> MutexGuard<'_, HashMap<K, Timestamp>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn only_the_latest_time_of_a_key_is_kept_and_taken_once() {
        let latest = Latest::<String>::default();
        for (key, seconds) in [("a", 1), ("b", 5), ("a", 3), ("a", 2)] {
            latest.note(key, at(seconds));
        }
        let mut taken = latest.take();
        taken.sort();
        assert_eq!(taken, [("a".to_owned(), at(3)), ("b".to_owned(), at(5))]);
        assert_eq!(latest.take(), []);
    }

    #[test]
    fn keys_past_the_capacity_wait_but_known_ones_go_on() {
        let latest = Latest::<u64>::default();
        latest.note(&0, at(1));
        for key in 0..400_000 {
            latest.note(&key, at(2));
        }
        let taken = latest.take();
        assert!(taken.len() <= SHARDS * KEYS_PER_SHARD, "{}", taken.len());
        assert!(taken.contains(&(0, at(2))));
        latest.note(&400_001, at(3));
        assert_eq!(latest.take(), [(400_001, at(3))]);
    }
}
