//! Audit events.
//!
//! Refuses free text where a reason can be named, because a reader filters by reasons; a secret is never a field.

mod declare;
pub mod fact;
pub mod program;
pub mod redacted;
pub mod reference;
pub mod what;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::crypto::{Digest, random};
use crate::model::TenantId;

pub use declare::{Declared, Field};
pub use what::{Kind, What};

/// The version of what events say: a field or a kind is only ever added under the same number.
pub const SCHEMA_VERSION: u32 = 1;

/// One thing that happened. Names are stable. What is written of it can be read again, because an event may have to wait on the disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// A UUID (version 7): whoever gets the event twice knows it by this.
    #[serde(default = "another")]
    pub id: Uuid,
    pub at: Timestamp,
    pub kind: Kind,
    pub outcome: Outcome,
    /// Why it failed or was denied: a stable snake_case name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'static, str>>,
    pub tenant: String,
    /// Who did it: a user id, key id, client id, or `cli`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// To what or whom it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<crate::model::CredentialKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// After trusted proxies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// What this kind of event says further, by [`What`]; secrets never.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(super) details: Map<String, Value>,
    /// The same, of what tells of people.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(super) personal: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Success,
    Failure,
}

impl Outcome {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }
}

impl Event {
    /// Something that happened in `tenant`; what else is known is set on it.
    #[must_use]
    pub fn new(at: Timestamp, what: impl Into<What>, outcome: Outcome, tenant: &TenantId) -> Self {
        let what = what.into();
        let told = what.told();
        Self {
            id: id(at),
            at,
            kind: what.kind(),
            outcome,
            reason: None,
            tenant: tenant.to_string(),
            actor: None,
            target: None,
            credential: None,
            session: None,
            source: None,
            user_agent: None,
            request_id: None,
            details: told.kept,
            personal: told.personal,
        }
    }

    /// The same under an id that follows from what it is about, `subject`, which began `since`: however often it is told, it is one event.
    #[must_use]
    pub fn once(self, since: Timestamp, subject: &str) -> Self {
        let digest = Digest::of_parts(&[b"doorward audit event", self.kind.as_str().as_bytes(), subject.as_bytes()]);
        let mut rest = [0; 10];
        rest.iter_mut().zip(digest.as_bytes()).for_each(|(byte, of)| *byte = *of);
        Self { id: numbered(since, &rest), ..self }
    }

    /// Says `what` instead, of the same happening.
    pub fn tell(&mut self, what: impl Into<What>) {
        let what = what.into();
        let told = what.told();
        (self.kind, self.details, self.personal) = (what.kind(), told.kept, told.personal);
    }
}

/// For an event that an older version wrote down without one.
fn another() -> Uuid {
    id(Timestamp::default())
}

/// A new id, in the order of time to the millisecond (RFC 9562 §5.7).
fn id(at: Timestamp) -> Uuid {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // An id has to be unique and may be guessed: what is to be recorded must not fail for want of randomness.
    let rest = random::bytes().unwrap_or_else(|_| {
        let mut rest = [0; 10];
        rest[2..].copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        rest
    });
    numbered(at, &rest)
}

fn numbered(at: Timestamp, rest: &[u8; 10]) -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(u64::try_from(at.millis()).unwrap_or_default(), rest).into_uuid()
}

impl Kind {
    /// The one with this stable name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|kind| kind.as_str() == name).copied()
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<str>::deserialize(deserializer)?;
        Self::named(&name).ok_or_else(|| serde::de::Error::custom("there is no such kind of event"))
    }
}
