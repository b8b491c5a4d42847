//! What was typed into the form for the address, kept for the page that comes next.
//!
//! Refuses to put it into an address, where it would stay in histories and logs: it travels in a sealed cookie for a few minutes. The
//! form is answered with a redirect rather than a page, because the back button would ask to send the form again.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use super::SignInError;
use super::pages::Mistake;
use crate::clock::Timestamp;
use crate::crypto::seal::{Sealer, Unsealable};
use crate::session::cookie;

/// From one page to the next.
const LIFE: Duration = Duration::from_secs(300);

/// Seals what was typed into a cookie and opens it again.
#[derive(Debug)]
pub(super) struct Notes(Sealer);

/// What was typed, and what was wrong with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Typed {
    pub text: String,
    pub mistake: Option<Mistake>,
    until: Timestamp,
}

impl Notes {
    /// `master`: the configuration's secret key.
    pub(super) fn new(master: &[u8]) -> Result<Self, Unsealable> {
        Sealer::new(master, "typed").map(Self)
    }

    /// The cookie that takes it along.
    pub(super) fn keep(&self, text: String, mistake: Option<Mistake>, now: Timestamp) -> Result<HeaderValue, SignInError> {
        let plain = serde_json::to_vec(&Typed { text, mistake, until: now.after(LIFE) }).map_err(SignInError::internal)?;
        let sealed = self.0.seal(&plain, cookie::TYPED.as_bytes()).map_err(SignInError::internal)?;
        cookie::set_typed(&URL_SAFE_NO_PAD.encode(sealed), LIFE).map_err(SignInError::internal)
    }

    /// What was typed on the page before.
    #[must_use]
    pub(super) fn read(&self, headers: &HeaderMap, now: Timestamp) -> Option<Typed> {
        let sealed = URL_SAFE_NO_PAD.decode(cookie::value(headers, cookie::TYPED)?).ok()?;
        let typed: Typed = serde_json::from_slice(&self.0.open(&sealed, cookie::TYPED.as_bytes()).ok()?).ok()?;
        (now < typed.until).then_some(typed)
    }
}
