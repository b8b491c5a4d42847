//! The answers about the credentials of the last requests, found by the credentials themselves.
//!
//! Refuses to know anything that the cache behind it does not, which goes by digests and asks whoever has to be asked: it only spares those who
//! send the same credential with each request the digest and the look-up, which are most of what a check costs. Whether an answer still
//! holds is for its taker to judge, as with the cache.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;

use crate::clock::Timestamp;
use crate::crypto::Secret;

/// Credentials of so many callers at the same time: 8 KiB, and the credentials.
const PLACES: usize = 1024;
/// Bytes: longer ones are left to the cache, so that all places take 4 MiB at most.
const LONGEST: usize = 4096;
/// Bytes of its end that a place is found by: of a token that is its signature, of the others all are random.
const END: usize = 16;
/// How long a credential keeps its place at least, so that two that want the same one do not put each other out with each request.
const KEPT: Duration = Duration::from_secs(1);
/// How long it is not asked for again.
const LIFE: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Seen<A> {
    credential: Secret,
    answer: Arc<A>,
    since: Timestamp,
}

/// Answers of one kind of credential: a credential is none of another kind (threats J13).
#[derive(Debug)]
pub(super) struct Recent<A> {
    places: Box<[ArcSwapOption<Seen<A>>]>,
    /// Nobody outside can tell which credentials want the same place.
    spread: RandomState,
}

impl<A> Default for Recent<A> {
    fn default() -> Self {
        Self { places: std::iter::repeat_with(ArcSwapOption::empty).take(PLACES).collect(), spread: RandomState::new() }
    }
}

impl<A> Recent<A> {
    /// What was answered about exactly this credential within the last ten seconds. Constant-time in the credential.
    pub(super) fn answer(&self, credential: &str, now: Timestamp) -> Option<Arc<A>> {
        let seen = self.place(credential).load();
        let seen = seen.as_ref().filter(|seen| seen.is_young(now, LIFE) && seen.credential.is(credential))?;
        Some(Arc::clone(&seen.answer))
    }

    /// Remembers a credential that came again.
    pub(super) fn keep(&self, credential: &str, answer: &Arc<A>, now: Timestamp) {
        let place = self.place(credential);
        let taken = place.load().as_ref().is_some_and(|seen| seen.is_young(now, KEPT));
        if !taken && credential.len() <= LONGEST {
            let credential = Secret::new(credential.to_owned());
            place.store(Some(Arc::new(Seen { credential, answer: Arc::clone(answer), since: now })));
        }
    }

    /// Whatever has the credential's place has it no more.
    pub(super) fn forget(&self, credential: &str) {
        self.place(credential).store(None);
    }

    fn place(&self, credential: &str) -> &ArcSwapOption<Seen<A>> {
        let end = &credential.as_bytes()[credential.len().saturating_sub(END)..];
        &self.places[usize::try_from(self.spread.hash_one(end) % PLACES as u64).unwrap_or_default()]
    }
}

impl<A> Seen<A> {
    /// Not where the clock was put back since.
    fn is_young(&self, now: Timestamp, age: Duration) -> bool {
        self.since <= now && now < self.since.after(age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJlLW9mLXNpeHR5LWZvdXItYnl0ZXM";

    #[test]
    fn a_credential_is_known_for_ten_seconds_and_no_other_is() {
        let (recent, answer) = (Recent::default(), Arc::new("the answer"));
        recent.keep(TOKEN, &answer, NOW);
        assert!(Arc::ptr_eq(&recent.answer(TOKEN, NOW).unwrap(), &answer));
        for place in 0..TOKEN.len() {
            // Its end says where it is looked for, and all others must not be found there either.
            let mut other = TOKEN.as_bytes().to_vec();
            other[place] ^= 1;
            assert!(recent.answer(std::str::from_utf8(&other).unwrap(), NOW).is_none(), "{place}");
        }
        for shorter in 0..TOKEN.len() {
            assert!(recent.answer(&TOKEN[shorter + 1..], NOW).is_none(), "{shorter}");
        }
        assert!(recent.answer(TOKEN, NOW.after(LIFE).before(Duration::from_millis(1))).is_some());
        assert!(recent.answer(TOKEN, NOW.after(LIFE)).is_none());
        assert!(recent.answer(TOKEN, NOW.before(Duration::from_millis(1))).is_none(), "the clock was put back");
        recent.forget(TOKEN);
        assert!(recent.answer(TOKEN, NOW).is_none());
    }

    #[test]
    fn who_wants_the_place_of_another_gets_it_after_a_second() {
        let (recent, other) = (Recent::<()>::default(), format!("other.{TOKEN}"));
        recent.keep(TOKEN, &Arc::new(()), NOW);
        recent.keep(&other, &Arc::new(()), NOW);
        assert!(recent.answer(TOKEN, NOW).is_some());
        assert!(recent.answer(&other, NOW).is_none());
        let later = NOW.after(KEPT);
        recent.keep(&other, &Arc::new(()), later);
        assert!(recent.answer(TOKEN, later).is_none());
        assert!(recent.answer(&other, later).is_some());
    }

    #[test]
    fn a_credential_of_any_length_is_taken_or_left() {
        let recent = Recent::<()>::default();
        for (length, kept) in [(0, true), (1, true), (END - 1, true), (LONGEST, true), (LONGEST + 1, false)] {
            let token = "é".repeat(length / 2) + &"a".repeat(length % 2);
            recent.keep(&token, &Arc::new(()), NOW);
            assert_eq!(recent.answer(&token, NOW).is_some(), kept, "{length}");
        }
    }
}
