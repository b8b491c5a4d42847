//! Who does something, and in which tenant.
//!
//! Refuses to be made of nothing: an operation without an actor is one that nobody answers for.

use std::net::IpAddr;

use crate::model::{CredentialKind, SessionHandle, TenantId};

/// Whoever acts, as the audit trail will say it.
#[derive(Clone, Debug)]
pub struct Acting {
    /// A user id, key id, client id, or `cli:NAME`.
    pub actor: String,
    /// Where: nothing outside it is seen or changed.
    pub tenant: TenantId,
    pub credential: Option<CredentialKind>,
    pub session: Option<SessionHandle>,
    /// After trusted proxies.
    pub source: Option<IpAddr>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
}

impl Acting {
    /// A person at the command line.
    #[must_use]
    pub const fn at_the_terminal(actor: String, tenant: TenantId) -> Self {
        Self { actor, tenant, credential: None, session: None, source: None, user_agent: None, request_id: None }
    }
}
