//! A session as the server's hash holds it: a field for each that is there.
//!
//! Refuses what it cannot read, because a session that is half understood may be somebody else's. Fields that a later version added
//! are passed over.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

use crate::clock::Timestamp;
use crate::crypto::Digest;
use crate::model::{ProviderLogout, Session, SessionHandle};

/// What the hash holds, as it comes and goes.
pub(super) type Fields = HashMap<String, Vec<u8>>;

/// Why a session could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the session's `{0}` cannot be read")]
pub(super) struct Unreadable(&'static str);

/// Names and values, in turn.
pub(super) fn write(session: &Session) -> Vec<Vec<u8>> {
    let mut fields = Vec::new();
    let mut put = |name: &str, value: Vec<u8>| fields.extend([name.as_bytes().to_vec(), value]);
    let named = logout_of(session);
    let text = |value: &dyn Display| Some(value.to_string());
    let moment = |moment: Timestamp| Some(moment.millis().to_string());
    let values = [
        ("digest", Some(session.digest.to_hex())),
        ("handle", text(&session.handle)),
        ("tenant", text(&session.tenant)),
        ("user", text(&session.user)),
        ("connection", text(&session.connection)),
        ("amr", Some(serde_json::Value::from(session.amr.clone()).to_string())),
        ("acr", session.acr.clone()),
        ("authenticated_at", moment(session.authenticated_at)),
        ("created_at", moment(session.created_at)),
        ("last_seen_at", moment(session.last_seen_at)),
        ("expires_at", moment(session.expires_at)),
        ("revoked_at", session.revoked_at.and_then(moment)),
        ("provider_session", session.provider_session.clone()),
        ("provider_subject", session.provider_subject.clone()),
        ("by_session", by_session(&named)),
        ("by_subject", by_subject(&named)),
        ("tokens_version", text(&session.tokens_version)),
        ("refresh_at", session.refresh_at.and_then(moment)),
        ("client_address", session.client_address.clone()),
        ("user_agent", session.user_agent.clone()),
    ];
    for (name, value) in values {
        if let Some(value) = value {
            put(name, value.into_bytes());
        }
    }
    if let Some(sealed) = &session.sealed_tokens {
        put("sealed_tokens", sealed.clone());
    }
    fields
}

pub(super) fn read(mut fields: Fields) -> Result<Session, Unreadable> {
    let sealed_tokens = fields.remove("sealed_tokens");
    let texts = Texts(fields);
    let moment = |name| texts.parsed(name).map(Timestamp::from_millis);
    let moment_if_any = |name| texts.parsed_if_any(name).map(|found| found.map(Timestamp::from_millis));
    Ok(Session {
        handle: SessionHandle(texts.parsed("handle")?),
        digest: Digest::from_hex(&texts.parsed::<String>("digest")?).ok_or(Unreadable("digest"))?,
        tenant: texts.parsed("tenant")?,
        user: texts.parsed("user")?,
        connection: texts.parsed("connection")?,
        amr: serde_json::from_str(&texts.parsed::<String>("amr")?).map_err(|_| Unreadable("amr"))?,
        acr: texts.parsed_if_any("acr")?,
        authenticated_at: moment("authenticated_at")?,
        created_at: moment("created_at")?,
        last_seen_at: moment("last_seen_at")?,
        expires_at: moment("expires_at")?,
        revoked_at: moment_if_any("revoked_at")?,
        provider_session: texts.parsed_if_any("provider_session")?,
        provider_subject: texts.parsed_if_any("provider_subject")?,
        sealed_tokens,
        tokens_version: texts.parsed("tokens_version")?,
        refresh_at: moment_if_any("refresh_at")?,
        client_address: texts.parsed_if_any("client_address")?,
        user_agent: texts.parsed_if_any("user_agent")?,
    })
}

struct Texts(Fields);

impl Texts {
    fn parsed<T: FromStr>(&self, name: &'static str) -> Result<T, Unreadable> {
        self.parsed_if_any(name)?.ok_or(Unreadable(name))
    }

    fn parsed_if_any<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, Unreadable> {
        let Some(bytes) = self.0.get(name) else { return Ok(None) };
        let text = std::str::from_utf8(bytes).map_err(|_| Unreadable(name))?;
        text.parse().map(Some).map_err(|_| Unreadable(name))
    }
}

/// The logout that would mean exactly this session's.
fn logout_of(session: &Session) -> ProviderLogout {
    ProviderLogout {
        tenant: session.tenant.clone(),
        connection: session.connection.clone(),
        session: session.provider_session.clone(),
        subject: session.provider_subject.clone(),
    }
}

/// The list of those with this session at the provider. A name may be long and hold anything, so the list is called by its digest.
pub(super) fn by_session(logout: &ProviderLogout) -> Option<String> {
    logout.session.as_deref().map(|name| list(logout, "session", name))
}

/// The list of those of this person at the provider.
pub(super) fn by_subject(logout: &ProviderLogout) -> Option<String> {
    logout.subject.as_deref().map(|name| list(logout, "subject", name))
}

fn list(logout: &ProviderLogout, kind: &str, name: &str) -> String {
    let parts = [logout.tenant.as_str(), logout.connection.as_str(), kind, name];
    Digest::of_parts(&parts.map(str::as_bytes)).to_hex()
}
