//! The audit trail in a database, the same statements for either engine.
//!
//! Refuses nothing itself: the table's triggers do, because they also bind whoever opens the database with another program.

use std::borrow::Cow;

use async_trait::async_trait;
use serde_json::Value;

use super::facts::{Facts, Part};
use super::{AuditError, AuditFilter, AuditStore, Event, Listing, search};
use crate::clock::Timestamp;
use crate::db::{Connection, Database, Failure, Json, query};
use crate::model::{CredentialKind, UserId};

/// Events looked through in one transaction for what they tell of somebody.
const SCANNED: usize = 20_000;
/// Events that one transaction of a purge removes, so that none takes so long that it is given up, now and at every later try.
const PURGED_AT_ONCE: u32 = 1000;

/// The trail in a database.
#[derive(Clone, Debug)]
pub struct SqlAudit {
    database: Database,
}

impl SqlAudit {
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

type Done<T> = Result<T, Failure<AuditError>>;

impl From<Failure<Self>> for AuditError {
    fn from(failure: Failure<Self>) -> Self {
        match failure {
            Failure::Refused(error) => error,
            Failure::Unavailable(error) => error.into(),
        }
    }
}

#[async_trait]
impl AuditStore for SqlAudit {
    async fn append(&self, events: Vec<Event>) -> Result<(), AuditError> {
        Ok(self.database.write(|connection| Box::pin(append(connection, events))).await?)
    }

    async fn search(&self, filter: &AuditFilter) -> Result<Listing, AuditError> {
        search::search(&self.database, filter).await
    }

    async fn forget(&self, person: UserId, names: &[String]) -> Result<u64, AuditError> {
        let newest = query("SELECT coalesce(max(seq), 0) FROM audit_facts");
        let newest: i64 = self.database.read(newest.fetch_one(self.database.readers())).await?;
        let mut gone: u64 = self.database.write(move |connection| Box::pin(forget_person(connection, person))).await?;
        let mut names = names.to_vec();
        names.push(person.to_string());
        // In pieces, so that nobody else's writes wait for all of them.
        for after in (0..newest).step_by(SCANNED) {
            let names = names.clone();
            gone += self.database.write(move |connection| Box::pin(forget_names(connection, names, after))).await?;
        }
        Ok(gone)
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, AuditError> {
        let mut all = 0;
        loop {
            let gone: u64 = self.database.write(move |connection| Box::pin(purge(connection, before))).await?;
            all += gone;
            if gone < u64::from(PURGED_AT_ONCE) {
                return Ok(all);
            }
        }
    }
}

async fn append(connection: &mut Connection, events: Vec<Event>) -> Done<()> {
    for event in events {
        let mut event = legible(event);
        let facts = Facts::taken_from(&mut event).map_err(|error| Failure::Refused(AuditError(Box::new(error))))?;
        let digest = |part: &Option<Part>| part.as_ref().map(|part| part.digest().as_bytes().to_vec());
        let seq: i64 = query(
            "INSERT INTO audit (at, kind, outcome, reason, tenant, actor, target, credential, session, request_id, details, \
             actor_digest, target_digest) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING seq",
        )
        .bind(event.at.millis())
        .bind(event.kind.as_str())
        .bind(event.outcome.as_str())
        .bind(event.reason.map(Cow::into_owned))
        .bind(event.tenant)
        .bind(event.actor)
        .bind(event.target)
        .bind(event.credential.map(CredentialKind::as_str))
        .bind(event.session)
        .bind(event.request_id)
        .bind(Json(event.details))
        .bind(digest(&facts.actor))
        .bind(digest(&facts.target))
        .fetch_one(&mut *connection)
        .await?;
        for (name, part) in [("actor", facts.actor), ("target", facts.target)] {
            if let Some(part) = part {
                keep(connection, seq, name, part).await?;
            }
        }
    }
    Ok(())
}

async fn keep(connection: &mut Connection, seq: i64, name: &'static str, part: Part) -> Done<()> {
    query("INSERT INTO audit_facts (seq, part, person, name, facts, salt) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(seq)
        .bind(name)
        .bind(part.person)
        .bind(part.name)
        .bind(part.facts)
        .bind(part.salt.as_slice())
        .execute(connection)
        .await?;
    Ok(())
}

async fn forget_person(connection: &mut Connection, person: UserId) -> Done<u64> {
    Ok(query("DELETE FROM audit_facts WHERE person = $1").bind(person.to_string()).execute(connection).await?)
}

/// Removes parts that name somebody, among those after number `after`. An address or a name of several words is looked for wherever it
/// stands; another text only as a whole value, because a short name is a part of others.
async fn forget_names(connection: &mut Connection, names: Vec<String>, after: i64) -> Done<u64> {
    let last = after.saturating_add(i64::try_from(SCANNED).unwrap_or(i64::MAX));
    let mut gone = 0;
    for name in names {
        let value = if name.contains(['@', ' ']) { name.clone() } else { Value::from(name.as_str()).to_string() };
        gone += query(
            "DELETE FROM audit_facts WHERE seq > $1 AND seq <= $2 \
             AND (lower(name) = lower($3) OR replace(lower(facts), lower($4), '') <> lower(facts))",
        )
        .bind(after)
        .bind(last)
        .bind(name)
        .bind(value)
        .execute(&mut *connection)
        .await?;
    }
    Ok(gone)
}

/// Removes some of the oldest. The trigger lets go only of what is older than the row in `audit_retention`, which exists within this transaction alone.
async fn purge(connection: &mut Connection, before: Timestamp) -> Done<u64> {
    let before = before.millis();
    let some = |text| query(text).bind(before).bind(PURGED_AT_ONCE);
    some("DELETE FROM audit_facts WHERE seq IN (SELECT seq FROM audit WHERE at < $1 ORDER BY at, seq LIMIT $2)")
        .execute(&mut *connection)
        .await?;
    query("INSERT INTO audit_retention (before) VALUES ($1)").bind(before).execute(&mut *connection).await?;
    let gone = some("DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE at < $1 ORDER BY at, seq LIMIT $2)")
        .execute(&mut *connection)
        .await?;
    query("DELETE FROM audit_retention").execute(connection).await?;
    Ok(gone)
}

/// What a caller typed must not stop the trail: U+0000 can be kept by no store, and is shown as a character that could not be read.
fn legible(mut event: Event) -> Event {
    let texts = [&mut event.actor, &mut event.target, &mut event.session, &mut event.user_agent, &mut event.request_id];
    texts.into_iter().flatten().for_each(replace_nul);
    event.details.values_mut().for_each(replace_nul_within);
    event
}

fn replace_nul(text: &mut String) {
    if text.contains('\0') {
        *text = text.replace('\0', "\u{FFFD}");
    }
}

fn replace_nul_within(value: &mut Value) {
    match value {
        Value::String(text) => replace_nul(text),
        Value::Array(items) => items.iter_mut().for_each(replace_nul_within),
        Value::Object(fields) => fields.values_mut().for_each(replace_nul_within),
        _ => {}
    }
}
