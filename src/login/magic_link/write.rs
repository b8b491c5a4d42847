//! Whether a letter is written, and sending it: after the answer, on the house's own threads.
//!
//! Refuses to write to strangers where the connection makes nobody, to people who were switched off, and to a mailbox that has had
//! enough letters; each is recorded, because the page says nothing.

use std::sync::Arc;

use super::super::letters::{self, SignInLetter};
use super::super::visitor::Visitor;
use super::super::{Login, SignInError};
use super::{asserted, by_mail};
use crate::audit::{Kind, Outcome};
use crate::crypto::random::{self, NoRandomness};
use crate::crypto::{Digest, Secret, token};
use crate::mail::MailError;
use crate::model::{EmailAddress, MailedLink};
use crate::session::Asked;

/// Letters for one mailbox in a quarter of an hour, and in a day. With [`super::TRIES`] they bound how many codes can be guessed.
const LATELY: u32 = 5;
const TODAY: u32 = 20;
/// How many of these one source can have asked for; what it asks for beyond is not counted against the mailbox.
pub(super) const SHARE_LATELY: u32 = 3;
pub(super) const SHARE_TODAY: u32 = 10;

pub(super) const CODE_LENGTH: usize = 6;

/// What only the letter holds, and the digest of the link's token. No Debug.
pub(super) struct Secrets {
    token: Secret,
    pub digest: Digest,
    pub code: String,
}

impl Secrets {
    pub(super) fn new() -> Result<Self, NoRandomness> {
        let (token, digest) = token::new_mailed()?;
        Ok(Self { token, digest, code: random::digits(CODE_LENGTH)? })
    }
}

/// The code within what somebody typed or pasted: digits, perhaps parted by spaces or hyphens.
pub(in crate::login) fn typed_code(text: &str) -> Option<String> {
    let code: String = text.chars().filter(|letter| !letter.is_whitespace() && *letter != '-').take(CODE_LENGTH + 1).collect();
    (code.len() == CODE_LENGTH && code.bytes().all(|byte| byte.is_ascii_digit())).then_some(code)
}

/// Why no letter went out.
enum Unwritten {
    /// They may not come in this way.
    Refused(SignInError),
    TooMany,
    Undelivered(MailError),
}

impl Unwritten {
    fn reason(&self) -> &'static str {
        match self {
            Self::Refused(error) => error.reason(),
            Self::TooMany => "too_many_letters",
            Self::Undelivered(error) => error.reason(),
        }
    }
}

impl Login {
    /// Leaves the letter to the house's threads. `asked`: how often its mailbox was asked for; `None`: the source has had its share.
    pub(super) fn write_aside(
        self: &Arc<Self>,
        visitor: &Visitor,
        to: EmailAddress,
        link: MailedLink,
        secrets: Secrets,
        asked: Option<Asked>,
    ) {
        let (login, visitor) = (Arc::clone(self), visitor.clone());
        let work = {
            let (login, visitor, link) = (Arc::clone(&login), visitor.clone(), link.clone());
            async move {
                let written = login.write(&visitor, to, &link, &secrets, asked).await;
                login.note_letter(&visitor, &link, written.err().map(|why| why.reason()));
            }
        };
        if !self.means.post.aside(work) {
            login.note_letter(&visitor, &link, Some(MailError::Full.reason()));
        }
    }

    async fn write(
        &self,
        visitor: &Visitor,
        to: EmailAddress,
        link: &MailedLink,
        secrets: &Secrets,
        asked: Option<Asked>,
    ) -> Result<(), Unwritten> {
        let connections = self.connections();
        let (connection, magic) = by_mail(&connections, link.connection.as_str()).map_err(Unwritten::Refused)?;
        self.expect(connection, &asserted(connection, &link.address)).await.map_err(Unwritten::Refused)?;
        if asked.is_none_or(|asked| asked.lately > LATELY || asked.today > TODAY) {
            return Err(Unwritten::TooMany);
        }
        let open = self.pages().address(&format!("/magic-link/{}/open?token={}", link.connection, secrets.token.expose()));
        let letter = letters::sign_in(&SignInLetter {
            title: self.pages().title(),
            to,
            link: &open,
            code: &secrets.code,
            asked_from: visitor.client,
            asked_at: link.created_at,
            until: link.expires_at,
        });
        let put_off = |error: &MailError| self.note_letter(visitor, link, Some(error.reason()));
        magic.outbox(&self.means).send(&letter, put_off).await.map_err(Unwritten::Undelivered)
    }

    /// Records that a letter went out, or why none did.
    fn note_letter(&self, visitor: &Visitor, link: &MailedLink, reason: Option<&'static str>) {
        let outcome = if reason.is_none() { Outcome::Success } else { Outcome::Failure };
        let mut event = self.event(visitor, Kind::SignInLinkSent, outcome);
        event.reason = reason.map(Into::into);
        event.actor = Some(link.address.to_string());
        event.target = Some(link.connection.to_string());
        self.means.audit.note(event);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tokens_hold_256_bits_and_codes_six_digits() {
        let (one, other) = (Secrets::new().unwrap(), Secrets::new().unwrap());
        assert!(token::is_mailed(one.token.expose()) && one.token != other.token);
        assert_eq!(typed_code(&one.code).as_deref(), Some(one.code.as_str()));
    }

    #[test]
    fn a_code_is_taken_as_people_write_it() {
        for typed in ["012345", " 012345 ", "012 345", "012-345", "0\u{a0}1 2\t3 4 5\n"] {
            assert_eq!(typed_code(typed).as_deref(), Some("012345"), "{typed:?}");
        }
        for typed in ["", "12345", "1234567", "01234a", "٠١٢٣٤٥", "+12345", "0x1234", "012345 6"] {
            assert_eq!(typed_code(typed), None, "{typed:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_typed_a_code_is_six_digits_or_none(text in "\\PC*") {
            if let Some(code) = typed_code(&text) {
                prop_assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()));
                let plain: String = text.chars().filter(char::is_ascii_digit).collect();
                prop_assert_eq!(plain, code);
            }
        }

        #[test]
        fn whatever_arrives_a_token_is_43_letters_or_none(text in "\\PC*") {
            prop_assert_eq!(token::is_mailed(&text), text.len() == 43 && text.chars().all(|c| c.is_ascii_alphanumeric()));
        }
    }
}
