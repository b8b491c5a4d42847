//! A sign-in that waits for its second factor: a password was right, and opens nothing yet.
//!
//! Refuses to be a session: it is sealed into a cookie of its own that only the page for the second factor looks at, is over after ten
//! minutes, and is used once.

use std::time::Duration;

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use serde::{Deserialize, Serialize};

use super::SecondFactors;
use crate::clock::Timestamp;
use crate::crypto::{Digest, random};
use crate::login::complete::{Proven, redirect};
use crate::login::visitor::Visitor;
use crate::login::{Login, SignInError};
use crate::model::{ConnectionId, UserId};
use crate::session::cookie;

/// How long a person may take to find their device.
const LIFE: Duration = Duration::from_secs(600);

/// What was proved so far.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Pending {
    id: String,
    pub user: UserId,
    pub connection: ConnectionId,
    pub amr: Vec<String>,
    pub return_to: String,
    at: Timestamp,
}

impl SecondFactors {
    /// The sign-in that waits in this browser, if one does.
    pub(super) fn pending(&self, headers: &HeaderMap, now: Timestamp) -> Option<Pending> {
        let sealed = URL_SAFE_NO_PAD.decode(cookie::value(headers, cookie::PENDING)?).ok()?;
        let plain = self.pending.open(&sealed, cookie::PENDING.as_bytes()).ok()?;
        serde_json::from_slice(&plain).ok().filter(|pending: &Pending| now < pending.at.after(LIFE))
    }
}

impl Login {
    /// Puts a sign-in off until the second factor is shown.
    pub(in crate::login) fn put_off(&self, visitor: &Visitor, proven: &Proven<'_>) -> Result<Response, SignInError> {
        let pending = Pending {
            id: random::alphanumeric(22).map_err(SignInError::internal)?,
            user: proven.user.id,
            connection: proven.connection.id.clone(),
            amr: proven.amr.clone(),
            return_to: proven.return_to.as_str().to_owned(),
            at: self.now(),
        };
        let plain = serde_json::to_vec(&pending).map_err(SignInError::internal)?;
        let sealed = self.rules.second_factors.pending.seal(&plain, cookie::PENDING.as_bytes()).map_err(SignInError::internal)?;
        let cookie = cookie::set_pending(&URL_SAFE_NO_PAD.encode(sealed), LIFE).map_err(SignInError::internal)?;
        tracing::debug!(client = %visitor.client, "a sign-in waits for its second factor");
        redirect(&self.pages().address("/second-factor/sign-in"), [cookie])
    }

    /// Uses the waiting sign-in up; [`SignInError::Stale`] if it was.
    pub(super) async fn take_up(&self, pending: &Pending) -> Result<(), SignInError> {
        let token = Digest::of(pending.id.as_bytes());
        let first = self.means.sessions.take_once("pending_sign_in", &token, pending.at.after(LIFE * 2)).await?;
        if first { Ok(()) } else { Err(SignInError::Stale) }
    }
}
