//! A provider's tokens, sealed into the session they belong to.
//!
//! Refuses to be opened without the cookie's value, because a stolen store must give no token away; there is no Debug, so that no
//! record can hold one.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::crypto::seal::{Sealer, Unsealable};
use crate::model::{Session, SessionHandle};

/// What they are sealed for.
const PURPOSE: &str = "provider tokens";

/// What a provider gave at sign-in, or at the last refresh.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct ProviderTokens {
    /// A hint for signing out at the provider.
    pub id_token: Option<String>,
    pub access_token: Option<String>,
    pub refresh_token: Option<String>,
    /// When the access token ends, if the provider said so.
    pub expires_at: Option<Timestamp>,
    /// A SAML provider's name for the person, with its format and qualifiers as JSON: what a logout request has to repeat.
    #[serde(default)]
    pub name_id: Option<String>,
}

impl ProviderTokens {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.id_token.is_none() && self.access_token.is_none() && self.refresh_token.is_none() && self.name_id.is_none()
    }

    /// Seals them for the session `handle` with a key that only `value`, the cookie's, gives.
    ///
    /// # Errors
    /// [`Unsealable`] when the library refuses to seal.
    pub fn seal(&self, value: &str, handle: &SessionHandle) -> Result<Vec<u8>, Unsealable> {
        let plain = serde_json::to_vec(self).map_err(|_| Unsealable)?;
        Sealer::new(value.as_bytes(), PURPOSE)?.seal(&plain, handle.0.as_bytes())
    }

    /// What was sealed into the session whose cookie has this value.
    #[must_use]
    pub fn open(value: &str, session: &Session) -> Option<Self> {
        let sealer = Sealer::new(value.as_bytes(), PURPOSE).ok()?;
        let plain = sealer.open(session.sealed_tokens.as_deref()?, session.handle.0.as_bytes()).ok()?;
        serde_json::from_slice(&plain).ok()
    }
}
