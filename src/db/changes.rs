//! The change feed's table: what caches must forget, in the order in which it happened.
//!
//! Refuses to be written apart from the change it announces, because a change nobody hears of is a revocation that does not work.

use super::postgres::CHANNEL;
use super::statement::Wire;
use super::{Connection, Json, query};
use crate::clock::Timestamp;
use crate::crypto::Digest;
use crate::model::{Change, ProgramKind};

/// Writes `change` into the transaction of the work that makes it. With PostgreSQL that happens when the transaction ends. Once that is
/// committed, and before anybody is told that the work is done, this process's own listeners hear of it.
///
/// # Errors
/// The database's own, which undoes the work too.
pub async fn announce(connection: &mut Connection, change: &Change, at: Timestamp) -> Result<(), sqlx::Error> {
    connection.announced.push((change.clone(), at));
    if let Wire::Postgres(_) = connection.wire {
        return Ok(());
    }
    let (kind, key) = written(change);
    query("INSERT INTO changes (kind, key, at) VALUES ($1, $2, $3)")
        .bind(kind)
        .bind(key)
        .bind(at.millis())
        .execute(connection)
        .await
        .map(drop)
}

/// Numbers what a transaction on PostgreSQL has announced and tells other processes that listen, when it commits.
pub(super) async fn publish(connection: &mut Connection) -> Result<(), sqlx::Error> {
    if connection.announced.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = connection.announced.iter().map(|(change, at)| (written(change), at.millis())).collect();
    let count = i64::try_from(rows.len()).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    // One statement, the last before the commit: from here to its end nobody else's change is numbered, or a reader could see number 8 before 7
    // is there. The server lets those that notify commit one after the other in any case.
    query(
        "WITH counted AS (UPDATE change_counter SET newest = newest + $1 RETURNING newest), \
         numbered AS (INSERT INTO changes (seq, kind, key, at) \
         SELECT newest - $1 + place, one->0->>0, one->0->>1, (one->>1)::BIGINT \
         FROM counted, jsonb_array_elements($2) WITH ORDINALITY AS announced (one, place)) \
         SELECT pg_notify($3, '') FROM counted",
    )
    .bind(count)
    .bind(Json(rows))
    .bind(CHANNEL)
    .execute(connection)
    .await?;
    Ok(())
}

fn written(change: &Change) -> (&'static str, String) {
    match change {
        Change::Session(digest) => ("session", digest.to_hex()),
        Change::User(id) => ("user", id.to_string()),
        Change::Program(kind, id) => (kind.as_str(), id.clone()),
        Change::Connections => ("connections", String::new()),
        Change::Everything => ("everything", String::new()),
    }
}

/// The number of the newest change; 0 before the first.
///
/// # Errors
/// The database's own.
pub async fn newest(connection: &mut Connection) -> Result<i64, sqlx::Error> {
    let text = match &connection.wire {
        Wire::Sqlite(_) => "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'changes'), 0)",
        Wire::Postgres(_) => "SELECT newest FROM change_counter",
    };
    query(text).fetch_one(connection).await
}

/// The changes after number `seen`, in order, at most `limit`.
///
/// # Errors
/// The database's own.
pub async fn after(connection: &mut Connection, seen: i64, limit: u32) -> Result<Vec<(i64, Change)>, sqlx::Error> {
    let rows: Vec<(i64, String, String)> = query("SELECT seq, kind, key FROM changes WHERE seq > $1 ORDER BY seq LIMIT $2")
        .bind(seen)
        .bind(limit)
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().map(|(seq, kind, key)| (seq, parse(&kind, key))).collect())
}

/// What this version does not understand is a reason to forget everything.
fn parse(kind: &str, key: String) -> Change {
    let known = match kind {
        "session" => Digest::from_hex(&key).map(Change::Session),
        "user" => key.parse().ok().map(Change::User),
        "api_key" => Some(Change::Program(ProgramKind::ApiKey, key)),
        "connections" => Some(Change::Connections),
        "client" => Some(Change::Program(ProgramKind::Client, key)),
        _ => None,
    };
    known.unwrap_or(Change::Everything)
}

/// Removes what was announced before `before`: whoever has not read it by then reads everything anew.
///
/// # Errors
/// The database's own.
pub async fn purge(connection: &mut Connection, before: Timestamp) -> Result<u64, sqlx::Error> {
    query("DELETE FROM changes WHERE at < $1").bind(before.millis()).execute(connection).await
}
