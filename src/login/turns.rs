//! Redirect loops: a browser that is signed in and at once sent to sign in again, and again.
//!
//! Refuses a fourth turn and says what is going on, because a browser would give up after twenty redirects with a page that explains
//! nothing. Turns are counted for each way back in a cookie of the browser's own: it opens nothing, so it is not sealed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue};

use super::return_to::ReturnTo;
use super::{Login, SignInError};
use crate::clock::Timestamp;
use crate::crypto::Digest;
use crate::session::cookie;

/// Sign-ins in a row that end where they began.
const MOST: u32 = 3;
/// Milliseconds within which the next one begins; a person is slower.
const AT_ONCE: i64 = 5_000;

/// What a browser was through.
struct Turns {
    /// Where the sign-in led back to.
    place: String,
    ended_at: i64,
    count: u32,
    /// Seconds by which the provider's clock was ahead of ours.
    ahead: Option<i64>,
}

impl Turns {
    fn read(headers: &HeaderMap) -> Option<Self> {
        let mut parts = cookie::value(headers, cookie::TURNS)?.split('.');
        Some(Self {
            place: parts.next()?.to_owned(),
            ended_at: parts.next()?.parse().ok()?,
            count: parts.next()?.parse().ok()?,
            ahead: parts.next().and_then(|ahead| ahead.parse().ok()),
        })
    }

    /// Whether it is about `place`, and just now.
    fn goes_on(&self, place: &str, now: Timestamp) -> bool {
        self.place == place && (0..AT_ONCE).contains(&now.millis().saturating_sub(self.ended_at))
    }
}

impl Login {
    /// Whether a sign-in may begin that leads back to `return_to`.
    pub(super) fn check_turns(&self, headers: &HeaderMap, return_to: &ReturnTo) -> Result<(), SignInError> {
        match Turns::read(headers) {
            Some(turns) if turns.count >= MOST && turns.goes_on(&place(return_to), self.now()) => {
                Err(SignInError::Loop { ahead: turns.ahead })
            }
            _ => Ok(()),
        }
    }

    /// Notes that a sign-in leads back to `return_to`. `id_token`: from which the provider's clock can be told.
    pub(super) fn count_turn(
        &self,
        headers: &HeaderMap,
        return_to: &ReturnTo,
        id_token: Option<&str>,
    ) -> Result<HeaderValue, SignInError> {
        let (now, place) = (self.now(), place(return_to));
        let before = Turns::read(headers).filter(|turns| turns.goes_on(&place, now));
        let ahead = id_token.and_then(issued_at).map(|issued| issued.saturating_sub(now.seconds()));
        let ahead = ahead.or(before.as_ref().and_then(|turns| turns.ahead));
        let count = before.map_or(1, |turns| turns.count.saturating_add(1));
        let ahead = ahead.map(|ahead| format!(".{ahead}")).unwrap_or_default();
        let text = format!("{place}.{}.{count}{ahead}", now.millis());
        cookie::set_turns(&text).map_err(SignInError::internal)
    }
}

/// The way back without its query, which may be another each time.
fn place(return_to: &ReturnTo) -> String {
    let whole = return_to.as_str();
    let path = whole.split(['?', '#']).next().unwrap_or(whole);
    Digest::of(path.as_bytes()).to_hex()[..16].to_owned()
}

/// When a token was issued, in seconds since the epoch. The token has been verified before.
fn issued_at(token: &str) -> Option<i64> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<serde_json::Value>(&payload).ok()?.get("iat")?.as_i64()
}
