//! API keys, and client ids with their secrets.
//!
//! Refuses by digest: the id finds the record, and the presented secret's SHA-256 is compared with the stored ones in constant
//! time (threats M6).

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::future::Cache;

use super::freshness::{Freshness, Mark, Subject};
use super::granted::{Claims, Grants, secret_name};
use super::noted::Noted;
use super::reason::Reason;
use super::recent::Recent;
use super::{AuthnError, Caller, Stores, unavailable_shared};
use crate::clock::Timestamp;
use crate::crypto::{Digest, token};
use crate::directory::{Directory, DirectoryError};
use crate::limit::{FailureLimit, Party};
use crate::model::{CredentialKind, ForwardMemo, Identity, Program, ProgramKind, ProgramSecret, Scope, User};
use crate::policy::role::Roles;

/// How long an answer is kept without asking the store again, though it would say if something changed.
const KEPT: Duration = Duration::from_secs(300);
/// How long a refusal is kept. Ids are random, so what is unknown now is not about to exist.
const REFUSAL_KEPT: Duration = Duration::from_secs(10);
/// How long a secret that was right is exempt from the waiting that wrong guesses at its id bring about.
const PROVEN_KEPT: Duration = Duration::from_secs(24 * 3600);

/// What the store said about one presented secret, ready for the next request.
#[derive(Debug)]
struct Answer {
    program: Mark,
    owner: Option<Mark>,
    found: Result<Known, Reason>,
}

impl Answer {
    /// Whether it is a yes to the program with this id.
    fn is_of(&self, id: &str) -> bool {
        self.found.as_ref().is_ok_and(|known| known.program.id == id)
    }
}

/// A program whose secret was right.
#[derive(Debug)]
struct Known {
    program: Program,
    identity: Arc<Identity>,
    /// Until when this very secret is taken.
    secret_expires: Option<Timestamp>,
    noted: Noted,
}

struct Kept;

impl Expiry<Digest, Arc<Answer>> for Kept {
    fn expire_after_create(&self, _: &Digest, answer: &Arc<Answer>, _: Instant) -> Option<Duration> {
        Some(if answer.found.is_ok() { KEPT } else { REFUSAL_KEPT })
    }
}

/// What somebody presented: an id, and a secret by its digest.
struct Presented<'a> {
    kind: ProgramKind,
    id: &'a str,
    secret: Digest,
    /// Under which digest the answer is kept: [`Self::secret`] of a key, and the kind, id and secret of a client together. Never that of
    /// another kind of credential: an answer found under it would be good where that kind is not taken (threats J13).
    place: Digest,
}

impl Presented<'_> {
    fn party(&self) -> Party {
        Party::name(self.kind.as_str(), self.id)
    }

    fn credential(&self) -> CredentialKind {
        match self.kind {
            ProgramKind::ApiKey => CredentialKind::ApiKey,
            ProgramKind::Client => CredentialKind::ClientSecret,
        }
    }
}

/// What the store is asked about.
#[derive(Clone, Copy)]
enum Sought<'a> {
    Presented(&'a Presented<'a>),
    /// The client that a token of ours was given to. The token is genuine.
    Granted(&'a Claims),
}

impl Sought<'_> {
    fn program(&self) -> (ProgramKind, &str) {
        match self {
            Self::Presented(presented) => (presented.kind, presented.id),
            Self::Granted(claims) => (ProgramKind::Client, &claims.sub),
        }
    }

    fn credential(&self) -> CredentialKind {
        match self {
            Self::Presented(presented) => presented.credential(),
            Self::Granted(_) => CredentialKind::Bearer,
        }
    }

    fn is_by(&self, stored: &ProgramSecret) -> bool {
        match self {
            Self::Presented(presented) => stored.digest == presented.secret,
            Self::Granted(claims) => secret_name(&stored.digest) == claims.secret,
        }
    }

    /// Why there is no such program, or no such secret of it. A genuine token is no guess: what it came from was taken away.
    const fn missing(&self, guess: Reason) -> Reason {
        match self {
            Self::Presented(_) => guess,
            Self::Granted(_) => Reason::Revoked,
        }
    }

    /// The identity within what a token says: never more than its client had, nor than it has.
    fn narrow(&self, mut identity: Identity) -> Identity {
        let Self::Granted(claims) = self else { return identity };
        identity.scopes = within(&claims.scopes(), &identity.scopes);
        if claims.narrowed {
            identity.roles.clear();
        }
        identity.expires_at = sooner(identity.expires_at, Some(claims.end()));
        identity
    }

    fn ends(&self) -> Option<Timestamp> {
        match self {
            Self::Presented(_) => None,
            Self::Granted(claims) => Some(claims.end()),
        }
    }
}

fn sooner(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    [one, other].into_iter().flatten().min()
}

/// Checks programs, from memory where it can.
#[derive(Debug)]
pub(super) struct Programs {
    stores: Stores,
    roles: Arc<Roles>,
    freshness: Arc<Freshness>,
    failures: Arc<FailureLimit>,
    recent_keys: Recent<Answer>,
    /// By their secrets.
    recent_clients: Recent<Answer>,
    answers: Cache<Digest, Arc<Answer>>,
    proven: Cache<Digest, ()>,
}

impl Programs {
    pub(super) fn new(stores: Stores, roles: Arc<Roles>, freshness: Arc<Freshness>, failures: Arc<FailureLimit>) -> Self {
        let answers = Cache::builder().max_capacity(100_000).expire_after(Kept).build();
        let proven = Cache::builder().max_capacity(20_000).time_to_idle(PROVEN_KEPT).build();
        Self {
            stores,
            roles,
            freshness,
            failures,
            recent_keys: Recent::default(),
            recent_clients: Recent::default(),
            answers,
            proven,
        }
    }

    pub(super) async fn api_key(&self, key: &str, caller: Caller) -> Result<Arc<Identity>, AuthnError> {
        if let Some(answer) = self.recent_keys.answer(key, caller.now).filter(|answer| self.is_fresh(answer)) {
            self.stores.metrics.program_cache.hits.one();
            return self.judge(&answer, CredentialKind::ApiKey, caller);
        }
        let digest = Digest::of(key.as_bytes());
        if let Some(answer) = self.remembered(&digest).await {
            if answer.found.is_ok() {
                self.recent_keys.keep(key, &answer, caller.now);
            }
            return self.judge(&answer, CredentialKind::ApiKey, caller);
        }
        let id = token::api_key_id(key).ok_or(AuthnError::refused(CredentialKind::ApiKey, Reason::Malformed))?;
        self.ask(&Presented { kind: ProgramKind::ApiKey, id, secret: digest, place: digest }, caller).await
    }

    pub(super) async fn client(&self, id: &str, secret: &str, caller: Caller) -> Result<Arc<Identity>, AuthnError> {
        let recent = self.recent_clients.answer(secret, caller.now);
        if let Some(answer) = recent.filter(|answer| answer.is_of(id) && self.is_fresh(answer)) {
            self.stores.metrics.program_cache.hits.one();
            return self.judge(&answer, CredentialKind::ClientSecret, caller);
        }
        let place = Digest::of_parts(&[b"client", id.as_bytes(), secret.as_bytes()]);
        if let Some(answer) = self.remembered(&place).await {
            if answer.found.is_ok() {
                self.recent_clients.keep(secret, &answer, caller.now);
            }
            return self.judge(&answer, CredentialKind::ClientSecret, caller);
        }
        let secret = Digest::of(secret.as_bytes());
        self.ask(&Presented { kind: ProgramKind::Client, id, secret, place }, caller).await
    }

    async fn remembered(&self, place: &Digest) -> Option<Arc<Answer>> {
        let found = self.answers.get(place).await.filter(|answer| self.is_fresh(answer));
        let meter = &self.stores.metrics.program_cache;
        if found.is_some() {
            meter.hits.one();
        } else {
            meter.misses.one();
        }
        found
    }

    fn is_fresh(&self, answer: &Answer) -> bool {
        self.freshness.holds(answer.program) && answer.owner.is_none_or(|owner| self.freshness.holds(owner))
    }

    /// Asks the store, once for all who present the same at the same time.
    async fn ask(&self, presented: &Presented<'_>, caller: Caller) -> Result<Arc<Identity>, AuthnError> {
        let (kind, party) = (presented.credential(), presented.party());
        if let Some(retry_after) = self.failures.wait(party, caller.now).await
            && !self.proven.contains_key(&presented.place)
        {
            return Err(AuthnError::TooMany { retry_after });
        }
        let answer = self.settled(presented.place, Sought::Presented(presented)).await?;
        let judged = self.judge(&answer, kind, caller);
        match &judged {
            Ok(_) => self.proven.insert(presented.place, ()).await,
            Err(AuthnError::Refused { reason: Reason::WrongSecret | Reason::Unknown, .. }) => {
                if let Some(retry_after) = self.failures.fail(party, caller.now).await {
                    return Err(AuthnError::TooMany { retry_after });
                }
            }
            Err(_) => {}
        }
        judged
    }

    /// The client that one of our own tokens was given to, as it is now and within what the token says.
    pub(super) async fn granted(&self, token: &str, grants: &Grants, caller: Caller) -> Result<Arc<Identity>, AuthnError> {
        let place = Digest::of_parts(&[b"token", token.as_bytes()]);
        if let Some(answer) = self.remembered(&place).await {
            return self.judge(&answer, CredentialKind::Bearer, caller);
        }
        let claims = grants.check(token, caller.now)?;
        let answer = self.settled(place, Sought::Granted(&claims)).await?;
        self.judge(&answer, CredentialKind::Bearer, caller)
    }

    /// What the store says, once nothing changes while it is being read.
    async fn settled(&self, place: Digest, sought: Sought<'_>) -> Result<Arc<Answer>, AuthnError> {
        loop {
            let asked = self.answers.try_get_with(place, self.look_up(sought)).await;
            let answer = asked.map_err(|error| unavailable_shared(sought.credential(), error))?;
            if self.is_fresh(&answer) {
                return Ok(answer);
            }
            self.answers.invalidate(&place).await;
        }
    }

    /// Judges, and notes the use of what was right.
    fn judge(&self, answer: &Answer, kind: CredentialKind, caller: Caller) -> Result<Arc<Identity>, AuthnError> {
        let known = judge(answer, kind, caller)?;
        if known.noted.is_due(caller.client, caller.now) {
            let Program { kind, id, .. } = &known.program;
            self.stores.used.used(*kind, id, caller.now);
            self.stores.visits.seen(*kind, id, caller.client, caller.now);
        }
        Ok(Arc::clone(&known.identity))
    }

    async fn look_up(&self, sought: Sought<'_>) -> Result<Arc<Answer>, DirectoryError> {
        let (kind, id) = sought.program();
        let mark = self.freshness.mark(Subject::Program(kind, id));
        let answer = |owner, found| Ok(Arc::new(Answer { program: mark, owner, found }));
        let Some(program) = self.stores.directory.program(kind, id).await? else {
            return answer(None, Err(sought.missing(Reason::Unknown)));
        };
        // Every stored digest is compared, so that the time does not tell which of two secrets was meant.
        let matching =
            program.secrets.iter().fold(None, |found, stored| if sought.is_by(stored) { Some(stored.expires_at) } else { found });
        let Some(secret_expires) = matching else { return answer(None, Err(sought.missing(Reason::WrongSecret))) };
        let secret_expires = sooner(secret_expires, sought.ends());
        let owner_mark = program.owner.map(|owner| self.freshness.mark(Subject::User(owner)));
        let owner = owner(&program, self.stores.directory.as_ref()).await?;
        let found = identity(&program, owner.as_ref(), sought.credential(), &self.roles).map(|identity| {
            let identity = Arc::new(sought.narrow(identity));
            Known { program, identity, secret_expires, noted: Noted::default() }
        });
        answer(owner_mark, found)
    }
}

/// The person whom it belongs to, as they are now.
pub(super) async fn owner(program: &Program, directory: &dyn Directory) -> Result<Option<User>, DirectoryError> {
    match program.owner {
        Some(owner) => directory.user(owner).await,
        None => Ok(None),
    }
}

/// What may change between two requests without a change in the store: time, and where the request comes from.
fn judge(answer: &Answer, kind: CredentialKind, caller: Caller) -> Result<&Known, AuthnError> {
    let known = answer.found.as_ref().map_err(|reason| AuthnError::refused(kind, *reason))?;
    standing(&known.program, known.secret_expires, caller).map_err(|reason| AuthnError::refused(kind, reason))?;
    Ok(known)
}

/// Whether the program is to be let in now and from there.
pub(super) fn standing(program: &Program, secret_expires: Option<Timestamp>, caller: Caller) -> Result<(), Reason> {
    if program.revoked_at.is_some() {
        return Err(Reason::Revoked);
    }
    if [program.expires_at, secret_expires].into_iter().flatten().any(|end| end <= caller.now) {
        return Err(Reason::Expired);
    }
    if !program.networks.is_empty() && !program.networks.iter().any(|network| network.contains(&caller.client)) {
        return Err(Reason::Network);
    }
    Ok(())
}

/// Who the program is, with the standing of `owner` as the store has them now.
pub(super) fn identity(
    program: &Program,
    owner: Option<&User>,
    credential: CredentialKind,
    roles: &Roles,
) -> Result<Identity, Reason> {
    let owner = owner.filter(|owner| owner.active && program.owner == Some(owner.id));
    if owner.is_none() && (program.owner.is_some() || program.within_owner) {
        return Err(Reason::OwnerInactive);
    }
    let mut held = roles.of(&program.tenant, &program.roles, &[]);
    let mut scopes = program.scopes.clone();
    if let Some(owner) = owner.filter(|_| program.within_owner) {
        let theirs = roles.of_user(owner);
        held.retain(|role| theirs.contains(role));
        scopes = within(&scopes, &roles.scopes_of(&theirs));
    }
    scopes.extend(roles.scopes_of(&held));
    scopes.sort();
    scopes.dedup();
    Ok(Identity {
        credential,
        subject: program.id.clone(),
        tenant: program.tenant.clone(),
        user: program.owner,
        is_person: false,
        user_name: None,
        email: None,
        name: Some(program.name.clone()),
        groups: Vec::new(),
        roles: held,
        scopes,
        session: None,
        connection: None,
        authenticated_at: None,
        amr: Vec::new(),
        mfa: false,
        expires_at: program.expires_at,
        issuer: None,
        session_digest: None,
        renew_at: None,
        forward: ForwardMemo::default(),
    })
}

/// What is both among `wanted` and among `held`, where either may have wildcards.
fn within(wanted: &[Scope], held: &[Scope]) -> Vec<Scope> {
    let covered = |one: &[Scope], other: &[Scope]| -> Vec<Scope> {
        other.iter().filter(|scope| one.iter().any(|wider| wider.covers(scope))).cloned().collect()
    };
    let mut both = [covered(held, wanted), covered(wanted, held)].concat();
    both.sort();
    both.dedup();
    both
}
