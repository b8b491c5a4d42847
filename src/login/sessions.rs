//! `/.doorward/sessions`: where one is signed in, and ending that.
//!
//! Refuses to show or end a session of anybody else, whatever handle is sent, and to end one by a link (threats C8).

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use http::{HeaderValue, header};
use serde::Deserialize;
use serde_json::json;

use super::complete::{Failed, redirect};
use super::form::Purpose;
use super::pages::negotiate;
use super::pages::sessions::{Listed, agent_in_words};
use super::visitor::Visitor;
use super::{Login, SignInError, whoami};
use crate::audit::Outcome;
use crate::audit::what::SignOut;
use crate::model::{Session, UserId};
use crate::session::{SessionFilter, cookie};

/// Sessions that are shown; whoever has more ends the others at once.
const MOST: u32 = 100;

/// The form, as it is sent.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Submitted {
    #[serde(default)]
    token: String,
    /// A handle, or nothing for all but this one.
    #[serde(default)]
    session: String,
}

/// `GET /.doorward/sessions`
pub(super) async fn list(State(login): State<Arc<Login>>, visitor: Visitor) -> Response {
    login.own_sessions(&visitor).await.unwrap_or_else(|error| login.refuse(&visitor, &Failed::NOWHERE, &error))
}

/// `POST /.doorward/sessions`
pub(super) async fn end(
    State(login): State<Arc<Login>>,
    visitor: Visitor,
    form: Result<Form<Submitted>, FormRejection>,
) -> Response {
    let form = form.map(|Form(form)| form).unwrap_or_default();
    match login.end_own(&visitor, &form).await {
        Err(SignInError::ForeignForm) => {
            let again = login.pages().address("/sessions");
            login.pages().failed_sign_in(&SignInError::ForeignForm, &again).into_response()
        }
        answer => answer.unwrap_or_else(|error| login.refuse(&visitor, &Failed::NOWHERE, &error)),
    }
}

impl Login {
    async fn own_sessions(&self, visitor: &Visitor) -> Result<Response, SignInError> {
        let own = self.address_of_sessions();
        let Some(user) = signed_in(visitor) else {
            let sign_in = || redirect(&self.pages().sign_in_address(&own, false), []);
            return if negotiate::reads_pages(&visitor.headers) { sign_in() } else { Ok(whoami::nobody()) };
        };
        let sessions = self.live_sessions(user).await?;
        let is_this = |session: &Session| visitor.session() == Some(&session.handle);
        if !negotiate::reads_pages(&visitor.headers) {
            let all = sessions.iter().map(|session| shown(session, is_this(session))).collect::<Vec<_>>();
            let mut answer = Json(json!({ "sessions": all })).into_response();
            answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            return Ok(answer);
        }
        let connections = self.connections();
        let now = self.now();
        let listed = |session: &Session| {
            let connection = connections.find(session.connection.as_str()).map(|connection| connection.name.clone());
            Listed::of(session, connection, is_this(session), now)
        };
        let listed: Vec<Listed> = sessions.iter().map(listed).collect();
        let issued = self.rules.forms.issue(Purpose::Sessions, &visitor.headers, now)?;
        let mut answer = self.pages().sessions(&issued.token, &listed).into_response();
        cookie::add(answer.headers_mut(), issued.cookie);
        Ok(answer)
    }

    async fn end_own(&self, visitor: &Visitor, form: &Submitted) -> Result<Response, SignInError> {
        self.rules.forms.check(Purpose::Sessions, &visitor.headers, &form.token, self.now())?;
        let own = self.address_of_sessions();
        let Some(user) = signed_in(visitor) else { return redirect(&self.pages().sign_in_address(&own, false), []) };
        let this = visitor.session();
        let meant = |session: &Session| match form.session.as_str() {
            "" => this != Some(&session.handle),
            handle => session.handle.0 == handle,
        };
        // Whoever has more than one list holds means those, too.
        for _ in 0..MOST {
            let mut sessions = self.live_sessions(user).await?;
            sessions.retain(meant);
            if sessions.is_empty() {
                break;
            }
            for session in &sessions {
                if self.means.sessions.end(&session.handle, self.now()).await? {
                    self.record_end(visitor, session).await?;
                }
            }
            if sessions.iter().any(|session| this == Some(&session.handle)) {
                let removal = cookie::remove_session(&visitor.headers).map_err(SignInError::internal)?;
                return redirect(&self.pages().address("/signed-out"), removal);
            }
        }
        redirect(&own, [])
    }

    /// What the store holds that can still be used, newest first.
    async fn live_sessions(&self, user: UserId) -> Result<Vec<Session>, SignInError> {
        let now = self.now();
        let seen_after = Some(now.before(self.rules.lifetimes.idle.0));
        let filter = SessionFilter { user: Some(user), seen_after, limit: MOST, ..SessionFilter::default() };
        Ok(self.means.sessions.list(&filter, now).await?)
    }

    async fn record_end(&self, visitor: &Visitor, session: &Session) -> Result<(), SignInError> {
        let from_session = visitor.session().filter(|by| **by != session.handle).cloned();
        let mut event = self.event(visitor, SignOut { from_session, ..SignOut::default() }, Outcome::Success);
        event.tenant = session.tenant.to_string();
        event.actor = Some(session.user.to_string());
        event.session = Some(session.handle.to_string());
        Ok(self.means.audit.record(event).await?)
    }

    fn address_of_sessions(&self) -> String {
        self.pages().address("/sessions")
    }
}

fn signed_in(visitor: &Visitor) -> Option<UserId> {
    visitor.identity.as_ref().filter(|_| visitor.is_signed_in()).and_then(|identity| identity.user)
}

/// One session, for a program.
fn shown(session: &Session, this: bool) -> serde_json::Value {
    json!({
        "session": session.handle,
        "this": this,
        "connection": session.connection,
        "address": session.client_address,
        "agent": session.user_agent.as_deref().map(agent_in_words),
        "user_agent": session.user_agent,
        "created_at": session.created_at.to_string(),
        "last_seen_at": session.last_seen_at.to_string(),
        "expires_at": session.expires_at.to_string(),
    })
}
