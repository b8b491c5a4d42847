//! Bearer tokens: JWTs of configured issuers (RFC 7519, RFC 8725, RFC 9068), and tokens that an issuer is asked about (RFC 7662).
//!
//! Refuses everything that the configuration does not name: issuer, audience, and only then the key that the issuer publishes.
//! A token that was checked is remembered by its digest for at most five minutes, so that a withdrawn key is noticed; one that an issuer was
//! asked about for as long as is configured.

mod claims;
mod introspection;
mod jws;
mod keyring;
mod keys;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use url::Url;

use claims::Reading;
pub(super) use claims::{Claims, Expected, is_plain};
pub(super) use jws::Jws;
pub(super) use keys::{Key, KeySet};

use self::introspection::{Introspection, Unanswered};
use self::keyring::{Keyring, KeysError, Newer, Source};
use super::reason::Reason;
use super::recent::Recent;
use super::{AuthnError, unavailable_shared};
use crate::clock::Timestamp;
use crate::config::access::{Bearer, BearerMfa, JwksSource};
use crate::config::{Config, Path, Problems};
use crate::crypto::Digest;
use crate::edge::Clean;
use crate::http_client::HttpClient;
use crate::limit::{FailureLimit, Party};
use crate::model::{CredentialKind, Identity};
use crate::policy::mfa::Evidence;
use crate::policy::role::Roles;
use crate::telemetry::Metrics;

const KIND: CredentialKind = CredentialKind::Bearer;

/// One issuer for one set of audiences.
#[derive(Debug)]
struct Issuer {
    reading: Reading,
    audiences: Vec<String>,
    skew: Duration,
    access_tokens_only: bool,
    /// What its JWTs are checked with; `None` where it is asked about them.
    keys: Option<Arc<Keyring>>,
    introspection: Option<Introspection>,
}

/// How a token is checked.
enum Way<'t, 'i> {
    Signed { jws: Jws<'t>, claims: Claims, issuer: &'i Issuer, keys: &'i Arc<Keyring> },
    Asked(&'i Issuer, &'i Introspection),
}

/// What was found out about a token, and until when it need not be found out again.
#[derive(Debug)]
struct Answer {
    found: Result<Known, Reason>,
    until: Timestamp,
}

impl Answer {
    /// Whether it is, or was until a moment ago, a token that somebody had by right: no guess hits one.
    const fn is_of_a_real_token(&self) -> bool {
        matches!(self.found, Ok(_) | Err(Reason::Revoked))
    }
}

/// A token that was right, ready for the next request.
#[derive(Debug)]
struct Known {
    identity: Arc<Identity>,
    expires_at: Timestamp,
    /// The client certificate it may be used with, by the SHA-256 of its DER.
    bound_to: Option<Digest>,
}

/// The issuers whose tokens are taken, by their name.
#[derive(Debug, Default)]
pub(super) struct Issuers(HashMap<String, Vec<Issuer>>);

impl Issuers {
    pub(super) fn compile(config: &Config, problems: &mut Problems) -> Self {
        let mut issuers: HashMap<String, Vec<Issuer>> = HashMap::new();
        for (index, typed) in config.bearer.iter().enumerate() {
            let path = Path::from("bearer").item(index);
            if let Some(issuer) = compile(typed, &path, problems) {
                issuers.entry(typed.issuer.clone()).or_default().push(issuer);
            }
        }
        Self(issuers)
    }
}

fn compile(typed: &Bearer, path: &Path, problems: &mut Problems) -> Option<Issuer> {
    if typed.audiences.iter().all(String::is_empty) {
        let hint = "name this application as the issuer's tokens do in `aud`";
        problems.add(
            path.key("audiences"),
            "an issuer needs an audience: without one, tokens for other services would be taken",
            hint,
        );
    }
    let introspection = match &typed.introspection {
        Some(asked) => Some(Introspection::compile(typed, asked, path, problems)?),
        None => None,
    };
    let keys = match &introspection {
        Some(asked) if asked.tokens.has_jwts() => None,
        _ => Some(Arc::new(Keyring::new(source(typed, path, problems)?))),
    };
    Some(Issuer {
        reading: Reading {
            issuer: typed.issuer.clone(),
            names: typed.claims.clone(),
            tenant: typed.tenant.clone(),
            trust_unverified_email: typed.trust_unverified_email,
            second_factor: Evidence::of_tokens(typed.mfa.as_ref().unwrap_or(&BearerMfa::default())),
            programs_only: typed.programs_only,
        },
        audiences: typed.audiences.clone(),
        skew: typed.clock_skew.0,
        access_tokens_only: typed.require_access_token_type,
        keys,
        introspection,
    })
}

/// Somebody to be asked over the network, at the address that stands at `path`.
fn remote(path: Path, text: &str, authorities: Option<&std::path::Path>, problems: &mut Problems) -> Option<(Url, HttpClient)> {
    let Ok(url) = Url::parse(text) else {
        problems.add(path, format!("`{text}` is not a URL"), "write `https://…`");
        return None;
    };
    match HttpClient::new(&url, authorities) {
        Ok(client) => Some((url, client)),
        Err(error) => {
            problems.add(path, error.to_string(), "");
            None
        }
    }
}

fn source(typed: &Bearer, path: &Path, problems: &mut Problems) -> Option<Source> {
    let mut remote = |path: Path, text: &str| remote(path, text, typed.ca.as_deref(), problems);
    match &typed.jwks {
        None => {
            let (base, client) = remote(path.key("issuer"), &typed.issuer)?;
            Some(Source::Discovery { issuer: typed.issuer.clone(), base, client })
        }
        Some(JwksSource::Url(url)) => {
            let (url, client) = remote(path.key("jwks").key("url"), url)?;
            Some(Source::Url { url, client })
        }
        Some(JwksSource::Path(file)) => {
            let readable = std::fs::read(file).map_err(|error| error.to_string());
            let checked = readable.and_then(|document| KeySet::from_json(&document).map_err(|error| error.to_string()));
            if let Err(what) = checked {
                problems.add(path.key("jwks").key("path"), format!("`{}`: {what}", file.display()), "give a JSON Web Key Set");
                return None;
            }
            Some(Source::File(file.clone()))
        }
    }
}

/// Checks bearer tokens, from memory where it can.
#[derive(Debug)]
pub(super) struct Tokens {
    issuers: Issuers,
    roles: Arc<Roles>,
    recent: Recent<Answer>,
    answers: Cache<Digest, Arc<Answer>>,
    metrics: Arc<Metrics>,
    failures: Arc<FailureLimit>,
}

/// How long it is remembered that a token was good, without relying on it: longer than it is relied on.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// How long a signature that was right is relied on.
const SIGNATURE_KEPT: Duration = Duration::from_secs(300);

impl Tokens {
    pub(super) fn new(issuers: Issuers, roles: Arc<Roles>, metrics: Arc<Metrics>, failures: Arc<FailureLimit>) -> Self {
        let answers = Cache::builder().max_capacity(50_000).time_to_live(REMEMBERED).build();
        Self { issuers, roles, recent: Recent::default(), answers, metrics, failures }
    }

    pub(super) async fn identify(&self, token: &str, clean: &Clean<'_>) -> Result<Arc<Identity>, AuthnError> {
        if token.len() > jws::LARGEST {
            return Err(refused(Reason::TooLarge));
        }
        if let Some(answer) = self.recent.answer(token, clean.now).filter(|answer| clean.now < answer.until) {
            self.metrics.jwt_cache.hits.one();
            return still_good(&answer, clean);
        }
        let place = Digest::of(token.as_bytes());
        let before = self.answers.get(&place).await;
        if let Some(answer) = before.as_ref().filter(|answer| clean.now < answer.until) {
            self.metrics.jwt_cache.hits.one();
            if answer.found.is_ok() {
                self.recent.keep(token, answer, clean.now);
            }
            return still_good(answer, clean);
        }
        self.metrics.jwt_cache.misses.one();
        match self.way(token).map_err(refused)? {
            Way::Signed { jws, claims, issuer, keys } => {
                check_signature(&jws, issuer, keys, clean.now).await?;
                let found = Ok(self.known(&claims, issuer, clean.now).map_err(refused)?);
                let answer = Arc::new(Answer { found, until: clean.now.after(SIGNATURE_KEPT) });
                let identity = still_good(&answer, clean)?;
                self.answers.insert(place, answer).await;
                Ok(identity)
            }
            Way::Asked(issuer, asked) => {
                let real = before.as_ref().is_some_and(|answer| answer.is_of_a_real_token());
                // Whoever guesses must not have the issuer asked without end. What was good before is no guess.
                if !real && let Some(retry_after) = self.failures.wait(Party::source(clean.client), clean.now).await {
                    return Err(AuthnError::TooMany { retry_after });
                }
                if before.is_some() {
                    self.recent.forget(token);
                    self.answers.invalidate(&place).await;
                }
                // Once for all who present the same at the same time.
                let answer = self.answers.try_get_with(place, Box::pin(self.ask(token, real, issuer, asked, clean.now))).await;
                let answer: Arc<Answer> = answer.map_err(|error| unavailable_shared(KIND, error))?;
                still_good(&answer, clean)
            }
        }
    }

    /// Who is to say whether the token is right.
    fn way<'t>(&self, token: &'t str) -> Result<Way<'t, '_>, Reason> {
        if self.issuers.0.is_empty() {
            return Err(Reason::NotConfigured);
        }
        let jws = match Jws::parse(token) {
            Err(Reason::Malformed) => return self.asked_about_opaque().ok_or(Reason::Malformed),
            parsed => parsed?,
        };
        let claims = Claims::parse(&jws.payload)?;
        let issuer = self.issuer(&claims)?;
        check_type(&jws, &claims, issuer)?;
        match (&issuer.keys, &issuer.introspection) {
            (Some(keys), _) => Ok(Way::Signed { jws, claims, issuer, keys }),
            (None, Some(asked)) => Ok(Way::Asked(issuer, asked)),
            (None, None) => Err(Reason::UnknownKey),
        }
    }

    fn asked_about_opaque<'t>(&self) -> Option<Way<'t, '_>> {
        self.issuers.0.values().flatten().find_map(|issuer| {
            let asked = issuer.introspection.as_ref().filter(|asked| asked.tokens.has_opaque())?;
            Some(Way::Asked(issuer, asked))
        })
    }

    /// `real`: whether it was a good token before.
    async fn ask(
        &self,
        token: &str,
        real: bool,
        issuer: &Issuer,
        asked: &Introspection,
        now: Timestamp,
    ) -> Result<Arc<Answer>, Unanswered> {
        let meter = &self.metrics.introspections;
        let claims = asked.ask(token, now).await.inspect_err(|error| {
            meter.failed.one();
            tracing::warn!(issuer = %issuer.reading.issuer, error = error as &dyn std::error::Error, "a token could not be asked about");
        })?;
        let found = if let Some(claims) = claims {
            meter.active.one();
            let typed = if claims.are_of_another_type() { Err(Reason::TokenType) } else { asked.gave(&claims) };
            typed.and_then(|()| self.known(&claims, issuer, now))
        } else {
            meter.inactive.one();
            Err(if real { Reason::Revoked } else { Reason::Unknown })
        };
        let until = asked.until(found.as_ref().ok().map(|known| known.expires_at), now);
        Ok(Arc::new(Answer { found, until }))
    }

    /// What the claims say, once they are known to be the issuer's.
    fn known(&self, claims: &Claims, issuer: &Issuer, now: Timestamp) -> Result<Known, Reason> {
        let expected = Expected { audiences: &issuer.audiences, skew: issuer.skew };
        let expires_at = claims.check(&expected, now)?;
        let identity = claims.identity(&issuer.reading, &self.roles, expires_at)?;
        Ok(Known { identity: Arc::new(identity), expires_at, bound_to: claims.certificate_digest()? })
    }

    /// The configured issuer that the token claims to be of and for: still to be proved by its signature.
    fn issuer(&self, claims: &Claims) -> Result<&Issuer, Reason> {
        let name = claims.text("iss")?.ok_or(Reason::Claims)?;
        let issuers = self.issuers.0.get(name).ok_or(Reason::UnknownIssuer)?;
        for issuer in issuers {
            if claims.is_for(&issuer.audiences)? {
                return Ok(issuer);
            }
        }
        Err(Reason::Audience)
    }

    /// Fetches all issuers' keys behind the requests' backs, so that the first token need not wait.
    pub(super) fn warm_up(&self, now: Timestamp) {
        for keys in self.issuers.0.values().flatten().filter_map(|issuer| issuer.keys.as_ref()) {
            keys.refresh_behind(now);
        }
    }

    pub(super) fn issuers_without_keys(&self) -> Vec<String> {
        let lacks = |issuer: &&Issuer| issuer.keys.as_ref().is_some_and(|keys| keys.is_empty());
        self.issuers.0.values().flatten().filter(lacks).map(|issuer| issuer.reading.issuer.clone()).collect()
    }

    /// Takes over the keys that `earlier` has fetched: a reload must not depend on the issuers being up.
    pub(super) fn inherit(&self, earlier: &Self) {
        for issuer in self.issuers.0.values().flatten() {
            for old in earlier.issuers.0.get(&issuer.reading.issuer).into_iter().flatten() {
                if let (Some(keys), Some(old)) = (&issuer.keys, &old.keys) {
                    keys.inherit(old);
                }
            }
        }
    }
}

const fn refused(reason: Reason) -> AuthnError {
    AuthnError::refused(KIND, reason)
}

async fn check_signature(jws: &Jws<'_>, issuer: &Issuer, keys: &Arc<Keyring>, now: Timestamp) -> Result<(), AuthnError> {
    let unavailable = |error: KeysError| {
        tracing::warn!(issuer = %issuer.reading.issuer, error = &error as &dyn std::error::Error, "issuer keys unavailable");
        AuthnError::unavailable(KIND, error)
    };
    let held = keys.keys(now).await.map_err(unavailable)?;
    let Err(reason) = jws.verify(&held.keys) else { return Ok(()) };
    if jws.names_key_in(&held.keys) {
        return Err(refused(reason));
    }
    match keys.newer(held, now).await.map_err(unavailable)? {
        Newer::Keys(newer) => jws.verify(&newer.keys).map_err(refused),
        Newer::No => Err(refused(reason)),
    }
}

/// Access tokens only: RFC 9068 §2.1 names its type, many issuers say `JWT` or nothing, and every other type is another token.
fn check_type(jws: &Jws<'_>, claims: &Claims, issuer: &Issuer) -> Result<(), Reason> {
    let taken = match jws.token_type.as_deref() {
        Some("at+jwt") => true,
        None | Some("jwt") => !issuer.access_tokens_only && !claims.are_of_another_type(),
        Some(_) => false,
    };
    if taken { Ok(()) } else { Err(Reason::TokenType) }
}

/// What may change between two requests with the same token: time, and the connection it comes on.
fn still_good(answer: &Answer, clean: &Clean<'_>) -> Result<Arc<Identity>, AuthnError> {
    let known = answer.found.as_ref().map_err(|reason| refused(*reason))?;
    if known.expires_at <= clean.now {
        return Err(refused(Reason::Expired));
    }
    if let Some(certificate) = &known.bound_to
        && clean.facts.client_chain.first().is_none_or(|leaf| Digest::of(leaf) != *certificate)
    {
        return Err(refused(Reason::SenderConstrained));
    }
    Ok(Arc::clone(&known.identity))
}

#[cfg(test)]
mod tests;
