//! Which events to read, and how they are found.
//!
//! Refuses to put a value into the text of a statement; all of them are bound.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sqlx::AssertSqlSafe;

use super::facts::{OfActor, OfTarget};
use super::{AuditError, Entry, Kind};
use crate::clock::Timestamp;
use crate::db::{Database, FromRow, Json, Row, list as places, query};

/// Events with what is known of people.
const WHOLE: &str = "SELECT audit.*, a.name AS actor_name, a.facts AS actor_facts, t.name AS target_name, t.facts AS target_facts FROM audit \
                     LEFT JOIN audit_facts a ON a.seq = audit.seq AND a.part = 'actor' \
                     LEFT JOIN audit_facts t ON t.seq = audit.seq AND t.part = 'target'";

/// Which events to list: the newest `limit` that fit all that is set.
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
    pub tenant: Option<String>,
    /// Only events before this number, for the next page.
    pub before: Option<i64>,
    pub limit: u32,
}

impl Default for AuditFilter {
    fn default() -> Self {
        Self { since: None, until: None, kinds: Vec::new(), actor: None, target: None, tenant: None, before: None, limit: 200 }
    }
}

/// The newest that fit.
pub(super) async fn list(database: &Database, filter: &AuditFilter) -> Result<Vec<Entry>, AuditError> {
    let kinds = match filter.kinds.len() {
        0 => String::new(),
        count => format!("AND kind IN ({})", places(8, count)),
    };
    let mut listing = query(AssertSqlSafe(format!(
        "{WHOLE} \
         WHERE ($1 IS NULL OR at >= $1) AND ($2 IS NULL OR actor = $2 OR a.name = $2) AND ($3 IS NULL OR tenant = $3) \
         AND ($4 IS NULL OR audit.seq < $4) AND ($6 IS NULL OR at < $6) AND ($7 IS NULL OR target = $7 OR t.name = $7) {kinds} \
         ORDER BY audit.seq DESC LIMIT $5",
    )))
    .bind(filter.since.map(Timestamp::millis))
    .bind(&filter.actor)
    .bind(&filter.tenant)
    .bind(filter.before)
    .bind(filter.limit)
    .bind(filter.until.map(Timestamp::millis))
    .bind(&filter.target);
    for kind in &filter.kinds {
        listing = listing.bind(kind.as_str());
    }
    Ok(database.read(listing.fetch_all(database.readers())).await?)
}

/// The events of `chain` after link `after`, oldest first.
pub(super) async fn following(database: &Database, chain: &str, after: i64, limit: u32) -> Result<Vec<Entry>, AuditError> {
    let next = query(AssertSqlSafe(format!("{WHOLE} WHERE chain = $1 AND link > $2 ORDER BY link LIMIT $3")));
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
