//! The audit trail in a database, the same statements for either engine.
//!
//! Refuses nothing itself: the table's triggers do, because they also bind whoever opens the database with another program.

use async_trait::async_trait;
use sqlx::AssertSqlSafe;

use super::{AuditError, AuditFilter, AuditStore, Entry, Event};
use crate::clock::Timestamp;
use crate::db::{Connection, Database, Failure, FromRow, Json, Row, list, query};
use crate::model::CredentialKind;

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

impl FromRow for Entry {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            seq: row.try_get("seq")?,
            at: Timestamp::from_millis(row.try_get("at")?),
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
        })
    }
}

#[async_trait]
impl AuditStore for SqlAudit {
    async fn append(&self, events: Vec<Event>) -> Result<(), AuditError> {
        Ok(self.database.write(|connection| Box::pin(append(connection, events))).await?)
    }

    async fn list(&self, filter: &AuditFilter) -> Result<Vec<Entry>, AuditError> {
        let kinds = match filter.kinds.len() {
            0 => String::new(),
            count => format!("AND kind IN ({})", list(6, count)),
        };
        let mut listing = query(AssertSqlSafe(format!(
            "SELECT * FROM audit WHERE ($1 IS NULL OR at >= $1) AND ($2 IS NULL OR actor = $2) AND ($3 IS NULL OR tenant = $3) \
             AND ($4 IS NULL OR seq < $4) {kinds} ORDER BY seq DESC LIMIT $5",
        )))
        .bind(filter.since.map(Timestamp::millis))
        .bind(&filter.actor)
        .bind(&filter.tenant)
        .bind(filter.before)
        .bind(filter.limit);
        for kind in &filter.kinds {
            listing = listing.bind(kind.as_str());
        }
        Ok(self.database.read(listing.fetch_all(self.database.readers())).await?)
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, AuditError> {
        Ok(self.database.write(move |connection| Box::pin(purge(connection, before))).await?)
    }
}

async fn append(connection: &mut Connection, events: Vec<Event>) -> Done<()> {
    for event in events {
        query(
            "INSERT INTO audit (at, kind, outcome, reason, tenant, actor, target, credential, session, source, user_agent, \
             request_id, details) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(event.at.millis())
        .bind(event.kind.as_str())
        .bind(event.outcome.as_str())
        .bind(event.reason)
        .bind(event.tenant)
        .bind(event.actor)
        .bind(event.target)
        .bind(event.credential.map(CredentialKind::as_str))
        .bind(event.session)
        .bind(event.source.map(|source| source.to_string()))
        .bind(event.user_agent)
        .bind(event.request_id)
        .bind(Json(event.details))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// The trigger lets go only of what is older than the row in `audit_retention`, which exists within this transaction alone.
async fn purge(connection: &mut Connection, before: Timestamp) -> Done<u64> {
    let before = before.millis();
    query("INSERT INTO audit_retention (before) VALUES ($1)").bind(before).execute(&mut *connection).await?;
    let gone = query("DELETE FROM audit WHERE at < $1").bind(before).execute(&mut *connection).await?;
    query("DELETE FROM audit_retention").execute(connection).await?;
    Ok(gone)
}
