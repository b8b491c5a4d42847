//! The pages of signing in by mail.
//!
//! Refuses to say whether a letter was sent: every address gets the same words.

use http::StatusCode;
use maud::html;

use super::{Page, Pages, text};

/// The form for the address.
#[derive(Clone, Debug)]
pub struct MailForm {
    pub action: String,
    pub token: String,
    pub return_to: String,
    /// What was typed before, to be mended rather than typed again.
    pub email: String,
    /// It is no address.
    pub wrong: bool,
}

/// The form for the code, on the page that waits for the letter.
#[derive(Clone, Debug)]
pub struct CodeForm {
    pub action: String,
    pub token: String,
    /// Which of this browser's attempts; opens nothing.
    pub attempt: String,
    pub address: String,
    /// For how long the code is still good.
    pub minutes: u64,
    pub mistake: Option<Mistake>,
    /// Where to type another address.
    pub again: String,
}

/// What is wrong with a code.
#[derive(Clone, Copy, Debug)]
pub enum Mistake {
    /// It is no code at all, and was not counted.
    NoCode,
    Wrong {
        left: u32,
    },
}

/// The form behind a link.
#[derive(Clone)]
pub struct LinkForm {
    pub action: String,
    pub token: String,
    /// The link's own token.
    pub link: String,
    pub address: String,
}

impl Pages {
    #[must_use]
    pub fn mail_form(&self, form: &MailForm) -> Page {
        let status = if form.wrong { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        let body = html! {
            p { (text::MAIL_TEXT) }
            form method="post" action=(form.action) {
                input type="hidden" name="token" value=(form.token);
                input type="hidden" name="return_to" value=(form.return_to);
                @if form.wrong { p id="problem" class="problem" role="alert" { (text::NO_ADDRESS) } }
                label for="email" { (text::EMAIL) }
                input id="email" name="email" type="email" autocomplete="email" required maxlength="254" value=(form.email) autofocus
                    aria-invalid=[form.wrong.then_some("true")] aria-describedby=[form.wrong.then_some("problem")];
                button type="submit" { (text::SEND_MAIL) }
            }
        };
        self.page(status, text::MAIL, body)
    }

    #[must_use]
    pub fn code_form(&self, form: &CodeForm) -> Page {
        let problem = form.mistake.map(|mistake| match mistake {
            Mistake::NoCode => text::NO_CODE.to_owned(),
            Mistake::Wrong { left } => text::wrong_code(left),
        });
        let status = if problem.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        let body = html! {
            p { (text::MAIL_SENT_TO) " " strong { (form.address) } ", " (text::MAIL_SENT_IF) }
            p { (text::mail_sent_how(form.minutes)) }
            form method="post" action=(form.action) {
                input type="hidden" name="token" value=(form.token);
                input type="hidden" name="attempt" value=(form.attempt);
                @if let Some(problem) = &problem { p id="problem" class="problem" role="alert" { (problem) } }
                label for="code" { (text::CODE) }
                input id="code" name="code" type="text" inputmode="numeric" autocomplete="one-time-code" required maxlength="16"
                    autofocus aria-invalid=[problem.as_ref().map(|_| "true")] aria-describedby=[problem.as_ref().map(|_| "problem")];
                button type="submit" { (text::SIGN_IN) }
            }
            p { (text::MAIL_NOT_THERE) " " a href=(form.again) { (text::MAIL_AGAIN) } }
        };
        self.page(status, text::MAIL_SENT, body)
    }

    /// The link was opened where it was asked for; the person says yes.
    #[must_use]
    pub fn link_form(&self, form: &LinkForm) -> Page {
        let body = html! {
            p { (text::LINK_TEXT) " " strong { (form.address) } "." }
            form method="post" action=(form.action) {
                input type="hidden" name="token" value=(form.token);
                input type="hidden" name="link" value=(form.link);
                button type="submit" autofocus { (text::SIGN_IN) }
            }
        };
        self.page(StatusCode::OK, text::LINK, body)
    }

    /// The link was opened somewhere else.
    #[must_use]
    pub fn link_elsewhere(&self) -> Page {
        let body = html! {
            p { (text::ELSEWHERE_TEXT) }
            ol {
                li { (text::ELSEWHERE_LINK) }
                li { (text::ELSEWHERE_CODE) }
            }
            p { a href=(self.own_path("/sign-in")) { (text::ELSEWHERE_AGAIN) } }
        };
        self.page(StatusCode::OK, text::ELSEWHERE, body)
    }
}
