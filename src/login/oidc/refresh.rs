//! Refreshing a provider's tokens (RFC 6749 §6; OpenID Connect Core 1.0 §12).
//!
//! Refuses to use a refresh token twice: of all processes that find it due one has the turn, and what the provider gave is written down
//! before it is looked at, because a rotated token that got lost ends the session (threats J14). "Not now" keeps the session; "no" ends
//! it, but only once the store was read again, since somebody else may have been faster.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use openidconnect::core::CoreErrorResponseType;
use openidconnect::{RefreshToken, RequestTokenError};
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::Provider;
use super::token::{Expected, Kept as _, Proof};
use crate::audit::{Event, Kind, Outcome};
use crate::clock::Timestamp;
use crate::crypto::{Digest, Secret};
use crate::login::connection::{Connection, Way};
use crate::login::{Login, SignInError};
use crate::model::{Session, User};
use crate::session::{Due, ProviderTokens, Refresher, SealedTokens};

/// How long one process has the turn: longer than all the calls of one refresh can take.
const TURN: Duration = Duration::from_secs(60);
/// Before a token ends, it is asked for the next.
const MARGIN: Duration = Duration::from_secs(60);
/// Between two tries to write down what the provider gave.
const AGAIN: Duration = Duration::from_millis(250);
const TRIES: u32 = 20;

/// Refreshes in the background, on a runtime that outlives connections.
#[derive(Debug)]
pub(in crate::login) struct Background {
    login: Arc<Login>,
    runtime: Handle,
    tasks: TaskTracker,
}

impl Background {
    /// On the runtime this is called from. `tasks`: whoever stops the process waits for these.
    pub(in crate::login) fn new(login: Arc<Login>, tasks: TaskTracker) -> Self {
        Self { login, runtime: Handle::current(), tasks }
    }
}

impl Refresher for Background {
    fn begin(&self, due: Due) -> BoxFuture<'static, ()> {
        let login = Arc::clone(&self.login);
        let refresh = async move {
            if let Err(error) = login.refresh_tokens(&due.digest, &due.value).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "a session's tokens were not refreshed; it goes on");
            }
        };
        self.tasks.spawn_on(refresh, &self.runtime).map(drop).boxed()
    }
}

/// Why there are no new tokens.
enum Refused {
    /// The provider takes the refresh token no more.
    Spent,
    /// Nothing is known of the session's end: it goes on.
    NotNow(SignInError),
}

impl From<SignInError> for Refused {
    fn from(error: SignInError) -> Self {
        Self::NotNow(error)
    }
}

impl Login {
    /// Refreshes the tokens of the session whose cookie has `value`, if it is this process's turn.
    async fn refresh_tokens(&self, digest: &Digest, value: &Secret) -> Result<(), SignInError> {
        let now = self.now();
        if !self.means.sessions.lease_refresh(digest, now, now.after(TURN)).await? {
            return Ok(());
        }
        let Some(session) = self.means.sessions.find(digest).await?.filter(|session| session.revoked_at.is_none()) else {
            return Ok(());
        };
        let connections = self.connections();
        let Some(connection) = connections.find(session.connection.as_str()) else { return Ok(()) };
        let Way::Oidc(provider) = &connection.way else { return Ok(()) };
        let Some(tokens) = ProviderTokens::open(value.expose(), &session) else { return Ok(()) };
        let Some(token) = tokens.refresh_token.clone() else { return Ok(()) };
        match provider.exchange_refresh(token, now).await {
            Ok(answer) => {
                let kept = answer.kept(&tokens, now);
                if self.write_down(value, &session, &kept, now).await? {
                    self.take_over(connection, provider, &session, &answer, now).await?;
                }
                Ok(())
            }
            Err(Refused::NotNow(error)) => Err(error),
            Err(Refused::Spent) => {
                let found = self.means.sessions.find(digest).await?;
                // Another version: whoever had the turn before was late, not wrong.
                if found.is_some_and(|found| found.tokens_version == session.tokens_version) {
                    self.end_refused(&session, "refresh_refused").await?;
                }
                Ok(())
            }
        }
    }

    /// Keeps the new tokens; says whether the session still was as it was read. The provider has forgotten the old ones by now, so
    /// this does not give up at once.
    async fn write_down(
        &self,
        value: &Secret,
        session: &Session,
        tokens: &ProviderTokens,
        now: Timestamp,
    ) -> Result<bool, SignInError> {
        let sealed = tokens.seal(value.expose(), &session.handle).map_err(SignInError::internal)?;
        let new = SealedTokens { sealed, refresh_at: self.refresh_at(tokens, now) };
        let mut tries = 0;
        loop {
            match self.means.sessions.replace_tokens(&session.digest, session.tokens_version, &new, now).await {
                Err(error) if tries < TRIES => {
                    tracing::warn!(%error, "new tokens could not be written down; trying again");
                    tries += 1;
                    tokio::time::sleep(AGAIN).await;
                }
                done => return Ok(done?),
            }
        }
    }

    /// When tokens that were given at `now` are to be refreshed; `None` where there is nothing to do it with.
    pub(in crate::login) fn refresh_at(&self, tokens: &ProviderTokens, now: Timestamp) -> Option<Timestamp> {
        tokens.refresh_token.as_ref()?;
        let latest = now.after(self.rules.lifetimes.refresh.0);
        let before_end = tokens.expires_at.map(|end| {
            let life = end.since(now);
            now.after(life.saturating_sub(MARGIN.min(life / 4)))
        });
        Some(before_end.map_or(latest, |due| due.min(latest)))
    }

    /// Takes over what the provider says of the person now. Somebody who may not be here any more is signed out.
    async fn take_over(
        &self,
        connection: &Connection,
        provider: &Provider,
        session: &Session,
        answer: &super::token::Tokens,
        now: Timestamp,
    ) -> Result<(), SignInError> {
        let Some(user) = self.means.directory.user(session.user).await? else { return Ok(()) };
        let metadata = provider.metadata(now).await?;
        let issuer = metadata.issuer().to_string();
        let subject = session.provider_subject.clone().unwrap_or_default();
        let known = match provider.understand(metadata, answer, Expected::Subject(&subject), now).await {
            Ok(proof) => self.follow(connection, &user, &provider.assert(&connection.id, &issuer, &proof), &proof).await,
            // What it says is not what it said before, or is about somebody else.
            Err(error) => Err(error),
        };
        match known {
            Err(error @ (SignInError::Inactive | SignInError::ForeignAddress | SignInError::NoAccount)) => {
                self.end_refused(session, error.reason()).await
            }
            Err(SignInError::ProviderAnswer { reason: "id_token_subject", .. }) => {
                self.end_refused(session, "refreshed_as_somebody_else").await
            }
            known => known,
        }
    }

    async fn follow(
        &self,
        connection: &Connection,
        user: &User,
        asserted: &crate::login::person::Asserted,
        proof: &Proof,
    ) -> Result<(), SignInError> {
        let mut asserted = asserted.clone();
        if user.link.as_ref() != Some(&asserted.link) {
            return Err(SignInError::NoAccount);
        }
        if proof.claims.is_empty() {
            // Without a new ID token, silence says nothing.
            asserted.email = asserted.email.or_else(|| user.email.clone());
            asserted.groups = asserted.groups.or_else(|| Some(user.groups.clone()));
        }
        self.recognise(connection, &asserted).await.map(drop)
    }

    async fn end_refused(&self, session: &Session, reason: &'static str) -> Result<(), SignInError> {
        if self.means.sessions.end(&session.handle, self.now()).await? {
            let mut event = Event::new(self.now(), Kind::SessionEnded, Outcome::Success, &session.tenant);
            event.reason = Some(reason);
            event.actor = Some(session.connection.to_string());
            event.target = Some(session.user.to_string());
            event.session = Some(session.handle.to_string());
            self.means.audit.record(event).await?;
        }
        Ok(())
    }
}

impl Provider {
    async fn exchange_refresh(&self, token: String, now: Timestamp) -> Result<super::token::Tokens, Refused> {
        let metadata = self.metadata(now).await?;
        let client = self.client(&metadata);
        let token = RefreshToken::new(token);
        let mut request = client.exchange_refresh_token(&token).map_err(|error| SignInError::ProviderSetup(error.to_string()))?;
        for (name, value) in self.assertion(&metadata, now).await? {
            request = request.add_extra_param(name, value);
        }
        request.request_async(&self.caller).await.map_err(|error| match error {
            RequestTokenError::ServerResponse(said) if *said.error() == CoreErrorResponseType::InvalidGrant => Refused::Spent,
            other => Refused::NotNow(super::token::failed(other)),
        })
    }
}
