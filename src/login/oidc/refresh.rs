//! Refreshing a provider's tokens (RFC 6749 §6; OpenID Connect Core 1.0 §12).
//!
//! Refuses to use a refresh token twice: of all processes that find it due one has the turn, and what the provider gave is written down
//! before it is looked at, because a rotated token that got lost ends the session (threats J14). "Not now" keeps the session; "no" ends
//! it, but only once the store was read again, since somebody else may have been faster. A "no" that leaves open why (`invalid_request`,
//! which some providers answer for a token they have forgotten) is one when it was said three times: a session must not outlive what it
//! stands on.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use openidconnect::{RefreshToken, RequestTokenError};
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::Provider;
use super::remote::{Remote, Renewed};
use super::token::{Tokens, failed};
use crate::audit::{Event, Kind, Outcome};
use crate::clock::Timestamp;
use crate::crypto::{Digest, Secret};
use crate::login::connection::Connection;
use crate::login::oauth2::token_error::{NotRefreshed, TokenError};
use crate::login::person::Asserted;
use crate::login::{Login, SignInError};
use crate::model::{Session, User};
use crate::session::{Due, ProviderTokens, Refresher, SealedTokens};
use crate::trace;

/// How long one process has the turn: longer than all the calls of one refresh can take.
const TURN: Duration = Duration::from_secs(60);
/// Before a token ends, it is asked for the next.
const MARGIN: Duration = Duration::from_secs(60);
/// Between two tries to write down what the provider gave.
const AGAIN: Duration = Duration::from_millis(250);
const TRIES: u32 = 20;
/// How often a provider that refuses and leaves open why is asked again, and after how long each time.
const DOUBTS: u32 = 2;
const SECOND_THOUGHT: Duration = Duration::from_secs(2);

/// Refreshes in the background, on a runtime that outlives connections.
#[derive(Debug)]
pub(in crate::login) struct Background {
    /// Of each site.
    logins: Arc<[Arc<Login>]>,
    runtime: Handle,
    tasks: TaskTracker,
}

impl Background {
    /// On the runtime this is called from. `tasks`: whoever stops the process waits for these.
    pub(in crate::login) fn new(logins: Arc<[Arc<Login>]>, tasks: TaskTracker) -> Self {
        Self { logins, runtime: Handle::current(), tasks }
    }
}

impl Refresher for Background {
    fn begin(&self, due: Due) -> BoxFuture<'static, ()> {
        let logins = Arc::clone(&self.logins);
        let refresh = async move {
            if let Err(error) = refresh(&logins, &due).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "a session's tokens were not refreshed; it goes on");
            }
        };
        self.tasks.spawn_on(trace::carried(refresh), &self.runtime).map(drop).boxed()
    }
}

/// Refreshes at the site that has the session's connection.
async fn refresh(logins: &[Arc<Login>], due: &Due) -> Result<(), SignInError> {
    let [first, others @ ..] = logins else { return Ok(()) };
    if others.is_empty() {
        return first.refresh_tokens(&due.digest, &due.value).await;
    }
    let Some(session) = first.means.sessions.find(&due.digest).await? else { return Ok(()) };
    let has = |login: &&Arc<Login>| {
        let connections = login.connections();
        connections.find(session.connection.as_str()).is_some_and(|connection| connection.tenant == session.tenant)
    };
    match logins.iter().find(has) {
        Some(login) => login.refresh_tokens(&due.digest, &due.value).await,
        None => Ok(()),
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
        let Some(remote) = Remote::of(&connection.way) else { return Ok(()) };
        let Some(tokens) = ProviderTokens::open(value.expose(), &session) else { return Ok(()) };
        match ask(remote, &tokens, now).await {
            Ok(None) => Ok(()),
            Ok(Some(renewed)) => {
                if self.write_down(value, &session, &renewed.tokens, now).await? {
                    self.take_over(connection, remote, &session, &renewed, now).await?;
                }
                Ok(())
            }
            Err(NotRefreshed::NotNow(error)) => Err(error),
            Err(NotRefreshed::Spent | NotRefreshed::Doubtful(_)) => {
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
        remote: Remote<'_>,
        session: &Session,
        renewed: &Renewed,
        now: Timestamp,
    ) -> Result<(), SignInError> {
        let Some(user) = self.means.directory.user(session.user).await? else { return Ok(()) };
        let subject = session.provider_subject.as_deref().unwrap_or_default();
        let known = match remote.told(&connection.id, renewed, subject, now).await {
            Ok((asserted, whole)) => self.follow(connection, &user, asserted, whole).await,
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

    /// `whole`: what is not asserted is not so any more.
    async fn follow(&self, connection: &Connection, user: &User, mut asserted: Asserted, whole: bool) -> Result<(), SignInError> {
        if user.link.as_ref() != Some(&asserted.link) {
            return Err(SignInError::NoAccount);
        }
        if !whole {
            asserted.email = asserted.email.or_else(|| user.email.clone());
            asserted.groups = asserted.groups.or_else(|| Some(user.groups.clone()));
        }
        self.recognise(connection, &asserted).await.map(drop)
    }

    async fn end_refused(&self, session: &Session, reason: &'static str) -> Result<(), SignInError> {
        if self.means.sessions.end(&session.handle, self.now()).await? {
            let mut event = Event::new(self.now(), Kind::SessionEnded, Outcome::Success, &session.tenant);
            event.reason = Some(reason.into());
            event.actor = Some(session.connection.to_string());
            event.target = Some(session.user.to_string());
            event.session = Some(session.handle.to_string());
            self.means.audit.record(event).await?;
        }
        Ok(())
    }
}

/// Asks for new tokens; again where the "no" leaves open why, so that a slip of the provider's passes. `None`: there is no refresh token.
async fn ask(remote: Remote<'_>, tokens: &ProviderTokens, now: Timestamp) -> Result<Option<Renewed>, NotRefreshed> {
    let Some(token) = &tokens.refresh_token else { return Ok(None) };
    let mut doubts = 0;
    loop {
        match remote.refresh(tokens, token, now).await {
            Err(NotRefreshed::Doubtful(error)) if doubts < DOUBTS => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a provider refuses to refresh; asking again");
                doubts += 1;
                tokio::time::sleep(SECOND_THOUGHT).await;
            }
            asked => return asked.map(Some),
        }
    }
}

impl Provider {
    pub(super) async fn exchange_refresh(&self, token: &str, now: Timestamp) -> Result<Tokens, NotRefreshed> {
        let metadata = self.metadata(now).await?;
        let client = self.client(&metadata);
        let token = RefreshToken::new(token.to_owned());
        let mut request = client.exchange_refresh_token(&token).map_err(|error| SignInError::ProviderSetup(error.to_string()))?;
        for (name, value) in self.assertion(&metadata, now).await? {
            request = request.add_extra_param(name, value);
        }
        request.request_async(&self.caller).await.map_err(|error| match error {
            RequestTokenError::ServerResponse(said) => TokenError::from(said).at_refresh(),
            other => NotRefreshed::NotNow(failed(other)),
        })
    }
}
