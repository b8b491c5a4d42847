//! How long a sink waits before it tries again: twice as long each time, by chance anything up to that (full jitter).
//!
//! Refuses to come back sooner than the receiver asked for, because that is what keeps it down.

use std::time::Duration;

use crate::crypto::random;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);
/// Nobody is asked more often.
const SHORTEST: Duration = Duration::from_millis(100);

/// Failed tries in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait before the next try, at least what the receiver asked for.
    pub(super) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let most = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        // Without randomness it waits as long as it would at most.
        let part = random::bytes::<2>().map_or(u16::MAX, u16::from_be_bytes);
        let chance = most.mul_f64(f64::from(part) / f64::from(u16::MAX)).max(SHORTEST);
        asked.map_or(chance, |asked| asked + chance.min(FIRST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_are_spread() {
        let mut backoff = Backoff::default();
        assert!(backoff.next(None) <= FIRST);
        let waits: Vec<_> = (0..200).map(|_| backoff.next(None)).collect();
        assert!(waits.iter().all(|wait| (SHORTEST..=LONGEST).contains(wait)));
        let (short, long) = (waits.iter().filter(|wait| **wait < LONGEST / 3).count(), waits[10..].iter().max());
        assert!(short > 20 && long > Some(&(LONGEST / 3)), "{short} {long:?}");
    }

    #[test]
    fn a_receiver_that_says_when_is_not_asked_before() {
        for _ in 0..50 {
            let wait = Backoff::default().next(Some(Duration::from_secs(60)));
            assert!((Duration::from_secs(60)..=Duration::from_secs(61)).contains(&wait));
        }
    }
}
