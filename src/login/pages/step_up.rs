//! Where a sign-in is not enough, and the page that says so.
//!
//! Refuses to blame the person: a provider that did not ask for a second factor is somebody else's setting.

use std::time::Duration;

use http::StatusCode;
use maud::html;

use super::{Page, Pages, text};
use crate::policy::Denial;

/// What the sign-in lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    SecondFactor,
    /// It may not be older than this.
    FreshSignIn(Duration),
}

impl Need {
    /// What would mend `denial` on a route with this `max_age`, if the person can mend it at all.
    #[must_use]
    pub fn of(denial: Denial, max_age: Option<Duration>) -> Option<Self> {
        match denial {
            Denial::SecondFactor => Some(Self::SecondFactor),
            Denial::SignInTooOld => max_age.map(Self::FreshSignIn),
            _ => None,
        }
    }

    fn query(self) -> String {
        match self {
            Self::SecondFactor => "need=second_factor".to_owned(),
            Self::FreshSignIn(age) => format!("max_age={}", age.as_secs()),
        }
    }
}

/// A person whose second factor nobody has asked for.
#[derive(Debug)]
pub struct Insufficient<'a> {
    /// What the connection is called.
    pub connection: &'a str,
    /// Its provider was asked, and answered without one.
    pub asked: bool,
    /// Where to ask it again.
    pub again: String,
    /// Where to get one here.
    pub set_up: Option<String>,
    /// To get one here takes a code from an administrator, and the person has none.
    pub code_needed: bool,
    /// Where to be somebody else.
    pub other: String,
}

impl Pages {
    /// Where a person goes whose sign-in is not enough, with the way back.
    #[must_use]
    pub fn step_up_address(&self, return_to: &str, need: Need) -> String {
        let back = percent_encoding::utf8_percent_encode(return_to, percent_encoding::NON_ALPHANUMERIC);
        format!("{}?{}&return_to={back}", self.address("/step-up"), need.query())
    }

    /// The same, once the provider was asked; a path, so that it stays short.
    #[must_use]
    pub(in crate::login) fn step_up_answered(&self, return_to: &str, need: Need) -> String {
        let return_to = return_to.strip_prefix(&self.public_url).unwrap_or(return_to);
        let back = percent_encoding::utf8_percent_encode(return_to, percent_encoding::NON_ALPHANUMERIC);
        format!("{}?{}&answered=yes&return_to={back}", self.own_path("/step-up"), need.query())
    }

    /// Where a person goes to be asked by their provider, although they have a factor here.
    #[must_use]
    pub fn step_up_elsewhere(&self, return_to: &str, need: Need) -> String {
        format!("{}&elsewhere=yes", self.step_up_address(return_to, need))
    }

    /// Nobody has asked the person for a second factor, and it is needed.
    #[must_use]
    pub fn second_factor_missing(&self, said: &Insufficient<'_>) -> Page {
        let body = html! {
            p { (text::SECOND_FACTOR_NEEDED_TEXT) }
            @if said.asked {
                p { (text::without_second_factor(said.connection)) }
                a class="button" href=(said.again) { (text::TRY_AGAIN) }
            }
            @if said.code_needed {
                p { (text::ENROLMENT_CODE) }
                a class="button" href=(said.again) { (text::TRY_AGAIN) }
            }
            @if let Some(set_up) = &said.set_up { a class="button" href=(set_up) { (text::SECOND_FACTOR_SET_UP) } }
            p { a href=(said.other) { (text::SIGN_IN_OTHER) } }
        };
        self.page(StatusCode::FORBIDDEN, text::SECOND_FACTOR_NEEDED, body)
    }
}
