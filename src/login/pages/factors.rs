//! The pages about second factors: being asked for one, and one's own.
//!
//! Refuses to show a secret that is in use; what is to be noted is shown once, as text too, because not everybody can scan.

use http::StatusCode;
use maud::{Markup, html};
use qrcode::QrCode;
use qrcode::types::{Color, QrError};

use super::{Page, Pages, text};
use crate::model::{Factor, FactorKind};

/// Modules of white around a QR code (ISO/IEC 18004).
const QUIET: usize = 4;

/// The page that asks for a second factor.
#[derive(Debug)]
pub struct FactorForm {
    pub action: String,
    pub token: String,
    pub return_to: String,
    /// The person has an app.
    pub totp: bool,
    /// The person has codes on paper.
    pub recovery: bool,
    /// The person has passkeys.
    pub passkey: Option<Ceremony>,
    /// The last code was wrong.
    pub wrong: bool,
    /// Who else could ask for one, and where.
    pub elsewhere: Option<(String, String)>,
    /// Where to be somebody else.
    pub other: String,
}

/// What the page's script asks the browser for.
#[derive(Debug)]
pub struct Ceremony {
    /// `create` or `get`, as `navigator.credentials` has them.
    pub kind: &'static str,
    /// JSON for it.
    pub options: String,
    /// What the answer is judged by, sealed.
    pub state: String,
}

/// A page whose form the browser fills in with a passkey.
#[derive(Debug)]
pub struct PasskeyForm {
    pub action: String,
    pub token: String,
    pub return_to: String,
    pub ceremony: Ceremony,
    pub name: String,
    pub wrong: bool,
}

/// The page with a new secret. No Debug: it holds the secret.
pub struct TotpForm {
    pub token: String,
    pub return_to: String,
    /// The secret, sealed.
    pub secret: String,
    /// The secret as it is typed into an app.
    pub typed: String,
    /// `otpauth://…`
    pub address: String,
    pub name: String,
    pub wrong: bool,
}

/// One of the person's factors.
#[derive(Debug)]
pub struct Listed {
    id: String,
    kind: FactorKind,
    name: String,
    since: String,
    used: Option<String>,
}

impl Listed {
    #[must_use]
    pub fn of(factor: &Factor) -> Self {
        let day = |at: crate::clock::Timestamp| at.to_string().chars().take(10).collect();
        Self {
            id: factor.id.clone(),
            kind: factor.kind,
            name: factor.name.clone(),
            since: day(factor.created_at),
            used: factor.last_used_at.map(day),
        }
    }
}

/// The page with the person's own factors. No Debug: it may hold codes.
pub struct Manage<'a> {
    pub token: String,
    pub return_to: String,
    pub factors: Vec<Listed>,
    /// Browsers do passkeys here.
    pub passkeys: bool,
    pub unused_codes: usize,
    /// New ones.
    pub codes: &'a [String],
}

impl Pages {
    /// Asks for the second factor.
    #[must_use]
    pub fn second_factor(&self, form: &FactorForm) -> Page {
        let status = if form.wrong { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
        let body = html! {
            @if form.wrong { p id="problem" class="problem" role="alert" { (text::WRONG_CODE) } }
            @if let Some(ceremony) = &form.passkey {
                (ceremony_form(&form.action, &form.token, &form.return_to, ceremony, text::PASSKEY_USE, &html! {}))
                @if form.totp { p class="or" { (text::OR) } }
            }
            @if form.totp { (code_form(form, false)) }
            @if form.recovery {
                details open[!form.totp] {
                    summary { (text::RECOVERY_INSTEAD) }
                    (code_form(form, true))
                }
            }
            @if !form.totp && !form.recovery && form.passkey.is_none() { p { (text::SECOND_FACTOR_NONE) } }
            @if let Some((name, address)) = &form.elsewhere { p { a href=(address) { (text::continue_with(name)) } } }
            p { a href=(form.other) { (text::SIGN_IN_OTHER) } }
        };
        let page = self.page(status, text::SECOND_FACTOR, body);
        if form.passkey.is_some() { self.with_passkey_script(page) } else { page }
    }

    /// Makes a passkey.
    #[must_use]
    pub fn new_passkey(&self, form: &PasskeyForm) -> Page {
        let name = html! {
            label for="name" { (text::FACTOR_NAME) }
            input id="name" name="name" type="text" maxlength="60" autocomplete="off" value=(form.name);
        };
        let body = html! {
            p { (text::PASSKEY_TEXT) }
            (self.passkey_form(form, text::PASSKEY_NEW, &name))
            p { a href=(self.own_path("/factors")) { (text::CANCEL) } }
        };
        self.with_passkey_script(self.page(status_of(form.wrong), text::PASSKEY_NEW, body))
    }

    /// Signs in with a passkey and nothing else.
    #[must_use]
    pub fn passkey(&self, form: &PasskeyForm) -> Page {
        let body = html! {
            p { (text::PASSKEY_SIGN_IN_TEXT) }
            (self.passkey_form(form, text::PASSKEY_USE, &html! {}))
            p { a href=(self.sign_in_address(&form.return_to, true)) { (text::CANCEL) } }
        };
        self.with_passkey_script(self.page(status_of(form.wrong), text::PASSKEY_SIGN_IN, body))
    }

    fn passkey_form(&self, form: &PasskeyForm, button: &str, fields: &Markup) -> Markup {
        html! {
            @if form.wrong { p class="problem" role="alert" { (text::PASSKEY_WRONG) } }
            (ceremony_form(&form.action, &form.token, &form.return_to, &form.ceremony, button, fields))
        }
    }

    /// A new secret for an authenticator app, to be confirmed with a code.
    ///
    /// # Errors
    /// [`QrError`] for an address too long for a QR code.
    pub fn new_totp(&self, form: &TotpForm) -> Result<Page, QrError> {
        let status = if form.wrong { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
        let body = html! {
            p { (text::TOTP_SCAN) }
            (qr_code(&form.address)?)
            p { (text::TOTP_TYPE) }
            p { code class="secret" { (form.typed) } }
            form method="post" action=(self.own_path("/factors/totp")) {
                input type="hidden" name="token" value=(form.token);
                input type="hidden" name="return_to" value=(form.return_to);
                input type="hidden" name="secret" value=(form.secret);
                @if form.wrong { p id="problem" class="problem" role="alert" { (text::WRONG_CODE) } }
                label for="code" { (text::TOTP_CODE) }
                (code_input("code", form.wrong, true))
                label for="name" { (text::FACTOR_NAME) }
                input id="name" name="name" type="text" maxlength="60" autocomplete="off" value=(form.name);
                button type="submit" { (text::TOTP_CONFIRM) }
            }
            p { a href=(self.own_path("/factors")) { (text::CANCEL) } }
        };
        Ok(self.page(status, text::TOTP_NEW, body))
    }

    /// The person's own factors.
    #[must_use]
    pub fn factors(&self, manage: &Manage<'_>) -> Page {
        let back = percent_encoding::utf8_percent_encode(&manage.return_to, percent_encoding::NON_ALPHANUMERIC).to_string();
        let body = html! {
            @if manage.factors.is_empty() { p { (text::FACTORS_NONE) } }
            @if !manage.codes.is_empty() {
                p role="status" { (text::RECOVERY_SHOWN) }
                ul class="codes" { @for code in manage.codes { li { code { (code) } } } }
            }
            @for factor in &manage.factors { (self.factor(manage, factor)) }
            a class="button" href=(format!("{}?return_to={back}", self.own_path("/factors/totp"))) { (text::TOTP_NEW) }
            @if manage.passkeys {
                a class="button" href=(format!("{}?return_to={back}", self.own_path("/factors/passkey"))) { (text::PASSKEY_NEW) }
            }
            @if !manage.factors.is_empty() {
                p { (text::recovery_left(manage.unused_codes)) }
                form method="post" action=(self.own_path("/factors/recovery-codes")) {
                    input type="hidden" name="token" value=(manage.token);
                    input type="hidden" name="return_to" value=(manage.return_to);
                    button type="submit" { (text::RECOVERY_NEW) }
                }
            }
            p { a href=(manage.return_to) { (text::GO_ON) } }
        };
        self.page(StatusCode::OK, text::FACTORS, body)
    }

    fn factor(&self, manage: &Manage<'_>, factor: &Listed) -> Markup {
        html! {
            form class="factor" method="post" action=(self.own_path("/factors/remove")) {
                input type="hidden" name="token" value=(manage.token);
                input type="hidden" name="return_to" value=(manage.return_to);
                input type="hidden" name="id" value=(factor.id);
                dl {
                    dt { (text::factor_kind(factor.kind)) }
                    dd { (factor.name) }
                    dt { (text::FACTOR_SINCE) }
                    dd { (factor.since) }
                    @if let Some(used) = &factor.used {
                        dt { (text::FACTOR_USED) }
                        dd { (used) }
                    }
                }
                button type="submit" aria-label=(text::remove_factor(&factor.name)) { (text::REMOVE) }
            }
        }
    }
}

fn status_of(wrong: bool) -> StatusCode {
    if wrong { StatusCode::UNAUTHORIZED } else { StatusCode::OK }
}

/// A form that the page's script fills in with the browser's answer.
fn ceremony_form(action: &str, token: &str, return_to: &str, ceremony: &Ceremony, button: &str, fields: &Markup) -> Markup {
    html! {
        form method="post" action=(action) data-ceremony=(ceremony.kind) data-options=(ceremony.options) {
            input type="hidden" name="token" value=(token);
            input type="hidden" name="return_to" value=(return_to);
            input type="hidden" name="state" value=(ceremony.state);
            input type="hidden" name="answer" value="";
            p class="problem" role="alert" hidden { (text::PASSKEY_FAILED) }
            noscript { p { (text::PASSKEY_NO_SCRIPT) } }
            (fields)
            button type="submit" { (button) }
        }
    }
}

fn code_form(form: &FactorForm, recovery: bool) -> Markup {
    let (id, label) = if recovery { ("recovery", text::RECOVERY_CODE) } else { ("code", text::TOTP_CODE) };
    html! {
        form method="post" action=(form.action) {
            input type="hidden" name="token" value=(form.token);
            input type="hidden" name="return_to" value=(form.return_to);
            label for=(id) { (label) }
            (code_input(id, form.wrong, !recovery))
            button type="submit" { (text::GO_ON) }
        }
    }
}

fn code_input(id: &str, wrong: bool, digits: bool) -> Markup {
    html! {
        input id=(id) name="code" type="text" required maxlength="64" autocapitalize="none" spellcheck="false"
            autocomplete=(if digits { "one-time-code" } else { "off" }) inputmode=[digits.then_some("numeric")] autofocus[digits]
            aria-invalid=[wrong.then_some("true")] aria-describedby=[wrong.then_some("problem")];
    }
}

/// `text` as a QR code: one path of squares, no script, no style.
fn qr_code(text: &str) -> Result<Markup, QrError> {
    use std::fmt::Write as _;
    let code = QrCode::new(text)?;
    let width = code.width();
    let mut path = String::new();
    for (place, _) in code.to_colors().iter().enumerate().filter(|(_, color)| **color == Color::Dark) {
        // Writing to a text cannot fail.
        let _ = write!(path, "M{} {}h1v1h-1z", place % width + QUIET, place / width + QUIET);
    }
    let side = width + 2 * QUIET;
    Ok(html! {
        svg class="qr" role="img" aria-label=(text::TOTP_PICTURE) viewBox=(format!("0 0 {side} {side}")) {
            rect width=(side) height=(side) fill="#fff" {}
            path d=(path) fill="#000" {}
        }
    })
}
