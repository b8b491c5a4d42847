//! Session cookies.
//!
//! Refuses an ended, idle or expired session, and a session of an inactive person, whatever the cookie says. Such a session is
//! no attack: it gives no identity, so that a browser is sent to sign in and an optional route is seen as by anybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::future::Cache;

use super::freshness::{Freshness, Mark, Subject};
use super::{AuthnError, NOTED_EVERY, Stores, unavailable_shared};
use crate::clock::Timestamp;
use crate::config::Sessions as Lifetimes;
use crate::crypto::Digest;
use crate::edge::Clean;
use crate::model::{CredentialKind, ForwardMemo, Identity, Session, User};
use crate::policy::role::Roles;

const KIND: CredentialKind = CredentialKind::Session;
/// Bytes of the longest cookie value that can be one of ours; longer ones are not even hashed.
const LONGEST: usize = 128;
/// How long an answer is kept without asking the store again, though it would say if something changed.
const KEPT: Duration = Duration::from_secs(300);
/// How long "there is no such session" is kept. Ids are random, so what is unknown now is not about to exist.
const ENDED_KEPT: Duration = Duration::from_secs(10);
/// An answer this young is not asked for again when it says that the session was idle for too long.
const YOUNG: Duration = Duration::from_secs(1);

/// What the store said about one cookie, ready for the next request.
#[derive(Debug)]
struct Answer {
    session: Mark,
    user: Option<Mark>,
    loaded_at: Timestamp,
    live: Option<Live>,
}

/// A session that has not ended.
#[derive(Debug)]
struct Live {
    identity: Arc<Identity>,
    expires_at: Timestamp,
    /// Milliseconds since the epoch; behind by a second at most.
    last_seen: AtomicI64,
}

struct Kept;

impl Expiry<Digest, Arc<Answer>> for Kept {
    fn expire_after_create(&self, _: &Digest, answer: &Arc<Answer>, _: Instant) -> Option<Duration> {
        Some(if answer.live.is_some() { KEPT } else { ENDED_KEPT })
    }
}

/// Why the stores could not say whose session it is.
type StoreError = Box<dyn std::error::Error + Send + Sync>;

/// Where sessions and those who hold them are known.
#[derive(Debug)]
pub(super) struct People {
    pub(super) stores: Stores,
    pub(super) roles: Arc<Roles>,
}

/// Checks sessions, from memory where it can.
#[derive(Debug)]
pub(super) struct Sessions {
    people: People,
    freshness: Arc<Freshness>,
    lifetimes: Lifetimes,
    answers: Cache<Digest, Arc<Answer>>,
}

impl Sessions {
    pub(super) fn new(people: People, freshness: Arc<Freshness>, lifetimes: Lifetimes) -> Self {
        let answers = Cache::builder().max_capacity(100_000).expire_after(Kept).build();
        Self { people, freshness, lifetimes, answers }
    }

    /// Whose session it is; `None` if it has ended or never was.
    pub(super) async fn identify(&self, value: &str, clean: &Clean<'_>) -> Result<Option<Arc<Identity>>, AuthnError> {
        if value.is_empty() || value.len() > LONGEST {
            return Ok(None);
        }
        let digest = Digest::of(value.as_bytes());
        let meter = &self.people.stores.metrics.session_cache;
        let known = self.answers.get(&digest).await.filter(|answer| self.is_fresh(answer));
        let mut answer = if let Some(answer) = known {
            meter.hits.one();
            answer
        } else {
            meter.misses.one();
            self.ask(digest, clean.now).await?
        };
        if self.is_idle(&answer, clean.now) && clean.now.since(answer.loaded_at) >= YOUNG {
            // Another replica may have seen the session since.
            self.answers.invalidate(&digest).await;
            answer = self.ask(digest, clean.now).await?;
        }
        let idle = self.is_idle(&answer, clean.now);
        let Some(live) = answer.live.as_ref().filter(|live| !idle && live.expires_at > clean.now) else { return Ok(None) };
        let noted = Timestamp::from_millis(live.last_seen.load(Ordering::Relaxed));
        if clean.now.since(noted) >= NOTED_EVERY {
            live.last_seen.fetch_max(clean.now.millis(), Ordering::Relaxed);
            self.people.stores.seen.seen(&digest, clean.now);
        }
        Ok(Some(Arc::clone(&live.identity)))
    }

    fn is_fresh(&self, answer: &Answer) -> bool {
        self.freshness.holds(answer.session) && answer.user.is_none_or(|user| self.freshness.holds(user))
    }

    fn is_idle(&self, answer: &Answer, now: Timestamp) -> bool {
        let seen = answer.live.as_ref().map(|live| Timestamp::from_millis(live.last_seen.load(Ordering::Relaxed)));
        seen.is_some_and(|seen| seen.after(self.lifetimes.idle.0) <= now)
    }

    /// Asks the stores, once for all who present the same at the same time.
    async fn ask(&self, digest: Digest, now: Timestamp) -> Result<Arc<Answer>, AuthnError> {
        loop {
            let asked = self.answers.try_get_with(digest, self.look_up(digest, now)).await;
            let answer = asked.map_err(|error| unavailable_shared(KIND, error))?;
            if self.is_fresh(&answer) {
                return Ok(answer);
            }
            self.answers.invalidate(&digest).await;
        }
    }

    async fn look_up(&self, digest: Digest, now: Timestamp) -> Result<Arc<Answer>, StoreError> {
        let mark = self.freshness.mark(Subject::Session(&digest));
        let answer = |user, live| Ok(Arc::new(Answer { session: mark, user, loaded_at: now, live }));
        let found = self.people.stores.sessions.find(&digest).await?;
        let Some(session) = found.filter(|session| session.revoked_at.is_none() && session.expires_at > now) else {
            return answer(None, None);
        };
        let user_mark = Some(self.freshness.mark(Subject::User(session.user)));
        let user = self.people.stores.directory.user(session.user).await?;
        let Some(user) = user.filter(|user| user.active) else { return answer(user_mark, None) };
        let live = Live {
            identity: Arc::new(identity(&session, user, &self.people.roles)),
            expires_at: session.expires_at,
            last_seen: AtomicI64::new(session.last_seen_at.millis()),
        };
        answer(user_mark, Some(live))
    }
}

pub(super) fn identity(session: &Session, user: User, roles: &Roles) -> Identity {
    let held = roles.of(&user.roles, &user.groups);
    Identity {
        credential: KIND,
        subject: user.id.to_string(),
        tenant: user.tenant,
        user: Some(user.id),
        user_name: Some(user.user_name),
        email: user.email.map(String::from),
        name: user.name,
        groups: user.groups,
        scopes: roles.scopes_of(&held),
        roles: held,
        session: Some(session.handle.clone()),
        connection: Some(session.connection.clone()),
        authenticated_at: Some(session.authenticated_at),
        mfa: session.amr.iter().any(|method| method == "mfa"),
        amr: session.amr.clone(),
        expires_at: Some(session.expires_at),
        forward: ForwardMemo::default(),
    }
}
