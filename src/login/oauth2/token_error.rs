//! What a token endpoint's error means (RFC 6749 §5.2), at a sign-in and at a refresh.
//!
//! Refuses to take every "no" to a refresh for the session's end: the application's own fault, or a server that says so of itself, says
//! nothing of the person.

use std::fmt;

use serde::Deserialize;

use crate::login::SignInError;

/// An error answer.
#[derive(Debug, Deserialize)]
pub(in crate::login) struct TokenError {
    pub error: String,
    pub error_description: Option<String>,
}

/// Why there are no new tokens.
pub(in crate::login) enum NotRefreshed {
    /// The server takes the refresh token no more.
    Spent,
    /// It refuses the request, and leaves open why; some servers say so of a token that they do not know any more.
    Doubtful(SignInError),
    /// Nothing is known of the session's end: it goes on.
    NotNow(SignInError),
}

impl From<SignInError> for NotRefreshed {
    fn from(error: SignInError) -> Self {
        Self::NotNow(error)
    }
}

/// The configuration has to be mended. The last two are GitHub's names.
const OURS: [&str; 4] = ["invalid_client", "unauthorized_client", "incorrect_client_credentials", "redirect_uri_mismatch"];

impl TokenError {
    /// Whether it is about this client, or what the server knows of it.
    pub(in crate::login) fn is_ours(&self) -> bool {
        OURS.contains(&self.error.as_str())
    }

    /// Some are the person's bad luck, others the configuration's.
    pub(in crate::login) fn at_sign_in(self) -> SignInError {
        if self.is_ours() {
            return SignInError::ProviderSetup(self.to_string());
        }
        SignInError::ProviderRefused { code: self.error, description: self.error_description }
    }

    pub(in crate::login) fn at_refresh(self) -> NotRefreshed {
        match self.error.as_str() {
            // The second is GitHub's name for it.
            "invalid_grant" | "bad_refresh_token" => NotRefreshed::Spent,
            "temporarily_unavailable" | "server_error" | "slow_down" => NotRefreshed::NotNow(self.at_sign_in()),
            _ if self.is_ours() => NotRefreshed::NotNow(self.at_sign_in()),
            _ => NotRefreshed::Doubtful(self.at_sign_in()),
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.error_description {
            Some(words) => write!(f, "{}: {words}", self.error),
            None => f.write_str(&self.error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_about_the_token_ends_anything() {
        let refused = |error: &str| TokenError { error: error.to_owned(), error_description: None }.at_refresh();
        for error in ["invalid_grant", "bad_refresh_token"] {
            assert!(matches!(refused(error), NotRefreshed::Spent), "{error}");
        }
        for error in ["invalid_request", "invalid_scope", "access_denied", "something_else"] {
            assert!(matches!(refused(error), NotRefreshed::Doubtful(_)), "{error}");
        }
        for error in ["temporarily_unavailable", "server_error", "slow_down", "invalid_client", "incorrect_client_credentials"] {
            assert!(matches!(refused(error), NotRefreshed::NotNow(_)), "{error}");
        }
    }
}
