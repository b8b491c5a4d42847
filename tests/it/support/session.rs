//! Sessions that a test puts into a store, as the sign-in does it.

use std::time::Duration;

use doorward::clock::{Clock as _, SystemClock};
use doorward::crypto::Digest;
use doorward::model::{Session, SessionHandle, TenantId, UserId};

/// An hour of somebody who has just signed in at the connection `local`; `value` is what the cookie holds.
pub(crate) fn just_begun(user: UserId, handle: &str, value: &str) -> Session {
    let now = SystemClock.now();
    Session {
        handle: SessionHandle(handle.to_owned()),
        digest: Digest::of(value.as_bytes()),
        tenant: TenantId::default(),
        user,
        connection: "local".parse().unwrap(),
        amr: Vec::new(),
        acr: None,
        authenticated_at: now,
        created_at: now,
        last_seen_at: now,
        expires_at: now.after(Duration::from_secs(3600)),
        revoked_at: None,
        provider_session: None,
        provider_subject: None,
        sealed_tokens: None,
        tokens_version: 0,
        refresh_at: None,
        client_address: None,
        user_agent: None,
    }
}
