//! The ID token: from the code to claims that hold (OpenID Connect Core 1.0 §3.1.3).
//!
//! Refuses symmetric and missing signatures whatever the provider's metadata allows, a foreign audience or authorized party, another
//! nonce, an access token that is not the one the ID token was made with, and times beyond the two clocks' difference.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm, CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AccessToken, AccessTokenHash, AdditionalClaims, AuthorizationCode, ClaimsVerificationError, EmptyExtraTokenFields,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, IdTokenFields, IdTokenVerifier, Nonce, OAuth2TokenResponse as _,
    PkceCodeVerifier, RequestTokenError, SignatureVerificationError, StandardErrorResponse, StandardTokenResponse,
    SubjectIdentifier, TokenResponse as _, UserInfoClaims, UserInfoError,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Provider;
use super::metadata::Metadata;
use crate::clock::Timestamp;
use crate::crypto::Digest;
use crate::login::SignInError;
use crate::login::attempt::Redeemed;
use crate::login::oauth2::caller::CallError;
use crate::login::oauth2::token_error::TokenError;
use crate::session::ProviderTokens;

/// How far the provider's clock and ours may differ, in seconds.
const SKEW: i64 = 60;

/// Claims beside the standard ones, as they come.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Further(Map<String, Value>);

impl AdditionalClaims for Further {}

type Fields =
    IdTokenFields<Further, EmptyExtraTokenFields, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;
pub(super) type Tokens = StandardTokenResponse<Fields, CoreTokenType>;
pub(super) type IdToken =
    openidconnect::IdToken<Further, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;
type IdTokenClaims = openidconnect::IdTokenClaims<Further, CoreGenderClaim>;
pub(super) type Client = openidconnect::Client<
    Further,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// What the provider proved, in its own words.
pub(super) struct Proof {
    /// The ID token's claims; empty where there was none, which only a refresh may bring.
    pub claims: Map<String, Value>,
    /// The userinfo endpoint's, where it had to be asked.
    pub userinfo: Map<String, Value>,
    pub subject: String,
    /// When the person proved to the provider who they are, if it says so.
    pub authenticated_at: Option<Timestamp>,
}

/// What ties a token answer to what went before it.
#[derive(Clone, Copy)]
pub(super) enum Expected<'a> {
    /// The attempt's: the answer has to hold an ID token with it.
    Nonce(&'a str),
    /// A refresh is about the same person, and may leave the ID token out (OpenID Connect Core 1.0 §12.2).
    Subject(&'a str),
}

/// What of a token answer is kept.
pub(super) trait Kept {
    /// The new tokens; where there is no new one of a kind, the one `before` stays.
    fn kept(&self, before: &ProviderTokens, now: Timestamp) -> ProviderTokens;
}

impl Kept for Tokens {
    fn kept(&self, before: &ProviderTokens, now: Timestamp) -> ProviderTokens {
        ProviderTokens {
            id_token: self.id_token().map(ToString::to_string).or_else(|| before.id_token.clone()),
            access_token: Some(self.access_token().secret().clone()),
            refresh_token: self.refresh_token().map(|token| token.secret().clone()).or_else(|| before.refresh_token.clone()),
            expires_at: self.expires_in().map(|life| now.after(life)),
            ..ProviderTokens::default()
        }
    }
}

impl Provider {
    /// Exchanges the code and judges what comes back.
    pub(super) async fn prove(
        &self,
        metadata: Arc<Metadata>,
        attempt: &Redeemed,
        code: &str,
        now: Timestamp,
    ) -> Result<(Proof, ProviderTokens), SignInError> {
        let tokens = self.exchange(&metadata, attempt, code, now).await?;
        let proof = self.understand(metadata, &tokens, Expected::Nonce(&attempt.nonce), now).await?;
        Ok((proof, tokens.kept(&ProviderTokens::default(), now)))
    }

    /// Judges a token answer, and completes what it says.
    pub(super) async fn understand(
        &self,
        metadata: Arc<Metadata>,
        tokens: &Tokens,
        expected: Expected<'_>,
        now: Timestamp,
    ) -> Result<Proof, SignInError> {
        let (metadata, claims) = match (tokens.id_token(), expected) {
            (Some(id_token), _) => {
                let (metadata, claims) = self.judge(metadata, tokens, id_token, expected, now).await?;
                (metadata, Some(claims))
            }
            (None, Expected::Subject(_)) => (metadata, None),
            (None, Expected::Nonce(_)) => return Err(SignInError::answer("id_token_missing", "there is no ID token")),
        };
        let subject = match (&claims, expected) {
            (Some(claims), Expected::Subject(subject)) if claims.subject().as_str() != subject => {
                return Err(SignInError::answer("id_token_subject", "it is about somebody else"));
            }
            (_, Expected::Subject(subject)) => subject.to_owned(),
            (Some(claims), Expected::Nonce(_)) => super::claims::subject(claims.subject())?,
            (None, Expected::Nonce(_)) => return Err(SignInError::answer("id_token_missing", "there is no ID token")),
        };
        let authenticated_at = claims.as_ref().and_then(openidconnect::IdTokenClaims::auth_time);
        let mut proof = Proof {
            authenticated_at: authenticated_at.map(|at| Timestamp::from_millis(at.timestamp_millis())),
            claims: claims.as_ref().map(object).transpose()?.unwrap_or_default(),
            userinfo: Map::new(),
            subject,
        };
        if self.is_incomplete(&proof.claims) {
            proof.userinfo = self.userinfo(&metadata, tokens.access_token(), &proof.subject).await?;
        }
        self.complete_groups(&mut proof.claims, tokens.access_token().secret()).await?;
        Ok(proof)
    }

    /// The ID token's claims, if they hold; with the provider's newer keys where none of those at hand fits.
    async fn judge(
        &self,
        metadata: Arc<Metadata>,
        tokens: &Tokens,
        id_token: &IdToken,
        expected: Expected<'_>,
        now: Timestamp,
    ) -> Result<(Arc<Metadata>, IdTokenClaims), SignInError> {
        match self.verify(&metadata, tokens, id_token, expected, now) {
            Err(Refused::UnknownKey) => {
                let newer = self.discovery.newer_than(&metadata, &self.caller, now).await?;
                let claims = self.verify(&newer, tokens, id_token, expected, now)?;
                Ok((newer, claims))
            }
            judged => Ok((metadata, judged?)),
        }
    }

    async fn exchange(&self, metadata: &Metadata, attempt: &Redeemed, code: &str, now: Timestamp) -> Result<Tokens, SignInError> {
        let client = self.client(metadata);
        let mut request = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|error| SignInError::ProviderSetup(error.to_string()))?
            .set_pkce_verifier(PkceCodeVerifier::new(attempt.verifier.clone()));
        for (name, value) in self.assertion(metadata, now).await? {
            request = request.add_extra_param(name, value);
        }
        request.request_async(&self.caller).await.map_err(failed)
    }

    fn verify(
        &self,
        metadata: &Metadata,
        tokens: &Tokens,
        id_token: &IdToken,
        expected: Expected<'_>,
        now: Timestamp,
    ) -> Result<IdTokenClaims, Refused> {
        let client = self.client(metadata);
        let verifier = client
            .id_token_verifier()
            .set_allowed_algs(ALGORITHMS)
            // Several audiences are judged below, by who the token was made for.
            .set_other_audience_verifier_fn(|_| true)
            .set_time_fn(move || moment(now, -SKEW))
            .set_issue_time_verifier_fn(
                move |issued| if issued <= moment(now, SKEW) { Ok(()) } else { Err("in the future".into()) },
            );
        let same = |nonce: Option<&Nonce>| match expected {
            Expected::Nonce(expected) if nonce.is_none_or(|nonce| !is_same(nonce.secret(), expected)) => {
                Err("it is not the attempt's".to_owned())
            }
            Expected::Nonce(_) | Expected::Subject(_) => Ok(()),
        };
        let claims = id_token.claims(&verifier, same).map_err(|error| judged(&error, id_token, now))?;
        // OpenID Connect Core 1.0 §3.1.3.7, points 4 and 5.
        let party = claims.authorized_party();
        if party.is_some_and(|party| *party != self.client_id) {
            return Err(SignInError::answer("id_token_azp", "it was made for another client").into());
        }
        if party.is_none() && claims.audiences().len() > 1 {
            return Err(
                SignInError::answer("id_token_azp", "it has several audiences and does not say for whom it was made").into()
            );
        }
        self.bound(&verifier, tokens.access_token(), id_token, claims)?;
        Ok(claims.clone())
    }

    /// The access token is the one the ID token was made with (OpenID Connect Core 1.0 §3.1.3.8).
    fn bound(
        &self,
        verifier: &IdTokenVerifier<'_, CoreJsonWebKey>,
        access: &AccessToken,
        id_token: &IdToken,
        claims: &IdTokenClaims,
    ) -> Result<(), SignInError> {
        let Some(expected) = claims.access_token_hash() else { return Ok(()) };
        let wrong = |what: String| SignInError::answer("id_token_at_hash", what);
        let algorithm = id_token.signing_alg().map_err(|error| wrong(error.to_string()))?;
        let key = id_token.signing_key(verifier).map_err(|error| wrong(error.to_string()))?;
        let actual = AccessTokenHash::from_token(access, algorithm, key).map_err(|error| wrong(error.to_string()))?;
        if actual == *expected { Ok(()) } else { Err(wrong("it belongs to another access token".to_owned())) }
    }

    /// OpenID Connect Core 1.0 §5.3; the library refuses an answer about another subject.
    async fn userinfo(
        &self,
        metadata: &Metadata,
        access: &AccessToken,
        subject: &str,
    ) -> Result<Map<String, Value>, SignInError> {
        let client = self.client(metadata);
        // A provider without the endpoint has said all it has to say.
        let Ok(request) = client.user_info(access.clone(), Some(SubjectIdentifier::new(subject.to_owned()))) else {
            return Ok(Map::new());
        };
        let asked: Result<UserInfoClaims<Further, CoreGenderClaim>, _> = request.request_async(&self.caller).await;
        match asked {
            Ok(claims) => object(&claims),
            Err(UserInfoError::Request(error)) => Err(SignInError::ProviderUnreachable(error.into())),
            Err(error) => Err(SignInError::answer("userinfo", error)),
        }
    }

    fn is_incomplete(&self, claims: &Map<String, Value>) -> bool {
        let names = &self.claims;
        let unverified = !self.trust_unverified_email && !claims.contains_key("email_verified");
        unverified || [&names.email, &names.name, &names.groups].into_iter().any(|name| !claims.contains_key(name))
    }
}

/// Public-key signatures only; metadata cannot add to them.
pub(super) const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// Why an ID token was not taken.
enum Refused {
    /// No key that is known fits: the provider may have rotated its keys.
    UnknownKey,
    Wrong(SignInError),
}

impl From<SignInError> for Refused {
    fn from(error: SignInError) -> Self {
        Self::Wrong(error)
    }
}

impl From<Refused> for SignInError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::UnknownKey => Self::answer("id_token_signature", "no key of the provider fits"),
            Refused::Wrong(error) => error,
        }
    }
}

fn judged(error: &ClaimsVerificationError, id_token: &IdToken, now: Timestamp) -> Refused {
    use ClaimsVerificationError as Wrong;
    let reason = match error {
        Wrong::SignatureVerification(
            SignatureVerificationError::NoMatchingKey
            | SignatureVerificationError::AmbiguousKeyId(_)
            | SignatureVerificationError::CryptoError(_),
        ) => return Refused::UnknownKey,
        Wrong::SignatureVerification(_) => "id_token_signature",
        // Expired, or issued in the future: the library tells both so.
        Wrong::Expired(_) => return clocks(id_token, now),
        Wrong::InvalidAudience(_) => "id_token_audience",
        Wrong::InvalidIssuer(_) => "id_token_issuer",
        Wrong::InvalidNonce(_) => "id_token_nonce",
        _ => "id_token",
    };
    Refused::Wrong(SignInError::answer(reason, error))
}

/// Names the difference between the clocks, which is what such errors are mostly about. The token's signature did hold.
fn clocks(id_token: &IdToken, now: Timestamp) -> Refused {
    let text = id_token.to_string();
    let issued = text.split('.').nth(1).and_then(issued_at);
    let detail = match issued.map(|issued| issued - now.seconds()) {
        Some(ahead @ 1..) => format!("the provider's clock is {ahead} seconds ahead of this one"),
        Some(behind) => format!("the provider's clock is {} seconds behind this one, or the token is old", -behind),
        None => "the provider's clock and this one differ".to_owned(),
    };
    Refused::Wrong(SignInError::answer("id_token_times", detail))
}

fn issued_at(payload: &str) -> Option<i64> {
    use base64::Engine as _;
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice::<Value>(&payload).ok()?.get("iat")?.as_i64()
}

/// In constant time, as all that is secret.
fn is_same(one: &str, other: &str) -> bool {
    Digest::of(one.as_bytes()) == Digest::of(other.as_bytes())
}

/// Why a call to the token endpoint gave no tokens.
pub(super) fn failed(error: RequestTokenError<CallError, StandardErrorResponse<CoreErrorResponseType>>) -> SignInError {
    match error {
        RequestTokenError::Request(error) => error.into(),
        RequestTokenError::ServerResponse(said) => TokenError::from(said).at_sign_in(),
        RequestTokenError::Parse(error, _) => SignInError::answer("token_answer", error),
        RequestTokenError::Other(what) => SignInError::answer("token_answer", what),
    }
}

impl From<StandardErrorResponse<CoreErrorResponseType>> for TokenError {
    fn from(said: StandardErrorResponse<CoreErrorResponseType>) -> Self {
        Self { error: said.error().as_ref().to_owned(), error_description: said.error_description().cloned() }
    }
}

fn object(claims: &impl Serialize) -> Result<Map<String, Value>, SignInError> {
    match serde_json::to_value(claims) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(SignInError::answer("id_token", "it holds no claims")),
        Err(error) => Err(SignInError::internal(error)),
    }
}

fn moment(now: Timestamp, seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(now.millis().saturating_add(seconds * 1000)).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
