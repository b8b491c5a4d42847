//! The page to sign in on, and those to sign out.
//!
//! Refuses to say which accounts exist: a wrong name and a wrong password look the same.

use http::StatusCode;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use super::{Page, Pages, text};

/// One way to sign in elsewhere.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Where the button leads.
    pub href: String,
    pub name: String,
}

/// The form for a local account.
#[derive(Clone, Debug)]
pub struct PasswordForm {
    pub action: String,
    pub token: String,
    pub return_to: String,
    /// What was typed before, to be mended rather than typed again.
    pub user: String,
    /// The last try was wrong.
    pub wrong: bool,
    /// Where to sign in with a passkey instead.
    pub passkey: Option<String>,
}

/// The form for the e-mail address that says which way.
#[derive(Clone, Debug)]
pub struct AddressForm {
    pub token: String,
    pub return_to: String,
    /// The tenant whose link led here.
    pub tenant: Option<String>,
    /// The person is to be asked although they are known.
    pub prompt: bool,
    /// What is in the field already.
    pub typed: String,
    pub mistake: Option<Mistake>,
}

/// What was wrong with the last try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mistake {
    /// The user name or the password.
    Password,
    /// The text is no e-mail address.
    Address,
    /// No way to sign in is for this address.
    NoWay,
}

/// What the sign-in page shows.
#[derive(Clone, Debug, Default)]
pub struct SignIn {
    /// Whose page it is.
    pub tenant: Option<String>,
    pub choices: Vec<Choice>,
    pub address: Option<AddressForm>,
    pub password: Option<PasswordForm>,
}

impl Pages {
    /// Every way to sign in.
    #[must_use]
    pub fn sign_in(&self, shown: &SignIn) -> Page {
        let SignIn { tenant, choices, address, password } = shown;
        let status = if password.as_ref().is_some_and(|form| form.wrong) { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
        let forms = address.is_some() || password.is_some();
        let buttons = html! {
            @for choice in choices {
                a class="button" href=(choice.href) { (text::continue_with(&choice.name)) }
            }
        };
        let body = html! {
            @if let Some(tenant) = tenant { p { strong { (tenant) } } }
            // The address decides for most; the buttons are for the rest.
            @if let Some(form) = address {
                (self.address_form(form))
                @if !choices.is_empty() { p class="or" { (text::OR) } }
            }
            (buttons)
            @if let Some(form) = password {
                @if !choices.is_empty() { p class="or" { (text::OR) } }
                (password_form(form))
            }
            @if !forms && choices.is_empty() {
                p { (text::SIGN_IN_NONE) }
            }
        };
        self.page(status, text::SIGN_IN, body)
    }

    /// A button that posts `fields` elsewhere. No script presses it: people see where they go.
    #[must_use]
    pub fn go_on_by_form(&self, action: &str, fields: &[(&str, &str)]) -> Page {
        let body = html! {
            p { (text::GO_ON_BY_FORM) }
            form method="post" action=(action) {
                @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
                button type="submit" { (text::GO_ON) }
            }
        };
        self.page(StatusCode::OK, text::GO_ON_BY_FORM_TITLE, body)
    }

    fn address_form(&self, form: &AddressForm) -> Markup {
        let problem = match form.mistake {
            Some(Mistake::NoWay) => Some(text::NO_WAY_FOR_ADDRESS),
            Some(Mistake::Address | Mistake::Password) => Some(text::NOT_AN_ADDRESS),
            None => None,
        };
        html! {
            form method="post" action=(self.own_path("/sign-in")) {
                input type="hidden" name="token" value=(form.token);
                input type="hidden" name="return_to" value=(form.return_to);
                @if let Some(tenant) = &form.tenant { input type="hidden" name="tenant" value=(tenant); }
                @if form.prompt { input type="hidden" name="prompt" value="login"; }
                @if let Some(problem) = problem {
                    p id="problem" class="problem" role="alert" { (problem) }
                }
                label for="email" { (text::EMAIL_ADDRESS) }
                // Not `type="email"`: a user name is taken too, and browsers rewrite some of what is typed into one.
                input id="email" name="email" type="text" inputmode="email" autocomplete="username" autocapitalize="none"
                    spellcheck="false" required maxlength="254" value=(form.typed) autofocus
                    aria-invalid=[problem.map(|_| "true")] aria-describedby=[problem.map(|_| "problem")];
                button type="submit" { (text::NEXT) }
            }
        }
    }

    /// On the way to a provider; the browser goes on by itself, and the link is for one that does not.
    #[must_use]
    pub fn leaving(&self, name: &str, location: &str) -> Page {
        let body = html! {
            p { (text::LEAVING_TEXT) }
            a class="button" href=(location) { (text::continue_with(name)) }
        };
        self.page(StatusCode::OK, text::LEAVING, body)
    }

    /// Whether to sign out.
    #[must_use]
    pub fn sign_out(&self, token: &str, who: Option<&str>, return_to: &str) -> Page {
        let body = html! {
            @if let Some(who) = who { p { (text::YOU_ARE) " " strong { (who) } "." } }
            p { (text::SIGN_OUT_QUESTION) }
            form method="post" action=(self.own_path("/sign-out")) {
                input type="hidden" name="token" value=(token);
                button type="submit" { (text::SIGN_OUT) }
            }
            p { a href=(return_to) { (text::STAY) } }
        };
        self.page(StatusCode::OK, text::SIGN_OUT, body)
    }

    #[must_use]
    pub fn signed_out(&self) -> Page {
        let body = html! {
            p { (text::SIGNED_OUT_TEXT) }
            a class="button" href=(format!("{}?prompt=login", self.own_path("/sign-in"))) { (text::SIGN_IN_AGAIN) }
        };
        self.page(StatusCode::OK, text::SIGNED_OUT, body)
    }

    pub(super) fn own_path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }
}

fn password_form(form: &PasswordForm) -> Markup {
    html! {
        form method="post" action=(form.action) {
            input type="hidden" name="token" value=(form.token);
            input type="hidden" name="return_to" value=(form.return_to);
            @if form.wrong {
                p id="problem" class="problem" role="alert" { (text::WRONG_PASSWORD) }
            }
            label for="user" { (text::USER_NAME) }
            input id="user" name="user" type="text" autocomplete="username" autocapitalize="none" spellcheck="false" required
                maxlength="254" value=(form.user) autofocus[form.user.is_empty()]
                aria-invalid=[form.wrong.then_some("true")] aria-describedby=[form.wrong.then_some("problem")];
            label for="password" { (text::PASSWORD) }
            input id="password" name="password" type="password" autocomplete="current-password" required maxlength="1024"
                autofocus[!form.user.is_empty()]
                aria-invalid=[form.wrong.then_some("true")] aria-describedby=[form.wrong.then_some("problem")];
            button type="submit" { (text::SIGN_IN) }
            @if let Some(passkey) = &form.passkey { p { a href=(passkey) { (text::PASSKEY_SIGN_IN) } } }
        }
    }
}
