//! Whether a credential is what it claims to be. The only stage that may wait.
//!
//! Refuses to confuse three answers: wrong ([`AuthnError::Refused`]), absent (`Ok(None)`) and could-not-check
//! ([`AuthnError::Unavailable`]), because the first must not become the second nor the third anonymous.

mod program;
mod session;

use std::sync::Arc;
use std::time::Duration;

use crate::config::{Config, Problems, Sessions as Lifetimes};
use crate::credential::Credential;
use crate::directory::Directory;
use crate::edge::Clean;
use crate::model::{Change, CredentialKind, Identity};
use crate::policy::role::Roles;
use crate::session::SessionStore;

/// Why a credential gave no identity.
#[derive(Debug, thiserror::Error)]
pub enum AuthnError {
    /// It is wrong (HTTP 401). The reason is for records and metrics; the caller learns only which kind was refused.
    #[error("the {kind} was refused: {reason}")]
    Refused { kind: CredentialKind, reason: &'static str },
    /// It could not be checked (HTTP 503); nobody is anonymous or signed out because of it.
    #[error("the {kind} could not be checked")]
    Unavailable {
        kind: CredentialKind,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Too many wrong ones came from there (HTTP 429).
    #[error("too many refused credentials")]
    TooMany { retry_after: Duration },
}

impl AuthnError {
    pub(crate) fn unavailable(kind: CredentialKind, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable { kind, source: source.into() }
    }
}

/// What the configuration says about checking credentials; pure.
#[derive(Debug)]
pub struct Rules {
    lifetimes: Lifetimes,
}

impl Rules {
    pub fn compile(config: &Config, _problems: &mut Problems) -> Self {
        Self { lifetimes: config.sessions }
    }
}

/// What credentials are checked against.
#[derive(Debug)]
pub struct Authn {
    programs: program::Programs,
    sessions: session::Sessions,
}

impl Authn {
    #[must_use]
    pub fn new(rules: Rules, directory: &Arc<dyn Directory>, sessions: &Arc<dyn SessionStore>, roles: &Arc<Roles>) -> Self {
        Self {
            programs: program::Programs::new(Arc::clone(directory), Arc::clone(roles)),
            sessions: session::Sessions::new(Arc::clone(sessions), Arc::clone(directory), Arc::clone(roles), rules.lifetimes),
        }
    }

    /// Who presents `credential`; `None` where none was presented.
    pub async fn identify(
        &self,
        credential: Option<Credential<'_>>,
        clean: &Clean<'_>,
    ) -> Result<Option<Arc<Identity>>, AuthnError> {
        let Some(credential) = credential else { return Ok(None) };
        let kind = credential.kind();
        match credential {
            Credential::Session(value) => self.sessions.identify(value, clean).await,
            Credential::ApiKey(key) => self.programs.api_key(key, clean).await.map(Some),
            Credential::ClientSecret { id, secret } => self.programs.client(&id, &secret, clean).await.map(Some),
            Credential::Bearer(_) | Credential::License(_) | Credential::ClientCertificate(_) => {
                Err(AuthnError::Refused { kind, reason: "not_configured" })
            }
        }
    }

    /// Forgets what a change in the store made stale.
    pub fn forget(&self, change: &Change) {
        self.programs.forget(change);
        self.sessions.forget(change);
    }
}
