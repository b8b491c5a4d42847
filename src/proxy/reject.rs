//! From an error of any stage to the answer the client gets.
//!
//! Refuses to say more than the caller may know: which part of a credential was wrong stays in the record.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use pingora::{Error, ErrorSource, ErrorType};

use crate::authn::AuthnError;
use crate::credential::CredentialError;
use crate::edge::{Clean, Unclean};
use crate::login::pages::step_up::Need;
use crate::model::{CredentialKind, Identity};
use crate::policy::tenancy::SiteId;
use crate::policy::{Denial, Denied};
use crate::route::Route;
use crate::telemetry::Decision;

/// Why a request went no further, and on which route.
#[derive(Debug)]
pub struct Rejection {
    pub cause: Cause,
    pub route: Option<Arc<Route>>,
    /// Where the request came from, after trusted proxies; `None` where that could not be judged.
    pub client: Option<IpAddr>,
    /// Whose host it was for; the shared one where that could not be judged.
    pub site: SiteId,
}

/// What stopped it.
#[derive(Debug)]
pub enum Cause {
    Unclean(Unclean),
    Credential(CredentialError),
    Authn(AuthnError),
    Denied {
        denial: Denial,
        identity: Option<Arc<Identity>>,
    },
    /// The upstream could not be reached, or failed before it answered.
    Upstream(StatusCode),
    /// The client failed while it was being read.
    Client(StatusCode),
    /// A mistake of Doorward's own.
    Internal,
}

impl Rejection {
    pub const UNJUDGED: Self = Self { cause: Cause::Internal, route: None, client: None, site: SiteId::SHARED };

    /// What stopped a request on its route.
    #[must_use]
    pub fn on(cause: impl Into<Cause>, route: &Arc<Route>, clean: &Clean<'_>, site: SiteId) -> Self {
        Self { cause: cause.into(), route: Some(Arc::clone(route)), client: Some(clean.client), site }
    }

    /// What the engine's error means for the client; `flaw` is what was wrong with a body, if that was it.
    #[must_use]
    pub fn from_engine(error: &Error, flaw: Option<Unclean>) -> Self {
        if let (ErrorSource::Downstream, Some(flaw)) = (&error.esource, flaw) {
            return flaw.into();
        }
        let cause = match (&error.esource, &error.etype) {
            (_, ErrorType::HTTPStatus(code)) => Cause::Client(StatusCode::from_u16(*code).unwrap_or(StatusCode::BAD_REQUEST)),
            (ErrorSource::Upstream, ErrorType::ConnectTimedout | ErrorType::ReadTimedout | ErrorType::WriteTimedout) => {
                Cause::Upstream(StatusCode::GATEWAY_TIMEOUT)
            }
            (ErrorSource::Upstream, _) | (_, ErrorType::ConnectNoRoute) => Cause::Upstream(StatusCode::BAD_GATEWAY),
            (ErrorSource::Downstream, ErrorType::ReadTimedout) => Cause::Client(StatusCode::REQUEST_TIMEOUT),
            (ErrorSource::Downstream, _) => Cause::Client(StatusCode::BAD_REQUEST),
            (ErrorSource::Internal | ErrorSource::Unset, _) => Cause::Internal,
        };
        Self { cause, route: None, client: None, site: SiteId::SHARED }
    }

    #[must_use]
    pub fn status(&self) -> StatusCode {
        match &self.cause {
            Cause::Unclean(unclean) => StatusCode::from_u16(unclean.status).unwrap_or(StatusCode::BAD_REQUEST),
            Cause::Credential(_)
            | Cause::Authn(AuthnError::Refused { .. })
            | Cause::Denied { denial: Denial::IdentityNeeded, .. } => StatusCode::UNAUTHORIZED,
            Cause::Authn(AuthnError::Unavailable { .. }) => StatusCode::SERVICE_UNAVAILABLE,
            Cause::Authn(AuthnError::TooMany { .. }) => StatusCode::TOO_MANY_REQUESTS,
            Cause::Denied { .. } => StatusCode::FORBIDDEN,
            Cause::Upstream(status) | Cause::Client(status) => *status,
            Cause::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Stable snake_case name for records and metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match &self.cause {
            Cause::Unclean(unclean) => unclean.reason,
            Cause::Credential(CredentialError::Several) => "several_credentials",
            Cause::Credential(CredentialError::Malformed(_)) => "malformed_credential",
            Cause::Credential(CredentialError::NotTaken(_)) => "credential_not_taken",
            Cause::Authn(AuthnError::Refused { reason, .. }) => reason.as_str(),
            Cause::Authn(AuthnError::Unavailable { .. }) => "unavailable",
            Cause::Authn(AuthnError::TooMany { .. }) => "too_many_failures",
            Cause::Denied { denial, .. } => denial.reason(),
            Cause::Upstream(StatusCode::GATEWAY_TIMEOUT) => "upstream_timeout",
            Cause::Upstream(_) => "upstream_failed",
            Cause::Client(_) => "client_failed",
            Cause::Internal => "internal",
        }
    }

    /// Whether a session would be looked at where it was refused.
    #[must_use]
    pub fn takes_sessions(&self) -> bool {
        self.route.as_ref().is_none_or(|route| route.accepts(CredentialKind::Session))
    }

    /// The reason's kind, for records and metrics.
    #[must_use]
    pub const fn decision(&self) -> Decision {
        match &self.cause {
            Cause::Unclean(_) => Decision::Malformed,
            Cause::Credential(_) | Cause::Authn(AuthnError::Refused { .. } | AuthnError::TooMany { .. }) => Decision::Refused,
            Cause::Authn(AuthnError::Unavailable { .. }) => Decision::Unavailable,
            Cause::Denied { denial: Denial::IdentityNeeded, .. } => Decision::Unidentified,
            Cause::Denied { .. } => Decision::Denied,
            Cause::Upstream(_) | Cause::Internal => Decision::Failed,
            Cause::Client(_) => Decision::Abandoned,
        }
    }

    /// Who was rejected, where the credential was good.
    #[must_use]
    pub const fn identity(&self) -> Option<&Arc<Identity>> {
        match &self.cause {
            Cause::Denied { identity, .. } => identity.as_ref(),
            _ => None,
        }
    }

    /// Whether it is a session of another tenant's host.
    #[must_use]
    pub fn is_foreign_session(&self) -> bool {
        let Cause::Denied { denial: Denial::ForeignHost, identity: Some(identity) } = &self.cause else { return false };
        identity.credential == CredentialKind::Session
    }

    /// What a person with a session can do about it.
    #[must_use]
    pub fn need(&self) -> Option<Need> {
        let Cause::Denied { denial, identity: Some(identity) } = &self.cause else { return None };
        let max_age = self.route.as_ref().and_then(|route| route.max_age);
        Need::of(*denial, max_age).filter(|_| identity.credential == CredentialKind::Session)
    }

    /// Whether a credential was at fault, or could not be checked.
    #[must_use]
    pub const fn is_about_credential(&self) -> bool {
        matches!(self.cause, Cause::Credential(_) | Cause::Authn(_))
    }

    /// Kind of the credential at fault, where it can be told.
    #[must_use]
    pub const fn refused_kind(&self) -> Option<CredentialKind> {
        match &self.cause {
            Cause::Credential(CredentialError::Malformed(kind) | CredentialError::NotTaken(kind))
            | Cause::Authn(AuthnError::Refused { kind, .. } | AuthnError::Unavailable { kind, .. }) => Some(*kind),
            _ => None,
        }
    }

    /// What the caller is told of [`Self::reason`]: not which part of a credential was wrong.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match &self.cause {
            Cause::Authn(AuthnError::Refused { .. }) => "invalid_credential",
            _ => self.reason(),
        }
    }

    /// How long to wait before the next try.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match &self.cause {
            Cause::Authn(AuthnError::TooMany { retry_after }) => Some(*retry_after),
            Cause::Authn(AuthnError::Unavailable { .. }) => Some(Duration::from_secs(5)),
            _ => None,
        }
    }

    /// What stood against it, in words, for whoever runs the door; a client is told less.
    #[must_use]
    pub fn explanation(&self) -> String {
        match &self.cause {
            Cause::Unclean(unclean) => unclean.to_string(),
            Cause::Credential(error) => error.to_string(),
            Cause::Authn(error) => error.to_string(),
            Cause::Denied { denial, .. } => denial.to_string(),
            Cause::Upstream(_) | Cause::Client(_) | Cause::Internal => self.detail().to_owned(),
        }
    }

    /// What the caller is told beside the status.
    #[must_use]
    pub fn detail(&self) -> &'static str {
        match &self.cause {
            Cause::Unclean(unclean) => unclean.detail,
            Cause::Credential(CredentialError::Several) => "More than one credential was sent; send one.",
            Cause::Credential(CredentialError::Malformed(_)) => "The credential is malformed.",
            Cause::Credential(CredentialError::NotTaken(_)) => "This kind of credential is not taken here.",
            Cause::Authn(AuthnError::Refused { .. }) => "The credential is not valid.",
            Cause::Authn(AuthnError::Unavailable { .. }) => "Credentials cannot be checked right now; try again.",
            Cause::Authn(AuthnError::TooMany { .. }) => {
                "Too many refused credentials came from your address; wait before the next try."
            }
            Cause::Denied { denial: Denial::IdentityNeeded, .. } => "Sign in, or send a credential.",
            Cause::Denied { denial: Denial::ForeignHost, .. } => {
                "The credential is another organisation's; it opens nothing here."
            }
            Cause::Denied { .. } => "You are not allowed to do this.",
            Cause::Upstream(StatusCode::GATEWAY_TIMEOUT) => "The application did not answer in time.",
            Cause::Upstream(_) => "The application cannot be reached.",
            Cause::Client(_) => "The request could not be read.",
            Cause::Internal => "Something went wrong in the front door.",
        }
    }
}

impl From<Unclean> for Rejection {
    fn from(unclean: Unclean) -> Self {
        Self { cause: Cause::Unclean(unclean), route: None, client: None, site: SiteId::SHARED }
    }
}

impl From<CredentialError> for Cause {
    fn from(error: CredentialError) -> Self {
        Self::Credential(error)
    }
}

impl From<AuthnError> for Cause {
    fn from(error: AuthnError) -> Self {
        Self::Authn(error)
    }
}

impl From<Denied> for Cause {
    fn from(denied: Denied) -> Self {
        Self::Denied { denial: denied.denial, identity: denied.identity }
    }
}
