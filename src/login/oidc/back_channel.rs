//! Signing out that the provider begins, from server to server (OpenID Connect Back-Channel Logout 1.0).
//!
//! Refuses a logout token that is not the provider's, not for this application, old, or seen before, and an ID token in its place,
//! because whoever could make one up could sign people out at will (threats J15). A token whose having been used cannot be looked up
//! ends nothing.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Provider;
use super::signed::{Statement, Unsigned};
use crate::audit::{Kind, Outcome};
use crate::clock::Timestamp;
use crate::crypto::Digest;
use crate::login::connection::{Connection, Way};
use crate::login::parameters::Parameters;
use crate::login::visitor::Visitor;
use crate::login::{Login, SignInError};
use crate::model::{ProviderLogout, Session};
use crate::session::Once;

/// How far the provider's clock and ours may differ.
const SKEW: Duration = Duration::from_secs(60);
/// How long after it was made a token is taken, whatever end it names.
const LIFE: Duration = Duration::from_secs(600);
/// What tells a logout token from other tokens (§2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Why nobody was signed out.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("there is no such connection")]
    UnknownConnection,
    #[error("the connection's kind has no back-channel logout")]
    NotImplemented,
    #[error("there is not exactly one logout_token")]
    Request,
    #[error("the logout token is refused: {0}")]
    Token(&'static str),
    #[error("the logout token could not be judged")]
    Unavailable(#[source] SignInError),
}

impl Refused {
    /// §2.8
    const fn status(&self) -> StatusCode {
        match self {
            Self::UnknownConnection => StatusCode::NOT_FOUND,
            Self::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            Self::Request | Self::Token(_) => StatusCode::BAD_REQUEST,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    const fn reason(&self) -> &'static str {
        match self {
            Self::UnknownConnection => "unknown_connection",
            Self::NotImplemented => "not_implemented",
            Self::Request => "logout_request",
            Self::Token(reason) => reason,
            Self::Unavailable(_) => "unavailable",
        }
    }
}

impl From<Unsigned> for Refused {
    fn from(error: Unsigned) -> Self {
        match error {
            Unsigned::Malformed => Self::Token("logout_token_malformed"),
            Unsigned::Signature => Self::Token("logout_token_signature"),
            Unsigned::Unchecked(source) => Self::Unavailable(source),
        }
    }
}

/// `POST /.doorward/backchannel-logout/{connection}`
pub(in crate::login) async fn back_channel(
    State(login): State<Arc<Login>>,
    Path(id): Path<String>,
    visitor: Visitor,
    body: String,
) -> Response {
    match login.end_by_token(&visitor, &id, &body).await {
        Ok(()) => (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")]).into_response(),
        Err(refused) => {
            let mut event = login.event(&visitor, Kind::SessionEnded, Outcome::Failure);
            (event.reason, event.actor, event.credential) =
                (Some(refused.reason().into()), Some(id.chars().take(64).collect()), None);
            login.means.audit.note(event);
            let body = json!({ "error": "invalid_request", "error_description": refused.to_string() });
            (refused.status(), [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
        }
    }
}

impl Login {
    async fn end_by_token(&self, visitor: &Visitor, id: &str, body: &str) -> Result<(), Refused> {
        let connections = self.connections();
        let connection = connections.find(id).ok_or(Refused::UnknownConnection)?;
        let Way::Oidc(provider) = &connection.way else { return Err(Refused::NotImplemented) };
        let parameters = Parameters::read(Some(body));
        let token = parameters.one("logout_token").ok().flatten().ok_or(Refused::Request)?;
        let now = self.now();
        let statement = provider.check_signed(token, now).await?;
        let claims = provider.judge_logout(connection, statement, now).await?;
        // Remembered for longer than it could be taken, so that a clock put back opens no gap.
        let once = Once {
            purpose: "logout_token",
            token: Digest::of_parts(&[connection.id.as_str().as_bytes(), claims.issuer.as_bytes(), claims.id.as_bytes()]),
            expires_at: now.after((LIFE + SKEW) * 2),
        };
        let ended = self.end_by_provider(visitor, &[claims.logout], Some(&once), "backchannel_logout").await;
        if ended.map_err(Refused::Unavailable)? { Ok(()) } else { Err(Refused::Token("logout_token_replayed")) }
    }

    /// Ends what a provider's logouts name, and records each session that was live. Says whether `once` was still to be taken.
    pub(in crate::login) async fn end_by_provider(
        &self,
        visitor: &Visitor,
        logouts: &[ProviderLogout],
        once: Option<&Once>,
        reason: &'static str,
    ) -> Result<bool, SignInError> {
        let Some(ended) = self.means.sessions.end_named(logouts, once, self.now()).await? else { return Ok(false) };
        let told = |session: Session| {
            let mut event = self.event(visitor, Kind::SessionEnded, Outcome::Success);
            event.reason = Some(reason.into());
            event.credential = None;
            event.tenant = session.tenant.to_string();
            event.actor = Some(session.connection.to_string());
            event.target = Some(session.user.to_string());
            event.session = Some(session.handle.to_string());
            event
        };
        self.means.audit.record_done(ended.into_iter().map(told).collect()).await?;
        Ok(true)
    }
}

/// A logout token that holds.
struct Held {
    issuer: String,
    id: String,
    logout: ProviderLogout,
}

/// The token's claims (§2.4).
#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    iat: i64,
    exp: Option<i64>,
    jti: String,
    events: serde_json::Map<String, Value>,
    sub: Option<String>,
    sid: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn holds(&self, client: &str) -> bool {
        match self {
            Self::One(one) => one == client,
            Self::Several(all) => all.iter().any(|one| one == client),
        }
    }
}

impl Provider {
    /// The rules of §2.6, in their order.
    async fn judge_logout(&self, connection: &Connection, statement: Statement, now: Timestamp) -> Result<Held, Refused> {
        if statement.kind.is_some_and(|kind| kind != "logout+jwt") {
            return Err(Refused::Token("logout_token_type"));
        }
        if statement.claims.contains_key("nonce") {
            return Err(Refused::Token("logout_token_nonce"));
        }
        let claims: Claims =
            serde_json::from_value(statement.claims.into()).map_err(|_| Refused::Token("logout_token_claims"))?;
        let metadata = self.metadata(now).await.map_err(Refused::Unavailable)?;
        if claims.iss != metadata.issuer().as_str() {
            return Err(Refused::Token("logout_token_issuer"));
        }
        if !claims.aud.holds(self.client_id.as_str()) {
            return Err(Refused::Token("logout_token_audience"));
        }
        let (issued, ends) = (Timestamp::from_seconds(claims.iat), claims.exp.map(Timestamp::from_seconds));
        let too_early = issued > now.after(SKEW);
        let too_late = issued.after(LIFE + SKEW) < now || ends.is_some_and(|ends| ends.after(SKEW) <= now);
        if too_early || too_late {
            return Err(Refused::Token("logout_token_times"));
        }
        if !claims.events.get(EVENT).is_some_and(Value::is_object) {
            return Err(Refused::Token("logout_token_events"));
        }
        if claims.jti.is_empty() {
            return Err(Refused::Token("logout_token_claims"));
        }
        if claims.sub.is_none() && claims.sid.is_none() {
            return Err(Refused::Token("logout_token_nobody"));
        }
        let logout = ProviderLogout {
            tenant: connection.tenant.clone(),
            connection: connection.id.clone(),
            session: claims.sid,
            subject: claims.sub,
        };
        Ok(Held { issuer: claims.iss, id: claims.jti, logout })
    }
}
