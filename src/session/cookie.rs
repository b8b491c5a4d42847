//! Cookies: the only place that writes `Set-Cookie`, and the names of those that are Doorward's.
//!
//! Refuses any cookie without the `__Host-` prefix, Secure, HttpOnly, SameSite and Path=/, for setting and for removing alike,
//! because a cookie is only removed by the attributes it was set with, and only the prefix keeps a sibling domain from planting one
//! (RFC 6265bis §4.1.3.2; threats C2, C5). Browsers take such cookies over plain HTTP from the local machine alone.
//!
//! SameSite is Lax but for one kind: an attempt whose answer another site's form posts ([`Answered::ByForm`]).

use std::borrow::Cow;
use std::time::Duration;

use http::header::InvalidHeaderValue;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::{Deserialize, Serialize};

/// The session.
pub const SESSION: &str = "__Host-doorward";
/// Cookies that one session may need.
const MOST_PARTS: usize = 4;
/// What binds a form to the browser it was shown in.
pub const FORM: &str = "__Host-doorward-form";
/// A sign-in that waits for its second factor.
pub const PENDING: &str = "__Host-doorward-pending";
/// What was typed on the page before.
pub const TYPED: &str = "__Host-doorward-typed";
/// How often the browser was sent round.
pub const TURNS: &str = "__Host-doorward-turns";
/// What the names of attempts begin with; one cookie for each.
const ATTEMPT: &str = "__Host-doorward-attempt-";
const LAX: &str = "Lax";

/// The field that carries a cookie, for answers that are written by hand.
pub const FIELD: HeaderName = header::SET_COOKIE;

/// Gives the session to the browser for `life`.
pub fn set_session(value: &str, life: Duration) -> Result<HeaderValue, InvalidHeaderValue> {
    write(SESSION, value, Some(life))
}

/// Gives the browser one part of a session that is too long for one cookie; the first has the number 1.
pub fn set_session_part(number: usize, value: &str, life: Duration) -> Result<HeaderValue, InvalidHeaderValue> {
    write(&part_name(number), value, Some(life))
}

/// Takes the session from the browser that sent `headers`.
pub fn remove_session(headers: &HeaderMap) -> Result<Vec<HeaderValue>, InvalidHeaderValue> {
    let mut removed = vec![write(SESSION, "", Some(Duration::ZERO))?];
    removed.extend(remove_session_parts(headers, 2)?);
    Ok(removed)
}

/// Takes the parts of a session from this number on from the browser that sent `headers`.
pub fn remove_session_parts(headers: &HeaderMap, from: usize) -> Result<Vec<HeaderValue>, InvalidHeaderValue> {
    let names = (from..=MOST_PARTS).map(part_name).filter(|name| pairs(headers).any(|(found, _)| found == name));
    names.map(|name| write(&name, "", Some(Duration::ZERO))).collect()
}

/// The session's value in `headers`, its parts put together; `None` where a part is missing or was sent twice.
#[must_use]
pub fn session(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    whole(value(headers, SESSION)?, headers)
}

/// `first`, the value of the cookie [`SESSION`], with the further parts that it says it has.
#[must_use]
pub fn whole<'a>(first: &'a str, headers: &'a HeaderMap) -> Option<Cow<'a, str>> {
    let parts = first.strip_prefix("s.").and_then(|rest| rest.split('.').nth(1)?.parse().ok()).unwrap_or(1);
    if parts > MOST_PARTS {
        return None;
    }
    let mut text = Cow::Borrowed(first);
    for number in 2..=parts {
        text.to_mut().push_str(value(headers, &part_name(number))?);
    }
    Some(text)
}

fn part_name(number: usize) -> String {
    if number == 1 { SESSION.to_owned() } else { format!("{SESSION}-{number}") }
}

/// Binds forms to the browser until it is closed.
pub fn set_form(value: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    write(FORM, value, None)
}

/// Keeps a sign-in that waits for its second factor in the browser for `life`.
pub fn set_pending(value: &str, life: Duration) -> Result<HeaderValue, InvalidHeaderValue> {
    write(PENDING, value, Some(life))
}

/// Takes the waiting sign-in from the browser.
pub fn remove_pending() -> Result<HeaderValue, InvalidHeaderValue> {
    write(PENDING, "", Some(Duration::ZERO))
}

/// How the answer to an attempt comes back, which decides whether its cookie has to come along from another site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answered {
    /// By a link or redirect: Lax cookies come along.
    #[default]
    ByLink,
    /// By a form that the provider's page posts, as SAML's HTTP-POST binding does. Lax cookies stay behind, so this one is
    /// SameSite=None. That gives nothing away: it is sealed, used once, and names the request whose answer alone it is good for, which
    /// nobody else knows. To hold the posted answer until a same-site request came for it would mean to keep what any stranger posts.
    ByForm,
}

/// Takes what was typed to the next page.
pub fn set_typed(value: &str, life: Duration) -> Result<HeaderValue, InvalidHeaderValue> {
    write(TYPED, value, Some(life))
}

/// Forgets what was typed.
pub fn remove_typed() -> Result<HeaderValue, InvalidHeaderValue> {
    write(TYPED, "", Some(Duration::ZERO))
}

/// Notes how often the browser was sent round.
pub fn set_turns(value: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    write(TURNS, value, Some(Duration::from_secs(60)))
}

/// Whether the browser keeps any cookie of ours.
#[must_use]
pub fn any(headers: &HeaderMap) -> bool {
    pairs(headers).any(|(name, _)| name.starts_with(SESSION))
}

/// Keeps an attempt in the browser for `life`.
pub fn set_attempt(name: &str, value: &str, life: Duration, answered: Answered) -> Result<HeaderValue, InvalidHeaderValue> {
    write_with(name, value, Some(life), same_site(answered))
}

/// Takes an attempt from the browser.
pub fn remove_attempt(name: &str, answered: Answered) -> Result<HeaderValue, InvalidHeaderValue> {
    write_with(name, "", Some(Duration::ZERO), same_site(answered))
}

const fn same_site(answered: Answered) -> &'static str {
    match answered {
        Answered::ByLink => LAX,
        Answered::ByForm => "None",
    }
}

/// The name of the attempt that `tag` (letters and digits) tells from others.
#[must_use]
pub fn attempt_name(tag: &str) -> String {
    format!("{ATTEMPT}{tag}")
}

/// The attempts that the browser sent: name and value.
pub fn attempts(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    pairs(headers).filter(|(name, _)| name.starts_with(ATTEMPT))
}

/// The value of the one cookie called `name`; two of a name are none of ours.
#[must_use]
pub fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut found = pairs(headers).filter(|(found, _)| *found == name).map(|(_, value)| value);
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// Adds `Set-Cookie` lines to an answer.
pub fn add(headers: &mut HeaderMap, cookies: impl IntoIterator<Item = HeaderValue>) {
    for cookie in cookies {
        headers.append(header::SET_COOKIE, cookie);
    }
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    // Pair by pair, so that bytes in another's cookie do not hide ours.
    let lines = headers.get_all(header::COOKIE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    lines.filter_map(|pair| std::str::from_utf8(pair).ok()?.trim_matches(' ').split_once('='))
}

fn write(name: &str, value: &str, life: Option<Duration>) -> Result<HeaderValue, InvalidHeaderValue> {
    write_with(name, value, life, LAX)
}

fn write_with(name: &str, value: &str, life: Option<Duration>, same_site: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut text = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite={same_site}");
    if let Some(life) = life {
        text.push_str("; Max-Age=");
        text.push_str(&life.as_secs().to_string());
    }
    let mut line = HeaderValue::try_from(text)?;
    line.set_sensitive(true);
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_removed_with_the_attributes_it_was_set_with() -> Result<(), InvalidHeaderValue> {
        let set = set_session("abc", Duration::from_secs(60))?;
        assert_eq!(set.to_str().ok(), Some("__Host-doorward=abc; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=60"));
        let removed = remove_session(&HeaderMap::new())?;
        assert_eq!(removed[0].to_str().ok(), Some("__Host-doorward=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"));
        Ok(())
    }

    #[test]
    fn two_cookies_of_a_name_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; __Host-doorward=x"));
        assert_eq!(value(&headers, SESSION), Some("x"));
        headers.append(header::COOKIE, HeaderValue::from_static("__Host-doorward=y"));
        assert_eq!(value(&headers, SESSION), None);
    }
}
