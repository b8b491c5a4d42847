//! Signing out at both sides (SAML Profiles §4.4): `/.doorward/saml/{connection}/slo`.
//!
//! Refuses a logout request that is not signed by the provider, is for another address or another time, or came before: anybody may
//! send one by any browser, and it ends people's sessions (threats S7). An answer to our own request ends nothing, so nothing is
//! believed of it.

use std::sync::Arc;

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};

use super::assertion::{NameId, Window};
use super::binding::{Direction, Received, from_form, from_query};
use super::decrypt::DecryptionKey;
use super::idp::IdentityProvider;
use super::judge::{Expected, shorten};
use super::message::{Envelope, logout_request, logout_response};
use super::refusal::Refusal;
use super::signature::{self, Signed, Trust};
use super::tree::Tree;
use super::{Provider, find, names};
use crate::audit::what::SignOut;
use crate::audit::{Outcome, Personal, Redacted};
use crate::clock::Timestamp;
use crate::crypto::{Digest, random};
use crate::login::complete::{Failed, redirect};
use crate::login::connection::Connection;
use crate::login::visitor::Visitor;
use crate::login::{Login, SignInError};
use crate::model::{ProviderLogout, Session};
use crate::session::{Once, ProviderTokens};

/// How old a logout request that names no end may be, beside the skew: browsers carry it at once.
const FRESH: std::time::Duration = std::time::Duration::from_secs(5 * 60);

/// A logout request that holds (SAML Core §3.7.1).
struct LogoutRequest {
    id: String,
    name: NameId,
    /// None: all of the person's sessions.
    sessions: Vec<String>,
    /// Until when it could be sent again.
    replayable_until: Timestamp,
}

/// `GET /.doorward/saml/{connection}/slo`
pub(super) async fn by_redirect(
    State(login): State<Arc<Login>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    visitor: Visitor,
) -> Response {
    let received = from_query(query.as_deref().unwrap_or_default());
    login.take_logout(&id, &visitor, received).await
}

/// `POST /.doorward/saml/{connection}/slo`
pub(super) async fn by_form(
    State(login): State<Arc<Login>>,
    Path(id): Path<String>,
    visitor: Visitor,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Response {
    let fields = form.map(|Form(fields)| fields).unwrap_or_default();
    login.take_logout(&id, &visitor, from_form(&fields)).await
}

impl Login {
    async fn take_logout(&self, id: &str, visitor: &Visitor, received: Result<Received, Refusal>) -> Response {
        let connections = self.connections();
        let Some((connection, provider)) = find(connections.find(id)) else {
            return self.refuse(visitor, &Failed::NOWHERE, &SignInError::UnknownConnection);
        };
        let done = async {
            let received = received?;
            match received.direction {
                // Whoever comes back with an answer was signed out here before they left.
                Direction::Response => redirect(&self.pages().address("/signed-out"), []),
                Direction::Request => self.answer_logout(visitor, connection, provider, received).await,
            }
        };
        done.await.unwrap_or_else(|error| self.logout_refused(visitor, connection, &error))
    }

    async fn answer_logout(
        &self,
        visitor: &Visitor,
        connection: &Connection,
        provider: &Arc<Provider>,
        received: Received,
    ) -> Result<Response, SignInError> {
        let idp = provider.discovery.current(self.now()).await?;
        let relay_state = received.relay_state.clone();
        let received = Arc::new(received);
        let request = match self.judge_logout(provider, &idp, &received).await? {
            Err(refusal @ (Refusal::UntrustedKey | Refusal::SignatureInvalid(_) | Refusal::QuerySignature)) => {
                match provider.discovery.newer_than(&idp, self.now()).await {
                    Some(newer) => self.judge_logout(provider, &newer, &received).await?,
                    None => Err(refusal),
                }
            }
            judged => judged,
        }?;
        let token = Digest::of_parts(&[idp.entity_id.as_bytes(), request.id.as_bytes()]);
        let once = Once { purpose: "saml_logout", token, expires_at: request.replayable_until };
        if !self.end_by_provider(visitor, &meant(connection, &request), Some(&once), "saml_logout").await? {
            return Err(Refusal::Replayed.into());
        }
        let Some(endpoint) = idp.sign_out() else { return Ok(self.pages().signed_out().into_response()) };
        let id = format!("_{}", random::alphanumeric(43).map_err(SignInError::internal)?);
        let destination = endpoint.for_responses().as_str();
        let envelope = Envelope { id: &id, issuer: &provider.entity_id, destination, now: self.now() };
        let message = logout_response(envelope, &request.id, names::SUCCESS);
        self.deliver(provider, endpoint, Direction::Response, &message, relay_state.as_deref())
    }

    async fn judge_logout(
        &self,
        provider: &Arc<Provider>,
        idp: &Arc<IdentityProvider>,
        received: &Arc<Received>,
    ) -> Result<Result<LogoutRequest, Refusal>, SignInError> {
        let (provider, idp, received, now) = (Arc::clone(provider), Arc::clone(idp), Arc::clone(received), self.now());
        let judge = move || LogoutRequest::judge(&received, &provider, &idp, now);
        tokio::task::spawn_blocking(judge).await.map_err(SignInError::internal)
    }

    fn logout_refused(&self, visitor: &Visitor, connection: &Connection, error: &SignInError) -> Response {
        let what = SignOut { detail: Some(Personal(Redacted::of(&error.to_string()))), ..SignOut::default() };
        let mut event = self.event(visitor, what, Outcome::Failure);
        event.reason = Some(error.reason().into());
        event.target = Some(connection.id.to_string());
        self.means.audit.note(event);
        self.pages().failed_sign_in(error, &self.pages().address("/signed-out")).into_response()
    }

    /// The request that signs somebody out at the provider too, if it takes such requests. Being signed out here does not wait for it.
    pub(in crate::login) async fn saml_sign_out(&self, provider: &Provider, session: &Session, value: &str) -> Option<Response> {
        provider.key.as_ref()?;
        let idp = provider.discovery.current(self.now()).await.ok()?;
        let endpoint = idp.sign_out()?;
        let name: NameId = serde_json::from_str(&ProviderTokens::open(value, session)?.name_id?).ok()?;
        let id = format!("_{}", random::alphanumeric(43).ok()?);
        let envelope =
            Envelope { id: &id, issuer: &provider.entity_id, destination: endpoint.location.as_str(), now: self.now() };
        let request = logout_request(envelope, &name, session.provider_session.as_deref(), idp.recipient.as_ref())?;
        self.deliver(provider, endpoint, Direction::Request, &request, None).ok()
    }
}

/// What the request names: sessions of a person, or all of them.
fn meant(connection: &Connection, request: &LogoutRequest) -> Vec<ProviderLogout> {
    let logout = |session| ProviderLogout {
        tenant: connection.tenant.clone(),
        connection: connection.id.clone(),
        session,
        subject: Some(request.name.value.clone()),
    };
    match request.sessions.as_slice() {
        [] => vec![logout(None)],
        sessions => sessions.iter().cloned().map(Some).map(logout).collect(),
    }
}

impl Provider {
    /// Where signing out leads, which the policy of the page with the button has to allow.
    pub(in crate::login) async fn sign_out_origin(&self, now: Timestamp) -> Option<String> {
        self.key.as_ref()?;
        let idp = self.discovery.current(now).await.ok()?;
        Some(idp.sign_out()?.location.origin().ascii_serialization())
    }
}

/// The whole message, where the provider has signed it: beside it in the query, or within it.
fn whole<'t>(tree: &'t Tree, received: &Received, trust: &Trust) -> Result<Signed<'t>, Refusal> {
    match &received.detached {
        Some(detached) => signature::verify_query(tree, detached, trust),
        None => signature::verify(tree, None, trust)?.root().ok_or(Refusal::MessageUnsigned),
    }
}

/// Whether somebody trusted has signed what came.
pub(super) fn is_signed(received: &Received, trust: &Trust) -> bool {
    Tree::parse(&received.text).is_ok_and(|tree| whole(&tree, received, trust).is_ok())
}

impl LogoutRequest {
    fn judge(received: &Received, provider: &Provider, idp: &IdentityProvider, now: Timestamp) -> Result<Self, Refusal> {
        let tree = Tree::parse(&received.text)?;
        let root = tree.root()?;
        if !root.is(names::PROTOCOL, "LogoutRequest") {
            return Err(Refusal::UnexpectedMessage(shorten(&root.name())));
        }
        let signed = whole(&tree, received, &idp.trust)?;
        let expected = Expected {
            issuer: &idp.entity_id,
            audience: &provider.entity_id,
            acs: &provider.slo,
            request: None,
            now,
            skew: provider.skew,
            signed_assertion: false,
            signed_response: false,
        };
        Self::read(signed, &expected, provider.key.as_ref().map(|key| &key.decryption))
    }

    fn read(root: Signed<'_>, expected: &Expected<'_>, key: Option<&DecryptionKey>) -> Result<Self, Refusal> {
        if root.attribute("Version") != Some("2.0") {
            return Err(Refusal::Version);
        }
        match root.one(names::ASSERTION, "Issuer").and_then(Signed::text) {
            Some(issuer) if issuer == expected.issuer => {}
            Some(issuer) => return Err(Refusal::Issuer(shorten(&issuer))),
            None => return Err(Refusal::IssuerMissing),
        }
        match root.attribute("Destination") {
            Some(destination) if destination == expected.acs => {}
            Some(destination) => return Err(Refusal::Destination(shorten(destination))),
            None => return Err(Refusal::DestinationMissing),
        }
        let replayable_until = Self::judge_time(root, expected)?;
        let sessions = root.all(names::PROTOCOL, "SessionIndex").filter_map(Signed::text);
        Ok(Self {
            id: root.attribute("ID").filter(|id| !id.is_empty()).ok_or(Refusal::Version)?.to_owned(),
            name: NameId::of(root, key)?,
            sessions: sessions.collect(),
            replayable_until,
        })
    }

    /// One that does not say until when it is good is good for a moment after it was made.
    fn judge_time(root: Signed<'_>, expected: &Expected<'_>) -> Result<Timestamp, Refusal> {
        let issued = Window::issued(root)?.ok_or(Refusal::Time)?;
        let stated = Window::read(root)?.not_on_or_after;
        let until = stated.map_or(issued.after(FRESH), |until| until.min(issued.after(FRESH)));
        expected.judge_window(Window { not_before: Some(issued), not_on_or_after: Some(until) })?;
        Ok(until.after(expected.skew))
    }
}
