//! Whether a credential is what it claims to be. The only stage that may wait.
//!
//! Refuses to confuse three answers: wrong ([`AuthnError::Refused`]), absent (`Ok(None)`) and could-not-check
//! ([`AuthnError::Unavailable`]), because the first must not become the second nor the third anonymous.

mod certificate;
mod freshness;
mod granted;
mod jwt;
mod license;
mod noted;
mod program;
mod reason;
mod recent;
mod session;
mod stand_in;

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use granted::Proved;
pub use granted::{GiveError, Granted};
pub use reason::Reason;
pub use stand_in::StandIn;

use crate::clock::Timestamp;
use crate::config::access::ClientCertificates;
use crate::config::{Config, Problems, Sessions as Lifetimes};
use crate::credential::Credential;
use crate::crypto::Digest;
use crate::crypto::weekly::Unsigned;
use crate::directory::{self, Directory};
use crate::edge::Clean;
use crate::limit::{FailureLimit, Party};
use crate::model::{Change, ConnectionId, CredentialKind, Identity, Scope, UserId};
use crate::policy::role::Roles;
use crate::session::{self as sessions, Refresher, Seals, SessionStore};
use crate::telemetry::Metrics;

/// Why a credential gave no identity.
#[derive(Debug, thiserror::Error)]
pub enum AuthnError {
    /// It is wrong (HTTP 401). The reason is for records and metrics; the caller learns only which kind was refused.
    #[error("the {kind} was refused: {reason}")]
    Refused { kind: CredentialKind, reason: Reason },
    /// It could not be checked (HTTP 503); nobody is anonymous or signed out because of it.
    #[error("the {kind} could not be checked")]
    Unavailable {
        kind: CredentialKind,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Too many wrong ones came from there, or for the same name (HTTP 429).
    #[error("too many refused credentials")]
    TooMany { retry_after: Duration },
}

impl AuthnError {
    pub(crate) fn unavailable(kind: CredentialKind, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable { kind, source: source.into() }
    }

    pub(crate) const fn refused(kind: CredentialKind, reason: Reason) -> Self {
        Self::Refused { kind, reason }
    }
}

/// An error that several callers got, since one asked for all of them.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Shared<E: std::fmt::Display + std::fmt::Debug>(Arc<E>);

fn unavailable_shared<E>(kind: CredentialKind, error: Arc<E>) -> AuthnError
where
    E: std::fmt::Display + std::fmt::Debug + Send + Sync + 'static,
{
    AuthnError::unavailable(kind, Shared(error))
}

/// What the configuration says about checking credentials; pure but for the key files that it names.
#[derive(Debug)]
pub struct Rules {
    lifetimes: Lifetimes,
    /// Of sealed sessions; `login` makes them with the same.
    pub seals: Arc<Seals>,
    /// Whether the application is given a provider's tokens.
    provider_tokens: bool,
    /// Who may have a break-glass session; `login` knows them.
    break_glass: HashSet<UserId>,
    failures_per_minute: u32,
    issuers: jwt::Issuers,
    /// Tokens of Doorward's own, where clients get any.
    grants: Option<granted::Grants>,
    licenses: Option<license::Issuer>,
    certificates: Option<ClientCertificates>,
}

impl Rules {
    pub fn compile(config: &Config, seals: Arc<Seals>, problems: &mut Problems) -> Self {
        Self {
            lifetimes: config.sessions,
            seals,
            provider_tokens: config.identity_headers.access_token || config.identity_headers.id_token,
            break_glass: HashSet::new(),
            failures_per_minute: config.limits.failures_per_minute,
            issuers: jwt::Issuers::compile(config, problems),
            grants: granted::Grants::compile(config, problems),
            licenses: license::Issuer::compile(config, problems),
            certificates: config.client_certificates.clone(),
        }
    }

    /// The same, where these may have a break-glass session and nobody else.
    #[must_use]
    pub fn with_break_glass(self, users: impl IntoIterator<Item = UserId>) -> Self {
        Self { break_glass: users.into_iter().collect(), ..self }
    }
}

/// Where a credential comes from, and when.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// After trusted proxies.
    pub client: IpAddr,
    pub now: Timestamp,
}

impl From<&Clean<'_>> for Caller {
    fn from(clean: &Clean<'_>) -> Self {
        Self { client: clean.client, now: clean.now }
    }
}

/// How late "last seen" and "last used" may be said to whoever writes them down.
const NOTED_EVERY: Duration = Duration::from_secs(1);

/// Where people, programs and sessions are known, and where their use is noted.
#[derive(Clone, Debug)]
pub struct Stores {
    pub directory: Arc<dyn Directory>,
    pub sessions: Arc<dyn SessionStore>,
    pub seen: Arc<sessions::Renewals>,
    pub used: Arc<directory::Renewals>,
    /// Where it is learnt from which networks programs are used.
    pub visits: Arc<directory::Visits>,
    /// Where it is counted how often memory knew the answer.
    pub metrics: Arc<Metrics>,
    /// Whoever can ask a provider for new tokens; `None` where nobody is to.
    pub refresher: Option<Arc<dyn Refresher>>,
}

/// What credentials are checked against.
#[derive(Debug)]
pub struct Authn {
    freshness: Arc<freshness::Freshness>,
    failures: Arc<FailureLimit>,
    sessions: session::Sessions,
    programs: program::Programs,
    tokens: jwt::Tokens,
    grants: Option<granted::Grants>,
    licenses: license::Licenses,
    certificates: certificate::Certificates,
}

impl Authn {
    #[must_use]
    pub fn new(checks: Rules, stores: &Stores, roles: &Arc<Roles>) -> Self {
        let freshness = Arc::new(freshness::Freshness::new());
        let failures = Arc::new(FailureLimit::new(checks.failures_per_minute));
        let people = session::People {
            stores: stores.clone(),
            roles: Arc::clone(roles),
            seals: checks.seals,
            provider_tokens: checks.provider_tokens,
            break_glass: checks.break_glass,
        };
        let (known, limit) = (Arc::clone(&freshness), Arc::clone(&failures));
        Self {
            sessions: session::Sessions::new(people, Arc::clone(&freshness), checks.lifetimes),
            programs: program::Programs::new(stores.clone(), Arc::clone(roles), known, Arc::clone(&limit)),
            tokens: jwt::Tokens::new(checks.issuers, Arc::clone(roles), Arc::clone(&stores.metrics), limit),
            grants: checks.grants,
            licenses: license::Licenses::new(checks.licenses, Arc::clone(roles)),
            certificates: certificate::Certificates::new(checks.certificates.as_ref(), roles),
            freshness,
            failures,
        }
    }

    /// Who presents `credential`; `None` where none was presented, or a session that has ended.
    pub async fn identify(
        &self,
        credential: Option<Credential<'_>>,
        clean: &Clean<'_>,
    ) -> Result<Option<Arc<Identity>>, AuthnError> {
        let Some(credential) = credential else { return Ok(None) };
        let answer = match credential {
            Credential::Session(value) => return self.sessions.identify(&value, clean).await,
            Credential::ApiKey(key) => self.programs.api_key(key, clean.into()).await,
            Credential::ClientSecret { id, secret } => self.programs.client(&id, &secret, clean.into()).await,
            Credential::Bearer(token) => match self.grants.as_ref().filter(|grants| grants.names(token, clean.now)) {
                Some(grants) => self.programs.granted(token, grants, clean.into()).await,
                None => self.tokens.identify(token, clean).await,
            },
            Credential::License(license) => self.licenses.identify(license, clean).await,
            Credential::ClientCertificate(chain) => self.certificates.identify(chain, clean).await,
        };
        match answer {
            Ok(identity) => Ok(Some(identity)),
            Err(error) => Err(self.count(error, clean.into()).await),
        }
    }

    /// Who a client is that asks for a token: judged and counted as on any request.
    pub async fn client(&self, id: &str, secret: &str, caller: Caller) -> Result<Arc<Identity>, AuthnError> {
        match self.programs.client(id, secret, caller).await {
            Ok(client) => Ok(client),
            Err(error) => Err(self.count(error, caller).await),
        }
    }

    /// A token for `client`, which has just proved `secret` at the site with the address `issuer`; with `scopes` where it asked for less
    /// than it has.
    ///
    /// # Errors
    /// When it could not be made, or clients get none.
    pub fn grant(
        &self,
        issuer: &str,
        client: &Identity,
        secret: &str,
        scopes: Option<Vec<Scope>>,
        now: Timestamp,
    ) -> Result<Granted, GiveError> {
        let grants = self.grants.as_ref().ok_or(Unsigned)?;
        let proved = Proved { issuer, client, secret: &Digest::of(secret.as_bytes()) };
        grants.give(&proved, scopes, now)
    }

    /// The public keys of such tokens, as a JWK set (RFC 7517 §5).
    ///
    /// # Errors
    /// When they could not be derived, or clients get none.
    pub fn grant_keys(&self, now: Timestamp) -> Result<serde_json::Value, Unsigned> {
        self.grants.as_ref().ok_or(Unsigned)?.jwks(now)
    }

    /// Counts what may have been a guess towards the waiting of its source. Only wrong credentials wait: a right one from the
    /// same address is let in, because many share an address with somebody who guesses.
    async fn count(&self, error: AuthnError, caller: Caller) -> AuthnError {
        match error {
            AuthnError::Refused { reason, .. } if reason.is_guess() => {
                let wait = self.failures.fail(Party::source(caller.client), caller.now).await;
                wait.map_or(error, |retry_after| AuthnError::TooMany { retry_after })
            }
            other => other,
        }
    }

    /// Issuers whose tokens cannot be checked yet, because their keys were never fetched.
    #[must_use]
    pub fn issuers_without_keys(&self) -> Vec<String> {
        self.tokens.issuers_without_keys()
    }

    /// Forgets what a change in the store made stale, also where it is just being read.
    pub fn forget(&self, change: &Change) {
        self.freshness.turn(change);
    }

    /// Who may have a break-glass session.
    pub fn break_glass(&self) -> impl Iterator<Item = UserId> {
        self.sessions.people().break_glass.iter().copied()
    }

    /// Whether this is a break-glass session of an account that is gone, of which no store tells.
    #[must_use]
    pub fn has_lost_its_account(&self, identity: &Identity) -> bool {
        identity.connection.as_ref().is_some_and(ConnectionId::is_break_glass)
            && identity.user.is_none_or(|user| !self.sessions.people().break_glass.contains(&user))
    }

    /// Begins to fetch the issuers' keys, so that the first token need not wait. Needs a tokio runtime.
    pub fn warm_up(&self, now: Timestamp) {
        self.tokens.warm_up(now);
    }

    /// Takes over what `earlier`, under the configuration before, fetched from issuers.
    pub fn inherit(&self, earlier: &Self) {
        self.tokens.inherit(&earlier.tokens);
    }
}
