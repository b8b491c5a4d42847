//! How often something happened of late, by whom it concerns.
//!
//! Refuses to grow with whoever is counted: of too many, those are forgotten of whom nothing was heard for longest. Times need not come in
//! order: clocks differ, and what had to wait for the store is heard of late.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::clock::Timestamp;

/// Of so many it is known how often.
const KEYS: usize = 4096;
/// So many are forgotten at once, so that a crowd costs little.
const ROOM: usize = KEYS / 8;
/// So many times are kept of each.
const TIMES: u32 = 1000;
/// So many more, among which those that come late find their place.
const LATE: usize = 64;
/// So many times that it was said are kept of each.
const TOLD: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Counts(HashMap<String, Count>);

#[derive(Debug, Default)]
struct Count {
    /// The earliest first.
    times: VecDeque<Timestamp>,
    /// When it was said to be much.
    told: VecDeque<Timestamp>,
}

impl Counts {
    /// It happened once more: whether that makes `most` within `window`, said once in each.
    pub(super) fn add(&mut self, key: String, at: Timestamp, most: u32, window: Duration) -> bool {
        if most == 0 {
            return false;
        }
        let most = most.min(TIMES) as usize;
        let count = self.of(key, at, window);
        count.keep(at, most);
        let many = count.is_much(at, most, window) && !count.is_told(at, window);
        if many {
            count.tell(at);
        }
        many
    }

    /// Somebody said that it is much.
    pub(super) fn told(&mut self, key: String, at: Timestamp, window: Duration) {
        self.of(key, at, window).tell(at);
    }

    fn of(&mut self, key: String, at: Timestamp, window: Duration) -> &mut Count {
        if self.0.len() >= KEYS && !self.0.contains_key(&key) {
            self.make_room(at, window);
        }
        self.0.entry(key).or_default()
    }

    /// Forgets of whom nothing was heard within the window; if that is hardly anybody, an eighth of all, of whom nothing for longest.
    fn make_room(&mut self, now: Timestamp, window: Duration) {
        self.0.retain(|_, count| now.since(count.last()) < window);
        if self.0.len() > KEYS - ROOM {
            let mut all: Vec<Timestamp> = self.0.values().map(Count::last).collect();
            let (_, oldest, _) = all.select_nth_unstable(ROOM);
            self.0.retain(|_, count| count.last() > *oldest);
        }
    }
}

impl Count {
    fn last(&self) -> Timestamp {
        self.times.back().max(self.told.back()).copied().unwrap_or_default()
    }

    fn keep(&mut self, at: Timestamp, most: usize) {
        let place = self.times.partition_point(|time| *time <= at);
        self.times.insert(place, at);
        while self.times.len() > most + LATE {
            self.times.pop_front();
        }
    }

    /// Whether what happened `at` is one of `most` within `window`.
    fn is_much(&self, at: Timestamp, most: usize, window: Duration) -> bool {
        let place = self.times.partition_point(|time| *time < at);
        let within = |first: usize| {
            let ends = self.times.get(first).zip(self.times.get(first + most - 1));
            ends.is_some_and(|(first, last)| last.since(*first) < window)
        };
        self.times.get(place) == Some(&at) && ((place + 1).saturating_sub(most)..=place).any(within)
    }

    fn is_told(&self, at: Timestamp, window: Duration) -> bool {
        self.told.iter().any(|told| at.since(*told).max(told.since(at)) < window)
    }

    fn tell(&mut self, at: Timestamp) {
        self.told.push_back(at);
        while self.told.len() > TOLD {
            self.told.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn second(second: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + second)
    }

    #[test]
    fn a_crowd_is_forgotten_before_the_one_who_goes_on() {
        let mut counts = Counts::default();
        let at = |millis: i64| Timestamp::from_millis(1_800_000_000_000 + millis);
        for number in 0..20_000 {
            counts.add(format!("one of many {number}"), at(number), 3, MINUTE);
            if number % 10_000 == 0 {
                counts.add("the one".to_owned(), at(number), 3, MINUTE);
            }
            assert!(counts.0.len() <= KEYS);
            if number % 1000 == 0 {
                counts.add("often".to_owned(), at(number), 1000, MINUTE);
            }
        }
        assert!(counts.0.contains_key("often"));
        assert!(!counts.0.contains_key("the one"));
    }

    #[test]
    fn what_is_heard_late_counts_where_it_belongs() {
        let mut counts = Counts::default();
        let mut much = |key: &str, seconds: &[i64]| -> Vec<i64> {
            let one = |at: &&i64| counts.add(key.to_owned(), second(**at), 3, MINUTE);
            seconds.iter().filter(one).copied().collect()
        };
        assert_eq!(much("thin", &[0, 600, 1200, 1, 601, 1201, 2400]), [0; 0], "two each time, whoever is heard first");
        assert_eq!(much("late", &[0, 600, 1200, 1, 601, 1201, 2, 602]), [2, 602], "three each time");
        assert_eq!(much("apart", &[10, 8, 12, 7, 13]), [12], "once, though clocks differ");
    }

    #[test]
    fn what_somebody_else_has_said_is_not_said_again() {
        let mut counts = Counts::default();
        counts.told("it".to_owned(), second(30), MINUTE);
        let mut much = |at| counts.add("it".to_owned(), second(at), 2, MINUTE);
        assert_eq!([0, 1, 31, 89].map(&mut much), [false; 4]);
        assert_eq!([90, 91].map(&mut much), [true, false]);
    }

    #[test]
    fn of_each_only_so_much_is_kept() {
        let mut counts = Counts::default();
        for at in 0..10_000 {
            counts.add("it".to_owned(), second(at), 3, MINUTE);
            counts.told("it".to_owned(), second(at), MINUTE);
        }
        let count = &counts.0["it"];
        assert_eq!((count.times.len(), count.told.len()), (3 + LATE, TOLD));
    }
}
