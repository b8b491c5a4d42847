//! `WWW-Authenticate`: how to come back with a credential (RFC 9110 §11.6.1).
//!
//! Refuses to offer what the route does not take, and Basic to a browser, which would ask its user for a password in a window
//! that nobody can style, explain or sign out of.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderValue, header};

use super::reject::{Cause, Rejection};
use crate::authn::AuthnError;
use crate::config::Config;
use crate::credential::{CredentialError, SESSION_COOKIE};
use crate::model::CredentialKind;
use crate::policy::Denial;
use crate::route::{RESOURCE_METADATA, Route};

/// What is configured, as far as challenges depend on it.
#[derive(Debug)]
pub struct Challenges {
    /// Whether tokens of issuers are taken.
    bearer: bool,
    /// Where the protected resource's metadata is (RFC 9728 §5.1), if there are issuers.
    metadata: Option<Box<str>>,
}

impl Challenges {
    #[must_use]
    pub fn compile(config: &Config) -> Self {
        let bearer = !config.bearer.is_empty();
        let public = config.public_url.trim_end_matches('/');
        Self { bearer, metadata: bearer.then(|| format!("{public}{RESOURCE_METADATA}").into()) }
    }

    /// One value for each scheme that would be taken; `sign_in` is where a person goes.
    #[must_use]
    pub fn of(&self, rejection: &Rejection, headers: &HeaderMap, sign_in: &str) -> Vec<HeaderValue> {
        let route = rejection.route.as_deref();
        let takes = |kind| route.is_none_or(|route| route.accepts(kind));
        let mut texts = Vec::with_capacity(2);
        if takes(CredentialKind::ApiKey) || (self.bearer && takes(CredentialKind::Bearer)) {
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

    /// Only a lack of scope is told with a 403 (RFC 6750 §3.1), and only to who sent a token.
    #[must_use]
    pub fn of_denial(&self, rejection: &Rejection) -> Option<HeaderValue> {
        let Cause::Denied { denial: Denial::Scope, identity: Some(identity) } = &rejection.cause else { return None };
        let token = matches!(identity.credential, CredentialKind::ApiKey | CredentialKind::Bearer);
        token.then(|| HeaderValue::try_from(self.bearer(rejection)).ok())?
    }

    /// RFC 6750 §3: no error where nothing was sent, and never which part was wrong.
    fn bearer(&self, rejection: &Rejection) -> String {
        let mut text = "Bearer realm=\"doorward\"".to_owned();
        if let Some(error) = error(&rejection.cause) {
            let _ = write!(text, ", error=\"{error}\"");
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
