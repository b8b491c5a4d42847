//! Who is at the door: what a handler knows about the request it answers.
//!
//! Refuses to judge again: identity and address come from the journey, which has judged them.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};

use crate::forward::Outbound;
use crate::model::{CredentialKind, Identity, SessionHandle};
use crate::telemetry::RequestId;

/// One request, as the handlers see it. No Debug: its headers hold cookies.
#[derive(Clone)]
pub(super) struct Visitor {
    pub headers: HeaderMap,
    pub client: IpAddr,
    pub identity: Option<Arc<Identity>>,
    pub request_id: Option<String>,
}

impl Visitor {
    /// The session the request came with, if it came with a live one.
    #[must_use]
    pub(super) fn session(&self) -> Option<&SessionHandle> {
        self.identity.as_ref().and_then(|identity| identity.session.as_ref())
    }

    /// Whether a person with a session is already here.
    #[must_use]
    pub(super) fn is_signed_in(&self) -> bool {
        self.identity.as_ref().is_some_and(|identity| identity.credential == CredentialKind::Session)
    }

    #[must_use]
    pub(super) fn user_agent(&self) -> Option<String> {
        let text = self.headers.get(header::USER_AGENT)?.to_str().ok()?;
        Some(text.chars().take(256).collect())
    }
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = StatusCode;

    /// A request that did not come through the journey is a mistake of ours and gets no page.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        let judged = parts.extensions.get::<Arc<Outbound>>().ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
        Ok(Self {
            headers: parts.headers.clone(),
            client: judged.client,
            identity: judged.identity.clone(),
            request_id: parts.extensions.get::<RequestId>().map(|id| id.as_str().to_owned()),
        })
    }
}
