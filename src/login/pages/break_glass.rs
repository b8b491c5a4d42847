//! The page for break-glass.
//!
//! Refuses to say which accounts there are, or whether there are any.

use http::StatusCode;
use maud::html;

use super::{Page, Pages, text};

/// The form for a break-glass account.
#[derive(Debug)]
pub struct BreakGlassForm {
    pub token: String,
    /// What was typed before.
    pub user: String,
    /// The last try was wrong.
    pub wrong: bool,
}

impl Pages {
    /// Asks for address, password and code at once.
    #[must_use]
    pub fn break_glass(&self, form: &BreakGlassForm) -> Page {
        let status = if form.wrong { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
        let problem = || form.wrong.then_some("problem");
        let invalid = || form.wrong.then_some("true");
        let body = html! {
            p { (text::BREAK_GLASS_TEXT) }
            form method="post" action=(self.own_path("/break-glass")) {
                input type="hidden" name="token" value=(form.token);
                @if form.wrong { p id="problem" class="problem" role="alert" { (text::BREAK_GLASS_WRONG) } }
                label for="user" { (text::BREAK_GLASS_ADDRESS) }
                input id="user" name="user" type="text" autocomplete="username" autocapitalize="none" spellcheck="false" required
                    maxlength="254" value=(form.user) autofocus[form.user.is_empty()]
                    aria-invalid=[invalid()] aria-describedby=[problem()];
                label for="password" { (text::PASSWORD) }
                input id="password" name="password" type="password" autocomplete="current-password" required maxlength="1024"
                    autofocus[!form.user.is_empty()] aria-invalid=[invalid()] aria-describedby=[problem()];
                label for="code" { (text::TOTP_CODE) }
                input id="code" name="code" type="text" inputmode="numeric" autocomplete="one-time-code" required maxlength="16"
                    aria-invalid=[invalid()] aria-describedby=[problem()];
                button type="submit" { (text::SIGN_IN) }
            }
        };
        self.page(status, text::BREAK_GLASS, body)
    }
}
