//! Which events to read, in which order, and what a row of the trail becomes.
//!
//! Refuses page numbers: a place names an event, so that what is recorded or removed meanwhile shifts nothing.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sqlx::AssertSqlSafe;

use super::facts::{OfActor, OfTarget};
use super::{AuditError, Entry, Kind, Outcome, Severity};
use crate::clock::Timestamp;
use crate::db::{Database, FromRow, Json, Row, query};

/// Events with what is known of people. That is looked up one by one, by its key: a planner that knows nothing of the table yet joins it otherwise.
pub(super) const WHOLE: &str = "SELECT audit.*, \
    (SELECT name FROM audit_facts AS f WHERE f.seq = audit.seq AND f.part = 'actor') AS actor_name, \
    (SELECT facts FROM audit_facts AS f WHERE f.seq = audit.seq AND f.part = 'actor') AS actor_facts, \
    (SELECT name FROM audit_facts AS f WHERE f.seq = audit.seq AND f.part = 'target') AS target_name, \
    (SELECT facts FROM audit_facts AS f WHERE f.seq = audit.seq AND f.part = 'target') AS target_facts \
    FROM";

/// Which events: those that fit all that is set.
#[derive(Clone, Debug)]
pub struct AuditFilter {
    /// From then on.
    pub since: Option<Timestamp>,
    /// Before then.
    pub until: Option<Timestamp>,
    /// Any of these; empty: every kind.
    pub kinds: Vec<Kind>,
    pub actor: Option<String>,
    /// To what it was done.
    pub target: Option<String>,
    /// What somebody did, or what was done to them: any of these ids and names. Empty: whoever it was.
    pub users: Vec<String>,
    pub tenant: Option<String>,
    pub outcome: Option<Outcome>,
    /// At least.
    pub severity: Option<Severity>,
    pub reason: Option<String>,
    /// From this address, after trusted proxies.
    pub source: Option<IpAddr>,
    /// The handle of a session.
    pub session: Option<String>,
    pub request_id: Option<String>,
    /// The replica that wrote it.
    pub chain: Option<String>,
    pub order: Order,
    /// Only what comes after this place in that order.
    pub from: Option<Place>,
    pub limit: u32,
}

impl Default for AuditFilter {
    fn default() -> Self {
        Self {
            since: None,
            until: None,
            kinds: Vec::new(),
            actor: None,
            target: None,
            users: Vec::new(),
            tenant: None,
            outcome: None,
            severity: None,
            reason: None,
            source: None,
            session: None,
            request_id: None,
            chain: None,
            order: Order::Newest,
            from: None,
            limit: 200,
        }
    }
}

/// In which order. By time is how people read; an event that had to wait for the store then stands among those of its moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By time, the newest first.
    Newest,
    /// By time, the oldest first.
    Oldest,
    /// As they were recorded, the last first.
    LastRecorded,
    /// As they were recorded: what comes later is never before what was there.
    Recorded,
}

impl Order {
    pub(super) const fn is_of_time(self) -> bool {
        matches!(self, Self::Newest | Self::Oldest)
    }

    pub(super) const fn is_descending(self) -> bool {
        matches!(self, Self::Newest | Self::LastRecorded)
    }

    /// Whether `one` comes before `other`.
    pub(super) fn is_before(self, one: Place, other: Place) -> bool {
        match self {
            Self::Newest => one > other,
            Self::Oldest => one < other,
            Self::LastRecorded => one.seq > other.seq,
            Self::Recorded => one.seq < other.seq,
        }
    }
}

/// Where an event stands in the trail: by time, and by its number among those of one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub at: Timestamp,
    pub seq: i64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at.millis(), self.seq)
    }
}

/// It is no place of an event.
#[derive(Debug, thiserror::Error)]
#[error("no place in the trail")]
pub struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let (at, seq) = text.split_once('.').ok_or(NoPlace)?;
        let number = |text: &str| text.parse::<i64>().map_err(|_| NoPlace);
        Ok(Self { at: Timestamp::from_millis(number(at)?), seq: number(seq)? })
    }
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    pub entries: Vec<Entry>,
    /// Where to go on. There may be more though fewer than asked for were found: one call looks through only so many events.
    pub next: Option<Place>,
}

impl Entry {
    #[must_use]
    pub const fn place(&self) -> Place {
        Place { at: self.at, seq: self.seq }
    }
}

/// The events of `chain` after link `after`, oldest first.
pub(super) async fn following(database: &Database, chain: &str, after: i64, limit: u32) -> Result<Vec<Entry>, AuditError> {
    let next = query(AssertSqlSafe(format!("{WHOLE} audit WHERE chain = $1 AND link > $2 ORDER BY link LIMIT $3")));
    let next = next.bind(chain).bind(after).bind(limit);
    Ok(database.read(next.fetch_all(database.readers())).await?)
}

impl FromRow for Entry {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        let part = |column| row.try_get::<Option<String>>(column);
        let actor: OfActor = known(part("actor_facts")?.as_deref())?;
        let target: OfTarget = known(part("target_facts")?.as_deref())?;
        let mut details: Map<String, Value> = row.try_get::<Json<_>>("details")?.0;
        details.extend(target.details);
        Ok(Self {
            seq: row.try_get("seq")?,
            id: part("id")?.unwrap_or_default(),
            chain: part("chain")?.unwrap_or_default(),
            link: row.try_get::<Option<i64>>("link")?.unwrap_or_default(),
            at: Timestamp::from_millis(row.try_get("at")?),
            logged_at: row.try_get::<Option<i64>>("logged_at")?.map(Timestamp::from_millis),
            kind: row.try_get("kind")?,
            outcome: row.try_get("outcome")?,
            reason: row.try_get("reason")?,
            tenant: row.try_get("tenant")?,
            actor: row.try_get::<Option<String>>("actor")?.or(part("actor_name")?),
            target: row.try_get::<Option<String>>("target")?.or(part("target_name")?),
            credential: row.try_get("credential")?,
            session: row.try_get("session")?,
            // Another version may have left them there.
            source: actor.source.or(part("source")?),
            user_agent: actor.user_agent.or(part("user_agent")?),
            request_id: row.try_get("request_id")?,
            details,
        })
    }
}

/// What is known of actor or target; nothing once it was removed.
fn known<T: DeserializeOwned + Default>(facts: Option<&str>) -> Result<T, sqlx::Error> {
    facts.map_or_else(
        || Ok(T::default()),
        |facts| serde_json::from_str(facts).map_err(|error| sqlx::Error::Decode(Box::new(error))),
    )
}
