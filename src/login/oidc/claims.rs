//! From a provider's claims to what Doorward knows of a person.
//!
//! Refuses an e-mail address that the provider does not call verified (threats J12), and values no header could carry.

use serde_json::{Map, Value};

use super::Provider;
use super::token::Proof;
use crate::login::SignInError;
use crate::login::person::{self, Asserted, plain};
use crate::model::{ConnectionId, EmailAddress, FederatedLink};

/// Longest subject identifier, in bytes (OpenID Connect Core 1.0 §2: 255 ASCII characters).
const LONGEST_SUBJECT: usize = 255;
/// Longest name of a session at the provider that is kept, in bytes. Some providers seal what they know of the session into it.
const LONGEST_SESSION: usize = 1024;

impl Provider {
    /// Who `proof` is about.
    pub(super) fn assert(&self, connection: &ConnectionId, issuer: &str, proof: &Proof) -> Asserted {
        let names = &self.claims;
        Asserted {
            link: FederatedLink { connection: connection.clone(), issuer: issuer.to_owned(), subject: proof.subject.clone() },
            user_name: self.text(proof, &names.user_name),
            email: self.email(proof),
            name: self.text(proof, &names.name),
            groups: find(proof, &names.groups).map(|(value, _)| groups(value)),
        }
    }

    fn text(&self, proof: &Proof, name: &str) -> Option<String> {
        find(proof, name).and_then(|(value, _)| value.as_str()).and_then(plain)
    }

    /// The address, if whoever named it also says that it is verified.
    fn email(&self, proof: &Proof) -> Option<EmailAddress> {
        let (value, source) = find(proof, &self.claims.email)?;
        let address: EmailAddress = value.as_str()?.parse().ok()?;
        let says = |claims: &Map<String, Value>| claims.get("email_verified").map(|verified| *verified == Value::Bool(true));
        let same = proof.userinfo.get(&self.claims.email) == Some(value);
        let verified = says(source).or_else(|| says(&proof.userinfo).filter(|_| same));
        (verified == Some(true) || self.trust_unverified_email).then_some(address)
    }
}

/// A claim and the claims it stands among: the signed ID token's before the userinfo endpoint's.
fn find<'a>(proof: &'a Proof, name: &str) -> Option<(&'a Value, &'a Map<String, Value>)> {
    [&proof.claims, &proof.userinfo].into_iter().find_map(|claims| Some((claims.get(name)?, claims)))
}

/// A list of texts, or one text.
fn groups(value: &Value) -> Vec<String> {
    match value {
        Value::Array(all) => person::groups(all.iter().filter_map(Value::as_str)),
        one => person::groups(one.as_str()),
    }
}

/// A list of texts under `name` in the ID token.
pub(super) fn list(proof: &Proof, name: &str) -> Vec<String> {
    proof.claims.get(name).map(groups).unwrap_or_default()
}

/// A text under `name` in the ID token.
pub(super) fn text(proof: &Proof, name: &str) -> Option<String> {
    proof.claims.get(name).and_then(Value::as_str).and_then(plain)
}

/// The provider's name for the person, just as it stands.
pub(super) fn subject(named: &str) -> Result<String, SignInError> {
    if named.is_empty() || named.len() > LONGEST_SUBJECT || named.contains(char::is_control) {
        let what = format!("the provider's `sub` is not a plain text of 1 to {LONGEST_SUBJECT} bytes");
        return Err(SignInError::answer("id_token_sub", what));
    }
    Ok(named.to_owned())
}

/// The provider's name for its session (Back-Channel Logout 1.0 §2.1), just as it stands: a logout names the session by it. Nobody is
/// signed in under a name that cannot be kept, because no logout of the provider's would end it.
pub(super) fn session(proof: &Proof) -> Result<Option<String>, SignInError> {
    let named = match proof.claims.get("sid") {
        Some(Value::String(named)) => named,
        Some(other) if !other.is_null() => {
            tracing::warn!("the provider's `sid` is no text: its logout finds the person's sessions by `sub` only");
            return Ok(None);
        }
        _ => return Ok(None),
    };
    if named.is_empty() || named.len() > LONGEST_SESSION || named.contains(char::is_control) {
        let what = format!("the provider's `sid` is not a plain text of 1 to {LONGEST_SESSION} bytes");
        return Err(SignInError::answer("id_token_sid", what));
    }
    Ok(Some(named.clone()))
}
