//! How often something happened of late, by whom it concerns.
//!
//! Refuses to grow with whoever is counted: of too many, those are forgotten of whom nothing was heard for longest.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::clock::Timestamp;

/// Of so many it is known how often.
const KEYS: usize = 4096;
/// So many are forgotten at once, so that a crowd costs little.
const ROOM: usize = KEYS / 8;
/// So many times are kept of each.
const TIMES: u32 = 1000;

#[derive(Debug, Default)]
pub(super) struct Counts(HashMap<String, Count>);

#[derive(Debug, Default)]
struct Count {
    times: VecDeque<Timestamp>,
    /// When it was last said to be much.
    told: Option<Timestamp>,
}

impl Counts {
    /// It happened once more: whether that makes `most` within `window`, said once in each.
    pub(super) fn add(&mut self, key: String, at: Timestamp, most: u32, window: Duration) -> bool {
        if most == 0 {
            return false;
        }
        if self.0.len() >= KEYS && !self.0.contains_key(&key) {
            self.make_room(at, window);
        }
        let most = most.min(TIMES) as usize;
        let count = self.0.entry(key).or_default();
        count.times.push_back(at);
        while count.times.len() > most {
            count.times.pop_front();
        }
        let many = count.times.len() == most && count.times.front().is_some_and(|first| at.since(*first) < window);
        let told = count.told.is_some_and(|told| at.since(told) < window);
        if many && !told {
            count.told = Some(at);
        }
        many && !told
    }

    /// Forgets of whom nothing was heard within the window; if that is hardly anybody, an eighth of all, of whom nothing for longest.
    fn make_room(&mut self, now: Timestamp, window: Duration) {
        let last = |count: &Count| count.times.back().copied().unwrap_or_default();
        self.0.retain(|_, count| now.since(last(count)) < window);
        if self.0.len() > KEYS - ROOM {
            let mut all: Vec<Timestamp> = self.0.values().map(last).collect();
            let (_, oldest, _) = all.select_nth_unstable(ROOM);
            self.0.retain(|_, count| last(count) > *oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_forgotten_before_the_one_who_goes_on() {
        let (mut counts, window) = (Counts::default(), Duration::from_secs(60));
        let at = |millis: i64| Timestamp::from_millis(1_800_000_000_000 + millis);
        for number in 0..20_000 {
            counts.add(format!("one of many {number}"), at(number), 3, window);
            if number % 10_000 == 0 {
                counts.add("the one".to_owned(), at(number), 3, window);
            }
            assert!(counts.0.len() <= KEYS);
            if number % 1000 == 0 {
                counts.add("often".to_owned(), at(number), 1000, window);
            }
        }
        assert!(counts.0.contains_key("often"));
        assert!(!counts.0.contains_key("the one"));
    }
}
