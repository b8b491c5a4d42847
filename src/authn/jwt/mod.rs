//! Bearer tokens: JWTs of configured issuers (RFC 7519, RFC 8725, RFC 9068).
//!
//! Refuses everything that the configuration does not name: issuer, audience, and only then the key that the issuer publishes.
//! A token that was checked is remembered by its digest for at most five minutes, so that a withdrawn key is noticed.

mod claims;
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

use self::keyring::{Keyring, KeysError, Newer, Source};
use super::AuthnError;
use super::reason::Reason;
use crate::clock::Timestamp;
use crate::config::access::{Bearer, BearerMfa, JwksSource};
use crate::config::{Config, Path, Problems};
use crate::crypto::Digest;
use crate::edge::Clean;
use crate::http_client::HttpClient;
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
    keys: Arc<Keyring>,
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
    let source = source(typed, path, problems)?;
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
        keys: Arc::new(Keyring::new(source)),
    })
}

fn source(typed: &Bearer, path: &Path, problems: &mut Problems) -> Option<Source> {
    let mut remote = |path: Path, text: &str| {
        let Ok(url) = Url::parse(text) else {
            problems.add(path, format!("`{text}` is not a URL"), "write `https://…`");
            return None;
        };
        match HttpClient::new(&url, typed.ca.as_deref()) {
            Ok(client) => Some((url, client)),
            Err(error) => {
                problems.add(path, error.to_string(), "");
                None
            }
        }
    };
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
    known: Cache<Digest, Arc<Known>>,
    metrics: Arc<Metrics>,
}

impl Tokens {
    pub(super) fn new(issuers: Issuers, roles: Arc<Roles>, metrics: Arc<Metrics>) -> Self {
        let known = Cache::builder().max_capacity(50_000).time_to_live(Duration::from_secs(300)).build();
        Self { issuers, roles, known, metrics }
    }

    pub(super) async fn identify(&self, token: &str, clean: &Clean<'_>) -> Result<Arc<Identity>, AuthnError> {
        if token.len() > jws::LARGEST {
            return Err(AuthnError::refused(KIND, Reason::TooLarge));
        }
        let place = Digest::of(token.as_bytes());
        if let Some(known) = self.known.get(&place).await {
            self.metrics.jwt_cache.hits.one();
            return still_good(&known, clean);
        }
        self.metrics.jwt_cache.misses.one();
        let known = Arc::new(self.check(token, clean.now).await?);
        let answer = still_good(&known, clean)?;
        self.known.insert(place, known).await;
        Ok(answer)
    }

    async fn check(&self, token: &str, now: Timestamp) -> Result<Known, AuthnError> {
        let refused = |reason| AuthnError::refused(KIND, reason);
        if self.issuers.0.is_empty() {
            return Err(refused(Reason::NotConfigured));
        }
        let jws = Jws::parse(token).map_err(refused)?;
        let claims = Claims::parse(&jws.payload).map_err(refused)?;
        let issuer = self.issuer(&claims).map_err(refused)?;
        check_type(&jws, &claims, issuer).map_err(refused)?;
        self.check_signature(&jws, issuer, now).await?;
        let expected = Expected { audiences: &issuer.audiences, skew: issuer.skew };
        let expires_at = claims.check(&expected, now).map_err(refused)?;
        let identity = claims.identity(&issuer.reading, &self.roles, expires_at).map_err(refused)?;
        let bound_to = claims.certificate_digest().map_err(refused)?;
        Ok(Known { identity: Arc::new(identity), expires_at, bound_to })
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

    async fn check_signature(&self, jws: &Jws<'_>, issuer: &Issuer, now: Timestamp) -> Result<(), AuthnError> {
        let unavailable = |error: KeysError| {
            tracing::warn!(issuer = %issuer.reading.issuer, error = &error as &dyn std::error::Error, "issuer keys unavailable");
            AuthnError::unavailable(KIND, error)
        };
        let refused = |reason| AuthnError::refused(KIND, reason);
        let held = issuer.keys.keys(now).await.map_err(unavailable)?;
        let Err(reason) = jws.verify(&held.keys) else { return Ok(()) };
        if jws.names_key_in(&held.keys) {
            return Err(refused(reason));
        }
        match issuer.keys.newer(held, now).await.map_err(unavailable)? {
            Newer::Keys(newer) => jws.verify(&newer.keys).map_err(refused),
            Newer::No => Err(refused(reason)),
        }
    }

    /// Fetches all issuers' keys behind the requests' backs, so that the first token need not wait.
    pub(super) fn warm_up(&self, now: Timestamp) {
        for issuer in self.issuers.0.values().flatten() {
            issuer.keys.refresh_behind(now);
        }
    }

    pub(super) fn issuers_without_keys(&self) -> Vec<String> {
        self.issuers
            .0
            .values()
            .flatten()
            .filter(|issuer| issuer.keys.is_empty())
            .map(|issuer| issuer.reading.issuer.clone())
            .collect()
    }

    /// Takes over the keys that `earlier` has fetched: a reload must not depend on the issuers being up.
    pub(super) fn inherit(&self, earlier: &Self) {
        for issuer in self.issuers.0.values().flatten() {
            for old in earlier.issuers.0.get(&issuer.reading.issuer).into_iter().flatten() {
                issuer.keys.inherit(&old.keys);
            }
        }
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
fn still_good(known: &Known, clean: &Clean<'_>) -> Result<Arc<Identity>, AuthnError> {
    if known.expires_at <= clean.now {
        return Err(AuthnError::refused(KIND, Reason::Expired));
    }
    if let Some(certificate) = &known.bound_to
        && clean.facts.client_chain.first().is_none_or(|leaf| Digest::of(leaf) != *certificate)
    {
        return Err(AuthnError::refused(KIND, Reason::SenderConstrained));
    }
    Ok(Arc::clone(&known.identity))
}

#[cfg(test)]
mod tests;
