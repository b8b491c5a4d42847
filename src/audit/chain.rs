//! The chain: each event's hash covers all its columns and the hash of the event before it.
//!
//! Refuses to cover what is known of people themselves: it covers salted digests of that, so that an erasure leaves the chain whole.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::crypto::signer::{PublicKey, Signer};
use crate::crypto::weekly::Unsigned;
use crate::crypto::{Digest, Secret};
use crate::db::{FromRow, Json, Row};

/// How the columns are hashed now; docs/audit.md says it for those who check.
pub(super) const FORM: i64 = 1;
const TAG: &[u8] = b"doorward audit link 1";
/// What the first link of a chain follows.
pub(super) const NOTHING: Digest = Digest::from_bytes([0; 32]);
/// Keeps the key apart from all others that come of `secret_key`.
const PURPOSE: &str = "audit statements";

/// Who writes: the name of the chain, and the key that what is said about it is signed with.
#[derive(Clone, Debug)]
pub struct Source {
    pub(super) chain: Arc<str>,
    pub(super) signer: Arc<Signer>,
    /// Keys of before, for a while.
    pub(super) former: Arc<[Signer]>,
}

impl Source {
    /// A replica writes to the chain of its own name; processes on one host may share a name.
    ///
    /// # Errors
    /// [`Unsigned`] when no key can be derived, which only a broken build does.
    pub fn new(chain: &str, secret_key: &Secret, former: &[Secret]) -> Result<Self, Unsigned> {
        let former: Result<Arc<[_]>, _> = former.iter().map(|key| Signer::new(key, PURPOSE)).collect();
        Ok(Self { chain: chain.into(), signer: Arc::new(Signer::new(secret_key, PURPOSE)?), former: former? })
    }

    /// The keys whose signatures count: the present one, and those of before.
    pub fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        std::iter::once(&*self.signer).chain(&*self.former).map(Signer::public)
    }

    /// The name of the chain.
    #[must_use]
    pub fn chain(&self) -> &str {
        &self.chain
    }
}

/// Where a chain stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub chain: String,
    /// The oldest link that is still there; one more than `link` when none is.
    pub first_link: i64,
    /// The newest link.
    pub link: i64,
    /// When the newest event happened.
    pub at: Timestamp,
}

impl FromRow for Head {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            chain: row.try_get("chain")?,
            first_link: row.try_get("first_link")?,
            link: row.try_get("link")?,
            at: Timestamp::from_millis(row.try_get("at")?),
        })
    }
}

/// The columns of an event that are hashed, beside the name of the chain and the number of the link.
#[derive(Clone, Debug, Default)]
pub(super) struct Columns {
    pub seq: i64,
    pub id: String,
    pub at: i64,
    pub kind: String,
    pub outcome: String,
    pub reason: Option<String>,
    pub tenant: String,
    pub actor: Option<String>,
    pub target: Option<String>,
    pub credential: Option<String>,
    pub session: Option<String>,
    pub source: Option<String>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
    pub details: Map<String, Value>,
    pub actor_digest: Option<Vec<u8>>,
    pub target_digest: Option<Vec<u8>>,
}

impl FromRow for Columns {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            seq: row.try_get("seq")?,
            id: row.try_get::<Option<String>>("id")?.unwrap_or_default(),
            at: row.try_get("at")?,
            kind: row.try_get("kind")?,
            outcome: row.try_get("outcome")?,
            reason: row.try_get("reason")?,
            tenant: row.try_get("tenant")?,
            actor: row.try_get("actor")?,
            target: row.try_get("target")?,
            credential: row.try_get("credential")?,
            session: row.try_get("session")?,
            source: row.try_get("source")?,
            user_agent: row.try_get("user_agent")?,
            request_id: row.try_get("request_id")?,
            details: row.try_get::<Json<_>>("details")?.0,
            actor_digest: row.try_get("actor_digest")?,
            target_digest: row.try_get("target_digest")?,
        })
    }
}

impl Columns {
    /// The hash of this event as link `link` of `chain`, after the link whose hash is `previous`.
    pub(super) fn hash(&self, chain: &str, link: i64, previous: &Digest) -> Digest {
        let details = canonical(&self.details);
        let text = |text: &Option<String>| optional(text.as_deref().map(str::as_bytes));
        let bytes = |bytes: &Option<Vec<u8>>| optional(bytes.as_deref());
        let optional = [
            text(&self.reason),
            text(&self.actor),
            text(&self.target),
            text(&self.credential),
            text(&self.session),
            text(&self.source),
            text(&self.user_agent),
            text(&self.request_id),
            bytes(&self.actor_digest),
            bytes(&self.target_digest),
        ];
        let (link, seq, at) = (link.to_be_bytes(), self.seq.to_be_bytes(), self.at.to_be_bytes());
        let mut parts: Vec<&[u8]> = vec![TAG, previous.as_bytes(), chain.as_bytes(), &link, &seq, self.id.as_bytes(), &at];
        parts.extend([self.kind.as_bytes(), self.outcome.as_bytes(), self.tenant.as_bytes(), details.as_bytes()]);
        parts.extend(optional.iter().map(Vec::as_slice));
        Digest::of_parts(&parts)
    }
}

/// One byte 0 for what is absent, one byte 1 before what is not: nothing is not the empty text.
pub(super) fn optional(value: Option<&[u8]>) -> Vec<u8> {
    value.map_or_else(|| vec![0], |value| [&[1], value].concat())
}

/// JSON without spaces, keys in the order of their bytes, characters as they are; all numbers are whole (see [`whole`]).
pub(super) fn canonical(details: &Map<String, Value>) -> String {
    sorted(&Value::Object(details.clone())).to_string()
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<_> = fields.iter().collect();
            names.sort_by_key(|(name, _)| *name);
            Value::Object(names.into_iter().map(|(name, value)| (name.clone(), sorted(value))).collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// Makes a text of each number that is not whole: engines and languages write such in different ways.
pub(super) fn whole(value: &mut Value) {
    match value {
        Value::Number(number) if !number.is_i64() && !number.is_u64() => *value = Value::String(number.to_string()),
        Value::Array(items) => items.iter_mut().for_each(whole),
        Value::Object(fields) => fields.values_mut().for_each(whole),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn columns() -> Columns {
        Columns { seq: 7, id: "id".to_owned(), at: 5, kind: "sign_in".to_owned(), ..Columns::default() }
    }

    #[test]
    fn every_column_and_the_place_in_the_chain_change_the_hash() {
        let plain = columns().hash("a", 1, &NOTHING);
        assert_eq!(plain, columns().hash("a", 1, &NOTHING));
        let some = || Some("x".to_owned());
        let details = Map::from_iter([("x".to_owned(), json!(1))]);
        let changed = [
            Columns { seq: 8, ..columns() },
            Columns { id: "ie".to_owned(), ..columns() },
            Columns { at: 6, ..columns() },
            Columns { kind: "sign_out".to_owned(), ..columns() },
            Columns { outcome: "x".to_owned(), ..columns() },
            Columns { reason: some(), ..columns() },
            Columns { reason: Some(String::new()), ..columns() },
            Columns { tenant: "x".to_owned(), ..columns() },
            Columns { actor: some(), ..columns() },
            Columns { target: some(), ..columns() },
            Columns { credential: some(), ..columns() },
            Columns { session: some(), ..columns() },
            Columns { source: some(), ..columns() },
            Columns { user_agent: some(), ..columns() },
            Columns { request_id: some(), ..columns() },
            Columns { details, ..columns() },
            Columns { actor_digest: Some(vec![1]), ..columns() },
            Columns { target_digest: Some(vec![1]), ..columns() },
        ];
        let mut hashes: Vec<Digest> = changed.iter().map(|changed| changed.hash("a", 1, &NOTHING)).collect();
        hashes.extend([
            plain,
            columns().hash("b", 1, &NOTHING),
            columns().hash("a", 2, &NOTHING),
            columns().hash("a", 1, &plain),
        ]);
        for (place, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..place].contains(hash), "{place}");
        }
    }

    #[test]
    fn details_are_written_in_one_way_only() {
        let mut details = json!({ "b": [1.5, 1, "\u{e9}\u{1}\u{7f}/"], "a": { "d": null, "c": true } });
        whole(&mut details);
        let Value::Object(details) = details else { unreachable!("it is one") };
        assert_eq!(canonical(&details), "{\"a\":{\"c\":true,\"d\":null},\"b\":[\"1.5\",1,\"\u{e9}\\u0001\u{7f}/\"]}");
    }
}
