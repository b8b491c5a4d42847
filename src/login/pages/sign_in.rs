//! The page to sign in on, and those to sign out.
//!
//! Refuses to say which accounts exist: a wrong name and a wrong password look the same.

use http::StatusCode;
use maud::{Markup, html};

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
}

impl Pages {
    /// Every way to sign in.
    #[must_use]
    pub fn sign_in(&self, choices: &[Choice], password: Option<&PasswordForm>) -> Page {
        let status = if password.is_some_and(|form| form.wrong) { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
        let body = html! {
            @for choice in choices {
                a class="button" href=(choice.href) { (text::continue_with(&choice.name)) }
            }
            @if let Some(form) = password {
                @if !choices.is_empty() { p class="or" { (text::OR) } }
                (password_form(form))
            } @else if choices.is_empty() {
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
        }
    }
}
