//! Access tokens that Doorward itself gives to clients (RFC 9068), and takes back.
//!
//! Refuses every header but the ones it writes, so that nothing in a token chooses how it is checked; and believes of a token only what its
//! client still has: a token is a name with an end, and the store says what that name may do.

use std::collections::HashSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::AuthnError;
use super::reason::Reason;
use crate::clock::Timestamp;
use crate::config::{Config, Path, Problems};
use crate::crypto::weekly::{Purpose, Signing, Unsigned, Weekly};
use crate::crypto::{Digest, random};
use crate::model::{CredentialKind, Identity, Scope};
use crate::policy::tenancy::Tenancy;

/// RFC 9068 §2.1. Not the assertion's keys: an application that takes those must not take this for one.
const PURPOSE: Purpose = Purpose { name: "access token", typ: "at+jwt", signing: Signing::EdDsa };
/// Bytes of the largest token that can be one of ours.
const LARGEST: usize = 8 * 1024;

/// Gives tokens and knows them again.
#[derive(Debug)]
pub(super) struct Grants {
    /// The sites' addresses. The one where a token is given is also its audience: the one service behind this door.
    issuers: HashSet<Box<str>>,
    lifetime: Duration,
    keys: Weekly,
}

/// A token, as it is given. No Debug: it is a secret.
pub struct Granted {
    pub token: String,
    pub expires_in: Duration,
    pub scopes: Vec<Scope>,
    /// For the record.
    pub id: String,
}

/// Who is to get a token.
pub(super) struct Proved<'a> {
    /// The address of the site that was asked.
    pub(super) issuer: &'a str,
    pub(super) client: &'a Identity,
    /// The digest of the secret that was right.
    pub(super) secret: &'a Digest,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claims {
    iss: String,
    aud: String,
    pub(super) sub: String,
    client_id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    scope: String,
    /// Whether the client asked for less than it has: the token then has these scopes and no role.
    pub(super) narrowed: bool,
    /// The secret that it was got with, by [`secret_name`].
    pub(super) secret: String,
    iat: i64,
    exp: i64,
    jti: String,
}

impl Claims {
    pub(super) fn scopes(&self) -> Vec<Scope> {
        self.scope.split(' ').filter_map(|scope| scope.parse().ok()).collect()
    }

    pub(super) const fn end(&self) -> Timestamp {
        Timestamp::from_seconds(self.exp)
    }
}

/// By which a token names the secret that it was got with, so that it ends with that; says nothing about the secret.
pub(super) fn secret_name(digest: &Digest) -> String {
    URL_SAFE_NO_PAD.encode(&Digest::of(digest.as_bytes()).as_bytes()[..12])
}

impl Grants {
    /// `None` where clients get no tokens.
    pub(super) fn compile(config: &Config, problems: &mut Problems) -> Option<Self> {
        let typed = config.token_endpoint.as_ref()?;
        match Weekly::new(&config.secret_key, PURPOSE) {
            Ok(keys) => {
                let issuers = Tenancy::compile(config).iter().map(|(_, site)| site.public_url.clone()).collect();
                Some(Self { issuers, lifetime: typed.lifetime.0, keys })
            }
            Err(error) => {
                problems.add(Path::from("token_endpoint"), error.to_string(), "");
                None
            }
        }
    }

    /// A token for this client; with `scopes` where it asked for less than it has.
    pub(super) fn give(&self, proved: &Proved<'_>, scopes: Option<Vec<Scope>>, now: Timestamp) -> Result<Granted, GiveError> {
        let Proved { issuer, client, secret } = proved;
        let id = URL_SAFE_NO_PAD.encode(random::bytes::<16>()?);
        let latest = now.after(self.lifetime);
        let end = client.expires_at.map_or(latest, |end| end.min(latest));
        let narrowed = scopes.is_some();
        let scopes = scopes.unwrap_or_else(|| client.scopes.clone());
        let claims = Claims {
            iss: (*issuer).to_owned(),
            aud: (*issuer).to_owned(),
            sub: client.subject.clone(),
            client_id: client.subject.clone(),
            scope: scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(" "),
            narrowed,
            secret: secret_name(secret),
            iat: now.seconds(),
            exp: end.seconds(),
            jti: id.clone(),
        };
        let token = self.keys.at(now)?.current().sign(&claims)?;
        Ok(Granted { token, expires_in: end.since(now), scopes, id })
    }

    /// The public keys, for whoever wants to check a token: the application need not.
    pub(super) fn jwks(&self, now: Timestamp) -> Result<serde_json::Value, Unsigned> {
        Ok(self.keys.at(now)?.jwks())
    }

    /// Whether the token says that it is one of ours; its signature is still to be checked.
    pub(super) fn names(&self, token: &str, now: Timestamp) -> bool {
        self.keys.at(now).is_ok_and(|keys| keys.iter().any(|key| key.heads(token)))
    }

    /// What one of our tokens says, if it is genuine and has not ended.
    pub(super) fn check(&self, token: &str, now: Timestamp) -> Result<Claims, AuthnError> {
        let refused = |reason| AuthnError::refused(CredentialKind::Bearer, reason);
        if token.len() > LARGEST {
            return Err(refused(Reason::TooLarge));
        }
        let keys = self.keys.at(now).map_err(|error| AuthnError::unavailable(CredentialKind::Bearer, error))?;
        let key = keys.iter().find(|key| key.heads(token)).ok_or(refused(Reason::UnknownKey))?;
        let (message, signature) = token.rsplit_once('.').ok_or(refused(Reason::Malformed))?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| refused(Reason::Malformed))?;
        if !key.verifies(message.as_bytes(), &signature) {
            return Err(refused(Reason::Signature));
        }
        let payload = message.split_once('.').and_then(|(_, payload)| URL_SAFE_NO_PAD.decode(payload).ok());
        let claims: Option<Claims> = payload.and_then(|payload| serde_json::from_slice(&payload).ok());
        let claims = claims.ok_or(refused(Reason::Claims))?;
        if claims.aud != claims.iss || !self.issuers.contains(&*claims.iss) {
            return Err(refused(Reason::Audience));
        }
        if claims.end() <= now {
            return Err(refused(Reason::Expired));
        }
        Ok(claims)
    }
}

/// Why no token could be made.
#[derive(Debug, thiserror::Error)]
pub enum GiveError {
    #[error(transparent)]
    Unsigned(#[from] Unsigned),
    #[error(transparent)]
    Randomness(#[from] random::NoRandomness),
}
