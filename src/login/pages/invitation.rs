//! The page that an invitation leads to.
//!
//! Refuses to accept by being opened: whoever scans letters would accept everything.

use http::StatusCode;
use maud::html;

use super::{Page, Pages, text};

/// The form that says yes.
#[derive(Clone)]
pub struct InvitationForm {
    pub token: String,
    /// The invitation's own token.
    pub invitation: String,
    pub address: String,
}

impl Pages {
    #[must_use]
    pub fn invitation(&self, form: &InvitationForm) -> Page {
        let body = html! {
            p { (text::INVITATION_FOR) " " strong { (form.address) } "." }
            p { (text::INVITATION_TEXT) }
            form method="post" action=(self.own_path("/invitation")) {
                input type="hidden" name="token" value=(form.token);
                input type="hidden" name="invitation" value=(form.invitation);
                button type="submit" autofocus { (text::INVITATION_ACCEPT) }
            }
        };
        self.page(StatusCode::OK, text::INVITATION, body)
    }
}
