//! The way back from the provider: `GET /.doorward/callback/{connection}`.
//!
//! Refuses before it asks anybody: parameters, attempt, connection and issuer are judged first, and the attempt is used up before the
//! code is.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;

use super::Provider;
use super::metadata::Metadata;
use super::remote::{Remote, Shown};
use crate::audit::ProviderAnswer;
use crate::clock::Timestamp;
use crate::login::attempt::{Attempt, Found, Redeemed, Redemption};
use crate::login::complete::{Failed, Proven, redirect};
use crate::login::connection::Connection;
use crate::login::oauth2::heard;
use crate::login::parameters::Parameters;
use crate::login::visitor::Visitor;
use crate::login::{Login, SignInError};
use crate::session::cookie;

/// How far the provider's clock and ours may differ.
const SKEW: Duration = Duration::from_secs(60);

/// What the provider sent the browser back with (RFC 6749 §4.1.2).
struct Answer {
    state: String,
    issuer: Option<String>,
    outcome: Result<String, SignInError>,
    /// For the record.
    words: ProviderAnswer,
}

/// `GET /.doorward/callback/{connection}`
pub(crate) async fn callback(
    State(login): State<Arc<Login>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    visitor: Visitor,
) -> Response {
    came_back(&login, &id, query.as_deref(), &visitor).await
}

/// Somebody comes back from the provider of the connection `id`.
pub(crate) async fn came_back(login: &Login, id: &str, query: Option<&str>, visitor: &Visitor) -> Response {
    let connections = login.connections();
    let found = connections.find(id).and_then(|connection| Some((connection, Remote::of(&connection.way)?)));
    let Some((connection, remote)) = found else {
        return login.refuse(visitor, &Failed::NOWHERE, &SignInError::UnknownConnection);
    };
    let failed = Failed { connection: Some(&connection.id), ..Failed::NOWHERE };
    let answer = match Answer::read(query) {
        Ok(answer) => answer,
        Err(error) => return login.refuse(visitor, &failed, &error),
    };
    match login.rules.attempts.find(&visitor.headers, &answer.state, login.now()) {
        Found::Unknown => login.without_attempt(visitor).unwrap_or_else(|error| login.refuse(visitor, &failed, &error)),
        Found::Expired(attempt) => login.again(visitor, remote, &attempt).await,
        Found::Live(attempt) => login.come_back(visitor, connection, remote, answer, attempt).await,
    }
}

impl Answer {
    fn read(query: Option<&str>) -> Result<Self, SignInError> {
        let parameters = Parameters::read(query);
        let one = |name| parameters.one(name).map(|value| value.map(str::to_owned));
        let (code, error, description) = (one("code")?, one("error")?, one("error_description")?);
        let (state, issuer, uri) = (one("state")?.unwrap_or_default(), one("iss")?, one("error_uri")?);
        let words = ProviderAnswer::of_parameters([
            ("error", error.as_deref()),
            ("error_description", description.as_deref()),
            ("error_uri", uri.as_deref()),
            ("iss", issuer.as_deref()),
        ]);
        let outcome = match (code, error) {
            (Some(code), None) => Ok(code),
            (_, Some(code)) => Err(said(code, description)),
            (None, None) => Err(SignInError::answer("code_missing", "the answer holds neither a code nor an error")),
        };
        Ok(Self { state, issuer, outcome, words })
    }
}

/// An error answer (RFC 6749 §4.1.2.1). Two of its codes say "not now".
fn said(code: String, description: Option<String>) -> SignInError {
    match code.as_str() {
        "server_error" | "temporarily_unavailable" => SignInError::ProviderUnreachable(format!("it said {code}").into()),
        _ => SignInError::ProviderRefused { code, description },
    }
}

impl Login {
    /// A callback that this browser did not begin, or has already finished: whoever is signed in goes on.
    fn without_attempt(&self, visitor: &Visitor) -> Result<Response, SignInError> {
        if visitor.is_signed_in() { redirect(self.rules.origins.home().as_str(), []) } else { Err(SignInError::Stale) }
    }

    /// An attempt that came too late, or for the second time: whoever is signed in goes on, everybody else begins again.
    async fn again(&self, visitor: &Visitor, remote: Remote<'_>, attempt: &Attempt) -> Response {
        let begun = async {
            if visitor.is_signed_in() {
                return redirect(self.rules.origins.parse_or_home(Some(&attempt.return_to)).as_str(), [attempt.forget()?]);
            }
            let anew = attempt.again(self.now()).ok_or(SignInError::Stale)?.map_err(SignInError::internal)?;
            let mut answer = self.go(visitor, remote, &anew, None).await?;
            cookie::add(answer.headers_mut(), [attempt.forget()?]);
            Ok(answer)
        };
        begun.await.unwrap_or_else(|error| self.refuse_attempt(visitor, attempt, &error))
    }

    async fn come_back(
        &self,
        visitor: &Visitor,
        connection: &Connection,
        remote: Remote<'_>,
        answer: Answer,
        attempt: Attempt,
    ) -> Response {
        let remembered = attempt.clone();
        let now = self.now();
        let judged = match remote.judge_issuer(connection, &attempt, answer.issuer.as_deref(), now).await {
            Ok(judged) => judged,
            // Nothing was used up yet: the same address can be tried again once the provider is back.
            Err(error) => return self.refuse_attempt(visitor, &remembered, &error),
        };
        let redeemed = match attempt.redeem(&connection.id, &*self.means.sessions).await {
            Ok(Redemption::Taken(redeemed)) => redeemed,
            Ok(Redemption::Spent(spent)) => return self.again(visitor, remote, &spent).await,
            Ok(Redemption::Foreign) => return self.refuse_attempt(visitor, &remembered, &SignInError::MixUp),
            Err(error) => return self.refuse_attempt(visitor, &remembered, &error),
        };
        let shown = Box::pin(async {
            let shown = remote.prove(judged, connection, &redeemed, &answer.outcome?, now).await?;
            self.finish(visitor, connection, shown, &redeemed).await
        });
        let mut done = match heard::listening(shown).await {
            Ok(done) => done,
            Err((error, heard)) => {
                let failed = Failed { answer: Some(heard.as_ref().unwrap_or(&answer.words)), ..failed_attempt(&redeemed) };
                self.refuse(visitor, &failed, &error)
            }
        };
        match redeemed.forget() {
            Ok(forget) => cookie::add(done.headers_mut(), [forget]),
            Err(error) => tracing::warn!(%error, "a used attempt stays in the browser until it expires"),
        }
        done
    }

    async fn finish(
        &self,
        visitor: &Visitor,
        connection: &Connection,
        shown: Shown,
        attempt: &Redeemed,
    ) -> Result<Response, SignInError> {
        let now = self.now();
        asked_anew(attempt, shown.authenticated_at)?;
        let user = self.recognise(connection, &shown.asserted).await?;
        let proven = Proven {
            user,
            connection,
            amr: shown.amr,
            acr: shown.acr,
            authenticated_at: shown.authenticated_at.map_or(now, |at| at.min(now)),
            provider_session: shown.session,
            provider_subject: Some(shown.asserted.link.subject),
            refresh_at: self.refresh_at(&shown.tokens, now),
            tokens: shown.tokens,
            ends_at: None,
            return_to: self.rules.origins.parse_or_home(Some(&attempt.return_to)),
        };
        self.complete(visitor, proven).await
    }

    fn refuse_attempt(&self, visitor: &Visitor, attempt: &Attempt, error: &SignInError) -> Response {
        self.refuse(visitor, &failed_attempt(attempt), error)
    }
}

fn failed_attempt(attempt: &Attempt) -> Failed<'_> {
    Failed { connection: Some(&attempt.connection), return_to: &attempt.return_to, ..Failed::NOWHERE }
}

/// Whether the provider asked the person anew where it was told to. Where that is the very point, it has to say so (`auth_time`,
/// OpenID Connect Core 1.0 §3.1.2.1).
fn asked_anew(attempt: &Attempt, authenticated_at: Option<Timestamp>) -> Result<(), SignInError> {
    match authenticated_at {
        _ if !attempt.fresh && !attempt.must_say_when => Ok(()),
        Some(at) if at >= attempt.started_at.before(SKEW) => Ok(()),
        Some(_) => Err(SignInError::answer("not_asked_anew", "the provider did not ask for a new sign-in")),
        None if attempt.must_say_when => {
            Err(SignInError::answer("auth_time_missing", "the provider does not say when you signed in"))
        }
        None => Ok(()),
    }
}

impl Provider {
    /// Whether the answer is this connection's and this issuer's (RFC 9207 §2.4): where the provider announces that it names itself,
    /// it has to; where it names itself unannounced, it has to be right.
    pub(super) async fn judge_issuer(
        &self,
        connection: &Connection,
        attempt: &Attempt,
        issuer: Option<&str>,
        now: Timestamp,
    ) -> Result<Arc<Metadata>, SignInError> {
        if attempt.connection != connection.id {
            return Err(SignInError::MixUp);
        }
        let metadata = self.metadata(now).await?;
        match issuer {
            Some(issuer) if issuer == metadata.issuer().as_str() => Ok(metadata),
            None if !metadata.additional_metadata().authorization_response_iss_parameter_supported => Ok(metadata),
            _ => Err(SignInError::MixUp),
        }
    }
}
