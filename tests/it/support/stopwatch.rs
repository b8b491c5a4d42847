//! Measures spans that the product promises, on machines that do other things too.
//!
//! The time in which something had to wait for a processor is left out, because a promise of a second is one of the product's and not
//! of a machine with ten times more to do than it can. Where nothing waits this is the wall clock.

use std::time::{Duration, Instant};

/// Of what passes, the part that counts in any case, so that nothing is waited for without end.
const AT_LEAST: u32 = 10;

/// A moment that is measured from, or to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch {
    at: Instant,
    /// How long something had waited for a processor until then.
    stalled: Duration,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self { at: Instant::now(), stalled: stalled() }
    }

    /// What passed until `later`; nothing where that was before.
    pub(crate) fn until(&self, later: &Self) -> Duration {
        let by_the_clock = later.at.saturating_duration_since(self.at);
        by_the_clock.saturating_sub(later.stalled.saturating_sub(self.stalled)).max(by_the_clock / AT_LEAST)
    }

    /// What has passed.
    pub(crate) fn passed(&self) -> Duration {
        self.until(&Self::start())
    }

    /// What has passed with the time in which something had to wait.
    pub(crate) fn by_the_clock(&self) -> Duration {
        self.at.elapsed()
    }

    /// Fails when `limit` has passed.
    #[track_caller]
    pub(crate) fn within(&self, limit: Duration) {
        let passed = self.passed();
        assert!(passed < limit, "only after {passed:?}, by the clock {:?}", self.by_the_clock());
    }
}

/// How long something has been waiting for a processor since this machine was started (proc(5), pressure); nothing where it does not say.
fn stalled() -> Duration {
    let text = std::fs::read_to_string("/proc/pressure/cpu").unwrap_or_default();
    let some = text.lines().find_map(|line| line.strip_prefix("some ")?.split_once("total="));
    Duration::from_micros(some.and_then(|(_, total)| total.parse().ok()).unwrap_or_default())
}
