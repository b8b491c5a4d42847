//! A sign-in that waits for a letter to be read.
//!
//! Refuses to hold the link's token or the code: digests are enough to recognise them, and a stolen store must open no door.

use super::{ConnectionId, EmailAddress};
use crate::clock::Timestamp;
use crate::crypto::Digest;

/// What was sent, or would have been sent if anybody had been there to send it to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailedLink {
    /// Of the attempt's secret, which only the browser that asked holds.
    pub attempt: Digest,
    /// Of the link's token.
    pub token: Digest,
    /// Keyed hash of the code.
    pub code: Digest,
    pub connection: ConnectionId,
    pub address: EmailAddress,
    pub tries_left: u32,
    pub created_at: Timestamp,
    /// Good until then, exclusively.
    pub expires_at: Timestamp,
    pub used_at: Option<Timestamp>,
}

impl MailedLink {
    /// Whether link and code can still be used.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.used_at.is_none() && self.tries_left > 0 && now < self.expires_at
    }
}
