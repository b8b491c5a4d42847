//! The signed assertion: a JWT (RFC 7519) that tells the application who is calling in a way it can verify.
//!
//! Refuses to be signed for each request: it is made once per identity and renewed at half its life. Its keys are derived from
//! `secret_key`, so that replicas sign alike and share nothing else; they change every week, and the ones before and after are
//! published with the present one, so that a verifier's cached set is never behind.

use std::sync::Arc;

use axum::response::IntoResponse as _;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, header};
use serde::Serialize;

use super::Outbound;
use crate::clock::Timestamp;
use crate::config::access::{Assertion as Typed, AssertionAlgorithm};
use crate::config::{Config, Path, Problems};
use crate::crypto::random;
use crate::crypto::weekly::{Purpose, Signing, Unsigned, Weekly};
use crate::model::{Identity, MintedAssertion, Scope};

/// Seconds an assertion is valid.
const LIFETIME: i64 = 300;
/// How long a verifier may keep the published keys; far less than an epoch, so that it has the next key before its first use.
const CACHE: &str = "public, max-age=3600";

/// Makes assertions.
pub struct Assertions {
    issuer: String,
    audience: String,
    keys: Weekly,
}

impl std::fmt::Debug for Assertions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Assertions({})", self.audience)
    }
}

/// An assertion could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum MintError {
    #[error(transparent)]
    Unsigned(#[from] Unsigned),
    #[error(transparent)]
    Randomness(#[from] random::NoRandomness),
}

impl Assertions {
    /// `None` where the configuration asks for none.
    pub(super) fn compile(config: &Config, problems: &mut Problems) -> Option<Self> {
        let Typed { audience, algorithm } = config.identity_headers.assertion.as_ref()?;
        let at = Path::from("identity_headers").key("assertion");
        if audience.is_empty() {
            problems.add(at.key("audience"), "the audience is empty", "name the application, such as `https://app.example.com`");
        }
        match Weekly::new(&config.secret_key, purpose(*algorithm)) {
            Ok(keys) => {
                Some(Self { issuer: config.public_url.trim_end_matches('/').to_owned(), audience: audience.clone(), keys })
            }
            Err(error) => {
                problems.add(at, error.to_string(), "");
                None
            }
        }
    }

    /// The identity's assertion: the one at hand, or a new one when that has lived half its life.
    pub(super) fn of(&self, identity: &Identity, now: Timestamp) -> Result<HeaderValue, MintError> {
        if let Some(minted) = identity.forward.assertion.load().as_ref()
            && now < minted.renew_at
        {
            return Ok(minted.value.clone());
        }
        let minted = self.mint(identity, now)?;
        let value = minted.value.clone();
        identity.forward.assertion.store(Some(Arc::new(minted)));
        Ok(value)
    }

    fn mint(&self, identity: &Identity, now: Timestamp) -> Result<MintedAssertion, MintError> {
        let issued = now.seconds();
        let end = identity.expires_at.map_or(i64::MAX, Timestamp::seconds);
        let expires = issued.saturating_add(LIFETIME).min(end);
        let claims = Claims {
            iss: &self.issuer,
            aud: &self.audience,
            sub: &identity.subject,
            sub_iss: identity.issuer.as_deref(),
            email: identity.email.as_deref(),
            name: identity.name.as_deref(),
            preferred_username: identity.user_name.as_deref(),
            groups: &identity.groups,
            roles: &identity.roles,
            tenant: identity.tenant.as_str(),
            scope: identity.scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(" "),
            cred: identity.credential.as_str(),
            sid: identity.session.as_ref().map(|handle| handle.0.as_str()),
            iat: issued,
            nbf: issued,
            exp: expires,
            jti: URL_SAFE_NO_PAD.encode(random::bytes::<16>()?),
        };
        let token = self.keys.at(now)?.current().sign(&claims)?;
        let value = HeaderValue::try_from(token).map_err(|_| Unsigned)?;
        let half = Timestamp::from_seconds(issued + (expires - issued) / 2);
        Ok(MintedAssertion { value, renew_at: half })
    }

    /// The public keys, as a JWK set (RFC 7517).
    fn jwks(&self, now: Timestamp) -> Result<serde_json::Value, MintError> {
        Ok(self.keys.at(now)?.jwks())
    }
}

/// The door with the public keys, at `{prefix}/jwks.json`; empty where no assertion is made.
pub(super) fn jwks_router(assertions: Option<Arc<Assertions>>, prefix: &str) -> Router {
    let Some(assertions) = assertions else { return Router::new() };
    let answer = move |axum::Extension(outbound): axum::Extension<Arc<Outbound>>| {
        let keys = assertions.jwks(outbound.now);
        async move {
            match keys {
                Ok(keys) => ([(header::CACHE_CONTROL, CACHE)], Json(keys)).into_response(),
                Err(error) => {
                    tracing::error!(%error, "the public keys could not be derived");
                    http::StatusCode::SERVICE_UNAVAILABLE.into_response()
                }
            }
        }
    };
    Router::new().route(&format!("{prefix}/jwks.json"), axum::routing::get(answer))
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    /// Whose name for somebody `sub` is, where it is not Doorward's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_username: Option<&'a str>,
    groups: &'a [String],
    roles: &'a [String],
    tenant: &'a str,
    #[serde(skip_serializing_if = "String::is_empty")]
    scope: String,
    cred: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: String,
}

/// Other purposes have other keys, so that a token for something else is never taken for an assertion.
const fn purpose(algorithm: AssertionAlgorithm) -> Purpose {
    let signing = match algorithm {
        AssertionAlgorithm::EdDsa => Signing::EdDsa,
        AssertionAlgorithm::Es256 => Signing::Es256,
    };
    Purpose { name: "assertion", typ: "JWT", signing }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::jwk::JwkSet;
    use jsonwebtoken::{Algorithm, DecodingKey, Validation};

    use super::*;
    use crate::crypto::Secret;
    use crate::crypto::weekly::EPOCH;
    use crate::model::CredentialKind;

    fn assertions(algorithm: AssertionAlgorithm) -> Assertions {
        let master = Secret::new("0123456789abcdef0123456789abcdef".to_owned());
        Assertions {
            issuer: "https://app.example.com".to_owned(),
            audience: "app".to_owned(),
            keys: Weekly::new(&master, purpose(algorithm)).unwrap(),
        }
    }

    fn key_of(jwks: &serde_json::Value, token: &str) -> Option<DecodingKey> {
        let jwks: JwkSet = serde_json::from_value(jwks.clone()).unwrap();
        let kid = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
        jwks.find(&kid).map(|key| DecodingKey::from_jwk(key).unwrap())
    }

    #[test]
    fn an_assertion_verifies_with_the_published_keys_of_its_week_and_of_its_neighbours() {
        for (algorithm, named) in [(AssertionAlgorithm::EdDsa, Algorithm::EdDSA), (AssertionAlgorithm::Es256, Algorithm::ES256)] {
            let assertions = assertions(algorithm);
            let now = Timestamp::from_seconds(1_800_000_000);
            let minted = assertions.mint(&Identity::sample(CredentialKind::Session), now).unwrap();
            let token = minted.value.to_str().unwrap();
            let mut validation = Validation::new(named);
            validation.set_audience(&["app"]);
            validation.set_issuer(&["https://app.example.com"]);
            validation.validate_exp = false;
            for week in [-1, 0, 1] {
                let jwks = assertions.jwks(Timestamp::from_seconds(now.seconds() + week * EPOCH)).unwrap();
                let key = key_of(&jwks, token).expect("published");
                let read = jsonwebtoken::decode::<serde_json::Value>(token, &key, &validation).unwrap();
                assert_eq!(read.claims["exp"], now.seconds() + LIFETIME);
                assert_eq!(read.claims["sub"], "ada-1");
            }
            let later = assertions.jwks(Timestamp::from_seconds(now.seconds() + 2 * EPOCH)).unwrap();
            assert!(key_of(&later, token).is_none(), "a key is published for three weeks");
        }
    }

    #[test]
    fn an_assertion_is_made_once_and_renewed_at_half_its_life() {
        let assertions = assertions(AssertionAlgorithm::EdDsa);
        let identity = Identity::sample(CredentialKind::Session);
        let at = |seconds: i64| assertions.of(&identity, Timestamp::from_seconds(1_800_000_000 + seconds)).unwrap();
        let first = at(0);
        assert_eq!(first, at(149));
        assert_ne!(first, at(150));
    }

    #[test]
    fn an_assertion_does_not_outlive_the_identity() {
        let assertions = assertions(AssertionAlgorithm::EdDsa);
        let now = Timestamp::from_seconds(1_800_000_000);
        let identity = Identity {
            expires_at: Some(Timestamp::from_seconds(now.seconds() + 40)),
            ..Identity::sample(CredentialKind::Session)
        };
        let minted = assertions.mint(&identity, now).unwrap();
        let claims = minted.value.to_str().unwrap().split('.').nth(1).unwrap().to_owned();
        let claims: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        assert_eq!(claims["exp"], now.seconds() + 40);
        assert_eq!(minted.renew_at.seconds(), now.seconds() + 20);
    }
}
