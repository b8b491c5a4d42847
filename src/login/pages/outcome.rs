//! Pages that say what happened: refusals, failures, things that are down.
//!
//! Refuses a dead end: each says what to do next.

use std::time::Duration;

use http::StatusCode;
use maud::{Markup, html};

use super::{Page, Pages, text};
use crate::login::SignInError;
use crate::model::Identity;

/// Characters kept of a provider's own words.
const PROVIDER_WORDS: usize = 300;

impl Pages {
    /// A sign-in failed. `again`: where to begin anew.
    #[must_use]
    pub fn failed_sign_in(&self, error: &SignInError, again: &str) -> Page {
        let (heading, explanation) = text::failure(error.reason());
        let body = html! {
            p { (explanation) }
            (details(error))
            @if let SignInError::Loop { ahead: Some(ahead) } = error { p { (text::clocks(*ahead)) } }
            @if let SignInError::TooMany { retry_after } = error { p { (text::wait(retry_after.as_secs())) } }
            a class="button" href=(again) { (text::TRY_AGAIN) }
            (self.emergency(error.status()))
        };
        self.page(error.status(), heading, body)
    }

    /// Somebody known may not go there: who they are, why, how to mend it (`step_up`: where), and how to be somebody else.
    #[must_use]
    pub fn denied(&self, identity: Option<&Identity>, reason: &str, return_to: &str, step_up: Option<&str>) -> Page {
        let body = html! {
            p { (text::denial(reason)) }
            @if let Some(identity) = identity { p { (text::YOU_ARE) " " strong { (name_of(identity)) } "." } }
            @if let Some(step_up) = step_up { a class="button" href=(step_up) { (text::GO_ON) } }
            a class="button" href=(self.sign_in_address(return_to, true)) { (text::SIGN_IN_OTHER) }
            @if identity.is_some() { p { a href=(self.own_path("/sign-out")) { (text::SIGN_OUT) } } }
        };
        self.page(StatusCode::FORBIDDEN, text::DENIED, body)
    }

    /// Something was sent without a session; it cannot be carried through a sign-in.
    #[must_use]
    pub fn sign_in_needed(&self, return_to: &str) -> Page {
        let body = html! {
            p { (text::SIGN_IN_NEEDED_TEXT) }
            a class="button" href=(self.sign_in_address(return_to, false)) { (text::SIGN_IN) }
        };
        self.page(StatusCode::UNAUTHORIZED, text::SIGN_IN_NEEDED, body)
    }

    /// A session is no credential there.
    #[must_use]
    pub fn programs_only(&self) -> Page {
        self.page(StatusCode::UNAUTHORIZED, text::PROGRAMS_ONLY, html! { p { (text::PROGRAMS_ONLY_TEXT) } })
    }

    #[must_use]
    pub fn not_found(&self) -> Page {
        let body = html! {
            p { (text::NOT_FOUND_TEXT) }
            a class="button" href="/" { (text::GO_HOME) }
        };
        self.page(StatusCode::NOT_FOUND, text::NOT_FOUND, body)
    }

    /// Any other answer of the door to a person, by its status.
    #[must_use]
    pub fn status(&self, status: StatusCode, detail: &str, retry_after: Option<Duration>) -> Page {
        let (heading, explanation) = match status {
            StatusCode::UNAUTHORIZED => (text::CREDENTIAL_REFUSED, detail),
            StatusCode::BAD_GATEWAY => (text::UPSTREAM_FAILED, text::UPSTREAM_FAILED_TEXT),
            StatusCode::GATEWAY_TIMEOUT => (text::UPSTREAM_SLOW, text::UPSTREAM_FAILED_TEXT),
            StatusCode::SERVICE_UNAVAILABLE => (text::UNAVAILABLE, text::UNAVAILABLE_TEXT),
            StatusCode::TOO_MANY_REQUESTS => (text::TOO_MANY, detail),
            status if status.is_client_error() => (text::MALFORMED, detail),
            _ => (text::INTERNAL, text::INTERNAL_TEXT),
        };
        let wait = retry_after.filter(|_| status == StatusCode::TOO_MANY_REQUESTS);
        let body = html! {
            p { (explanation) }
            @if let Some(wait) = wait { p { (text::wait(wait.as_secs())) } }
            (self.emergency(status))
        };
        self.page(status, heading, body)
    }

    /// Where something that the usual ways need is down, the way in that needs nothing: a browser with a session gets no further.
    fn emergency(&self, status: StatusCode) -> Markup {
        html! {
            @if self.break_glass && status == StatusCode::SERVICE_UNAVAILABLE {
                p { a href=(self.own_path("/break-glass")) { (text::BREAK_GLASS) } }
            }
        }
    }
}

fn details(error: &SignInError) -> Markup {
    let said = match error {
        SignInError::ProviderRefused { code, description: Some(words) } => format!("{code}: {words}"),
        SignInError::ProviderRefused { code, description: None } | SignInError::ProviderSetup(code) => code.clone(),
        SignInError::ProviderAnswer { reason, detail } => format!("{reason}: {detail}"),
        _ => return html! {},
    };
    let said: String = said.chars().filter(|c| !c.is_control()).take(PROVIDER_WORDS).collect();
    html! {
        dl { dt { (text::REASON) } dd { code { (said) } } }
    }
}

/// What the person calls themselves.
pub(super) fn name_of(identity: &Identity) -> &str {
    identity.email.as_deref().or(identity.user_name.as_deref()).or(identity.name.as_deref()).unwrap_or(&identity.subject)
}
