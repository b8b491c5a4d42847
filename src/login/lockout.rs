//! Waiting after too many tries, counted in this process: where the store need not answer, and of what matters little after a restart.
//!
//! Refuses to grow without bound, because who makes up names would fill the memory. Passwords and second factors count in the store
//! (`session::tries`).

use std::future::ready;
use std::time::Duration;

use moka::Entry;
use moka::future::Cache;
use moka::ops::compute::Op;

use crate::clock::Timestamp;
use crate::limit::Party;
use crate::session::Bound;

/// Accounts that are remembered; the least used go first.
const COUNTERS: u64 = 100_000;

/// Tries of one account that have not succeeded, in a row.
#[derive(Clone, Copy, Debug)]
struct Row {
    /// When the last try began that was let through.
    last: Timestamp,
    tries: u32,
}

/// A try that may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Try {
    /// Should it fail, the account has to wait.
    pub last: bool,
}

/// Counts wrong passwords of accounts.
pub(super) struct Lockout {
    after: u32,
    lasts: Duration,
    rows: Cache<Party, Row>,
}

impl std::fmt::Debug for Lockout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lockout(after {}, for {:?})", self.after, self.lasts)
    }
}

impl Lockout {
    #[must_use]
    pub(super) fn new(bound: Bound) -> Self {
        let Bound { tries: after, lasts } = bound;
        Self { after, lasts, rows: Cache::builder().max_capacity(COUNTERS).time_to_idle(lasts * 2).build() }
    }

    /// Begins a try, or says how long the account has to wait. The try counts from here on, so that many at once are not one.
    pub(super) async fn begin(&self, account: Party, now: Timestamp) -> Result<Try, Duration> {
        let count = |found: Option<Entry<Party, Row>>| match found.map(Entry::into_value) {
            Some(row) if now.since(row.last) < self.lasts && row.tries >= self.after => Row { tries: self.after + 1, ..row },
            Some(row) if now.since(row.last) < self.lasts => Row { last: now, tries: row.tries + 1 },
            _ => Row { last: now, tries: 1 },
        };
        let row = self.rows.entry(account).and_upsert_with(|found| ready(count(found))).await.into_value();
        if row.tries > self.after {
            return Err(self.lasts.saturating_sub(now.since(row.last)));
        }
        Ok(Try { last: row.tries == self.after })
    }

    /// Forgets the row after a right password.
    pub(super) async fn clear(&self, account: Party) {
        self.rows.invalidate(&account).await;
    }

    /// Takes back one try, which could not be checked. Those before it still count: whoever can make a check fail could otherwise try
    /// without end.
    pub(super) async fn take_back(&self, account: Party) {
        let less = |found: Option<Entry<Party, Row>>| {
            let row = found.map(Entry::into_value).filter(|row| row.tries > 1);
            ready(row.map_or(Op::Remove, |row| Op::Put(Row { tries: row.tries - 1, ..row })))
        };
        self.rows.entry(account).and_compute_with(less).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn lockout() -> Lockout {
        Lockout::new(Bound { tries: 3, lasts: Duration::from_secs(600) })
    }

    #[tokio::test]
    async fn an_account_waits_after_its_last_try_and_no_longer() {
        let (lockout, account) = (lockout(), Party::name("account", "ada"));
        for last in [false, false, true] {
            assert_eq!(lockout.begin(account, NOW).await, Ok(Try { last }));
        }
        let later = NOW.after(Duration::from_secs(100));
        assert_eq!(lockout.begin(account, later).await, Err(Duration::from_secs(500)));
        assert_eq!(lockout.begin(account, later).await, Err(Duration::from_secs(500)), "trying does not prolong it");
        assert!(lockout.begin(Party::name("account", "bob"), NOW).await.is_ok());
        assert_eq!(lockout.begin(account, NOW.after(Duration::from_secs(600))).await, Ok(Try { last: false }));
    }

    #[tokio::test]
    async fn a_right_password_begins_a_new_row() {
        let (lockout, account) = (lockout(), Party::name("account", "ada"));
        for _ in 0..10 {
            assert!(lockout.begin(account, NOW).await.is_ok());
            lockout.clear(account).await;
        }
    }

    #[tokio::test]
    async fn a_try_that_could_not_be_checked_takes_back_itself_and_no_other() {
        let (lockout, account) = (lockout(), Party::name("account", "ada"));
        for _ in 0..2 {
            assert!(lockout.begin(account, NOW).await.is_ok());
        }
        for _ in 0..10 {
            assert_eq!(lockout.begin(account, NOW).await, Ok(Try { last: true }));
            lockout.take_back(account).await;
        }
        assert_eq!(lockout.begin(account, NOW).await, Ok(Try { last: true }));
        assert!(lockout.begin(account, NOW).await.is_err());
    }

    #[tokio::test]
    async fn many_tries_at_once_are_many() {
        let (lockout, account) = (lockout(), Party::name("account", "ada"));
        let tries = futures::future::join_all((0..50).map(|_| lockout.begin(account, NOW))).await;
        assert_eq!(tries.iter().filter(|begun| begun.is_ok()).count(), 3);
    }
}
