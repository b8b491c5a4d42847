//! Why a sign-in did not happen, or a page of the door could not be shown.
//!
//! Refuses to say more on the page than the person may know: sources go to the log, the reason goes to the record.

use std::time::Duration;

use http::StatusCode;

use crate::audit::AuditError;
use crate::directory::DirectoryError;
use crate::session::SessionStoreError;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Every way a sign-in can fail.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    #[error("there is no such way to sign in")]
    UnknownConnection,
    #[error("a parameter was sent more than once")]
    RepeatedParameter,
    /// It would not survive the sign-in.
    #[error("the address asked for is too long to come back to")]
    AddressTooLong,
    /// The attempt is not this browser's, too old, or was used, and has begun again too often already.
    #[error("the attempt cannot be gone on with")]
    Stale,
    /// A callback or a form from a browser that sent no cookie of ours at all.
    #[error("the browser sent no cookie")]
    NoCookies,
    /// The browser is sent round in a circle; by how many seconds the provider's clock is ahead, if it is known.
    #[error("the browser is sent round in a circle")]
    Loop { ahead: Option<i64> },
    /// A POST that did not come from a form of ours.
    #[error("the form was not ours")]
    ForeignForm,
    /// The answer belongs to an attempt with another connection, or names another issuer (RFC 9207).
    #[error("the answer is not of the provider that was asked")]
    MixUp,
    #[error("the identity provider cannot be reached")]
    ProviderUnreachable(#[source] Source),
    /// The provider answered with an error (RFC 6749 §4.1.2.1); its words are shown as its words.
    #[error("the identity provider said {code}")]
    ProviderRefused { code: String, description: Option<String> },
    /// The provider does not take this client: the configuration has to be mended.
    #[error("the identity provider does not take this client: {0}")]
    ProviderSetup(String),
    /// The provider's answer does not hold.
    #[error("the identity provider's answer does not hold: {reason}")]
    ProviderAnswer { reason: &'static str, detail: String },
    /// Nobody here has this identity, and the connection makes nobody.
    #[error("no such account")]
    NoAccount,
    #[error("the account is inactive")]
    Inactive,
    /// The address is not one that this connection may speak for.
    #[error("the e-mail address is not of this connection")]
    ForeignAddress,
    /// A sealed session with all of the person's groups is more than browsers keep.
    #[error("the session does not fit into cookies")]
    TooLarge,
    #[error("user name or password is wrong")]
    WrongPassword,
    /// The person's second factors are their provider's business.
    #[error("second factors are kept elsewhere")]
    NoFactorsHere,
    /// A password alone sets up no second factor.
    #[error("a first second factor takes a code from an administrator")]
    NoEnrolmentCode,
    /// The address has no domain, or the person has as many as there is place for.
    #[error("no passkey can be used or added")]
    NoPasskeys,
    #[error("the second factor is wrong")]
    WrongCode,
    /// A link or code that was mailed, and is used, too old or was tried too often; or never was.
    #[error("the link or code is of no more use")]
    SpentLink,
    /// An invitation that is used, revoked or too old; or never was.
    #[error("the invitation is of no more use")]
    SpentInvitation,
    #[error("too many wrong passwords")]
    TooMany { retry_after: Duration },
    /// More passwords wait to be checked than can be.
    #[error("too many sign-ins at once")]
    Busy,
    #[error("the store is unavailable")]
    Unavailable(#[source] Source),
    #[error("something went wrong in the front door")]
    Internal(#[source] Source),
}

impl SignInError {
    pub(super) fn internal(source: impl Into<Source>) -> Self {
        Self::Internal(source.into())
    }

    pub(super) fn answer(reason: &'static str, detail: impl ToString) -> Self {
        Self::ProviderAnswer { reason, detail: detail.to_string() }
    }

    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::UnknownConnection => StatusCode::NOT_FOUND,
            Self::RepeatedParameter | Self::Stale | Self::MixUp | Self::NoCookies => StatusCode::BAD_REQUEST,
            Self::AddressTooLong | Self::WrongPassword | Self::WrongCode => StatusCode::UNAUTHORIZED,
            Self::ForeignForm
            | Self::NoFactorsHere
            | Self::NoEnrolmentCode
            | Self::NoPasskeys
            | Self::ProviderRefused { .. }
            | Self::NoAccount
            | Self::Inactive
            | Self::ForeignAddress
            | Self::TooLarge => StatusCode::FORBIDDEN,
            Self::SpentLink | Self::SpentInvitation => StatusCode::GONE,
            Self::Loop { .. } => StatusCode::LOOP_DETECTED,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::ProviderSetup(_) | Self::ProviderAnswer { .. } => StatusCode::BAD_GATEWAY,
            Self::ProviderUnreachable(_) | Self::Busy | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Stable snake_case name for records and metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UnknownConnection => "unknown_connection",
            Self::RepeatedParameter => "repeated_parameter",
            Self::AddressTooLong => "address_too_long",
            Self::Stale => "stale_attempt",
            Self::NoCookies => "no_cookies",
            Self::Loop { .. } => "redirect_loop",
            Self::ForeignForm => "foreign_form",
            Self::MixUp => "mix_up",
            Self::ProviderUnreachable(_) => "provider_unreachable",
            Self::ProviderRefused { .. } => "provider_refused",
            Self::ProviderSetup(_) => "provider_setup",
            Self::ProviderAnswer { reason, .. } => reason,
            Self::NoAccount => "no_account",
            Self::Inactive => "inactive",
            Self::ForeignAddress => "foreign_address",
            Self::TooLarge => "session_too_large",
            Self::WrongPassword => "wrong_password",
            Self::WrongCode => "wrong_code",
            Self::NoFactorsHere => "no_factors_here",
            Self::NoEnrolmentCode => "no_enrolment_code",
            Self::SpentLink => "spent_link",
            Self::SpentInvitation => "spent_invitation",
            Self::NoPasskeys => "no_passkeys",
            Self::TooMany { .. } => "locked",
            Self::Busy => "busy",
            Self::Unavailable(_) => "unavailable",
            Self::Internal(_) => "internal",
        }
    }

    /// When to try again, where trying again may help.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooMany { retry_after } => Some(*retry_after),
            Self::ProviderUnreachable(_) | Self::Busy | Self::Unavailable(_) => Some(Duration::from_secs(5)),
            _ => None,
        }
    }

    /// Whether somebody tried to sign in and it failed, which the trail is to know.
    #[must_use]
    pub fn is_failed_sign_in(&self) -> bool {
        !matches!(
            self,
            Self::UnknownConnection
                | Self::AddressTooLong
                | Self::NoFactorsHere
                | Self::NoEnrolmentCode
                | Self::Stale
                | Self::SpentLink
                | Self::SpentInvitation
                | Self::NoPasskeys
                | Self::Busy
                | Self::Unavailable(_)
                | Self::Internal(_)
        )
    }
}

impl From<SessionStoreError> for SignInError {
    fn from(error: SessionStoreError) -> Self {
        Self::Unavailable(error.into())
    }
}

impl From<AuditError> for SignInError {
    fn from(error: AuditError) -> Self {
        Self::Unavailable(error.into())
    }
}

impl From<DirectoryError> for SignInError {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Unavailable(_) | DirectoryError::Stale(_) => Self::Unavailable(error.into()),
            DirectoryError::Conflict(_)
            | DirectoryError::Missing(_)
            | DirectoryError::Full(_)
            | DirectoryError::Overused(_)
            | DirectoryError::Revoked(_) => Self::Internal(error.into()),
            // Forms and addresses hold no such text, so that it is what a provider says of somebody.
            DirectoryError::Unfit => Self::answer("unfit_text", error),
        }
    }
}
