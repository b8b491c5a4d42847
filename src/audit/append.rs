//! Adding events to a chain: numbered, linked, hashed and written under the lock of the chain's head.
//!
//! Refuses to link an event twice: what is there already, by its id, is left out, so that whoever does not know whether it was written may
//! simply write it again.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;
use sqlx::AssertSqlSafe;

use super::chain::{Columns, FORM, NOTHING, Source, whole};
use super::facts::{Facts, Part};
use super::{AuditError, Event};
use crate::clock::Timestamp;
use crate::crypto::Digest;
use crate::db::{Connection, Failure, FromRow, Json, Query, Row, Unavailable, list, query};
use crate::model::CredentialKind;

/// Rows of one statement; a statement has room for 32,766 values.
const ROWS: usize = 250;
const COLUMNS: &str = "seq, at, kind, outcome, reason, tenant, actor, target, credential, session, request_id, details, \
                       actor_digest, target_digest, id, chain, link, form, hash, logged_at";
const WIDTH: usize = 20;
const FACTS: &str = "seq, part, person, name, facts, salt";

/// Nothing was added, because some are there already.
#[derive(Debug)]
pub(super) struct Repeated;

type Done<T> = Result<T, Failure<Repeated>>;

/// An event, and what it tells of people apart from it.
pub(super) struct Prepared {
    columns: Columns,
    actor: Option<Part>,
    target: Option<Part>,
}

impl Prepared {
    pub(super) fn new(event: Event) -> Result<Self, AuditError> {
        let mut event = legible(event);
        let facts = Facts::taken_from(&mut event).map_err(|error| AuditError(Box::new(error)))?;
        let digest = |part: &Option<Part>| part.as_ref().map(|part| part.digest().as_bytes().to_vec());
        event.details.values_mut().for_each(whole);
        let columns = Columns {
            seq: 0,
            id: event.id.to_string(),
            at: event.at.millis(),
            kind: event.kind.as_str().to_owned(),
            outcome: event.outcome.as_str().to_owned(),
            reason: event.reason.map(Cow::into_owned),
            tenant: event.tenant,
            actor: event.actor,
            target: event.target,
            credential: event.credential.map(|kind| CredentialKind::as_str(kind).to_owned()),
            session: event.session,
            source: None,
            user_agent: None,
            request_id: event.request_id,
            details: event.details,
            actor_digest: digest(&facts.actor),
            target_digest: digest(&facts.target),
        };
        Ok(Self { columns, actor: facts.actor, target: facts.target })
    }
}

/// A link and its hash.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub link: i64,
    pub hash: Digest,
}

impl FromRow for Mark {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self { link: row.try_get("link")?, hash: digest(row.try_get("hash")?)? })
    }
}

/// The bytes of a hash as they are kept.
pub(super) fn digest(bytes: &[u8]) -> Result<Digest, sqlx::Error> {
    bytes.try_into().map(Digest::from_bytes).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// The head as it was found, and as it is now.
pub(super) struct Appended {
    pub found: Mark,
    pub left: Mark,
}

/// Adds `events` in this order. Only when `checked` is it looked first which are there already.
///
/// # Errors
/// [`Repeated`] when some are, and it was not looked.
pub(super) async fn append(
    connection: &mut Connection,
    source: Source,
    events: Arc<[Prepared]>,
    checked: bool,
    now: Timestamp,
) -> Done<Appended> {
    let found = lock(connection, &source.chain).await?;
    let events: Vec<&Prepared> = if checked { unwritten(connection, &events).await? } else { events.iter().collect() };
    let Some(last) = events.last() else { return Ok(Appended { found, left: found }) };
    let at = last.columns.at;
    let mut seq = numbers(connection, events.len()).await?;
    let mut left = found;
    let mut rows = Vec::with_capacity(events.len());
    for event in events {
        let columns = Columns { seq, ..event.columns.clone() };
        let link = left.link + 1;
        left = Mark { link, hash: columns.hash(&source.chain, link, &left.hash) };
        rows.push((columns, left, event));
        seq += 1;
    }
    for rows in rows.chunks(ROWS) {
        write(connection, &source.chain, rows, now).await?;
    }
    query("UPDATE audit_heads SET link = $2, hash = $3, at = $4 WHERE chain = $1")
        .bind(&*source.chain)
        .bind(left.link)
        .bind(left.hash.as_bytes().as_slice())
        .bind(at)
        .execute(connection)
        .await?;
    Ok(Appended { found, left })
}

/// Locks the chain's head until the transaction ends.
pub(super) async fn lock(connection: &mut Connection, chain: &str) -> Result<Mark, sqlx::Error> {
    let head = || query("SELECT link, hash FROM audit_heads WHERE chain = $1").bind(chain).for_update();
    if let Some(mark) = head().fetch_optional(&mut *connection).await? {
        return Ok(mark);
    }
    let nothing = NOTHING.as_bytes().as_slice();
    query(
        "INSERT INTO audit_heads (chain, first_link, before, link, hash, at, stated) VALUES ($1, 1, $2, 0, $2, 0, 0) \
         ON CONFLICT (chain) DO NOTHING",
    )
    .bind(chain)
    .bind(nothing)
    .execute(&mut *connection)
    .await?;
    head().fetch_one(connection).await
}

/// Those that are not there yet, each once.
async fn unwritten<'e>(connection: &mut Connection, events: &'e [Prepared]) -> Result<Vec<&'e Prepared>, sqlx::Error> {
    let mut known = HashSet::new();
    for some in events.chunks(ROWS) {
        let text = format!("SELECT id FROM audit WHERE id IN ({})", list(1, some.len()));
        let looked = some.iter().fold(query(AssertSqlSafe(text)), |query, event| query.bind(&event.columns.id));
        known.extend(looked.fetch_all::<String>(&mut *connection).await?);
    }
    Ok(events.iter().filter(|event| known.insert(event.columns.id.clone())).collect())
}

/// Takes as many numbers as `count`; the first of them. The trail may hold more than was counted where an older version wrote.
async fn numbers(connection: &mut Connection, count: usize) -> Result<i64, sqlx::Error> {
    let count = i64::try_from(count).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    let newest: i64 = query(
        "UPDATE audit_counter SET newest = $1 + CASE WHEN newest < (SELECT coalesce(max(seq), 0) FROM audit) \
         THEN (SELECT max(seq) FROM audit) ELSE newest END RETURNING newest",
    )
    .bind(count)
    .fetch_one(connection)
    .await?;
    Ok(newest - count + 1)
}

async fn write(connection: &mut Connection, chain: &str, rows: &[(Columns, Mark, &Prepared)], now: Timestamp) -> Done<()> {
    let text = format!("INSERT INTO audit ({COLUMNS}) VALUES {} ON CONFLICT (id) DO NOTHING", places(rows.len(), WIDTH));
    let written =
        rows.iter().fold(query(AssertSqlSafe(text)), |query, (columns, mark, _)| bound(query, chain, columns, mark, now));
    if written.execute(&mut *connection).await? != rows.len() as u64 {
        return Err(Failure::Refused(Repeated));
    }
    let parts: Vec<(i64, &str, &Part)> = rows.iter().flat_map(|(columns, _, event)| event.parts(columns.seq)).collect();
    if parts.is_empty() {
        return Ok(());
    }
    let text = format!("INSERT INTO audit_facts ({FACTS}) VALUES {}", places(parts.len(), 6));
    let kept = parts.into_iter().fold(query(AssertSqlSafe(text)), |query, (seq, name, part)| {
        query.bind(seq).bind(name).bind(&part.person).bind(&part.name).bind(&part.facts).bind(part.salt.as_slice())
    });
    kept.execute(connection).await?;
    Ok(())
}

impl Prepared {
    fn parts(&self, seq: i64) -> impl Iterator<Item = (i64, &'static str, &Part)> {
        let parts = [("actor", &self.actor), ("target", &self.target)];
        parts.into_iter().filter_map(move |(name, part)| part.as_ref().map(|part| (seq, name, part)))
    }
}

/// `($1, $2), ($3, $4) …`
fn places(rows: usize, width: usize) -> String {
    (0..rows).map(|row| format!("({})", list(row * width + 1, width))).collect::<Vec<_>>().join(", ")
}

/// In the order of [`COLUMNS`].
fn bound(query: Query, chain: &str, columns: &Columns, mark: &Mark, now: Timestamp) -> Query {
    query
        .bind(columns.seq)
        .bind(columns.at)
        .bind(&columns.kind)
        .bind(&columns.outcome)
        .bind(&columns.reason)
        .bind(&columns.tenant)
        .bind(&columns.actor)
        .bind(&columns.target)
        .bind(&columns.credential)
        .bind(&columns.session)
        .bind(&columns.request_id)
        .bind(Json(&columns.details))
        .bind(&columns.actor_digest)
        .bind(&columns.target_digest)
        .bind(&columns.id)
        .bind(chain)
        .bind(mark.link)
        .bind(FORM)
        .bind(mark.hash.as_bytes().as_slice())
        .bind(now.millis())
}

/// What a caller typed must not stop the trail: U+0000 can be kept by no store, and is shown as a character that could not be read.
fn legible(mut event: Event) -> Event {
    let texts = [&mut event.actor, &mut event.target, &mut event.session, &mut event.user_agent, &mut event.request_id];
    texts.into_iter().flatten().for_each(replace_nul);
    event.details.values_mut().chain(event.personal.values_mut()).for_each(replace_nul_within);
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

impl From<Failure<Repeated>> for AuditError {
    fn from(failure: Failure<Repeated>) -> Self {
        match failure {
            // Only where it was looked and somebody else was faster by that much; whoever tries again finds it there.
            Failure::Refused(Repeated) => Unavailable::Late.into(),
            Failure::Unavailable(error) => error.into(),
        }
    }
}
