//! Signed statements of the provider besides ID tokens (RFC 7515, compact form).
//!
//! Refuses symmetric and missing signatures, critical extensions, and keys that the statement brings along: it is checked with the
//! provider's published keys or not at all.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{CoreJsonWebKeyUse, CoreJwsSigningAlgorithm};
use openidconnect::{JsonWebKey as _, JsonWebKeyUse as _};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Provider;
use super::metadata::Metadata;
use super::token::ALGORITHMS;
use crate::clock::Timestamp;
use crate::login::SignInError;

/// Bytes of the longest statement that is looked at.
const LONGEST: usize = 16 * 1024;

/// Why a statement is not the provider's.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unsigned {
    #[error("it is no signed statement")]
    Malformed,
    #[error("its signature is none of the provider's")]
    Signature,
    /// It could not be checked, because the provider could not be asked for its keys.
    #[error(transparent)]
    Unchecked(#[from] SignInError),
}

/// A statement whose signature holds.
pub(super) struct Statement {
    /// In lower case, without `application/` (RFC 7515 §4.1.9).
    pub kind: Option<String>,
    pub claims: Map<String, Value>,
}

#[derive(Deserialize)]
struct Header {
    alg: CoreJwsSigningAlgorithm,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
}

impl Provider {
    /// Checks that the provider has signed `text`; its keys are read again, now and then, where none fits.
    pub(super) async fn check_signed(&self, text: &str, now: Timestamp) -> Result<Statement, Unsigned> {
        let metadata = self.metadata(now).await?;
        match judge(text, &metadata) {
            Err(Unsigned::Signature) => {
                let newer = self.discovery.newer_than(&metadata, &self.caller, now).await?;
                if Arc::ptr_eq(&newer, &metadata) { Err(Unsigned::Signature) } else { judge(text, &newer) }
            }
            judged => judged,
        }
    }
}

fn judge(text: &str, metadata: &Metadata) -> Result<Statement, Unsigned> {
    if text.len() > LONGEST {
        return Err(Unsigned::Malformed);
    }
    let (message, signature) = text.rsplit_once('.').ok_or(Unsigned::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(Unsigned::Malformed)?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Unsigned::Malformed);
    let (header, payload, signature) = (decode(header)?, decode(payload)?, decode(signature)?);
    let header: Header = serde_json::from_slice(&header).map_err(|_| Unsigned::Malformed)?;
    if header.crit.is_some() || !ALGORITHMS.contains(&header.alg) {
        return Err(Unsigned::Signature);
    }
    let keys = metadata.jwks().keys().iter();
    let usable = keys.filter(|key| key.key_use().is_none_or(CoreJsonWebKeyUse::allows_signature));
    let mut named = usable.filter(|key| match (&header.kid, key.key_id()) {
        (Some(wanted), Some(id)) => *wanted == **id,
        _ => true,
    });
    if !named.any(|key| key.verify_signature(&header.alg, message.as_bytes(), &signature).is_ok()) {
        return Err(Unsigned::Signature);
    }
    let claims = serde_json::from_slice(&payload).map_err(|_| Unsigned::Malformed)?;
    Ok(Statement { kind: header.typ.map(|typ| typ.to_ascii_lowercase().trim_start_matches("application/").to_owned()), claims })
}
