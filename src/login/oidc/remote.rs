//! What signs people in by a code that the browser brings back: the two kinds of server, seen alike.
//!
//! Refuses to know more of them than a sign-in needs, so that attempts and callbacks are judged in one way for both.

use std::sync::Arc;

use url::Url;

use super::metadata::Metadata;
use super::token::{Expected, Kept as _, Tokens};
use super::{Provider, claims};
use crate::clock::Timestamp;
use crate::login::SignInError;
use crate::login::attempt::{Attempt, Redeemed};
use crate::login::connection::{Connection, Way};
use crate::login::oauth2;
use crate::login::oauth2::token_error::NotRefreshed;
use crate::login::person::Asserted;
use crate::model::ConnectionId;
use crate::session::ProviderTokens;

/// One of the two.
#[derive(Clone, Copy)]
pub(in crate::login) enum Remote<'p> {
    Oidc(&'p Provider),
    OAuth2(&'p oauth2::Provider),
}

/// What an answer has shown.
pub(super) struct Shown {
    pub asserted: Asserted,
    /// Methods used (RFC 8176).
    pub amr: Vec<String>,
    pub acr: Option<String>,
    /// When the person proved who they are, if the server says so.
    pub authenticated_at: Option<Timestamp>,
    /// What the server calls its session.
    pub session: Option<String>,
    pub tokens: ProviderTokens,
}

/// An answer that came from where it should; with what was read to know it.
pub(super) enum Judged {
    Oidc(Arc<Metadata>),
    OAuth2,
}

/// What a refresh gave.
pub(super) struct Renewed {
    pub tokens: ProviderTokens,
    /// The OpenID provider's answer, not looked at yet.
    answer: Option<Box<Tokens>>,
}

impl<'p> Remote<'p> {
    /// `None` for ways that work otherwise.
    pub(super) fn of(way: &'p Way) -> Option<Self> {
        match way {
            Way::Oidc(provider) => Some(Self::Oidc(provider)),
            Way::OAuth2(provider) => Some(Self::OAuth2(provider)),
            Way::Saml(_) | Way::MagicLink(_) | Way::Password => None,
        }
    }

    /// Where the browser is to go for `attempt`.
    pub(super) async fn authorization_address(
        self,
        attempt: &Attempt,
        hint: Option<&str>,
        now: Timestamp,
    ) -> Result<Url, SignInError> {
        match self {
            Self::Oidc(provider) => provider.authorization_address(attempt, hint, now).await,
            Self::OAuth2(provider) => Ok(provider.authorization_address(attempt, hint)),
        }
    }

    /// Whether the answer is this connection's and this server's.
    pub(super) async fn judge_issuer(
        self,
        connection: &Connection,
        attempt: &Attempt,
        issuer: Option<&str>,
        now: Timestamp,
    ) -> Result<Judged, SignInError> {
        match self {
            Self::Oidc(provider) => provider.judge_issuer(connection, attempt, issuer, now).await.map(Judged::Oidc),
            Self::OAuth2(provider) => provider.judge_issuer(&connection.id, attempt, issuer).map(|()| Judged::OAuth2),
        }
    }

    /// Exchanges the code, and says what came of it.
    pub(super) async fn prove(
        self,
        judged: Judged,
        connection: &Connection,
        attempt: &Redeemed,
        code: &str,
        now: Timestamp,
    ) -> Result<Shown, SignInError> {
        match (self, judged) {
            (Self::Oidc(provider), Judged::Oidc(metadata)) => {
                let issuer = metadata.issuer().to_string();
                let (proof, tokens) = provider.prove(metadata, attempt, code, now).await?;
                Ok(Shown {
                    session: claims::session(&proof)?,
                    asserted: provider.assert(&connection.id, &issuer, &proof),
                    amr: claims::list(&proof, "amr"),
                    acr: claims::text(&proof, "acr"),
                    authenticated_at: proof.authenticated_at,
                    tokens,
                })
            }
            (Self::OAuth2(provider), _) => {
                let (asserted, tokens) = provider.prove(&connection.id, attempt, code, now).await?;
                Ok(Shown { asserted, amr: Vec::new(), acr: None, authenticated_at: None, session: None, tokens })
            }
            (Self::Oidc(_), Judged::OAuth2) => Err(SignInError::MixUp),
        }
    }

    /// New tokens in the place of `before`.
    pub(super) async fn refresh(self, before: &ProviderTokens, token: &str, now: Timestamp) -> Result<Renewed, NotRefreshed> {
        match self {
            Self::Oidc(provider) => {
                let answer = provider.exchange_refresh(token, now).await?;
                Ok(Renewed { tokens: answer.kept(before, now), answer: Some(Box::new(answer)) })
            }
            Self::OAuth2(provider) => Ok(Renewed { tokens: provider.refresh(token, now).await?, answer: None }),
        }
    }

    /// What the server says now of the person with this subject, and whether that is all it has to say of them.
    pub(super) async fn told(
        self,
        connection: &ConnectionId,
        renewed: &Renewed,
        subject: &str,
        now: Timestamp,
    ) -> Result<(Asserted, bool), SignInError> {
        match (self, &renewed.answer) {
            (Self::Oidc(provider), Some(answer)) => {
                let metadata = provider.metadata(now).await?;
                let issuer = metadata.issuer().to_string();
                let proof = provider.understand(metadata, answer, Expected::Subject(subject), now).await?;
                // Without a new ID token, silence says nothing.
                Ok((provider.assert(connection, &issuer, &proof), !proof.claims.is_empty()))
            }
            (Self::OAuth2(provider), _) => Ok((provider.read(connection, &renewed.tokens).await?, true)),
            (Self::Oidc(_), None) => Err(SignInError::MixUp),
        }
    }
}
