//! How many events there may be of a kind that strangers cause at will.
//!
//! Refuses to let whoever sends garbage fill the disk, and to hide that there was more: the next event says how much was left out.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;

const SPAN: Duration = Duration::from_secs(60);
/// Events in a span.
const MOST: u32 = 60;

/// What is left for this span.
#[derive(Debug, Default)]
pub(super) struct Allowance(Mutex<Span>);

#[derive(Debug, Default)]
struct Span {
    since: Option<Timestamp>,
    used: u32,
    left_out: u64,
}

impl Allowance {
    /// Takes one: how many were left out since the last; `None` if this one is, too.
    pub(super) fn take(&self, now: Timestamp) -> Option<u64> {
        let mut span = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if span.since.is_none_or(|since| now.since(since) >= SPAN) {
            (span.since, span.used) = (Some(now), 0);
        }
        if span.used == MOST {
            span.left_out += 1;
            return None;
        }
        span.used += 1;
        Some(std::mem::take(&mut span.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_in_a_minute_and_then_how_many_more_there_were() {
        let (allowance, start) = (Allowance::default(), Timestamp::from_seconds(1_800_000_000));
        assert!((0..MOST).all(|_| allowance.take(start) == Some(0)));
        assert!((0..7).all(|_| allowance.take(start.after(Duration::from_secs(59))).is_none()));
        let later = start.after(SPAN);
        assert_eq!((allowance.take(later), allowance.take(later)), (Some(7), Some(0)));
    }
}
