//! The way back: `POST /.doorward/saml/{connection}/acs` (SAML Profiles §4.1.4.3).
//!
//! Refuses an answer to a request that this browser did not make, or that was answered before; an answer that nobody asked for is
//! taken only where the configuration allows that the provider begins (threats S9, S10).

use std::sync::Arc;

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::response::Response;

use super::binding::{Direction, from_form};
use super::idp::IdentityProvider;
use super::judge::{Expected, Judged};
use super::leave::request_id;
use super::refusal::Refusal;
use super::response::{Keys, Response as Message};
use super::{Provider, attributes, find};
use crate::crypto::Digest;
use crate::login::attempt::{Attempt, Found, Redeemed, Redemption};
use crate::login::complete::{Failed, Proven, redirect};
use crate::login::connection::Connection;
use crate::login::visitor::Visitor;
use crate::login::{Login, SignInError};
use crate::session::{ProviderTokens, cookie};

type Fields = Vec<(String, String)>;

/// What came, and what it says it answers.
struct Posted {
    message: Message,
    in_response_to: Option<String>,
    relay_state: Option<String>,
}

/// `POST /.doorward/saml/{connection}/acs`
pub(super) async fn consume(
    State(login): State<Arc<Login>>,
    Path(id): Path<String>,
    visitor: Visitor,
    form: Result<Form<Fields>, FormRejection>,
) -> Response {
    let connections = login.connections();
    let Some((connection, provider)) = find(connections.find(&id)) else {
        return login.refuse(&visitor, &Failed::NOWHERE, &SignInError::UnknownConnection);
    };
    let failed = Failed { connection: Some(&connection.id), ..Failed::NOWHERE };
    let fields = form.map(|Form(fields)| fields).unwrap_or_default();
    let posted = match read(fields).await {
        Ok(posted) => posted,
        Err(error) => return login.refuse(&visitor, &failed, &error),
    };
    let Some(state) = posted.in_response_to.as_deref().map(|id| id.strip_prefix('_').unwrap_or_default()) else {
        let words = posted.message.words();
        let failed = Failed { answer: Some(&words), ..failed };
        let done = login.take_unsolicited(&visitor, connection, provider, posted).await;
        return done.unwrap_or_else(|error| login.refuse(&visitor, &failed, &error));
    };
    match login.rules.attempts.find(&visitor.headers, state, login.now()) {
        // A form that another site posts does not bring the session along: a link to ourselves does, and says what to do.
        Found::Unknown => redirect(&provider.acs, []).unwrap_or_else(|error| login.refuse(&visitor, &failed, &error)),
        Found::Expired(attempt) => login.send_again(&visitor, provider, &attempt).await,
        Found::Live(attempt) => login.take_answer(&visitor, connection, provider, posted, attempt).await,
    }
}

/// `GET /.doorward/saml/{connection}/acs`: an answer that belongs to no attempt of this browser. Whoever is signed in goes on.
pub(super) async fn stray(State(login): State<Arc<Login>>, Path(id): Path<String>, visitor: Visitor) -> Response {
    let connections = login.connections();
    let connection = find(connections.find(&id)).map(|(connection, _)| &connection.id);
    let failed = Failed { connection, return_to: "/", ..Failed::NOWHERE };
    let home = || redirect(login.rules.origins.home().as_str(), []);
    let answer = if visitor.is_signed_in() { home() } else { Err(SignInError::Stale) };
    answer.unwrap_or_else(|error| login.refuse(&visitor, &failed, &error))
}

async fn read(fields: Fields) -> Result<Posted, SignInError> {
    let read = move || {
        let received = from_form(&fields)?;
        if received.direction != Direction::Response {
            return Err(Refusal::MessageMissing);
        }
        let message = Message::parse(&received.text)?;
        let in_response_to = message.in_response_to().map(str::to_owned);
        Ok(Posted { message, in_response_to, relay_state: received.relay_state })
    };
    Ok(tokio::task::spawn_blocking(read).await.map_err(SignInError::internal)??)
}

impl Login {
    /// An attempt that came too late, or for the second time, begins again.
    async fn send_again(&self, visitor: &Visitor, provider: &Provider, attempt: &Attempt) -> Response {
        let begun = async {
            let anew = attempt.again(self.now()).ok_or(SignInError::Stale)?.map_err(SignInError::internal)?;
            let mut answer = self.send(visitor, provider, &anew).await?;
            cookie::add(answer.headers_mut(), [attempt.forget()?]);
            Ok(answer)
        };
        begun.await.unwrap_or_else(|error| self.refuse_saml(visitor, attempt, &error))
    }

    async fn take_answer(
        &self,
        visitor: &Visitor,
        connection: &Connection,
        provider: &Arc<Provider>,
        posted: Posted,
        attempt: Attempt,
    ) -> Response {
        let remembered = attempt.clone();
        // Nothing was used up yet: the same form can be sent again once the provider's metadata can be read.
        let idp = match provider.discovery.current(self.now()).await {
            Ok(idp) => idp,
            Err(error) => return self.refuse_saml(visitor, &remembered, &error),
        };
        let redeemed = match attempt.redeem(&connection.id, &*self.means.sessions).await {
            Ok(Redemption::Taken(redeemed)) => redeemed,
            Ok(Redemption::Spent(spent)) => return self.send_again(visitor, provider, &spent).await,
            Ok(Redemption::Foreign) => return self.refuse_saml(visitor, &remembered, &SignInError::MixUp),
            Err(error) => return self.refuse_saml(visitor, &remembered, &error),
        };
        let words = posted.message.words();
        let mut done = match self.finish_saml(visitor, connection, provider, idp, posted, &redeemed).await {
            Ok(done) => done,
            Err(error) => {
                let failed = Failed { answer: Some(&words), ..failed_attempt(&redeemed) };
                self.refuse(visitor, &failed, &error)
            }
        };
        match redeemed.forget() {
            Ok(forget) => cookie::add(done.headers_mut(), [forget]),
            Err(error) => tracing::warn!(%error, "a used attempt stays in the browser until it expires"),
        }
        done
    }

    async fn finish_saml(
        &self,
        visitor: &Visitor,
        connection: &Connection,
        provider: &Arc<Provider>,
        idp: Arc<IdentityProvider>,
        posted: Posted,
        attempt: &Redeemed,
    ) -> Result<Response, SignInError> {
        let judged = self.judge_saml(provider, idp, posted.message, Some(request_id(attempt))).await?;
        let anew = judged.authentication.instant.is_some_and(|at| at >= attempt.started_at.before(provider.skew));
        if attempt.fresh && !anew {
            return Err(Refusal::NotAskedAnew.into());
        }
        let done = self.complete_saml(visitor, connection, provider, judged, Some(&attempt.return_to)).await?;
        if let Some(old) = &attempt.replaces {
            self.means.sessions.end(old, self.now()).await?;
        }
        Ok(done)
    }

    /// A sign-in that the provider began. Its relay state may say where to go: like any address, only on our own origins.
    async fn take_unsolicited(
        &self,
        visitor: &Visitor,
        connection: &Connection,
        provider: &Arc<Provider>,
        posted: Posted,
    ) -> Result<Response, SignInError> {
        if !provider.idp_initiated {
            return Err(Refusal::Unsolicited.into());
        }
        let idp = provider.discovery.current(self.now()).await?;
        let judged = self.judge_saml(provider, idp, posted.message, None).await?;
        self.complete_saml(visitor, connection, provider, judged, posted.relay_state.as_deref()).await
    }

    /// Judges with newer keys where those that are known do not fit; and never takes the same assertion twice.
    async fn judge_saml(
        &self,
        provider: &Arc<Provider>,
        idp: Arc<IdentityProvider>,
        message: Message,
        request: Option<String>,
    ) -> Result<Judged, SignInError> {
        let (message, judged) = self.judge_with(provider, &idp, message, request.clone()).await?;
        let judged = match judged {
            Err(refusal @ (Refusal::UntrustedKey | Refusal::SignatureInvalid(_))) => {
                let newer = provider.discovery.newer_than(&idp, self.now()).await;
                match newer {
                    Some(newer) => self.judge_with(provider, &newer, message, request).await?.1,
                    None => Err(refusal),
                }
            }
            judged => judged,
        }?;
        let token = Digest::of_parts(&[judged.assertion.issuer.as_bytes(), judged.assertion.id.as_bytes()]);
        if self.means.sessions.take_once("saml_assertion", &token, judged.replayable_until).await? {
            Ok(judged)
        } else {
            Err(Refusal::Replayed.into())
        }
    }

    /// On a thread that may compute.
    async fn judge_with(
        &self,
        provider: &Arc<Provider>,
        idp: &Arc<IdentityProvider>,
        message: Message,
        request: Option<String>,
    ) -> Result<(Message, Result<Judged, Refusal>), SignInError> {
        let (provider, idp, now) = (Arc::clone(provider), Arc::clone(idp), self.now());
        let judge = move || {
            let expected = Expected {
                issuer: &idp.entity_id,
                audience: &provider.entity_id,
                acs: &provider.acs,
                request: request.as_deref(),
                now,
                skew: provider.skew,
                signed_assertion: provider.want_assertions_signed,
                signed_response: provider.want_response_signed,
            };
            let keys = Keys { trust: &idp.trust, decryption: provider.key.as_ref().map(|key| &key.decryption) };
            let judged = message.judge(&expected, keys);
            (message, judged)
        };
        tokio::task::spawn_blocking(judge).await.map_err(SignInError::internal)
    }

    async fn complete_saml(
        &self,
        visitor: &Visitor,
        connection: &Connection,
        provider: &Provider,
        judged: Judged,
        return_to: Option<&str>,
    ) -> Result<Response, SignInError> {
        let now = self.now();
        let Judged { assertion, authentication, .. } = judged;
        let asserted = attributes::assert(&connection.id, &provider.attributes, &assertion)?;
        let user = self.recognise(connection, &asserted).await?;
        let name_id = serde_json::to_string(&assertion.name_id).map_err(SignInError::internal)?;
        let proven = Proven {
            user,
            connection,
            amr: attributes::methods(&assertion),
            acr: authentication.class,
            authenticated_at: authentication.instant.map_or(now, |at| at.min(now)),
            provider_session: authentication.session_index,
            provider_subject: Some(assertion.name_id.value),
            tokens: ProviderTokens { name_id: Some(name_id), ..ProviderTokens::default() },
            refresh_at: None,
            ends_at: authentication.session_ends,
            return_to: self.rules.origins.parse_or_home(return_to),
        };
        self.complete(visitor, proven).await
    }

    fn refuse_saml(&self, visitor: &Visitor, attempt: &Attempt, error: &SignInError) -> Response {
        self.refuse(visitor, &failed_attempt(attempt), error)
    }
}

fn failed_attempt(attempt: &Attempt) -> Failed<'_> {
    Failed { connection: Some(&attempt.connection), return_to: &attempt.return_to, ..Failed::NOWHERE }
}
