//! Counting on the request's path: plain relaxed atomics, added up when somebody asks.
//!
//! Refuses locks, look-ups and floating point while a request is served, because counting must cost next to nothing.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A count that only grows.
#[derive(Debug, Default)]
pub struct Tally(AtomicU64);

impl Tally {
    pub fn one(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    #[must_use]
    pub fn read(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A count that rises and falls, or a value that is replaced.
#[derive(Debug, Default)]
pub struct Level(AtomicI64);

impl Level {
    pub fn rise(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub fn fall(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    #[must_use]
    pub fn read(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// Upper bounds of the buckets, inclusive, in microseconds: 250 µs to 10 s.
const BOUNDS: [u32; 15] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// How long things took, in buckets.
#[derive(Debug, Default)]
pub struct Durations {
    /// One for each bound and one for what took longer.
    buckets: [Tally; BOUNDS.len() + 1],
    micros: Tally,
}

/// What [`Durations`] held at one moment, in the terms of Prometheus: seconds, and counts that are not yet cumulative.
#[derive(Debug, PartialEq)]
pub struct Distribution {
    pub sum: f64,
    pub count: u64,
    pub buckets: Vec<(f64, u64)>,
}

impl Durations {
    pub fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let place = BOUNDS.iter().position(|bound| micros <= u64::from(*bound)).unwrap_or(BOUNDS.len());
        self.buckets[place].one();
        self.micros.add(micros);
    }

    #[must_use]
    pub fn read(&self) -> Distribution {
        let counts = self.buckets.iter().map(Tally::read);
        let bounds = BOUNDS.iter().map(|bound| f64::from(*bound) / 1e6).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        Distribution { sum: Duration::from_micros(self.micros.read()).as_secs_f64(), count, buckets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_falls_into_the_first_bucket_that_holds_it() {
        let durations = Durations::default();
        for micros in [250, 251, 10_000_001] {
            durations.record(Duration::from_micros(micros));
        }
        let read = durations.read();
        assert_eq!(read.count, 3);
        assert!((read.sum - 10.000_502).abs() < 1e-9);
        let filled: Vec<_> = read.buckets.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(0.000_25, 1), (0.000_5, 1), (f64::INFINITY, 1)]);
    }
}
