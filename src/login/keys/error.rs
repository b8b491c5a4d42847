//! Why somebody's own keys could not be shown or changed.
//!
//! Refuses to tell another person's key from none at all.

use http::StatusCode;

use crate::audit::AuditError;
use crate::directory::DirectoryError;
use crate::login::SignInError;
use crate::login::pages::step_up::Need;

#[derive(Debug, thiserror::Error)]
pub(super) enum KeysError {
    #[error("There is nothing at this address.")]
    NotOffered,
    #[error("Sign in first.")]
    Nobody,
    /// The role is missing, or the directory does not know the person.
    #[error("You may not have keys of your own.")]
    NotForYou,
    /// A session that is too weak or too old for a new secret; the person can mend it.
    #[error("A new secret needs a recent sign-in, with a second factor where there is one.")]
    StepUp(Need),
    /// It did not come from a page of this origin.
    #[error("This did not come from this site.")]
    Foreign,
    #[error("Send JSON.")]
    NotJson,
    /// What was asked for cannot be; says what, for the person who asked.
    #[error("{0}")]
    Unfit(String),
    #[error("You have {most} keys that work, which is as many as there may be. Revoke one first.")]
    Full { most: u32 },
    #[error("You have made too many keys today. Try again tomorrow.")]
    Overused,
    #[error("You have no such key.")]
    Missing,
    #[error("An administrator made this key; ask them for a new secret.")]
    Administered,
    #[error(transparent)]
    Other(#[from] SignInError),
}

impl KeysError {
    pub(super) fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Other(SignInError::internal(source))
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::NotOffered | Self::Missing => StatusCode::NOT_FOUND,
            Self::Nobody => StatusCode::UNAUTHORIZED,
            Self::NotForYou | Self::StepUp(_) | Self::Foreign => StatusCode::FORBIDDEN,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unfit(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Full { .. } | Self::Administered => StatusCode::CONFLICT,
            Self::Overused => StatusCode::TOO_MANY_REQUESTS,
            Self::Other(error) => error.status(),
        }
    }

    /// Stable snake_case name for programs.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::NotOffered => "not_offered",
            Self::Nobody => "identity_needed",
            Self::NotForYou => "not_for_you",
            Self::StepUp(Need::SecondFactor) => "second_factor",
            Self::StepUp(Need::FreshSignIn(_)) => "sign_in_too_old",
            Self::Foreign => "foreign_request",
            Self::NotJson => "not_json",
            Self::Unfit(_) => "unfit",
            Self::Full { .. } => "full",
            Self::Overused => "overused",
            Self::Missing => "missing",
            Self::Administered => "administered",
            Self::Other(error) => error.reason(),
        }
    }
}

impl From<DirectoryError> for KeysError {
    fn from(error: DirectoryError) -> Self {
        match error {
            // Somebody else was faster: it was revoked between looking and changing.
            DirectoryError::Missing(_) | DirectoryError::Revoked(_) => Self::Missing,
            DirectoryError::Overused(_) => Self::Overused,
            error => Self::Other(error.into()),
        }
    }
}

impl From<AuditError> for KeysError {
    fn from(error: AuditError) -> Self {
        Self::Other(error.into())
    }
}
