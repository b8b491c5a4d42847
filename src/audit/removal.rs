//! What leaves the trail: the oldest events by retention, and what is known of a person by an erasure.
//!
//! Refuses to take anything out without a signed statement of what it was, in the same transaction: whatever else is missing was taken by
//! somebody else.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use sqlx::AssertSqlSafe;

use super::AuditError;
use super::append::digest;
use super::chain::Source;
use super::statement::{Book, Erased, What};
use crate::clock::Timestamp;
use crate::db::{Connection, Failure, list, query};
use crate::model::UserId;

/// Events looked through in one transaction for what they tell of somebody.
pub(super) const SCANNED: usize = 20_000;
/// Events that one transaction removes, or removes parts of, so that none takes so long that it is given up, now and at every later try.
pub(super) const AT_ONCE: u32 = 1000;

type Done<T> = Result<T, Failure<AuditError>>;

/// Removes what is known of `person` from some events; how many parts.
pub(super) async fn forget_person(connection: &mut Connection, source: Source, at: Timestamp, person: UserId) -> Done<u64> {
    let mut book = Book::open(connection, &source, at).await?;
    let gone = query(
        "DELETE FROM audit_facts WHERE person = $1 AND seq IN (SELECT seq FROM audit_facts WHERE person = $1 ORDER BY seq LIMIT $2) \
         RETURNING seq, part",
    );
    let gone = gone.bind(person.to_string()).bind(AT_ONCE).fetch_all(&mut *book.connection).await?;
    state_erasure(&mut book, gone).await
}

/// Removes parts that name somebody, among those after number `after`. An address or a name of several words is looked for wherever it
/// stands; another text only as a whole value, because a short name is a part of others.
pub(super) async fn forget_names(
    connection: &mut Connection,
    source: Source,
    at: Timestamp,
    (names, after): (Vec<String>, i64),
) -> Done<u64> {
    let mut book = Book::open(connection, &source, at).await?;
    let last = after.saturating_add(i64::try_from(SCANNED).unwrap_or(i64::MAX));
    let mut gone: Vec<(i64, String)> = Vec::new();
    for name in names {
        let value = if name.contains(['@', ' ']) { name.clone() } else { Value::from(name.as_str()).to_string() };
        let parts = query(
            "DELETE FROM audit_facts WHERE seq > $1 AND seq <= $2 \
             AND (lower(name) = lower($3) OR replace(lower(facts), lower($4), '') <> lower(facts)) RETURNING seq, part",
        );
        gone.extend(parts.bind(after).bind(last).bind(name).bind(value).fetch_all(&mut *book.connection).await?);
    }
    state_erasure(&mut book, gone).await
}

/// Says which parts of which links are gone; how many parts.
async fn state_erasure(book: &mut Book<'_>, gone: Vec<(i64, String)>) -> Done<u64> {
    let mut links: BTreeMap<(String, String), Vec<i64>> = BTreeMap::new();
    for some in gone.chunks(250) {
        let text = format!("SELECT seq, chain, link FROM audit WHERE chain IS NOT NULL AND seq IN ({})", list(1, some.len()));
        let looked = some.iter().fold(query(AssertSqlSafe(text)), |query, (seq, _)| query.bind(*seq));
        let places: Vec<(i64, String, i64)> = looked.fetch_all(&mut *book.connection).await?;
        let places: HashMap<i64, (String, i64)> = places.into_iter().map(|(seq, chain, link)| (seq, (chain, link))).collect();
        for (seq, part) in some {
            if let Some((chain, link)) = places.get(seq) {
                links.entry((chain.clone(), part.clone())).or_default().push(*link);
            }
        }
    }
    let parts: Vec<Erased> =
        links.into_iter().map(|((chain, part), links)| Erased { chain, part, links: ranges(links) }).collect();
    if !parts.is_empty() {
        book.state(What::Erasure { parts }).await?;
    }
    Ok(gone.len() as u64)
}

/// From and to, in order.
fn ranges(mut links: Vec<i64>) -> Vec<(i64, i64)> {
    links.sort_unstable();
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    for link in links {
        match ranges.last_mut() {
            Some((_, last)) if link <= *last + 1 => *last = link,
            _ => ranges.push((link, link)),
        }
    }
    ranges
}

/// Removes some of the oldest links of `chain` that are older than `before`; how many. An event that happened later and was written
/// earlier keeps those after it.
pub(super) async fn shorten(
    connection: &mut Connection,
    source: Source,
    at: Timestamp,
    (chain, before): (String, Timestamp),
) -> Done<u64> {
    if !begins_before(connection, &chain, before).await? {
        return Ok(0);
    }
    let mut book = Book::open(connection, &source, at).await?;
    let head = query("SELECT first_link FROM audit_heads WHERE chain = $1").bind(&chain).for_update();
    let first: i64 = head.fetch_one(&mut *book.connection).await?;
    let rows = query("SELECT link, at, hash FROM audit WHERE chain = $1 AND link >= $2 ORDER BY link LIMIT $3");
    let rows: Vec<(i64, i64, Vec<u8>)> = rows.bind(&chain).bind(first).bind(AT_ONCE).fetch_all(&mut *book.connection).await?;
    let Some((last, _, hash)) = rows.into_iter().take_while(|(_, at, _)| *at < before.millis()).last() else { return Ok(0) };
    let retention = What::Retention { chain: chain.clone(), first_link: last + 1, before: digest(&hash)?.to_hex() };
    book.state(retention).await?;
    let all = |text| query(text).bind(&chain).bind(last);
    all("DELETE FROM audit_facts WHERE seq IN (SELECT seq FROM audit WHERE chain = $1 AND link <= $2)")
        .execute(&mut *connection)
        .await?;
    allow(connection, before).await?;
    let removed = all("DELETE FROM audit WHERE chain = $1 AND link <= $2").execute(&mut *connection).await?;
    query("DELETE FROM audit_retention").execute(&mut *connection).await?;
    let begun = query("UPDATE audit_heads SET first_link = $2, before = $3 WHERE chain = $1");
    begun.bind(&chain).bind(last + 1).bind(hash).execute(connection).await?;
    Ok(removed)
}

/// Whether there is anything to remove.
async fn begins_before(connection: &mut Connection, chain: &str, before: Timestamp) -> Result<bool, sqlx::Error> {
    let first = query("SELECT at FROM audit WHERE chain = $1 ORDER BY link LIMIT 1").bind(chain);
    let first: Option<i64> = first.fetch_optional(connection).await?;
    Ok(first.is_some_and(|first| first < before.millis()))
}

/// Removes some of the oldest events of those that are older than the chains.
pub(super) async fn purge_unlinked(connection: &mut Connection, before: Timestamp) -> Done<u64> {
    const SOME: &str = "(SELECT seq FROM audit WHERE at < $1 AND chain IS NULL ORDER BY at, seq LIMIT $2)";
    let some = |text: &str| query(AssertSqlSafe(format!("{text} {SOME}"))).bind(before.millis()).bind(AT_ONCE);
    some("DELETE FROM audit_facts WHERE seq IN").execute(&mut *connection).await?;
    allow(connection, before).await?;
    let gone = some("DELETE FROM audit WHERE seq IN").execute(&mut *connection).await?;
    query("DELETE FROM audit_retention").execute(connection).await?;
    Ok(gone)
}

/// The trigger lets go only of what is older than this row, which exists within the transaction alone.
async fn allow(connection: &mut Connection, before: Timestamp) -> Result<(), sqlx::Error> {
    query("INSERT INTO audit_retention (before) VALUES ($1)").bind(before.millis()).execute(connection).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_stated_from_and_to() {
        assert_eq!(ranges(vec![7, 1, 2, 3, 3, 9, 8]), [(1, 3), (7, 9)]);
        assert_eq!(ranges(Vec::new()), []);
    }
}
