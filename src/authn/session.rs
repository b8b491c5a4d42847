//! Session cookies.
//!
//! Refuses an ended, idle or expired session, and a session of an inactive person, whatever the cookie says. Such a session is
//! no attack: it gives no identity, so that a browser is sent to sign in and an optional route is seen as by anybody.
//! A sealed session is taken at its word where the store does not know better, and refused wherever it does.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use moka::Expiry;
use moka::future::Cache;

use super::freshness::{Freshness, Mark, Subject};
use super::recent::Recent;
use super::{AuthnError, NOTED_EVERY, Stores, unavailable_shared};
use crate::clock::Timestamp;
use crate::config::{SessionMode, Sessions as Lifetimes};
use crate::crypto::{Digest, Secret};
use crate::edge::Clean;
use crate::model::{CredentialKind, ForwardMemo, Identity, ProviderToken, Session, User, UserId};
use crate::policy::role::Roles;
use crate::session::{Carried, Due, ProviderTokens, Seals};

const KIND: CredentialKind = CredentialKind::Session;
/// Bytes of the longest cookie value that can be one of ours; longer ones are not even hashed.
const LONGEST: usize = 128;
/// How long an answer is kept without asking the store again, though it would say if something changed.
const KEPT: Duration = Duration::from_secs(300);
/// How long "there is no such session" is kept. Ids are random, so what is unknown now is not about to exist.
const ENDED_KEPT: Duration = Duration::from_secs(10);
/// How long a store that cannot be asked keeps a sealed session waiting, and then is not asked again.
const STORE_PATIENCE: Duration = Duration::from_millis(250);
const UNASKED_KEPT: Duration = Duration::from_secs(10);
/// An answer this young is not asked for again when it says that the session was idle for too long.
const YOUNG: Duration = Duration::from_secs(1);

/// How long a request waits for an access token in the place of one that has ended.
const REFRESH_PATIENCE: Duration = Duration::from_secs(5);
/// Never due.
const NEVER: i64 = i64::MAX;
/// When a refresh that changed nothing is asked for again.
const REFRESH_AGAIN: Duration = Duration::from_secs(30);

/// What the store said about one cookie, ready for the next request.
#[derive(Debug)]
struct Answer {
    session: Mark,
    user: Option<Mark>,
    loaded_at: Timestamp,
    live: Option<Live>,
    kept: Duration,
}

/// A session that has not ended.
#[derive(Debug)]
struct Live {
    identity: Arc<Identity>,
    expires_at: Timestamp,
    /// Milliseconds since the epoch; behind by a second at most.
    last_seen: AtomicI64,
    /// When the provider's tokens are due, in the same way; [`NEVER`] where they are not.
    refresh_at: AtomicI64,
}

struct Kept;

impl Expiry<Digest, Arc<Answer>> for Kept {
    fn expire_after_create(&self, _: &Digest, answer: &Arc<Answer>, _: Instant) -> Option<Duration> {
        Some(answer.kept)
    }
}

/// Why the stores could not say whose session it is.
type StoreError = Box<dyn std::error::Error + Send + Sync>;

/// Where sessions and those who hold them are known.
#[derive(Debug)]
pub(super) struct People {
    pub(super) stores: Stores,
    pub(super) roles: Arc<Roles>,
    pub(super) seals: Arc<Seals>,
    /// Whether the application is given the provider's tokens.
    pub(super) provider_tokens: bool,
    /// Who has a break-glass account now.
    pub(super) break_glass: HashSet<UserId>,
}

/// What a cookie holds.
enum Held {
    /// Of a session in the store, by the digest of its id.
    Id(Digest, Option<Secret>),
    Sealed(Box<Carried>),
}

/// Checks sessions, from memory where it can.
#[derive(Debug)]
pub(super) struct Sessions {
    people: People,
    freshness: Arc<Freshness>,
    lifetimes: Lifetimes,
    /// Of sessions in the store.
    recent: Recent<Answer>,
    answers: Cache<Digest, Arc<Answer>>,
}

impl Sessions {
    pub(super) fn new(people: People, freshness: Arc<Freshness>, lifetimes: Lifetimes) -> Self {
        let answers = Cache::builder().max_capacity(100_000).expire_after(Kept).build();
        Self { people, freshness, lifetimes, recent: Recent::default(), answers }
    }

    pub(super) fn people(&self) -> &People {
        &self.people
    }

    /// Whose session it is; `None` if it has ended or never was.
    pub(super) async fn identify(&self, value: &str, clean: &Clean<'_>) -> Result<Option<Arc<Identity>>, AuthnError> {
        if Seals::is_sealed(value) {
            return self.identify_sealed(value, clean).await;
        }
        if value.is_empty() || value.len() > LONGEST {
            return Ok(None);
        }
        let answer = match self.recent.answer(value, clean.now).filter(|answer| self.is_in_use(answer, clean.now)) {
            Some(answer) => {
                self.people.stores.metrics.session_cache.hits.one();
                answer
            }
            None => match self.stored(value, clean).await? {
                Some(answer) => answer,
                None => return Ok(None),
            },
        };
        let idle = self.is_idle(&answer, clean.now);
        let Some(live) = answer.live.as_ref().filter(|live| !idle && live.expires_at > clean.now) else { return Ok(None) };
        let noted = Timestamp::from_millis(live.last_seen.load(Ordering::Relaxed));
        if clean.now.since(noted) >= NOTED_EVERY {
            live.last_seen.fetch_max(clean.now.millis(), Ordering::Relaxed);
            self.people.stores.seen.seen(&Digest::of(value.as_bytes()), clean.now);
        }
        self.refresh_if_due(live, value, clean.now);
        Ok(Some(Arc::clone(&live.identity)))
    }

    /// The answer about a cookie of a session in the store, and what is remembered of it for the next request.
    async fn stored(&self, value: &str, clean: &Clean<'_>) -> Result<Option<Arc<Answer>>, AuthnError> {
        let digest = Digest::of(value.as_bytes());
        let held = || Some(Held::Id(digest, self.key(value)));
        let Some(mut answer) = self.known(digest, held, clean).await? else { return Ok(None) };
        if self.is_idle(&answer, clean.now) && clean.now.since(answer.loaded_at) >= YOUNG {
            // Another replica may have seen the session since.
            self.answers.invalidate(&digest).await;
            answer = self.ask(digest, Held::Id(digest, self.key(value)), clean.now).await?;
        }
        if answer.live.is_some() {
            self.recent.keep(value, &answer, clean.now);
        }
        Ok(Some(answer))
    }

    /// A sealed session is idle since its cookie was written, wherever it was used since: all replicas judge alike.
    async fn identify_sealed(&self, value: &str, clean: &Clean<'_>) -> Result<Option<Arc<Identity>>, AuthnError> {
        let held = || self.people.seals.open(value).map(|carried| Held::Sealed(Box::new(carried)));
        let Some(answer) = self.known(Digest::of(value.as_bytes()), held, clean).await? else { return Ok(None) };
        let idle = self.is_idle(&answer, clean.now);
        let Some(live) = answer.live.as_ref().filter(|live| !idle && live.expires_at > clean.now) else { return Ok(None) };
        Ok(Some(Arc::clone(&live.identity)))
    }

    /// The answer about the cookie with this digest, from memory or asked for; `None` where the cookie holds nothing of ours.
    async fn known(
        &self,
        cookie: Digest,
        held: impl FnOnce() -> Option<Held>,
        clean: &Clean<'_>,
    ) -> Result<Option<Arc<Answer>>, AuthnError> {
        let meter = &self.people.stores.metrics.session_cache;
        if let Some(answer) = self.answers.get(&cookie).await.filter(|answer| self.is_fresh(answer)) {
            meter.hits.one();
            return Ok(Some(answer));
        }
        let Some(held) = held() else { return Ok(None) };
        meter.misses.one();
        self.ask(cookie, held, clean.now).await.map(Some)
    }

    /// Has the provider's tokens refreshed if they are due; one request says so, and none waits.
    fn refresh_if_due(&self, live: &Live, value: &str, now: Timestamp) {
        let due = live.refresh_at.load(Ordering::Relaxed);
        if due > now.millis() {
            return;
        }
        let again = now.after(REFRESH_AGAIN).millis();
        let mine = live.refresh_at.compare_exchange(due, again, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if let Some(refresher) = self.people.stores.refresher.as_ref().filter(|_| mine) {
            drop(refresher.begin(Due { digest: Digest::of(value.as_bytes()), value: Secret::new(value.to_owned()) }));
        }
    }

    fn is_fresh(&self, answer: &Answer) -> bool {
        self.freshness.holds(answer.session) && answer.user.is_none_or(|user| self.freshness.holds(user))
    }

    fn is_in_use(&self, answer: &Answer, now: Timestamp) -> bool {
        self.is_fresh(answer) && !self.is_idle(answer, now)
    }

    fn is_idle(&self, answer: &Answer, now: Timestamp) -> bool {
        let seen = answer.live.as_ref().map(|live| Timestamp::from_millis(live.last_seen.load(Ordering::Relaxed)));
        seen.is_some_and(|seen| seen.after(self.lifetimes.idle.0) <= now)
    }

    /// Asks the stores, once for all who present the same at the same time.
    async fn ask(&self, cookie: Digest, held: Held, now: Timestamp) -> Result<Arc<Answer>, AuthnError> {
        loop {
            let asked = self.answers.try_get_with(cookie, self.look_up(&held, now)).await;
            let answer = asked.map_err(|error| unavailable_shared(KIND, error))?;
            if self.is_fresh(&answer) {
                return Ok(answer);
            }
            self.answers.invalidate(&cookie).await;
        }
    }

    async fn look_up(&self, held: &Held, now: Timestamp) -> Result<Arc<Answer>, StoreError> {
        match held {
            Held::Id(digest, key) => self.look_up_stored(*digest, key.as_ref(), now).await,
            Held::Sealed(carried) => self.look_up_sealed(carried, now).await,
        }
    }

    async fn look_up_stored(&self, digest: Digest, key: Option<&Secret>, now: Timestamp) -> Result<Arc<Answer>, StoreError> {
        let mark = self.freshness.mark(Subject::Session(&digest));
        let nobody = |user| Ok(Arc::new(Answer { session: mark, user, loaded_at: now, live: None, kept: ENDED_KEPT }));
        let found = self.people.stores.sessions.find(&digest).await?;
        let Some(session) = found.filter(|session| session.revoked_at.is_none() && session.expires_at > now) else {
            return nobody(None);
        };
        let user_mark = Some(self.freshness.mark(Subject::User(session.user)));
        let user = self.people.stores.directory.user(session.user).await?;
        let Some(user) = user.filter(|user| user.active) else { return nobody(user_mark) };
        let tokens = match key {
            Some(key) => self.provider_tokens(&session, key, now).await,
            None => None,
        };
        let mut live = self.live(&session, user, None);
        if let (Some(tokens), Some(identity)) = (tokens, Arc::get_mut(&mut live.identity)) {
            identity.forward.id_token = tokens.id_token.and_then(as_bearer);
            identity.forward.access_token = tokens.access_token.and_then(|token| sensitive(&token, tokens.expires_at));
        }
        let live = Some(live);
        Ok(Arc::new(Answer { session: mark, user: user_mark, loaded_at: now, live, kept: KEPT }))
    }

    /// The cookie's value, where a provider's tokens have to be opened with it.
    fn key(&self, value: &str) -> Option<Secret> {
        self.people.provider_tokens.then(|| Secret::new(value.to_owned()))
    }

    /// The tokens that go to the application. An access token that has ended is worth waiting for a new one, since the request that
    /// comes with it would fail; this is asked for only where the session is not in memory. Where that changes the store, the
    /// session is looked up again.
    async fn provider_tokens(&self, session: &Session, key: &Secret, now: Timestamp) -> Option<ProviderTokens> {
        let tokens = ProviderTokens::open(key.expose(), session)?;
        let over = tokens.expires_at.is_some_and(|end| end <= now);
        if let Some(refresher) = self.people.stores.refresher.as_ref().filter(|_| over && session.refresh_at.is_some()) {
            let refreshed = refresher.begin(Due { digest: session.digest, value: key.clone() });
            if tokio::time::timeout(REFRESH_PATIENCE, refreshed).await.is_err() {
                tracing::debug!("the request goes on without its provider's tokens");
            }
            return None;
        }
        Some(tokens)
    }

    /// What the store knows counts: that the session was ended, that the person is inactive, or what the person is now. What it
    /// does not know, or cannot be asked, is as the cookie says, for it was sealed by a replica that did know.
    async fn look_up_sealed(&self, carried: &Carried, now: Timestamp) -> Result<Arc<Answer>, StoreError> {
        let session = self.freshness.mark(Subject::Session(&carried.digest()));
        let user = Some(self.freshness.mark(Subject::User(carried.user())));
        let answer = |live, kept| Ok(Arc::new(Answer { session, user, loaded_at: now, live, kept }));
        // The cookie stands alone otherwise: whose account was removed or made anew would stay until its end.
        if carried.break_glass && !self.people.break_glass.contains(&carried.user()) {
            return answer(None, ENDED_KEPT);
        }
        self.people.stores.seen.seen(&carried.digest(), carried.seen_at);
        let stands_alone = carried.break_glass || self.lifetimes.mode == SessionMode::Sealed;
        let asked = tokio::time::timeout(STORE_PATIENCE, self.ask_about(carried, stands_alone)).await;
        match asked.unwrap_or_else(|late| Err(late.into())) {
            Ok(Known::Over) => answer(None, ENDED_KEPT),
            Ok(Known::Held(holder)) => answer(Some(self.live_sealed(carried, holder.map(|user| *user))), KEPT),
            Err(error) if !stands_alone => Err(error),
            Err(error) => {
                tracing::warn!(%error, session = %carried.handle(), "a sealed session is taken without the store");
                answer(Some(self.live_sealed(carried, None)), UNASKED_KEPT)
            }
        }
    }

    async fn ask_about(&self, carried: &Carried, stands_alone: bool) -> Result<Known, StoreError> {
        let stores = &self.people.stores;
        let registered = stores.sessions.find(&carried.digest()).await?;
        if registered.as_ref().map_or(!stands_alone, |session| session.revoked_at.is_some()) {
            return Ok(Known::Over);
        }
        let holder = stores.directory.user(carried.user()).await?;
        match &holder {
            Some(user) if !user.active => return Ok(Known::Over),
            None if !stands_alone => return Ok(Known::Over),
            // It was made while the store could not be asked; from now on it can be seen and ended like any other.
            Some(_) if registered.is_none() && carried.break_glass => {
                stores.sessions.create(&carried.clone().into_parts().0).await?;
            }
            _ => {}
        }
        Ok(Known::Held(holder.map(Box::new)))
    }

    /// The session as `holder` has it, or as the cookie says where nobody better is known.
    fn live_sealed(&self, carried: &Carried, holder: Option<User>) -> Live {
        let (session, sealed) = carried.clone().into_parts();
        self.live(&session, holder.unwrap_or(sealed), Some(self.people.seals.renew_at(carried.seen_at)))
    }

    fn live(&self, session: &Session, user: User, renew_at: Option<Timestamp>) -> Live {
        // Tokens of a sealed session are in no store, and one cookie of several would be left with spent ones.
        let refresh_at = session.refresh_at.filter(|_| renew_at.is_none());
        Live {
            identity: Arc::new(Identity { renew_at, ..identity(session, user, &self.people.roles) }),
            expires_at: session.expires_at,
            last_seen: AtomicI64::new(session.last_seen_at.millis()),
            refresh_at: AtomicI64::new(refresh_at.map_or(NEVER, Timestamp::millis)),
        }
    }
}

/// A token as the value of a header.
fn sensitive(text: &str, expires_at: Option<Timestamp>) -> Option<ProviderToken> {
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(ProviderToken { value, expires_at })
}

/// An ID token as a bearer token, until the end that it states (`exp`). Its signature was checked at sign-in.
fn as_bearer(token: String) -> Option<ProviderToken> {
    #[derive(serde::Deserialize)]
    struct End {
        exp: i64,
    }
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let End { exp } = serde_json::from_slice(&payload).ok()?;
    sensitive(&format!("Bearer {token}"), Some(Timestamp::from_seconds(exp)))
}

/// What the store knows about a sealed session.
enum Known {
    /// That it has ended, or that its holder is inactive.
    Over,
    /// It goes on; who holds it, if the store knows them.
    Held(Option<Box<User>>),
}

pub(super) fn identity(session: &Session, user: User, roles: &Roles) -> Identity {
    let groups = user.all_groups();
    let held = roles.of(&user.tenant, &user.roles, &groups);
    Identity {
        credential: KIND,
        subject: user.id.to_string(),
        tenant: user.tenant,
        user: Some(user.id),
        is_person: true,
        user_name: Some(user.user_name),
        email: user.email.map(String::from),
        name: user.name,
        groups,
        scopes: roles.scopes_of(&held),
        roles: held,
        session: Some(session.handle.clone()),
        connection: Some(session.connection.clone()),
        authenticated_at: Some(session.authenticated_at),
        mfa: session.amr.iter().any(|method| method == "mfa"),
        amr: session.amr.clone(),
        expires_at: Some(session.expires_at),
        issuer: None,
        session_digest: Some(session.digest),
        renew_at: None,
        forward: ForwardMemo { provider_subject: session.provider_subject.clone(), ..ForwardMemo::default() },
    }
}
