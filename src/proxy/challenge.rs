//! `WWW-Authenticate`: how to come back with a credential (RFC 9110 §11.6.1).
//!
//! Refuses to offer what the route does not take, and Basic to a browser, which would ask its user for a password in a window
//! that nobody can style, explain or sign out of.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderValue, header};

use super::metadata::Resource;
use super::reject::{Cause, Rejection};
use crate::authn::AuthnError;
use crate::credential::{CredentialError, SESSION_COOKIE};
use crate::model::CredentialKind;
use crate::policy::Denial;
use crate::policy::mfa::MULTI_FACTOR;
use crate::route::Route;

/// What is configured, as far as challenges depend on it.
#[derive(Debug)]
pub struct Challenges {
    /// Where the protected resource's metadata is (RFC 9728 §5.1); `None`: nobody gives tokens that are taken at the site.
    metadata: Option<Box<str>>,
}

impl Challenges {
    #[must_use]
    pub fn of_site(resource: &Resource) -> Self {
        Self { metadata: resource.address().map(Into::into) }
    }

    /// One value for each scheme that would be taken; `sign_in` is where a person goes.
    #[must_use]
    pub fn of(&self, rejection: &Rejection, headers: &HeaderMap, sign_in: &str) -> Vec<HeaderValue> {
        let route = rejection.route.as_deref();
        let takes = |kind| route.is_none_or(|route| route.accepts(kind));
        let mut texts = Vec::with_capacity(2);
        if takes(CredentialKind::ApiKey) || (self.metadata.is_some() && takes(CredentialKind::Bearer)) {
            texts.push(self.bearer(rejection));
        }
        if takes(CredentialKind::ClientSecret) && !is_browser(headers) {
            texts.push("Basic realm=\"doorward\", charset=\"UTF-8\"".to_owned());
        }
        // RFC 9110 §15.5.2 wants a challenge with each 401; this one is of draft-broyer-http-cookie-auth.
        if texts.is_empty() {
            texts.push(format!("Cookie realm=\"doorward\", form-action=\"{sign_in}\", cookie-name={SESSION_COOKIE}"));
        }
        texts.into_iter().filter_map(|text| HeaderValue::try_from(text).ok()).collect()
    }

    /// What can be mended is told with a 403, too: a lack of scope (RFC 6750 §3.1) to who sent a token, and a sign-in that is too weak
    /// or too old (RFC 9470 §3) to whoever has signed in to get their token or session.
    #[must_use]
    pub fn of_denial(&self, rejection: &Rejection) -> Option<HeaderValue> {
        let Cause::Denied { denial, identity: Some(identity) } = &rejection.cause else { return None };
        let told = match denial {
            Denial::Scope => matches!(identity.credential, CredentialKind::ApiKey | CredentialKind::Bearer),
            Denial::SecondFactor | Denial::SignInTooOld => {
                matches!(identity.credential, CredentialKind::Session | CredentialKind::Bearer)
            }
            _ => false,
        };
        told.then(|| HeaderValue::try_from(self.bearer(rejection)).ok())?
    }

    /// RFC 6750 §3: no error where nothing was sent, and never which part was wrong.
    fn bearer(&self, rejection: &Rejection) -> String {
        let mut text = "Bearer realm=\"doorward\"".to_owned();
        if let Some(error) = error(&rejection.cause) {
            let _ = write!(text, ", error=\"{error}\"");
        }
        match (&rejection.cause, rejection.route.as_deref().and_then(|route| route.max_age)) {
            (Cause::Denied { denial: Denial::SecondFactor, .. }, _) => {
                let _ = write!(text, ", error_description=\"a second factor is needed\", acr_values=\"{MULTI_FACTOR}\"");
            }
            (Cause::Denied { denial: Denial::SignInTooOld, .. }, Some(age)) => {
                let _ = write!(text, ", error_description=\"the sign-in is too long ago\", max_age=\"{}\"", age.as_secs());
            }
            _ => {}
        }
        if let Some(scopes) = rejection.route.as_deref().and_then(scopes) {
            let _ = write!(text, ", scope=\"{scopes}\"");
        }
        if let Some(metadata) = &self.metadata {
            let _ = write!(text, ", resource_metadata=\"{metadata}\"");
        }
        text
    }
}

fn error(cause: &Cause) -> Option<&'static str> {
    match cause {
        Cause::Authn(AuthnError::Refused { kind: CredentialKind::ApiKey | CredentialKind::Bearer, .. }) => Some("invalid_token"),
        Cause::Credential(CredentialError::Several | CredentialError::Malformed(_) | CredentialError::NotTaken(_)) => {
            Some("invalid_request")
        }
        Cause::Denied { denial: Denial::Scope, .. } => Some("insufficient_scope"),
        Cause::Denied { denial: Denial::SecondFactor | Denial::SignInTooOld, .. } => Some("insufficient_user_authentication"),
        _ => None,
    }
}

/// The scopes that the route needs; they cannot hold a quote (RFC 6749 §3.3).
fn scopes(route: &Route) -> Option<String> {
    let scopes: Vec<&str> = route.scopes.iter().map(crate::model::Scope::as_str).collect();
    (!scopes.is_empty()).then(|| scopes.join(" "))
}

/// Browsers say so themselves (Fetch Metadata), old ones by their name.
fn is_browser(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT).is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/"));
    agent || headers.contains_key("sec-fetch-mode") || headers.contains_key("x-requested-with")
}
