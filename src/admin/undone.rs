//! Why an operation was not done.
//!
//! Refuses to say "not there" when it could not look, and "done" when it could not be recorded.

use crate::audit::AuditError;
use crate::config::Report;
use crate::crypto::random::NoRandomness;
use crate::directory::DirectoryError;
use crate::session::SessionStoreError;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// What stood against it.
#[derive(Debug, thiserror::Error)]
pub enum Undone {
    /// A store could not be asked: try again later (HTTP 503).
    #[error("the store is unavailable; try again")]
    Unavailable(#[source] Source),
    /// The change stands, and the trail does not tell of it (HTTP 503).
    #[error("it was done, but could not be recorded in the audit trail: note it by hand")]
    Unrecorded(#[source] AuditError),
    /// It is not there, or in another tenant (HTTP 404).
    #[error("there is no such {0}")]
    Missing(&'static str),
    /// A name is taken (HTTP 409).
    #[error("{0} is taken")]
    Conflict(String),
    /// It does not go together with how things stand (HTTP 409).
    #[error("{0}")]
    Standing(String),
    /// Somebody else changed it since it was read (HTTP 412).
    #[error("the {0} was changed meanwhile; read it again")]
    Stale(&'static str),
    /// A value cannot be taken (HTTP 422).
    #[error("`{field}`: {message}")]
    Unfit { field: &'static str, message: String },
    /// A document cannot be taken, for these reasons (HTTP 422).
    #[error("{0}")]
    Flawed(Box<Report>),
    /// A mistake of Doorward's own (HTTP 500).
    #[error("something went wrong")]
    Internal(#[source] Source),
}

impl Undone {
    pub(super) fn unfit(field: &'static str, message: impl Into<String>) -> Self {
        Self::Unfit { field, message: message.into() }
    }

    pub(super) fn internal(error: impl Into<Source>) -> Self {
        Self::Internal(error.into())
    }
}

impl From<DirectoryError> for Undone {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Unavailable(source) => Self::Unavailable(source),
            DirectoryError::Conflict(what) => Self::Conflict(what),
            DirectoryError::Missing(what) => Self::Missing(what),
            DirectoryError::Stale(what) => Self::Stale(what),
            DirectoryError::Full(what) => Self::Standing(format!("there are as many {what} as there may be")),
            DirectoryError::Unfit => Self::unfit("", error.to_string()),
            DirectoryError::Overused(what) => Self::Standing(format!("too many {what} were made in a day")),
            DirectoryError::Revoked(what) => {
                Self::Standing(format!("the {what} was revoked, which is for ever; create a new one"))
            }
        }
    }
}

impl From<SessionStoreError> for Undone {
    fn from(error: SessionStoreError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

impl From<AuditError> for Undone {
    fn from(error: AuditError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

impl From<NoRandomness> for Undone {
    fn from(error: NoRandomness) -> Self {
        Self::internal(error)
    }
}
