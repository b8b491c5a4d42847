//! How many failures are borne in a minute.
//!
//! Refuses to grow with the number of those who fail: counters live in a bounded cache and go after their minute, because a
//! limiter that remembers every address of a botnet is itself the target.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use moka::future::Cache;

use crate::clock::Timestamp;
use crate::crypto::Digest;

/// The time over which failures are counted, and the longest wait.
const WINDOW: Duration = Duration::from_secs(60);
/// Counters kept at once; the least used go first.
const COUNTERS: u64 = 50_000;

/// Whose failures are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// An IPv4 address, or the /64 that one IPv6 customer has all of.
    Source(IpAddr),
    /// A named thing, such as a key's id or an account.
    Name(Digest),
}

impl Party {
    /// Where requests come from.
    #[must_use]
    pub fn source(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::Source(address.into()),
            IpAddr::V6(address) => {
                let network = u128::from(address) & !u128::from(u64::MAX);
                Self::Source(IpAddr::V6(network.into()))
            }
        }
    }

    /// What somebody tries to be. `kind` keeps a key's id apart from an account of the same name.
    #[must_use]
    pub fn name(kind: &str, name: &str) -> Self {
        Self::Name(Digest::of_parts(&[kind.as_bytes(), name.as_bytes()]))
    }

    /// What it is known by in a store.
    #[must_use]
    pub fn digest(&self) -> Digest {
        match self {
            Self::Source(address) => Digest::of_parts(&[b"source", address.to_string().as_bytes()]),
            Self::Name(digest) => *digest,
        }
    }
}

/// Failures of one party since its first in this window.
struct Window {
    since: Timestamp,
    failures: AtomicU32,
}

/// Counts failures. Successes cost nothing: they are not counted.
pub struct FailureLimit {
    per_minute: u32,
    windows: Cache<Party, Arc<Window>>,
}

impl fmt::Debug for FailureLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FailureLimit({} per minute)", self.per_minute)
    }
}

impl FailureLimit {
    /// Bears `per_minute` failures of each party within a minute of its first.
    #[must_use]
    pub fn new(per_minute: u32) -> Self {
        Self { per_minute, windows: Cache::builder().max_capacity(COUNTERS).time_to_live(WINDOW * 2).build() }
    }

    /// Counts a failure of `party`; says how long it has to wait if that was one too many.
    pub async fn fail(&self, party: Party, now: Timestamp) -> Option<Duration> {
        let fresh = || Arc::new(Window { since: now, failures: AtomicU32::new(0) });
        let over = |window: &Arc<Window>| now.since(window.since) >= WINDOW;
        let window = self.windows.entry(party).or_insert_with_if(async { fresh() }, over).await.into_value();
        let failures = window.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        (failures > self.per_minute).then(|| remaining(&window, now))
    }

    /// How long `party` has to wait because it failed too often; `None` if it need not.
    pub async fn wait(&self, party: Party, now: Timestamp) -> Option<Duration> {
        let window = self.windows.get(&party).await?;
        let locked = now.since(window.since) < WINDOW && window.failures.load(Ordering::Relaxed) > self.per_minute;
        locked.then(|| remaining(&window, now))
    }
}

fn remaining(window: &Window, now: Timestamp) -> Duration {
    WINDOW.saturating_sub(now.since(window.since)).max(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

    #[tokio::test]
    async fn one_failure_too_many_means_waiting_for_the_rest_of_the_minute() {
        let limit = FailureLimit::new(3);
        let (noisy, quiet) = (Party::source([192, 0, 2, 1].into()), Party::source([192, 0, 2, 2].into()));
        for _ in 0..3 {
            assert_eq!(limit.fail(noisy, START).await, None);
        }
        assert_eq!(limit.wait(noisy, START).await, None);
        let later = START.after(Duration::from_secs(20));
        assert_eq!(limit.fail(noisy, later).await, Some(Duration::from_secs(40)));
        assert_eq!(limit.wait(noisy, later).await, Some(Duration::from_secs(40)));
        assert_eq!(limit.wait(quiet, later).await, None);
        let over = START.after(Duration::from_secs(60));
        assert_eq!(limit.wait(noisy, over).await, None);
        assert_eq!(limit.fail(noisy, over).await, None);
    }

    #[test]
    fn an_ipv6_customer_is_one_party_and_a_mapped_address_is_its_ipv4_self() {
        let party = |text: &str| Party::source(text.parse().unwrap());
        assert_eq!(party("2001:db8:1:2::1"), party("2001:db8:1:2:ffff::9"));
        assert_ne!(party("2001:db8:1:2::1"), party("2001:db8:1:3::1"));
        assert_eq!(party("::ffff:192.0.2.1"), party("192.0.2.1"));
        assert_ne!(Party::name("client", "a"), Party::name("api_key", "a"));
    }
}
