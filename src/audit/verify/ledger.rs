//! The statements, read in order: which are genuine, and what they say that the chains have to agree with.
//!
//! Refuses a gap, a statement of a key that no trusted one vouches for, and one that follows another than it says.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::super::chain::NOTHING;
use super::super::statement::{Erased, Signed, Stand, Standing, Statement, What};
use super::{Broken, Fault, Stopped, fetch};
use crate::crypto::Digest;
use crate::crypto::signer::PublicKey;
use crate::db::{Database, FromRow, Row, query};

/// Statements of one query.
const PAGE: u32 = 500;

/// What the statements say.
pub(super) struct Ledger<'v> {
    database: &'v Database,
    /// Trusted, by their names.
    keys: HashMap<String, PublicKey>,
    number: i64,
    previous: Digest,
    older: Option<i64>,
    /// Where each chain begins, and the hash before.
    beginnings: BTreeMap<String, (i64, Digest)>,
    /// The last that was said of each chain, and the number of the statement.
    stands: BTreeMap<String, (Stand, i64)>,
    erased: HashMap<(String, String), Vec<(i64, i64)>>,
}

/// A row of the table.
struct Kept {
    number: i64,
    at: i64,
    signed: Signed,
}

impl FromRow for Kept {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self { number: row.try_get("number")?, at: row.try_get("at")?, signed: Signed::from_row(row)? })
    }
}

impl<'v> Ledger<'v> {
    pub(super) async fn open(database: &'v Database, keys: &[PublicKey]) -> Result<Self, Stopped> {
        let keys = keys.iter().map(|key| (key.id(), key.clone())).collect();
        let mut ledger = Self {
            database,
            keys,
            number: 0,
            previous: NOTHING,
            older: None,
            beginnings: BTreeMap::new(),
            stands: BTreeMap::new(),
            erased: HashMap::new(),
        };
        ledger.trust_whom_they_vouch_for().await?;
        Ok(ledger)
    }

    /// From the newest to the oldest, because a key vouches for the one before it; then the other way, for whoever holds an old one.
    async fn trust_whom_they_vouch_for(&mut self) -> Result<(), Stopped> {
        let text = "SELECT * FROM audit_statements WHERE body LIKE '%\"kind\":\"key\"%' ORDER BY number DESC";
        let mut kept: Vec<Kept> = fetch(self.database, query(text)).await?;
        for _ in 0..2 {
            for Kept { signed, .. } in &kept {
                if let Some(Statement { what: What::Key { key, .. }, .. }) = self.genuine(signed)
                    && let Ok(key) = key.parse::<PublicKey>()
                {
                    self.keys.insert(key.id(), key);
                }
            }
            kept.reverse();
        }
        Ok(())
    }

    /// The statement, if a trusted key signed it.
    pub(super) fn genuine(&self, signed: &Signed) -> Option<Statement> {
        let signature = URL_SAFE_NO_PAD.decode(&signed.signature).ok()?;
        let key = self.keys.get(&signed.kid)?;
        key.verifies(signed.body.as_bytes(), &signature).then(|| serde_json::from_str(&signed.body).ok())?
    }

    /// Reads the statements that were not read yet.
    pub(super) async fn read_on(&mut self) -> Result<(), Stopped> {
        let counted = query("SELECT coalesce(max(newest), 0) FROM audit_statement_counter");
        let counted: i64 = fetch(self.database, counted).await?.first().copied().unwrap_or_default();
        loop {
            let page = query("SELECT * FROM audit_statements WHERE number > $1 ORDER BY number LIMIT $2");
            let page: Vec<Kept> = fetch(self.database, page.bind(self.number).bind(PAGE)).await?;
            if page.is_empty() {
                break;
            }
            for kept in page {
                self.take(kept)?;
            }
        }
        if counted > self.number {
            let why = format!("{counted} statements were made, and there are {}", self.number);
            return Err(Broken::of_statement(Fault::StatementMissing, self.number + 1, why).into());
        }
        Ok(())
    }

    fn take(&mut self, kept: Kept) -> Result<(), Stopped> {
        let Kept { number, at, signed } = kept;
        if number != self.number + 1 {
            return Err(Broken::of_statement(Fault::StatementMissing, self.number + 1, "the statement is missing").into());
        }
        let forged = |why: &str| Stopped::from(Broken::of_statement(Fault::StatementForged, number, why));
        if !self.keys.contains_key(&signed.kid) {
            let why = format!("it is signed with the key {}, which is not known and nobody vouches for", signed.kid);
            return Err(forged(&why));
        }
        let statement = self.genuine(&signed).ok_or_else(|| forged("the signature is not of this text"))?;
        if (statement.number, statement.at) != (number, at) {
            return Err(forged("it is another statement than its place says"));
        }
        if statement.previous != self.previous.to_hex() {
            return Err(forged("it follows another statement than the one before it"));
        }
        (self.number, self.previous) = (number, Digest::of(signed.body.as_bytes()));
        self.learn(number, statement.what).map_err(forged)
    }

    fn learn(&mut self, number: i64, what: What) -> Result<(), &'static str> {
        match what {
            What::Beginning { older } if number == 1 => self.older = Some(older),
            What::Beginning { .. } => return Err("the statements begin anew"),
            What::Checkpoint { heads } => self.stands.extend(heads.into_iter().map(|head| (head.chain.clone(), (head, number)))),
            What::Retention { chain, first_link, before } => {
                let before = Digest::from_hex(&before).ok_or("it holds no hash")?;
                self.beginnings.insert(chain, (first_link, before));
            }
            What::Erasure { parts } => parts.into_iter().for_each(|parts| self.forget(parts)),
            What::Key { standing: Standing::Next | Standing::Former, .. } | What::Unknown => {}
        }
        Ok(())
    }

    fn forget(&mut self, Erased { chain, part, links }: Erased) {
        let erased = self.erased.entry((chain, part)).or_default();
        erased.extend(links);
        erased.sort_unstable();
    }

    pub(super) fn count(&self) -> u64 {
        self.number.unsigned_abs()
    }

    pub(super) const fn number(&self) -> i64 {
        self.number
    }

    /// Up to this number events may be older than the chains.
    pub(super) fn older(&self) -> i64 {
        // Nothing was stated yet: whatever is there may be.
        self.older.unwrap_or(i64::MAX - 1)
    }

    pub(super) fn chains(&self) -> impl Iterator<Item = String> {
        self.beginnings.keys().chain(self.stands.keys()).cloned()
    }

    /// The first link that `chain` has, and the hash before it.
    pub(super) fn beginning(&self, chain: &str) -> (i64, Digest) {
        self.beginnings.get(chain).copied().unwrap_or((1, NOTHING))
    }

    /// What was last said of `chain`, and in which statement.
    pub(super) fn stand(&self, chain: &str) -> Option<&(Stand, i64)> {
        self.stands.get(chain)
    }

    pub(super) fn is_erased(&self, chain: &str, part: &str, link: i64) -> bool {
        let erased = self.erased.get(&(chain.to_owned(), part.to_owned()));
        erased.is_some_and(|ranges| {
            let after = ranges.partition_point(|(from, _)| *from <= link);
            // Erasures of several people lie beside each other and do not overlap.
            ranges[..after].last().is_some_and(|(_, to)| link <= *to)
        })
    }

    /// The text of a statement.
    pub(super) async fn body(&self, number: i64) -> Result<Option<String>, Stopped> {
        let body = query("SELECT body FROM audit_statements WHERE number = $1").bind(number);
        Ok(fetch(self.database, body).await?.into_iter().next())
    }

    /// What was said of `chain` at any time, in order, after statement `after`; some of it, and the number of the last that was looked at.
    pub(super) async fn stands_after(&self, chain: &str, after: i64) -> Result<(Vec<Stand>, Option<i64>), Stopped> {
        let page = query("SELECT * FROM audit_statements WHERE number > $1 AND number <= $2 ORDER BY number LIMIT $3");
        let page: Vec<Kept> = fetch(self.database, page.bind(after).bind(self.number).bind(PAGE)).await?;
        let last = page.last().map(|kept| kept.number);
        let statements = page.iter().filter_map(|kept| self.genuine(&kept.signed));
        let heads = statements.flat_map(|statement| match statement.what {
            What::Checkpoint { heads } => heads,
            _ => Vec::new(),
        });
        Ok((heads.filter(|head| head.chain == chain).collect(), last))
    }
}
