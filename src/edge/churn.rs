//! How the streams of one HTTP/2 connection end, and the end of a connection whose client opens them only to throw them away.
//!
//! Refuses the rapid reset whatever its pace, because every such stream is work for the application that nobody waits for
//! (CVE-2023-44487, threats D1). The engine counts resets that come before it looks; these are the ones that come just after.
//! Streams that are given up later, such as long calls, do not count: their client did wait.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::live::LiveHandle;

/// A stream that its client gives up within this time was hardly waited for.
const SOON: Duration = Duration::from_secs(1);
/// What is counted is forgotten after this time, so that a connection that lives for days is judged by what it does now.
const SPAN: Duration = Duration::from_secs(60);
/// Streams given up soon that a connection may have in a span; beyond, it ends if they are more than half of its streams.
const MOST: u32 = 500;

/// One connection's tally.
#[derive(Debug)]
pub struct Churn {
    connection: LiveHandle,
    tally: Mutex<Tally>,
}

#[derive(Debug)]
struct Tally {
    since: Instant,
    ended: u32,
    given_up: u32,
}

impl Churn {
    pub(super) fn of(connection: LiveHandle) -> Self {
        Self { connection, tally: Mutex::new(Tally { since: Instant::now(), ended: 0, given_up: 0 }) }
    }

    /// Notes that a stream ended `after` it began, and whether its client reset it; ends the connection if that was too often.
    pub(super) fn note(&self, after: Duration, reset: bool) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        if tally.note(Instant::now(), reset && after < SOON) {
            tracing::info!(given_up = tally.given_up, ended = tally.ended, "a client resets its streams again and again");
            self.connection.cut();
        }
    }
}

impl Tally {
    /// Says whether it is too much.
    fn note(&mut self, now: Instant, given_up: bool) -> bool {
        if now.duration_since(self.since) > SPAN {
            (self.since, self.ended, self.given_up) = (now, 0, 0);
        }
        self.ended = self.ended.saturating_add(1);
        self.given_up = self.given_up.saturating_add(u32::from(given_up));
        given_up && self.given_up > MOST && self.given_up > self.ended / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally() -> (Instant, Tally) {
        let now = Instant::now();
        (now, Tally { since: now, ended: 0, given_up: 0 })
    }

    #[test]
    fn d1_more_than_half_of_very_many_is_too_much() {
        let (now, mut all) = tally();
        assert_eq!((0..1000).position(|_| all.note(now, true)), Some(500));
        let (now, mut half) = tally();
        assert!((0..10_000).all(|turn| !half.note(now, turn % 2 == 1)), "as many were waited for");
        let (now, mut more) = tally();
        assert!((0..10_000).any(|turn| more.note(now, turn % 3 != 0)));
    }

    #[test]
    fn d1_what_was_long_ago_is_forgotten() {
        let (now, mut tally) = tally();
        assert!((0..500).all(|_| !tally.note(now, true)));
        assert!((0..500).all(|_| !tally.note(now + SPAN + SOON, true)));
        assert!(tally.note(now + SPAN + SOON, true));
    }
}
