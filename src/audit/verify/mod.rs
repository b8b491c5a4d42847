//! Proving the trail: every link, every part of what is known of people, and every statement.
//!
//! Refuses to trust what the database says of itself: where a chain begins and how far it went comes from signed statements, and from a
//! checkpoint that was kept elsewhere. Memory does not grow with the events, only with chains and what was erased.

mod broken;
mod ledger;
mod outside;
mod walk;

use std::collections::BTreeSet;

use serde::Serialize;

pub use broken::{Broken, Fault};
pub use outside::{NoCheckpoint, read as read_checkpoints};

use super::statement::Signed;
use super::{AuditError, Head};
use crate::crypto::signer::PublicKey;
use crate::db::{Database, FromRow, query};
use ledger::Ledger;
use walk::Walk;

/// What was checked, and the first place that is not as it was written.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    pub events: u64,
    pub chains: u64,
    pub statements: u64,
    /// Events from before there were chains: not covered.
    pub older: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken: Option<Broken>,
}

/// Numbers looked at in one query for what stands in no chain.
const WINDOW: i64 = 20_000;

/// Checks everything. `keys` are trusted, and those that they vouch for; `outside` are checkpoints that were kept elsewhere.
///
/// # Errors
/// [`AuditError`] when the trail cannot be read.
pub async fn verify(database: &Database, keys: &[PublicKey], outside: &[Signed]) -> Result<Report, AuditError> {
    let mut report = Report::default();
    let broken = examine(database, keys, outside, &mut report).await;
    report.broken = match broken {
        Ok(()) => None,
        Err(Stopped::Broken(broken)) => Some(*broken),
        Err(Stopped::Unreadable(error)) => return Err(error),
    };
    Ok(report)
}

/// Why it goes no further.
#[derive(Debug)]
enum Stopped {
    Broken(Box<Broken>),
    Unreadable(AuditError),
}

impl From<crate::db::Unavailable> for Stopped {
    fn from(error: crate::db::Unavailable) -> Self {
        Self::Unreadable(error.into())
    }
}

impl From<Broken> for Stopped {
    fn from(broken: Broken) -> Self {
        Self::Broken(Box::new(broken))
    }
}

async fn examine(database: &Database, keys: &[PublicKey], outside: &[Signed], report: &mut Report) -> Result<(), Stopped> {
    let mut ledger = Ledger::open(database, keys).await?;
    let read = ledger.read_on().await;
    report.statements = ledger.count();
    read?;
    let outside = outside::trusted(outside, &ledger)?;
    for chain in chains(database, &ledger).await? {
        report.chains += 1;
        let mut walk = Walk::new(database, &mut ledger, &chain, &outside);
        let walked = walk.follow().await;
        report.events += walk.count();
        walked?;
    }
    outside::compare(database, &outside, &ledger).await?;
    report.statements = ledger.count();
    report.older = loose(database, &ledger).await?;
    Ok(())
}

/// Every chain that anything tells of, in the order of their names.
async fn chains(database: &Database, ledger: &Ledger<'_>) -> Result<BTreeSet<String>, Stopped> {
    let heads = query("SELECT chain, first_link, link, at FROM audit_heads ORDER BY chain");
    let heads: Vec<Head> = fetch(database, heads).await?;
    let mut chains: BTreeSet<String> = heads.into_iter().filter(|head| head.link > 0).map(|head| head.chain).collect();
    chains.extend(ledger.chains());
    // From name to name, because the names of all events are many.
    let mut last = String::new();
    loop {
        let next: Vec<Option<String>> =
            fetch(database, query("SELECT min(chain) FROM audit WHERE chain > $1").bind(&last)).await?;
        let Some(next) = next.into_iter().next().flatten() else { return Ok(chains) };
        chains.insert(next.clone());
        last = next;
    }
}

/// What stands in no chain: events that are older than the chains, whose number is the answer, and what is known of nobody.
async fn loose(database: &Database, ledger: &Ledger<'_>) -> Result<u64, Stopped> {
    let newest = query(
        "SELECT CASE WHEN a > f THEN a ELSE f END FROM (SELECT (SELECT coalesce(max(seq), 0) FROM audit) AS a, \
                        (SELECT coalesce(max(seq), 0) FROM audit_facts) AS f) AS newest",
    );
    let newest: Vec<i64> = fetch(database, newest).await?;
    let first = query("SELECT coalesce(min(seq), 0) FROM audit WHERE chain IS NULL AND seq > $1").bind(ledger.older());
    if let Some(seq) = fetch::<i64>(database, first).await?.into_iter().find(|seq| *seq > 0) {
        return Err(
            Broken::of_event(Fault::Inserted, seq, "the event is in no chain: a stranger or an older version wrote it").into()
        );
    }
    let mut older = 0;
    for after in (0..newest.first().copied().unwrap_or_default()).step_by(usize::try_from(WINDOW).unwrap_or(1)) {
        let window = |text: &'static str| query(text).bind(after).bind(after + WINDOW);
        let some = window("SELECT count(*) FROM audit WHERE seq > $1 AND seq <= $2 AND chain IS NULL");
        older += fetch::<i64>(database, some).await?.first().map_or(0, |some| some.unsigned_abs());
        let stray = window(
            "SELECT seq FROM audit_facts WHERE seq > $1 AND seq <= $2 AND (part NOT IN ('actor', 'target') \
             OR NOT EXISTS (SELECT 1 FROM audit WHERE audit.seq = audit_facts.seq)) ORDER BY seq LIMIT 1",
        );
        if let Some(seq) = fetch::<i64>(database, stray).await?.first() {
            return Err(Broken::of_event(Fault::PartInserted, *seq, "a part that belongs to no event").into());
        }
    }
    Ok(older)
}

async fn fetch<T: FromRow>(database: &Database, query: crate::db::Query) -> Result<Vec<T>, Stopped> {
    Ok(database.read(query.fetch_all(database.readers())).await?)
}
