//! The answers about the tokens of the last requests, found by the tokens themselves.
//!
//! Refuses to know longer or more than the cache behind it, which goes by digests: it only spares whoever sends the same token with each
//! request the digest of it, which is as much work as the rest of the look-up.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;

use super::Answer;
use crate::clock::Timestamp;
use crate::crypto::Secret;

/// Tokens of so many clients at the same time: 8 KiB, and the tokens.
const PLACES: usize = 1024;
/// Bytes: longer ones are left to the cache of digests, so that all places take 4 MiB at most.
const LONGEST: usize = 4096;
/// The end of a token is its signature: as good as a digest to find a place by.
const END: usize = 16;
/// How long a token keeps its place at least, so that two that want the same one do not put each other out with each request.
const KEPT: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Seen {
    token: Secret,
    answer: Arc<Answer>,
    since: Timestamp,
}

#[derive(Debug)]
pub(super) struct Recent {
    places: Box<[ArcSwapOption<Seen>]>,
    /// Nobody outside can tell which tokens want the same place.
    spread: RandomState,
}

impl Default for Recent {
    fn default() -> Self {
        Self { places: std::iter::repeat_with(ArcSwapOption::empty).take(PLACES).collect(), spread: RandomState::new() }
    }
}

impl Recent {
    /// What is known of exactly this token and still relied on. Constant-time in the token.
    pub(super) fn answer(&self, token: &str, now: Timestamp) -> Option<Arc<Answer>> {
        let seen = self.place(token).load();
        let seen = seen.as_ref().filter(|seen| now < seen.answer.until && seen.token.is(token))?;
        Some(Arc::clone(&seen.answer))
    }

    /// Remembers a token that was asked for again.
    pub(super) fn keep(&self, token: &str, answer: &Arc<Answer>, now: Timestamp) {
        let place = self.place(token);
        let taken = place.load().as_ref().is_some_and(|seen| now < seen.since.after(KEPT));
        if !taken && token.len() <= LONGEST {
            place.store(Some(Arc::new(Seen { token: Secret::new(token.to_owned()), answer: Arc::clone(answer), since: now })));
        }
    }

    /// Whatever has the token's place has it no more.
    pub(super) fn forget(&self, token: &str) {
        self.place(token).store(None);
    }

    fn place(&self, token: &str) -> &ArcSwapOption<Seen> {
        let end = &token.as_bytes()[token.len().saturating_sub(END)..];
        &self.places[usize::try_from(self.spread.hash_one(end) % PLACES as u64).unwrap_or_default()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authn::Reason;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJlLW9mLXNpeHR5LWZvdXItYnl0ZXM";

    fn answer() -> Arc<Answer> {
        Arc::new(Answer { found: Err(Reason::Revoked), until: NOW.after(Duration::from_secs(10)) })
    }

    #[test]
    fn a_token_is_known_until_its_answer_ends_and_no_other_is() {
        let (recent, answer) = (Recent::default(), answer());
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
        assert!(recent.answer(TOKEN, answer.until).is_none());
        recent.forget(TOKEN);
        assert!(recent.answer(TOKEN, NOW).is_none());
    }

    #[test]
    fn who_wants_the_place_of_another_gets_it_after_a_second() {
        let (recent, other) = (Recent::default(), format!("other.{TOKEN}"));
        recent.keep(TOKEN, &answer(), NOW);
        recent.keep(&other, &answer(), NOW);
        assert!(recent.answer(TOKEN, NOW).is_some());
        assert!(recent.answer(&other, NOW).is_none());
        let later = NOW.after(KEPT);
        recent.keep(&other, &answer(), later);
        assert!(recent.answer(TOKEN, later).is_none());
        assert!(recent.answer(&other, later).is_some());
    }

    #[test]
    fn a_token_of_any_length_is_taken_or_left() {
        let recent = Recent::default();
        for (length, kept) in [(0, true), (1, true), (END - 1, true), (LONGEST, true), (LONGEST + 1, false)] {
            let token = "é".repeat(length / 2) + &"a".repeat(length % 2);
            recent.keep(&token, &answer(), NOW);
            assert_eq!(recent.answer(&token, NOW).is_some(), kept, "{length}");
        }
    }
}
