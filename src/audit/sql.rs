//! The audit trail in a database, the same statements for either engine.
//!
//! Refuses nothing itself: the table's triggers do, because they also bind whoever opens the database with another program.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::Value;

use super::append::{self, Appended, Mark, Prepared, Repeated};
use super::chain::{Head, Source};
use super::{AuditError, AuditFilter, AuditStore, Entry, Event, Listing, listing, search};
use crate::clock::Timestamp;
use crate::db::{Connection, Database, Failure, query};
use crate::model::UserId;

/// Events looked through in one transaction for what they tell of somebody.
const SCANNED: usize = 20_000;
/// Events that one transaction of a purge removes, so that none takes so long that it is given up, now and at every later try.
const PURGED_AT_ONCE: u32 = 1000;

/// The trail in a database.
#[derive(Clone, Debug)]
pub struct SqlAudit {
    database: Database,
    source: Source,
    /// What this process last saw of its chain.
    seen: Arc<Mutex<Option<Mark>>>,
}

impl SqlAudit {
    /// What is added is linked into the chain of `source`.
    #[must_use]
    pub fn new(database: Database, source: Source) -> Self {
        Self { database, source, seen: Arc::default() }
    }

    async fn link(&self, events: Arc<[Prepared]>, checked: bool) -> Result<(), Failure<Repeated>> {
        let (source, before) = (self.source.clone(), self.seen());
        let done = self.database.write(move |connection| Box::pin(append::append(connection, source, events, checked)));
        let Appended { found, left } = done.await?;
        // Others may have gone on since; what was committed before this began may not be gone.
        let gone = before.filter(|before| found.link < before.link || (found.link == before.link && found.hash != before.hash));
        if let Some(before) = gone {
            let chain = &*self.source.chain;
            tracing::error!(
                chain,
                was = before.link,
                is = found.link,
                "the audit trail went back: events were removed or replaced"
            );
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if gone.is_some() || seen.is_none_or(|seen| seen.link < left.link) {
            *seen = Some(left);
        }
        Ok(())
    }

    fn seen(&self) -> Option<Mark> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
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
        let events: Result<Arc<[Prepared]>, _> = events.into_iter().map(Prepared::new).collect();
        let events = events?;
        match self.link(Arc::clone(&events), false).await {
            Err(Failure::Refused(Repeated)) => Ok(self.link(events, true).await?),
            done => Ok(done?),
        }
    }

    async fn search(&self, filter: &AuditFilter) -> Result<Listing, AuditError> {
        search::search(&self.database, filter).await
    }

    async fn following(&self, chain: &str, after_link: i64, limit: u32) -> Result<Vec<Entry>, AuditError> {
        listing::following(&self.database, chain, after_link, limit).await
    }

    async fn heads(&self) -> Result<Vec<Head>, AuditError> {
        let heads = query("SELECT chain, first_link, link, at FROM audit_heads WHERE link > 0 ORDER BY chain");
        Ok(self.database.read(heads.fetch_all(self.database.readers())).await?)
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
