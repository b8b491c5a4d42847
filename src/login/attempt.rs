//! Sign-in attempts: what one tab knows between leaving for the provider and coming back.
//!
//! Refuses an attempt of another browser (its cookie is not there), another connection (its name is inside), an old one (its time is
//! inside) and one already used (the store remembers), because a callback that begins with the attacker's attempt ends in the
//! attacker's account (threats J8). One cookie for each attempt, so that many tabs do not disturb one another.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use super::SignInError;
use crate::clock::Timestamp;
use crate::crypto::seal::{Sealer, Unsealable};
use crate::crypto::{Digest, random};
use crate::model::{ConnectionId, SessionHandle};
use crate::session::cookie::Answered;
use crate::session::{SessionStore, cookie};

/// How long a person may take at the provider.
pub(super) const LIFE: Duration = Duration::from_secs(15 * 60);
/// Attempts that one browser keeps; the oldest makes room.
const MOST: usize = 12;
/// Bytes of all attempts together: far enough below what a request's cookies may hold.
const MOST_BYTES: usize = 8 * 1024;
/// How often an attempt that came back too late begins again by itself.
const RESTARTS: u8 = 2;

/// An attempt, as its cookie holds it. No Debug: it holds the PKCE verifier.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Attempt {
    pub connection: ConnectionId,
    pub state: String,
    pub nonce: String,
    pub verifier: String,
    pub return_to: String,
    pub started_at: Timestamp,
    /// The provider was told to ask again although it knows the person.
    pub fresh: bool,
    /// Authentication contexts that it was asked for.
    pub acr_values: Vec<String>,
    /// The answer has to say that the person was asked anew: silence is not enough.
    pub must_say_when: bool,
    /// How the answer comes back.
    #[serde(default)]
    pub answered: Answered,
    /// The session that the new one takes the place of, where the answer comes without it.
    #[serde(default)]
    pub replaces: Option<SessionHandle>,
    restarts: u8,
}

/// An attempt whose one use this is. Only [`Attempt::redeem`] makes one.
pub(super) struct Redeemed(Attempt);

/// What became of an attempt that a callback names.
pub(super) enum Found {
    Live(Attempt),
    /// Too old; it can begin again.
    Expired(Attempt),
    /// This browser has no such attempt.
    Unknown,
}

/// Whether an attempt was still to be had.
pub(super) enum Redemption {
    Taken(Redeemed),
    /// It was used before; it can begin again.
    Spent(Attempt),
    /// It began with another connection, and stays what it is.
    Foreign,
}

/// Seals attempts into cookies and opens them again.
#[derive(Debug)]
pub(super) struct Attempts(Sealer);

impl Attempts {
    /// `master`: the configuration's secret key.
    pub(super) fn new(master: &[u8]) -> Result<Self, Unsealable> {
        Sealer::new(master, "attempt").map(Self)
    }

    /// The cookies to set for a new attempt: itself, and the removal of those that must make room.
    pub(super) fn keep(&self, attempt: &Attempt, headers: &HeaderMap, now: Timestamp) -> Result<Vec<HeaderValue>, SignInError> {
        let name = name_of(&attempt.state);
        let plain = serde_json::to_vec(attempt).map_err(SignInError::internal)?;
        let sealed = URL_SAFE_NO_PAD.encode(self.0.seal(&plain, name.as_bytes()).map_err(SignInError::internal)?);
        let mut cookies = Vec::with_capacity(2);
        for stale in self.to_drop(headers, name.len() + sealed.len(), now) {
            // Which kind it was is not known of one that does not open; browsers do not ask (RFC 6265bis §5.7).
            cookies.push(cookie::remove_attempt(stale, attempt.answered).map_err(SignInError::internal)?);
        }
        cookies.push(cookie::set_attempt(&name, &sealed, LIFE, attempt.answered).map_err(SignInError::internal)?);
        Ok(cookies)
    }

    /// Names of the attempts in `headers` that are of no more use, and of the oldest ones in the way of `needed` bytes more.
    fn to_drop<'a>(&self, headers: &'a HeaderMap, needed: usize, now: Timestamp) -> Vec<&'a str> {
        let mut dropped = Vec::new();
        let mut kept = Vec::new();
        for (name, value) in cookie::attempts(headers) {
            match self.open(name, value) {
                Some(attempt) if attempt.is_live(now) => kept.push((attempt.started_at, name, name.len() + value.len())),
                _ => dropped.push(name),
            }
        }
        kept.sort_unstable();
        let mut bytes = needed + kept.iter().map(|(_, _, size)| size).sum::<usize>();
        let mut count = kept.len() + 1;
        for (_, name, size) in kept {
            if count <= MOST && bytes <= MOST_BYTES {
                break;
            }
            (count, bytes) = (count - 1, bytes - size);
            dropped.push(name);
        }
        dropped
    }

    /// The attempt that `state` names, if this browser began it.
    pub(super) fn find(&self, headers: &HeaderMap, state: &str, now: Timestamp) -> Found {
        let name = name_of(state);
        let opened = cookie::value(headers, &name).and_then(|value| self.open(&name, value));
        match opened.filter(|attempt| Digest::of(attempt.state.as_bytes()) == Digest::of(state.as_bytes())) {
            Some(attempt) if attempt.is_live(now) => Found::Live(attempt),
            Some(attempt) => Found::Expired(attempt),
            None => Found::Unknown,
        }
    }

    /// The attempt of this browser with this tag, which opens nothing by itself.
    pub(super) fn tagged(&self, headers: &HeaderMap, tag: &str, now: Timestamp) -> Found {
        let name = cookie::attempt_name(tag);
        match cookie::value(headers, &name).and_then(|value| self.open(&name, value)) {
            Some(attempt) if attempt.is_live(now) => Found::Live(attempt),
            Some(attempt) => Found::Expired(attempt),
            None => Found::Unknown,
        }
    }

    fn open(&self, name: &str, value: &str) -> Option<Attempt> {
        let sealed = URL_SAFE_NO_PAD.decode(value).ok()?;
        serde_json::from_slice(&self.0.open(&sealed, name.as_bytes()).ok()?).ok()
    }
}

impl Attempt {
    /// A new attempt with its own state, nonce and PKCE verifier, 256 bits each or more.
    pub(super) fn begin(
        connection: ConnectionId,
        return_to: String,
        fresh: bool,
        now: Timestamp,
    ) -> Result<Self, random::NoRandomness> {
        Ok(Self {
            connection,
            state: random::alphanumeric(43)?,
            nonce: random::alphanumeric(43)?,
            verifier: random::alphanumeric(64)?,
            return_to,
            started_at: now,
            fresh,
            acr_values: Vec::new(),
            must_say_when: false,
            answered: Answered::ByLink,
            replaces: None,
            restarts: 0,
        })
    }

    /// The same intention anew; `None` when it has begun again too often, which means that something keeps it from ending.
    pub(super) fn again(&self, now: Timestamp) -> Option<Result<Self, random::NoRandomness>> {
        let restarts = self.restarts + 1;
        let anew = || {
            let begun = Self::begin(self.connection.clone(), self.return_to.clone(), self.fresh, now)?;
            let (acr_values, replaces) = (self.acr_values.clone(), self.replaces.clone());
            Ok(Self { restarts, acr_values, must_say_when: self.must_say_when, answered: self.answered, replaces, ..begun })
        };
        (restarts <= RESTARTS).then(anew)
    }

    fn is_live(&self, now: Timestamp) -> bool {
        now < self.started_at.after(LIFE)
    }

    /// What the store knows it by.
    pub(super) fn digest(&self) -> Digest {
        Digest::of(self.state.as_bytes())
    }

    /// What tells it from this browser's others, and opens nothing.
    pub(super) fn tag(&self) -> String {
        Self::tag_of(&self.digest())
    }

    /// The tag of the attempt with this digest: eight bytes of it.
    pub(super) fn tag_of(digest: &Digest) -> String {
        digest.to_hex()[..16].to_owned()
    }

    /// The removal of its cookie.
    pub(super) fn forget(&self) -> Result<HeaderValue, SignInError> {
        cookie::remove_attempt(&name_of(&self.state), self.answered).map_err(SignInError::internal)
    }

    /// Uses the attempt up, for an answer that came to `connection`: only the one it began with (threats J9).
    pub(super) async fn redeem(self, connection: &ConnectionId, store: &dyn SessionStore) -> Result<Redemption, SignInError> {
        if self.connection != *connection {
            return Ok(Redemption::Foreign);
        }
        let token = Digest::of(self.state.as_bytes());
        // Remembered for longer than the attempt lives, so that a clock put back opens no gap.
        let first = store.take_once("sign_in_attempt", &token, self.started_at.after(LIFE * 2)).await?;
        Ok(if first { Redemption::Taken(Redeemed(self)) } else { Redemption::Spent(self) })
    }
}

impl std::ops::Deref for Redeemed {
    type Target = Attempt;
    fn deref(&self) -> &Attempt {
        &self.0
    }
}

/// The tag tells a browser's attempts apart; the state itself is inside.
fn name_of(state: &str) -> String {
    cookie::attempt_name(&Attempt::tag_of(&Digest::of(state.as_bytes())))
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn attempts() -> Attempts {
        Attempts::new(b"a master key").unwrap()
    }

    fn attempt(return_to: &str, now: Timestamp) -> Attempt {
        Attempt::begin("idp".parse().unwrap(), return_to.to_owned(), false, now).unwrap()
    }

    /// What a browser sends after it obeyed `cookies`, having had `before`.
    fn browser(before: &HeaderMap, cookies: &[HeaderValue]) -> HeaderMap {
        let mut jar: Vec<(String, String)> = cookie::attempts(before).map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        for line in cookies {
            let (name, rest) = line.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            jar.retain(|(known, _)| known != name);
            if !rest.ends_with("Max-Age=0") {
                jar.push((name.to_owned(), value.to_owned()));
            }
        }
        let text = jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::try_from(text).unwrap())])
    }

    #[test]
    fn an_attempt_is_found_by_its_state_in_its_browser_only() {
        let (attempts, mine) = (attempts(), attempt("https://app.example/x?y", NOW));
        let headers = browser(&HeaderMap::new(), &attempts.keep(&mine, &HeaderMap::new(), NOW).unwrap());
        let found = attempts.find(&headers, &mine.state, NOW);
        assert!(matches!(found, Found::Live(found) if found.return_to == "https://app.example/x?y"));
        assert!(matches!(attempts.find(&headers, "another", NOW), Found::Unknown));
        assert!(matches!(attempts.find(&HeaderMap::new(), &mine.state, NOW), Found::Unknown));
        assert!(matches!(attempts.find(&headers, &mine.state, NOW.after(LIFE)), Found::Expired(_)));
        let stranger = Attempts::new(b"another master key").unwrap();
        assert!(matches!(stranger.find(&headers, &mine.state, NOW), Found::Unknown));
    }

    #[test]
    fn a_sealed_attempt_under_another_name_does_not_open() {
        let (attempts, mine, other) = (attempts(), attempt("/", NOW), attempt("/", NOW));
        let cookies = attempts.keep(&mine, &HeaderMap::new(), NOW).unwrap();
        let moved = cookies[0].to_str().unwrap().replacen(&name_of(&mine.state), &name_of(&other.state), 1);
        let headers = browser(&HeaderMap::new(), &[HeaderValue::try_from(moved).unwrap()]);
        assert_eq!(cookie::attempts(&headers).count(), 1);
        assert!(matches!(attempts.find(&headers, &other.state, NOW), Found::Unknown));
        assert!(matches!(attempts.find(&headers, &mine.state, NOW), Found::Unknown));
    }

    #[test]
    fn attempts_make_room_oldest_first_and_never_outgrow_a_request() {
        let attempts = attempts();
        let mut headers = HeaderMap::new();
        let mut states = Vec::new();
        for tab in 0..40 {
            let now = NOW.after(Duration::from_secs(tab));
            let begun = attempt(&format!("https://app.example/{tab}"), now);
            headers = browser(&headers, &attempts.keep(&begun, &headers, now).unwrap());
            states.push(begun.state);
            let size = headers[header::COOKIE].len();
            assert!(size <= MOST_BYTES + 64, "{size} bytes of cookies after {tab} tabs");
        }
        let now = NOW.after(Duration::from_secs(40));
        let live = |state: &String| matches!(attempts.find(&headers, state, now), Found::Live(_));
        assert!(states[30..].iter().all(live), "the ten newest tabs can still finish");
        assert!(!live(&states[0]));
        // All that it may hold, as long as it may be.
        let mut long = attempt(&"x".repeat(crate::login::LONGEST_ADDRESS), now);
        long.connection = "c".repeat(64).parse().unwrap();
        long.acr_values = vec!["https://refeds.org/profile/mfa".to_owned()];
        long.replaces = Some(SessionHandle("h".repeat(22)));
        let cookies = attempts.keep(&long, &headers, now).unwrap();
        assert!(cookies.last().unwrap().len() < 4096, "browsers drop larger cookies");
        assert!(browser(&headers, &cookies)[header::COOKIE].len() <= MOST_BYTES + 64);
    }

    #[test]
    fn beginning_again_ends() {
        let mut current = attempt("/", NOW);
        for _ in 0..RESTARTS {
            current = current.again(NOW).unwrap().unwrap();
        }
        assert!(current.again(NOW).is_none());
    }

    proptest::proptest! {
        /// Whatever a browser sends for an attempt, it is one that we sealed, or none.
        #[test]
        fn no_made_up_cookie_or_tag_is_an_attempt(tag in "[ -:<-~]{0,40}", value in "[ -:<-~]{0,200}") {
            let cookie = format!("{}={value}", cookie::attempt_name(&tag));
            let Ok(cookie) = HeaderValue::try_from(cookie) else { return Ok(()) };
            let headers = HeaderMap::from_iter([(header::COOKIE, cookie)]);
            proptest::prop_assert!(matches!(attempts().tagged(&headers, &tag, NOW), Found::Unknown));
            proptest::prop_assert!(matches!(attempts().find(&headers, &tag, NOW), Found::Unknown));
        }

        /// One bit more or less, and it is none.
        #[test]
        fn a_changed_attempt_is_none(at in 0_usize..300, bit in 0_u8..7) {
            let (attempts, mine) = (attempts(), attempt("/", NOW));
            let kept = attempts.keep(&mine, &HeaderMap::new(), NOW).unwrap();
            let mut line = kept[0].as_bytes().split(|byte| *byte == b';').next().unwrap().to_vec();
            let begin = line.iter().position(|byte| *byte == b'=').unwrap() + 1;
            let at = begin + at % (line.len() - begin);
            line[at] ^= 1 << bit;
            let Ok(cookie) = HeaderValue::from_bytes(&line) else { return Ok(()) };
            let headers = HeaderMap::from_iter([(header::COOKIE, cookie)]);
            proptest::prop_assert!(matches!(attempts.tagged(&headers, &mine.tag(), NOW), Found::Unknown));
        }
    }
}
