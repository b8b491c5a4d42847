//! Sessions that the cookie itself holds, sealed: for those without a common store, and for whoever has to get in while it is down.
//!
//! Refuses a cookie of which one bit or one part is not as it was sealed, because all parts are opened as one under one tag
//! (AES-256-GCM); what was sealed with a key that is no longer configured; and to write one that browsers would drop.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::InvalidHeaderValue;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use super::cookie;
use crate::clock::Timestamp;
use crate::config::{Config, Path, Problems, SessionMode};
use crate::crypto::seal::{self, Sealer, Unsealable};
use crate::crypto::{Digest, Secret};
use crate::model::{ConnectionId, EmailAddress, Session, SessionHandle, TenantId, User, UserId};

/// What the value of a sealed session begins with; an id in the store is letters and digits.
const SEALED: &str = "s.";
/// Characters of one cookie: browsers drop what is longer than 4096 with its name (RFC 6265bis §5.6).
const PART: usize = 3800;
/// Characters of all parts together, if `limits.cookie_bytes` leaves room for twice as many.
const MOST: usize = 8 * 1024;
/// A cookie is written anew when this part of `idle` has passed, and within this.
const RENEWALS_IN_IDLE: u32 = 20;
const RENEWED_WITHIN: Duration = Duration::from_secs(60);

/// Why a session could not be put into a cookie.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error(
        "the session needs {0} characters of cookies, which is more than browsers and the door take; it holds too many groups"
    )]
    TooLarge(usize),
    #[error(transparent)]
    Unsealable(#[from] Unsealable),
    #[error("the session cannot be written")]
    Unwritable(#[from] serde_json::Error),
    #[error(transparent)]
    Cookie(#[from] InvalidHeaderValue),
}

/// What a sealed cookie holds: a session, whose it is, and the id that a store would know it by. No Debug: the id is a secret.
#[derive(Clone, Serialize, Deserialize)]
pub struct Carried {
    /// 256 random bits; their digest is the session's name in a store, where there is one.
    #[serde(rename = "i")]
    pub id: String,
    #[serde(rename = "h")]
    handle: SessionHandle,
    #[serde(rename = "t")]
    tenant: TenantId,
    #[serde(rename = "u")]
    user: UserId,
    #[serde(rename = "un")]
    user_name: String,
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    email: Option<EmailAddress>,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(rename = "g", default, skip_serializing_if = "Vec::is_empty")]
    groups: Vec<String>,
    #[serde(rename = "r", default, skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    #[serde(rename = "c")]
    connection: ConnectionId,
    #[serde(rename = "m", default, skip_serializing_if = "Vec::is_empty")]
    amr: Vec<String>,
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    acr: Option<String>,
    #[serde(rename = "at")]
    authenticated_at: Timestamp,
    #[serde(rename = "b")]
    created_at: Timestamp,
    /// When the cookie was written.
    #[serde(rename = "s")]
    pub seen_at: Timestamp,
    #[serde(rename = "x")]
    pub expires_at: Timestamp,
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    provider_session: Option<String>,
    #[serde(rename = "ps", default, skip_serializing_if = "Option::is_none")]
    provider_subject: Option<String>,
    /// Taken although a store does not know it, because it was made while the store could not be asked.
    #[serde(rename = "bg", default, skip_serializing_if = "std::ops::Not::not")]
    pub break_glass: bool,
}

impl Carried {
    /// The session under `id`, whose digest it has, and the person who holds it.
    #[must_use]
    pub fn new(id: String, session: &Session, user: &User) -> Self {
        Self {
            id,
            handle: session.handle.clone(),
            tenant: session.tenant.clone(),
            user: session.user,
            user_name: user.user_name.clone(),
            email: user.email.clone(),
            name: user.name.clone(),
            groups: user.all_groups(),
            roles: user.roles.clone(),
            connection: session.connection.clone(),
            amr: session.amr.clone(),
            acr: session.acr.clone(),
            authenticated_at: session.authenticated_at,
            created_at: session.created_at,
            seen_at: session.last_seen_at,
            expires_at: session.expires_at,
            provider_session: session.provider_session.clone(),
            provider_subject: session.provider_subject.clone(),
            break_glass: false,
        }
    }

    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.id.as_bytes())
    }

    #[must_use]
    pub fn handle(&self) -> &SessionHandle {
        &self.handle
    }

    #[must_use]
    pub fn user(&self) -> UserId {
        self.user
    }

    /// The session and the person, as they were when it began.
    #[must_use]
    pub fn into_parts(self) -> (Session, User) {
        let digest = self.digest();
        let user = User {
            id: self.user,
            tenant: self.tenant.clone(),
            user_name: self.user_name,
            email: self.email,
            name: self.name,
            active: true,
            groups: self.groups,
            directory_groups: Vec::new(),
            provisioned_by: None,
            roles: self.roles,
            link: None,
            password_hash: None,
            created_at: self.created_at,
            updated_at: self.created_at,
        };
        let session = Session {
            handle: self.handle,
            digest,
            tenant: self.tenant,
            user: self.user,
            connection: self.connection,
            amr: self.amr,
            acr: self.acr,
            authenticated_at: self.authenticated_at,
            created_at: self.created_at,
            last_seen_at: self.seen_at,
            expires_at: self.expires_at,
            revoked_at: None,
            provider_session: self.provider_session,
            provider_subject: self.provider_subject,
            sealed_tokens: None,
            tokens_version: 0,
            refresh_at: None,
            client_address: None,
            user_agent: None,
        };
        (session, user)
    }
}

/// What a request's session cookies hold. No Debug: ids are secrets.
pub enum Held {
    /// The id of a session in the store.
    Id(String),
    Sealed(Box<Carried>),
}

impl Held {
    /// The secret id, whose digest is the session's name in the store.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Id(id) => id,
            Self::Sealed(carried) => &carried.id,
        }
    }
}

/// Puts sessions into cookies and takes them out again.
#[derive(Debug)]
pub struct Seals {
    /// The present key first, then those that still open what they sealed.
    keys: Vec<Key>,
    mode: SessionMode,
    most: usize,
    renewed_after: Duration,
}

#[derive(Debug)]
struct Key {
    id: String,
    sealer: Sealer,
}

impl Key {
    /// The id tells keys apart and gives nothing away: it is derived like a key, for another purpose.
    fn new(master: &Secret) -> Result<Self, Unsealable> {
        let master = master.expose().as_bytes();
        let id = URL_SAFE_NO_PAD.encode(&seal::derive(master, "session key id")?[..6]);
        Ok(Self { id, sealer: Sealer::new(master, "session")? })
    }
}

impl Seals {
    pub fn compile(config: &Config, problems: &mut Problems) -> Self {
        let masters = std::iter::once(&config.secret_key).chain(&config.former_secret_keys);
        let keys: Result<Vec<Key>, Unsealable> = masters.map(Key::new).collect();
        if keys.is_err() {
            problems.add(Path::from("secret_key"), "no keys can be derived from it", "use at least 32 random bytes");
        }
        Self {
            keys: keys.unwrap_or_default(),
            mode: config.sessions.mode,
            most: MOST.min(config.limits.cookie_bytes / 2),
            renewed_after: (config.sessions.idle.0 / RENEWALS_IN_IDLE).min(RENEWED_WITHIN),
        }
    }

    /// Whether new sessions are sealed.
    #[must_use]
    pub fn seals_all(&self) -> bool {
        self.mode == SessionMode::Sealed
    }

    /// Whether a session cookie's value is of this kind.
    #[must_use]
    pub fn is_sealed(value: &str) -> bool {
        value.starts_with(SEALED)
    }

    /// What the whole value of a sealed session's cookies holds; `None` for everything that was not sealed here.
    #[must_use]
    pub fn open(&self, value: &str) -> Option<Carried> {
        let (id, sealed) = value.strip_prefix(SEALED)?.split_once('.')?;
        let (parts, sealed) = sealed.split_once('.')?;
        let key = self.keys.iter().find(|key| key.id == id)?;
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        serde_json::from_slice(&key.sealer.open(&sealed, context(parts).as_bytes()).ok()?).ok()
    }

    /// The session that a request's cookies hold, sealed or by its id; not yet looked up.
    #[must_use]
    pub fn held(&self, headers: &HeaderMap) -> Option<Held> {
        let value = cookie::session(headers)?;
        if Self::is_sealed(&value) {
            self.open(&value).map(|carried| Held::Sealed(Box::new(carried)))
        } else {
            Some(Held::Id(value.into_owned()))
        }
    }

    /// The cookies that hold a session until its end, and the removal of those in `headers` that it does not need.
    ///
    /// # Errors
    /// [`SealError::TooLarge`] when it does not fit; the others only in a broken build.
    pub fn set(&self, carried: &Carried, headers: &HeaderMap, now: Timestamp) -> Result<Vec<HeaderValue>, SealError> {
        let key = self.keys.first().ok_or(Unsealable)?;
        let plain = serde_json::to_vec(carried)?;
        // Base64 of nonce, text and tag, behind key id and number of parts, which is one digit.
        let length = SEALED.len() + key.id.len() + ".n.".len() + ((plain.len() + seal::OVERHEAD) * 4).div_ceil(3);
        if length > self.most {
            return Err(SealError::TooLarge(length));
        }
        let parts = length.div_ceil(PART).to_string();
        let sealed = key.sealer.seal(&plain, context(&parts).as_bytes())?;
        let whole = format!("{SEALED}{}.{parts}.{}", key.id, URL_SAFE_NO_PAD.encode(sealed));
        let life = carried.expires_at.since(now);
        let mut cookies = Vec::with_capacity(2);
        let mut rest = whole.as_str();
        for number in 1.. {
            let (part, more) = rest.split_at(rest.len().min(PART));
            cookies.push(cookie::set_session_part(number, part, life)?);
            rest = more;
            if rest.is_empty() {
                cookies.extend(cookie::remove_session_parts(headers, number + 1)?);
                break;
            }
        }
        Ok(cookies)
    }

    /// When a cookie that was written at `seen_at` is to be written anew, so that it does not idle out while it is used.
    #[must_use]
    pub fn renew_at(&self, seen_at: Timestamp) -> Timestamp {
        seen_at.after(self.renewed_after)
    }

    /// The session in the request's cookies, seen now; nothing if they hold none.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub fn renew(&self, headers: &HeaderMap, now: Timestamp) -> Result<Vec<HeaderValue>, SealError> {
        let Some(mut carried) = cookie::session(headers).and_then(|value| self.open(&value)) else { return Ok(Vec::new()) };
        carried.seen_at = now;
        self.set(&carried, headers, now)
    }
}

/// What is sealed is bound to its cookie's name and to how many cookies it takes.
fn context(parts: &str) -> String {
    format!("{}.{parts}", cookie::SESSION)
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn seals(keys: &[&str]) -> Seals {
        Seals {
            keys: keys.iter().map(|key| Key::new(&Secret::new((*key).to_owned())).unwrap()).collect(),
            mode: SessionMode::Sealed,
            most: MOST,
            renewed_after: RENEWED_WITHIN,
        }
    }

    fn carried(id: &str, groups: usize) -> Carried {
        Carried {
            id: id.to_owned(),
            handle: SessionHandle("handle".to_owned()),
            tenant: TenantId::default(),
            user: UserId(uuid::Uuid::nil()),
            user_name: "ada".to_owned(),
            email: "ada@acme.example".parse().ok(),
            name: Some("Ada Lovelace".to_owned()),
            groups: (0..groups).map(|number| format!("CN=Group number {number},OU=Groups,DC=acme,DC=example")).collect(),
            roles: Vec::new(),
            connection: "idp".parse().unwrap(),
            amr: vec!["pwd".to_owned()],
            acr: None,
            authenticated_at: NOW,
            created_at: NOW,
            seen_at: NOW,
            expires_at: NOW.after(Duration::from_secs(3600)),
            provider_session: None,
            provider_subject: None,
            break_glass: false,
        }
    }

    /// What a browser sends after it obeyed `cookies`, having had `before`.
    fn browser(before: &HeaderMap, cookies: &[HeaderValue]) -> HeaderMap {
        let line = before.get(header::COOKIE).map_or("", |line| line.to_str().unwrap());
        let mut jar: Vec<(&str, &str)> = line.split("; ").filter_map(|pair| pair.split_once('=')).collect();
        for line in cookies {
            let (name, rest) = line.to_str().unwrap().split_once('=').unwrap();
            let (value, attributes) = rest.split_once(';').unwrap();
            assert!(name.len() + value.len() <= 4096, "browsers drop it");
            jar.retain(|(known, _)| *known != name);
            if !attributes.ends_with("Max-Age=0") {
                jar.push((name, value));
            }
        }
        let text = jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::try_from(text).unwrap())])
    }

    fn opened(seals: &Seals, headers: &HeaderMap) -> Option<String> {
        cookie::session(headers).and_then(|value| seals.open(&value)).map(|carried| carried.id)
    }

    #[test]
    fn a_session_of_any_size_comes_back_as_it_was_sealed_and_leaves_no_old_part_behind() {
        let seals = seals(&["a master key"]);
        let mut headers = HeaderMap::new();
        let mut counts = Vec::new();
        for groups in [0, 115, 80, 75, 1] {
            let cookies = seals.set(&carried("one", groups), &headers, NOW).unwrap();
            headers = browser(&headers, &cookies);
            counts.push(headers[header::COOKIE].to_str().unwrap().split("; ").count());
            let back = cookie::session(&headers).and_then(|value| seals.open(&value)).unwrap();
            assert_eq!(back.groups, carried("one", groups).groups);
        }
        assert_eq!(counts, [1, 3, 2, 2, 1]);
        assert!(matches!(seals.set(&carried("one", 1000), &headers, NOW), Err(SealError::TooLarge(_))));
    }

    #[test]
    fn parts_of_different_sessions_do_not_open_together() {
        let seals = seals(&["a master key"]);
        let jar = |id| browser(&HeaderMap::new(), &seals.set(&carried(id, 80), &HeaderMap::new(), NOW).unwrap());
        let (one, other) = (jar("one"), jar("other"));
        let part =
            |jar: &HeaderMap, number: usize| jar[header::COOKIE].to_str().unwrap().split("; ").nth(number).unwrap().to_owned();
        let mixed = |first: String, second: String| {
            HeaderMap::from_iter([(header::COOKIE, HeaderValue::try_from(format!("{first}; {second}")).unwrap())])
        };
        assert_eq!(opened(&seals, &mixed(part(&one, 0), part(&one, 1))).as_deref(), Some("one"));
        assert_eq!(opened(&seals, &mixed(part(&one, 0), part(&other, 1))), None);
        assert_eq!(opened(&seals, &mixed(part(&other, 0), part(&one, 1))), None);
        assert_eq!(opened(&seals, &mixed(part(&one, 0), "a=b".to_owned())), None, "a part is missing");
        let twice = format!("{}; {}", part(&one, 1), part(&one, 1));
        assert_eq!(opened(&seals, &mixed(part(&one, 0), twice)), None, "a part was sent twice");
    }

    #[test]
    fn only_what_was_sealed_for_this_and_with_a_known_key_opens() {
        let (old, both, new) = (seals(&["old"]), seals(&["new", "old"]), seals(&["new"]));
        let headers = browser(&HeaderMap::new(), &old.set(&carried("one", 0), &HeaderMap::new(), NOW).unwrap());
        let value = cookie::session(&headers).unwrap().into_owned();
        assert!(both.open(&value).is_some(), "a former key still opens");
        assert!(new.open(&value).is_none(), "an unknown key does not");
        let renewed = browser(&headers, &both.renew(&headers, NOW).unwrap());
        assert_eq!(opened(&new, &renewed).as_deref(), Some("one"), "what is renewed is sealed with the present key");
        for at in 0..value.len() {
            let mut changed = value.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(old.open(&String::from_utf8(changed).unwrap()).is_none(), "byte {at} was changed");
        }
        for odd in ["", "s.", "s..", "s...", "s.A.1.", "s.A.9.x", &value[..value.len() - 1]] {
            assert!(old.open(odd).is_none(), "{odd}");
        }
        let attempt = Sealer::new(b"old", "attempt").unwrap();
        let plain = serde_json::to_vec(&carried("one", 0)).unwrap();
        let other = attempt.seal(&plain, context("1").as_bytes()).unwrap();
        let forged = format!("s.{}.1.{}", old.keys[0].id, URL_SAFE_NO_PAD.encode(other));
        assert!(old.open(&forged).is_none(), "sealed for another purpose");
    }
}
