//! The letters that Doorward writes, as text and as HTML.
//!
//! Refuses pictures, foreign content and anything that tells whether a letter was read; and words that came from a stranger's browser,
//! because whoever types somebody's address would be writing to them.

use std::net::IpAddr;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::pages::text::letter as words;
use crate::clock::Timestamp;
use crate::mail::Letter;
use crate::model::EmailAddress;

/// Colours for light and dark; the classes only change colours, so that readers that drop the sheet still show a whole letter.
const SHEET: &str = "
:root { color-scheme: light dark; supported-color-schemes: light dark; }
@media (prefers-color-scheme: dark) {
  .page { background: #16181d !important; }
  .card { background: #1f2229 !important; border-color: #3a3f4a !important; }
  .card, .card h1, .card p, .code { color: #e8eaed !important; }
  .small, .small a { color: #b4b9c2 !important; }
  .code { background: #2a2e37 !important; }
  .button { background: #8ab4ff !important; color: #10131a !important; }
}";

const FONT: &str = "font-family: system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif;";

/// What a letter for signing in says.
pub(super) struct SignInLetter<'a> {
    pub title: &'a str,
    pub to: EmailAddress,
    pub link: &'a str,
    pub code: &'a str,
    pub asked_from: IpAddr,
    pub asked_at: Timestamp,
    pub until: Timestamp,
}

/// What an invitation says.
pub struct InvitationLetter<'a> {
    pub title: &'a str,
    pub to: EmailAddress,
    pub link: &'a str,
    pub written_at: Timestamp,
    pub until: Timestamp,
}

pub(super) fn sign_in(facts: &SignInLetter<'_>) -> Letter {
    let minutes = facts.until.since(facts.asked_at).as_secs() / 60;
    let (lead, code_lead) = (words::sign_in(facts.title), words::CODE_LEAD);
    let (good, asked) = (words::good_for(minutes), words::asked_from(&facts.asked_from.to_string(), &moment(facts.asked_at)));
    let text = format!(
        "{lead}\n\n{}\n\n{code_lead}\n\n    {}\n\n{good}\n{}\n\n{asked}\n{}\n",
        facts.link,
        facts.code,
        words::SAME_BROWSER,
        words::NOT_ASKED
    );
    let body = html! {
        (paragraph(&lead))
        (button(facts.link, words::SIGN_IN_BUTTON))
        (paragraph(code_lead))
        p class="code" style={ (FONT) "margin: 0 0 24px; padding: 12px; background: #f1f3f4; color: #16181d; border-radius: 6px; font-size: 28px; letter-spacing: 6px; text-align: center;" } {
            strong { (facts.code) }
        }
        (small(&format!("{good} {}", words::SAME_BROWSER)))
        (small(&asked))
        (small(words::NOT_ASKED))
        (address(facts.link))
    };
    Letter {
        to: facts.to.clone(),
        subject: words::sign_in_subject(facts.title),
        html: frame(facts.title, &words::sign_in_subject(facts.title), &body),
        text,
        written_at: facts.asked_at,
        until: facts.until,
    }
}

/// An invitation.
#[must_use]
pub fn invitation(facts: &InvitationLetter<'_>) -> Letter {
    let (lead, good) = (words::invited(facts.title), words::good_until(&moment(facts.until)));
    let text = format!("{lead}\n\n{}\n\n{good}\n{}\n", facts.link, words::NOT_EXPECTED);
    let body = html! {
        (paragraph(&lead))
        (button(facts.link, words::INVITATION_BUTTON))
        (small(&good))
        (small(words::NOT_EXPECTED))
        (address(facts.link))
    };
    Letter {
        to: facts.to.clone(),
        subject: words::invitation_subject(facts.title),
        html: frame(facts.title, &words::invitation_subject(facts.title), &body),
        text,
        written_at: facts.written_at,
        until: facts.until,
    }
}

/// `2026-11-22 06:33 UTC`
fn moment(at: Timestamp) -> String {
    at.to_string().chars().take(16).map(|letter| if letter == 'T' { ' ' } else { letter }).chain(" UTC".chars()).collect()
}

fn frame(title: &str, heading: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang=(super::pages::text::LANGUAGE) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="supported-color-schemes" content="light dark";
                title { (heading) }
                style { (PreEscaped(SHEET)) }
            }
            body class="page" style="margin: 0; padding: 24px 12px; background: #f1f3f4;" {
                div class="card" role="article" lang=(super::pages::text::LANGUAGE)
                    style={ (FONT) "max-width: 480px; margin: 0 auto; padding: 24px; background: #ffffff; color: #16181d; border: 1px solid #d5d9df; border-radius: 10px;" } {
                    h1 style={ (FONT) "margin: 0 0 16px; font-size: 20px; line-height: 1.3; color: #16181d;" } { (title) }
                    (body)
                }
            }
        }
    };
    page.into_string()
}

fn paragraph(text: &str) -> Markup {
    html! { p style={ (FONT) "margin: 0 0 20px; font-size: 16px; line-height: 1.5; color: #16181d;" } { (text) } }
}

fn small(text: &str) -> Markup {
    html! { p class="small" style={ (FONT) "margin: 0 0 10px; font-size: 13px; line-height: 1.5; color: #4a4f59;" } { (text) } }
}

fn button(link: &str, label: &str) -> Markup {
    html! {
        p style="margin: 0 0 24px;" {
            a class="button" href=(link)
                style={ (FONT) "display: inline-block; padding: 12px 22px; background: #1a56c4; color: #ffffff; border-radius: 6px; font-size: 16px; font-weight: 600; text-decoration: none;" } {
                (label)
            }
        }
    }
}

/// For readers whose button does nothing.
fn address(link: &str) -> Markup {
    html! {
        p class="small" style={ (FONT) "margin: 16px 0 0; font-size: 12px; line-height: 1.5; color: #4a4f59; word-break: break-all;" } {
            (words::BUTTON_DEAD) " " a href=(link) style="color: #1a56c4;" { (link) }
        }
    }
}
