//! Somebody without their credential, for `doorward explain`.
//!
//! Refuses what the real one would be refused: only the secret is taken as shown, everything else is judged by the functions that
//! judge a request.

use std::sync::Arc;

use super::{AuthnError, program, session};
use crate::directory::Directory;
use crate::edge::Clean;
use crate::model::{CredentialKind, Identity, Program, ProgramKind, Session, User};
use crate::policy::role::Roles;

/// Whose credential is taken as shown.
pub enum StandIn {
    /// A person with this session, which need not be in the store.
    Person(Box<User>, Box<Session>),
    Program(Box<Program>),
}

impl StandIn {
    /// What they would present.
    #[must_use]
    pub fn credential(&self) -> CredentialKind {
        match self {
            Self::Person(..) => CredentialKind::Session,
            Self::Program(program) if program.kind == ProgramKind::ApiKey => CredentialKind::ApiKey,
            Self::Program(_) => CredentialKind::ClientSecret,
        }
    }

    /// The roles that they were given themselves.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        match self {
            Self::Person(user, _) => &user.roles,
            Self::Program(program) => &program.roles,
        }
    }

    /// Who they are; `None` for a person who was deactivated, whose session has ended with that.
    pub async fn identify(
        self,
        directory: &dyn Directory,
        roles: &Roles,
        clean: &Clean<'_>,
    ) -> Result<Option<Arc<Identity>>, AuthnError> {
        let kind = self.credential();
        match self {
            Self::Person(user, session) => Ok(user.active.then(|| Arc::new(session::identity(&session, *user, roles)))),
            Self::Program(known) => {
                program::standing(&known, None, clean.into()).map_err(|reason| AuthnError::refused(kind, reason))?;
                let owner = program::owner(&known, directory).await;
                let owner = owner.map_err(|error| AuthnError::unavailable(kind, error))?;
                let identity = program::identity(&known, owner.as_ref(), kind, roles);
                Ok(Some(Arc::new(identity.map_err(|reason| AuthnError::refused(kind, reason))?)))
            }
        }
    }
}
