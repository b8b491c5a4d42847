//! The end of every sign-in, however it began.
//!
//! Refuses an inactive person, and a session under an id that existed before: each sign-in gets a new one and ends the old (threats C1).

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use super::connection::Connection;
use super::return_to::ReturnTo;
use super::visitor::Visitor;
use super::{Login, SignInError};
use crate::audit::what::{SignIn, What};
use crate::audit::{Event, Outcome, Personal, ProviderAnswer, Redacted};
use crate::clock::Timestamp;
use crate::crypto::{Digest, random};
use crate::model::{ConnectionId, CredentialKind, Session, SessionHandle, User};
use crate::policy::mfa::METHOD;
use crate::session::{Carried, ProviderTokens, SealError, cookie};

/// Letters of a session id: 256 bits.
const ID_LENGTH: usize = 43;

/// A sign-in that succeeded but for what is checked here.
pub(super) struct Proven<'c> {
    pub user: User,
    pub connection: &'c Connection,
    /// Methods used (RFC 8176).
    pub amr: Vec<String>,
    pub acr: Option<String>,
    pub authenticated_at: Timestamp,
    /// What the provider calls its session, and the person: a logout of its may name either.
    pub provider_session: Option<String>,
    pub provider_subject: Option<String>,
    /// Kept, sealed.
    pub tokens: ProviderTokens,
    /// When the provider is to be asked for new tokens.
    pub refresh_at: Option<Timestamp>,
    /// When the provider wants the session to end, if it ends before ours does.
    pub ends_at: Option<Timestamp>,
    pub return_to: ReturnTo,
}

impl<'c> Proven<'c> {
    /// A sign-in here and now, in which no provider took part.
    pub(super) fn here(user: User, connection: &'c Connection, amr: Vec<String>, now: Timestamp, return_to: ReturnTo) -> Self {
        Self {
            user,
            connection,
            amr,
            acr: None,
            authenticated_at: now,
            provider_session: None,
            provider_subject: None,
            tokens: ProviderTokens::default(),
            refresh_at: None,
            ends_at: None,
            return_to,
        }
    }
}

impl Login {
    /// The end of a sign-in as its connection proved it: a second factor counts if the connection's provider said so in the words that
    /// are taken for it.
    pub(super) async fn complete(&self, visitor: &Visitor, mut proven: Proven<'_>) -> Result<Response, SignInError> {
        proven.amr = proven.connection.evidence.judge(proven.amr, proven.acr.as_deref());
        // Who has given a local account a second factor is asked for it each time; after a provider's sign-in, where a rule asks.
        let own = !proven.connection.way.is_sso() && !proven.amr.iter().any(|method| method == METHOD);
        if own && proven.user.active && !self.factors(&proven.user).await?.is_empty() {
            self.belongs(&proven)?;
            return self.put_off(visitor, &proven);
        }
        self.establish(visitor, proven).await
    }

    /// Puts a session with a second factor, shown just now by `method`, in the place of the present one: a new id, the same end.
    pub(super) async fn strengthen(
        &self,
        visitor: &Visitor,
        user: &User,
        method: &str,
        return_to: &ReturnTo,
    ) -> Result<Response, SignInError> {
        let now = self.now();
        let (old_value, old) =
            self.present_session(visitor).await?.filter(|(_, old)| old.user == user.id).ok_or(SignInError::Stale)?;
        let value = random::alphanumeric(ID_LENGTH).map_err(SignInError::internal)?;
        let handle = SessionHandle(random::alphanumeric(16).map_err(SignInError::internal)?);
        let tokens = ProviderTokens::open(&old_value, &old).map(|tokens| tokens.seal(&value, &handle));
        let mut amr: Vec<String> = old.amr.iter().filter(|known| *known != METHOD && *known != method).cloned().collect();
        amr.extend([method.to_owned(), METHOD.to_owned()]);
        let replaced = old.handle.clone();
        let session = Session {
            handle,
            digest: Digest::of(value.as_bytes()),
            amr,
            authenticated_at: now,
            created_at: now,
            last_seen_at: now,
            sealed_tokens: tokens.transpose().map_err(SignInError::internal)?,
            tokens_version: 0,
            client_address: Some(visitor.client.to_string()),
            user_agent: visitor.user_agent(),
            ..old
        };
        let mut cookies = self.cookies(value, &session, user, visitor)?;
        // Whoever ended the old one meanwhile has ended this, too.
        if !self.means.sessions.end(&replaced, now).await? {
            return Err(SignInError::Stale);
        }
        self.means.sessions.create(&session).await?;
        let what = SignIn {
            amr: session.amr.clone(),
            step_up: true,
            replaces: Some(replaced),
            ends_at: Some(session.expires_at),
            ..SignIn::default()
        };
        let mut event = self.event(visitor, what, Outcome::Success);
        event.tenant = session.tenant.to_string();
        event.actor = Some(user.id.to_string());
        event.target = Some(session.connection.to_string());
        event.session = Some(session.handle.to_string());
        self.means.audit.record(event).await?;
        cookies.push(self.count_turn(&visitor.headers, return_to, None)?);
        redirect(return_to.as_str(), cookies)
    }

    /// Makes the session and sends the person where they wanted to go.
    pub(super) async fn establish(&self, visitor: &Visitor, proven: Proven<'_>) -> Result<Response, SignInError> {
        if !proven.user.active {
            return Err(SignInError::Inactive);
        }
        self.belongs(&proven)?;
        let value = random::alphanumeric(ID_LENGTH).map_err(SignInError::internal)?;
        let session = self.session(&value, visitor, &proven)?;
        let mut cookies = self.cookies(value, &session, &proven.user, visitor)?;
        cookies.push(self.count_turn(&visitor.headers, &proven.return_to, proven.tokens.id_token.as_deref())?);
        self.means.sessions.create(&session).await?;
        if let Some(old) = visitor.session() {
            self.means.sessions.end(old, self.now()).await?;
        }
        let what = SignIn {
            amr: proven.amr,
            protocol: Some(proven.connection.way.protocol()),
            replaces: visitor.session().cloned(),
            ends_at: Some(session.expires_at),
            ..SignIn::default()
        };
        let mut event = self.event(visitor, what, Outcome::Success);
        event.tenant = proven.user.tenant.to_string();
        event.actor = Some(proven.user.id.to_string());
        event.target = Some(proven.connection.id.to_string());
        event.session = Some(session.handle.to_string());
        self.means.audit.record(event).await?;
        redirect(proven.return_to.as_str(), cookies)
    }

    /// The cookies that hold a new session: its id, or itself.
    fn cookies(&self, id: String, session: &Session, user: &User, visitor: &Visitor) -> Result<Vec<HeaderValue>, SignInError> {
        let (seals, headers) = (&self.rules.seals, &visitor.headers);
        if seals.seals_all() {
            let carried = Carried::new(id, session, user);
            return seals.set(&carried, headers, self.now()).map_err(|error| match error {
                SealError::TooLarge(_) => SignInError::TooLarge,
                error => SignInError::internal(error),
            });
        }
        let mut cookies = vec![cookie::set_session(&id, session.expires_at.since(self.now())).map_err(SignInError::internal)?];
        cookies.extend(cookie::remove_session_parts(headers, 2).map_err(SignInError::internal)?);
        Ok(cookies)
    }

    /// Whether the account is the connection's to sign in: of its tenant and its domains, and not bound to another way. In this one
    /// place for every kind of connection.
    fn belongs(&self, proven: &Proven<'_>) -> Result<(), SignInError> {
        let Proven { user, connection, .. } = proven;
        if user.tenant != connection.tenant {
            return Err(SignInError::internal("the account is of another tenant than the connection"));
        }
        let own = !connection.way.is_sso() || connection.serves(user.email.as_ref());
        if own && self.account_may_use(connection, user) { Ok(()) } else { Err(SignInError::ForeignAddress) }
    }

    fn session(&self, value: &str, visitor: &Visitor, proven: &Proven<'_>) -> Result<Session, SignInError> {
        let now = self.now();
        let latest = now.after(self.rules.lifetimes.absolute.0);
        let handle = SessionHandle(random::alphanumeric(16).map_err(SignInError::internal)?);
        let kept = Some(&proven.tokens).filter(|tokens| !tokens.is_empty());
        let sealed_tokens = kept.map(|tokens| tokens.seal(value, &handle)).transpose().map_err(SignInError::internal)?;
        Ok(Session {
            handle,
            digest: Digest::of(value.as_bytes()),
            tenant: proven.user.tenant.clone(),
            user: proven.user.id,
            connection: proven.connection.id.clone(),
            amr: proven.amr.clone(),
            acr: proven.acr.clone(),
            authenticated_at: proven.authenticated_at,
            created_at: now,
            last_seen_at: now,
            expires_at: proven.ends_at.map_or(latest, |end| end.min(latest)),
            revoked_at: None,
            provider_session: proven.provider_session.clone(),
            provider_subject: proven.provider_subject.clone(),
            sealed_tokens,
            tokens_version: 0,
            refresh_at: proven.refresh_at,
            client_address: Some(visitor.client.to_string()),
            user_agent: visitor.user_agent(),
        })
    }

    /// The page for a sign-in that failed, and its record.
    pub(super) fn refuse(&self, visitor: &Visitor, failed: &Failed<'_>, error: &SignInError) -> Response {
        // Whoever has no cookie of ours at all cannot go on by trying again.
        let blocked = matches!(error, SignInError::Stale | SignInError::ForeignForm) && !cookie::any(&visitor.headers);
        let error = if blocked { &SignInError::NoCookies } else { error };
        match error {
            SignInError::Unavailable(source) | SignInError::Internal(source) | SignInError::ProviderUnreachable(source) => {
                tracing::warn!(error = %chain(source.as_ref()), reason = error.reason(), "a sign-in could not go on");
            }
            _ => {}
        }
        if error.is_failed_sign_in() {
            self.note_failure(visitor, failed, error);
        }
        let again = match failed.connection {
            Some(connection) => self.beginning(connection, failed.return_to),
            None => self.pages().sign_in_address(failed.return_to, false),
        };
        let mut answer = self.pages().failed_sign_in(error, &again).into_response();
        if let Some(wait) = error.retry_after() {
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        answer
    }

    /// Where to begin anew with this connection.
    pub(super) fn beginning(&self, connection: &ConnectionId, return_to: &str) -> String {
        let back = percent_encoding::utf8_percent_encode(return_to, percent_encoding::NON_ALPHANUMERIC);
        format!("{}?return_to={back}", self.pages().address(&format!("/sign-in/{connection}")))
    }

    /// Records a failure without waiting for the record.
    pub(super) fn note_failure(&self, visitor: &Visitor, failed: &Failed<'_>, error: &SignInError) {
        let connections = self.connections();
        let way = failed.connection.and_then(|id| connections.find(id.as_str()));
        let mut what = SignIn {
            protocol: way.map(|connection| connection.way.protocol()),
            provider_answer: failed.answer.cloned().map(Personal),
            ..SignIn::default()
        };
        match error {
            SignInError::ProviderRefused { code, description } => {
                what.provider_error = Some(Personal(Redacted::of(code)));
                what.provider_description = description.as_deref().map(|words| Personal(Redacted::of(words)));
            }
            SignInError::ProviderAnswer { detail, .. } | SignInError::ProviderSetup(detail) => {
                what.detail = Some(Personal(Redacted::of(detail)));
            }
            _ => {}
        }
        let mut event = self.event(visitor, what, Outcome::Failure);
        event.reason = Some(error.reason().into());
        event.actor = failed.actor.map(str::to_owned);
        event.target = failed.connection.map(ToString::to_string);
        self.means.audit.note(event);
    }

    pub(super) fn event(&self, visitor: &Visitor, what: impl Into<What>, outcome: Outcome) -> Event {
        let mut event = Event::new(self.now(), what, outcome, &self.rules.tenants.usual());
        event.source = Some(visitor.client);
        event.user_agent = visitor.user_agent();
        event.request_id.clone_from(&visitor.request_id);
        event.credential = Some(CredentialKind::Session);
        event
    }
}

/// A sign-in that failed, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed<'a> {
    pub connection: Option<&'a ConnectionId>,
    /// Who it was, or tried to be.
    pub actor: Option<&'a str>,
    /// Where they wanted to go.
    pub return_to: &'a str,
    /// What the provider answered.
    pub answer: Option<&'a ProviderAnswer>,
}

impl Failed<'static> {
    /// Nothing is known, not even where the person wanted to go.
    pub(super) const NOWHERE: Self = Self { connection: None, actor: None, return_to: "/", answer: None };
}

/// 303, because whatever came before, what follows is a GET (RFC 9110 §15.4.4).
pub(super) fn redirect(location: &str, cookies: impl IntoIterator<Item = HeaderValue>) -> Result<Response, SignInError> {
    let mut answer = StatusCode::SEE_OTHER.into_response();
    let headers = answer.headers_mut();
    headers.insert(header::LOCATION, HeaderValue::try_from(location).map_err(SignInError::internal)?);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // The address that is left may hold a code; the next page is not to learn it.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    cookie::add(headers, cookies);
    Ok(answer)
}

/// An error with everything that led to it.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(deeper) = source {
        text.push_str(": ");
        text.push_str(&deeper.to_string());
        source = deeper.source();
    }
    text
}
