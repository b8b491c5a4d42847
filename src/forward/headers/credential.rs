//! Takes credentials that were meant for Doorward off the request.
//!
//! Refuses to let the application see one (threats H6): the credential that was used, the session cookie, and anything that is
//! recognisably a key or secret of Doorward's, also on public routes where it was not even looked at.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use base64::Engine as _;

use crate::credential::{SESSION_COOKIE, Sources};
use crate::crypto::token::{CLIENT_SECRET_PREFIX, KEY_PREFIX};
use crate::edge::fields::holds;
use crate::model::CredentialKind;

/// Where credentials may stand, and which kinds the configuration sends on.
#[derive(Debug)]
pub(super) struct Carriers {
    api_key: HeaderName,
    client_id: HeaderName,
    client_secret: HeaderName,
    license: HeaderName,
    forwarded: Box<[CredentialKind]>,
}

impl Carriers {
    pub(super) fn new(sources: &Sources) -> Self {
        Self {
            api_key: sources.api_key.clone(),
            client_id: sources.client_id.clone(),
            client_secret: sources.client_secret.clone(),
            license: sources.license.clone(),
            forwarded: sources.forwarded.clone(),
        }
    }

    /// Whether a field has to go: the request was admitted by it (`used`), or it holds what is Doorward's own.
    pub(super) fn dooms(&self, used: Option<CredentialKind>, name: &HeaderName, value: &[u8]) -> bool {
        let spent = |kind| used == Some(kind) && !self.keeps(kind);
        let ours = |kind, prefix: &str| !self.keeps(kind) && value.starts_with(prefix.as_bytes());
        (*name == self.api_key && (spent(CredentialKind::ApiKey) || ours(CredentialKind::ApiKey, KEY_PREFIX)))
            || (*name == self.client_secret
                && (spent(CredentialKind::ClientSecret) || ours(CredentialKind::ClientSecret, CLIENT_SECRET_PREFIX)))
            || (*name == self.client_id && spent(CredentialKind::ClientSecret))
            || (*name == self.license && spent(CredentialKind::License))
            || (*name == header::AUTHORIZATION && self.is_spent(used, value))
    }

    /// The fields that may hold one.
    pub(super) fn names(&self) -> [HeaderName; 6] {
        let Self { api_key, client_id, client_secret, license, .. } = self;
        [api_key, client_id, client_secret, license, &header::AUTHORIZATION, &header::COOKIE].map(Clone::clone)
    }

    /// A client's id goes with its secret.
    pub(super) fn strip_companion(&self, doomed: &HeaderName, fields: &mut HeaderMap) {
        if *doomed == self.client_secret && !self.keeps(CredentialKind::ClientSecret) {
            fields.remove(&self.client_id);
        }
    }

    pub(super) fn keeps(&self, kind: CredentialKind) -> bool {
        self.forwarded.contains(&kind)
    }

    /// Whether an `Authorization` value was for Doorward: another scheme than these two is the application's business.
    fn is_spent(&self, used: Option<CredentialKind>, value: &[u8]) -> bool {
        let Some(space) = value.iter().position(|byte| *byte == b' ') else { return false };
        let (scheme, token) = (&value[..space], value[space..].trim_ascii());
        if scheme.eq_ignore_ascii_case(b"bearer") {
            return if token.starts_with(KEY_PREFIX.as_bytes()) {
                !self.keeps(CredentialKind::ApiKey)
            } else {
                used == Some(CredentialKind::Bearer) && !self.keeps(CredentialKind::Bearer)
            };
        }
        scheme.eq_ignore_ascii_case(b"basic")
            && !self.keeps(CredentialKind::ClientSecret)
            && (used == Some(CredentialKind::ClientSecret) || basic_holds_our_secret(token))
    }
}

fn basic_holds_our_secret(token: &[u8]) -> bool {
    let decoded = base64::engine::general_purpose::STANDARD.decode(token).unwrap_or_default();
    let mut parts = decoded.splitn(2, |byte| *byte == b':');
    parts.nth(1).is_some_and(|secret| secret.starts_with(CLIENT_SECRET_PREFIX.as_bytes()))
}

/// Removes Doorward's own cookies and joins what is left into one line, as HTTP/2's crumbs must be (RFC 9113 §8.2.3, threats F10).
pub(super) fn cookies(fields: &mut HeaderMap) {
    if !holds(fields, &header::COOKIE) {
        return;
    }
    let lines = fields.get_all(header::COOKIE);
    let holds_ours = |line: &HeaderValue| line.as_bytes().windows(OURS.len()).any(|window| window == OURS);
    if lines.iter().count() < 2 && !lines.iter().any(holds_ours) {
        return;
    }
    let mut kept: Vec<u8> = Vec::new();
    for line in lines {
        for pair in line.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii) {
            if pair.is_empty() || pair.starts_with(OURS) {
                continue;
            }
            if !kept.is_empty() {
                kept.extend_from_slice(b"; ");
            }
            kept.extend_from_slice(pair);
        }
    }
    match HeaderValue::from_bytes(&kept) {
        Ok(value) if !value.is_empty() => fields.insert(header::COOKIE, value),
        _ => fields.remove(header::COOKIE),
    };
}

/// Every cookie of Doorward's begins with this.
pub(super) const OURS: &[u8] = SESSION_COOKIE.as_bytes();
