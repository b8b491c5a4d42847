//! One letter: text and HTML, addressed and dated.
//!
//! Refuses a line break in what becomes a header, by giving every header to lettre as a value that it encodes (RFC 2047).

use std::time::{Duration, SystemTime};

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};

use super::Server;
use crate::clock::Timestamp;
use crate::crypto::random;
use crate::model::EmailAddress;

/// What somebody is to read.
#[derive(Clone)]
pub struct Letter {
    pub to: EmailAddress,
    pub subject: String,
    pub text: String,
    pub html: String,
    pub written_at: Timestamp,
    /// After this it is of no use, and is not sent any more.
    pub until: Timestamp,
}

/// No Debug of the body: it holds a way in.
impl std::fmt::Debug for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Letter").field("subject", &self.subject).field("until", &self.until).finish_non_exhaustive()
    }
}

/// A letter that cannot be written down.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    /// Only ASCII names can be relied on to be understood by every mail server (RFC 6531 is an extension).
    #[error("the address cannot be written to")]
    Address,
    #[error("the letter cannot be put together")]
    Message(#[from] lettre::error::Error),
    #[error(transparent)]
    Randomness(#[from] random::NoRandomness),
}

impl Letter {
    /// The letter as MIME: `multipart/alternative`, text first (RFC 2046 §5.1.4).
    pub(super) fn message(&self, server: &Server) -> Result<Message, LetterError> {
        let to: Address = self.to.as_str().parse().map_err(|_| LetterError::Address)?;
        if !self.to.as_str().is_ascii() {
            return Err(LetterError::Address);
        }
        let id = format!("<{}@{}>", random::alphanumeric(32)?, server.from.email.domain());
        let written_at = u64::try_from(self.written_at.millis()).unwrap_or(0);
        let mut message = Message::builder()
            .from(server.from.clone())
            .to(Mailbox::new(None, to))
            .subject(self.subject.clone())
            .date(SystemTime::UNIX_EPOCH + Duration::from_millis(written_at))
            .message_id(Some(id))
            .multipart(MultiPart::alternative_plain_html(self.text.clone(), self.html.clone()))?;
        // Nobody's out-of-office note is to come back (RFC 3834 §5; the second is what Exchange reads).
        let headers = message.headers_mut();
        headers.insert_raw(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()));
        headers.insert_raw(HeaderValue::new(HeaderName::new_from_ascii_str("X-Auto-Response-Suppress"), "All".to_owned()));
        Ok(message)
    }
}
