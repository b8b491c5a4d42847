//! One chain from its first link to its last.
//!
//! Refuses to go on after the first place that is not as it was written: what follows hangs on it.

use super::super::append::Mark;
use super::super::chain::{Columns, FORM};
use super::super::statement::Stand;
use super::super::{Kind, facts};
use super::ledger::Ledger;
use super::outside::{Outside, hash_at};
use super::{Broken, Fault, Stopped, fetch};
use crate::crypto::Digest;
use crate::db::{Database, FromRow, Query, Row, query};

/// Events of one query.
const PAGE: u32 = 1000;

pub(super) struct Walk<'w, 'v> {
    database: &'v Database,
    ledger: &'w mut Ledger<'v>,
    chain: &'w str,
    outside: &'w [Outside],
    first: i64,
    /// The last link that is as it was written.
    link: i64,
    hash: Digest,
    seq: i64,
    count: u64,
}

/// A row, as far as it can be read.
struct Line {
    seq: i64,
    at: i64,
    link: i64,
    form: Option<i64>,
    hash: Option<Vec<u8>>,
    /// `None` when a column holds what no event has.
    columns: Option<Columns>,
    actor: Option<PartLine>,
    target: Option<PartLine>,
}

struct PartLine {
    salt: Vec<u8>,
    person: Option<String>,
    name: Option<String>,
    facts: String,
}

impl PartLine {
    fn from_row(row: &Row, columns: [&str; 4]) -> Result<Option<Self>, sqlx::Error> {
        let [salt, person, name, facts] = columns;
        let Some(salt) = row.try_get(salt)? else { return Ok(None) };
        Ok(Some(Self { salt, person: row.try_get(person)?, name: row.try_get(name)?, facts: row.try_get(facts)? }))
    }

    fn digest(&self) -> Digest {
        facts::digest(&self.salt, self.person.as_deref(), self.name.as_deref(), &self.facts)
    }
}

impl FromRow for Line {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            seq: row.try_get("seq")?,
            at: row.try_get("at")?,
            link: row.try_get("link")?,
            form: row.try_get("form")?,
            hash: row.try_get("hash")?,
            columns: Columns::from_row(row).ok(),
            actor: PartLine::from_row(row, ["a_salt", "a_person", "a_name", "a_facts"])?,
            target: PartLine::from_row(row, ["t_salt", "t_person", "t_name", "t_facts"])?,
        })
    }
}

impl<'w, 'v> Walk<'w, 'v> {
    pub(super) fn new(database: &'v Database, ledger: &'w mut Ledger<'v>, chain: &'w str, outside: &'w [Outside]) -> Self {
        let (first, before) = ledger.beginning(chain);
        Self { database, ledger, chain, outside, first, link: first - 1, hash: before, seq: i64::MIN, count: 0 }
    }

    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    pub(super) async fn follow(&mut self) -> Result<(), Stopped> {
        let unlinked = query("SELECT seq FROM audit WHERE chain = $1 AND link IS NULL ORDER BY seq LIMIT 1").bind(self.chain);
        if let Some(seq) = fetch::<i64>(self.database, unlinked).await?.first() {
            let mut broken = Broken::of_event(Fault::Inserted, *seq, "the event has no place in its chain");
            broken.chain = Some(self.chain.to_owned());
            return Err(broken.into());
        }
        let mut after = (i64::MIN, i64::MIN);
        loop {
            let mut page = self.page(after).await?;
            if page.is_empty() {
                match self.head().await? {
                    Some(head) if head.link > self.link => page = self.page(after).await?,
                    head => return self.ended(head),
                }
            }
            if page.is_empty() {
                return Err(self.cut_off("the chain went on").into());
            }
            for (place, line) in page.iter().enumerate() {
                self.check(line, page.get(place + 1)).await?;
                after = (line.link, line.seq);
            }
        }
    }

    /// Events from `after` on: their links, and where several have the same, their numbers.
    async fn page(&self, (link, seq): (i64, i64)) -> Result<Vec<Line>, Stopped> {
        let page = query(
            "SELECT audit.*, a.salt AS a_salt, a.person AS a_person, a.name AS a_name, a.facts AS a_facts, \
             t.salt AS t_salt, t.person AS t_person, t.name AS t_name, t.facts AS t_facts FROM audit \
             LEFT JOIN audit_facts a ON a.seq = audit.seq AND a.part = 'actor' \
             LEFT JOIN audit_facts t ON t.seq = audit.seq AND t.part = 'target' \
             WHERE chain = $1 AND link >= $2 AND (link > $2 OR audit.seq > $3) ORDER BY link, audit.seq LIMIT $4",
        );
        fetch(self.database, page.bind(self.chain).bind(link).bind(seq).bind(PAGE)).await
    }

    async fn head(&self) -> Result<Option<Mark>, Stopped> {
        let head: Query = query("SELECT link, hash FROM audit_heads WHERE chain = $1").bind(self.chain);
        let head: Option<(i64, Vec<u8>)> = fetch(self.database, head).await?.into_iter().next();
        // What is no hash is not the one of the last link either.
        let mark = |(link, hash): (i64, Vec<u8>)| Mark {
            link,
            hash: hash.try_into().map_or_else(|_| Digest::of(b"no hash"), Digest::from_bytes),
        };
        Ok(head.map(mark))
    }

    /// Whether the chain may end here.
    fn ended(&self, head: Option<Mark>) -> Result<(), Stopped> {
        let said = self.ledger.stand(self.chain).map(|(stand, number)| (stand.link, format!("statement {number}")));
        let elsewhere = self.outside.iter().flat_map(|outside| &outside.heads).filter(|head| head.chain == self.chain);
        let elsewhere = elsewhere.map(|head| (head.link, "the checkpoint from elsewhere".to_owned()));
        if let Some((link, who)) = said.into_iter().chain(elsewhere).find(|(link, _)| *link > self.link) {
            return Err(self.cut_off(&format!("{who} says that it went on to link {link}")).into());
        }
        let why = match head {
            None => "the chain has no head",
            Some(head) if head.link != self.link => "the head of the chain is before its end",
            Some(head) if head.hash != self.hash => "the head of the chain has another hash than its last link",
            Some(_) => return Ok(()),
        };
        Err(Broken::of_link(Fault::Changed, self.chain, self.link, why).into())
    }

    fn cut_off(&self, why: &str) -> Broken {
        // A chain without any event is missing as a whole.
        let (fault, what) = if self.count == 0 { (Fault::Missing, "missing") } else { (Fault::CutOff, "cut off here") };
        Broken::of_link(fault, self.chain, self.link + 1, format!("{what}: {why}"))
    }

    async fn check(&mut self, line: &Line, next: Option<&Line>) -> Result<(), Stopped> {
        let broken = |fault, why: &str| Broken::of_link(fault, self.chain, line.link, why).at(line.seq, line.at);
        if line.link <= self.link {
            return Err(broken(Fault::Inserted, "a link that was removed, or is there twice").into());
        }
        if line.link > self.link + 1 {
            self.jump(line).await?;
        }
        let found = line.hash.clone().and_then(|hash| hash.try_into().ok()).map(Digest::from_bytes);
        let hash = line.columns.as_ref().map(|columns| columns.hash(self.chain, line.link, &self.hash));
        let hash = match (hash, found) {
            (Some(hash), Some(found)) if hash == found && line.form == Some(FORM) => hash,
            _ => return Err(self.mismatch(line, next).await?.into()),
        };
        self.parts(line).await?;
        self.statement_of(line).await?;
        if let Some((stand, _)) = self.ledger.stand(self.chain)
            && stand.link == line.link
            && stand.hash != hash.to_hex()
        {
            return Err(self.rewritten().await?.into());
        }
        (self.link, self.hash, self.seq) = (line.link, hash, line.seq);
        self.count += 1;
        Ok(())
    }

    /// A gap, unless retention has made it meanwhile.
    async fn jump(&mut self, line: &Line) -> Result<(), Stopped> {
        self.ledger.read_on().await?;
        let (first, before) = self.ledger.beginning(self.chain);
        if first > self.first {
            (self.first, self.link, self.hash) = (first, first - 1, before);
        }
        if line.link == self.link + 1 {
            return Ok(());
        }
        let last = line.link - 1;
        let why =
            if last == self.link + 1 { "the link is missing".to_owned() } else { format!("the links up to {last} are missing") };
        Err(Broken::of_link(Fault::Missing, self.chain, self.link + 1, why).into())
    }

    /// What was done to a line whose hash is another.
    async fn mismatch(&self, line: &Line, next: Option<&Line>) -> Result<Broken, Stopped> {
        let head = self.head().await?;
        let (fault, why) = if head.is_some_and(|head| line.link > head.link) {
            (Fault::Inserted, "inserted after the last link")
        } else if next.is_some_and(|next| next.link == line.link) {
            (Fault::Inserted, "there are two of this link")
        } else if line.seq <= self.seq || next.is_some_and(|next| next.seq <= line.seq) {
            (Fault::OutOfOrder, "out of order")
        } else {
            (Fault::Changed, "changed, or the one before it was with its hash")
        };
        Ok(Broken::of_link(fault, self.chain, line.link, why).at(line.seq, line.at))
    }

    async fn parts(&mut self, line: &Line) -> Result<(), Stopped> {
        let Some(columns) = &line.columns else { return Ok(()) };
        for (name, digest, part) in
            [("actor", &columns.actor_digest, &line.actor), ("target", &columns.target_digest, &line.target)]
        {
            let known = part.as_ref().map(|part| part.digest().as_bytes().to_vec());
            let (fault, why) = match (digest, &known) {
                (None, Some(_)) => (Fault::PartInserted, "was not recorded"),
                (Some(_), None) if self.may_be_gone(name, line.link).await? => continue,
                (Some(_), None) => (Fault::PartMissing, "is missing, and no erasure says so"),
                _ if digest != &known => (Fault::PartChanged, "was changed"),
                (Some(_), Some(_)) if self.ledger.is_erased(self.chain, name, line.link) => {
                    (Fault::PartInserted, "was erased, and is there")
                }
                _ => continue,
            };
            let why = format!("what is known of its {name} {why}");
            return Err(Broken::of_link(fault, self.chain, line.link, why).at(line.seq, line.at).into());
        }
        Ok(())
    }

    /// Whether an erasure has removed the part, perhaps just now.
    async fn may_be_gone(&mut self, part: &str, link: i64) -> Result<bool, Stopped> {
        if !self.ledger.is_erased(self.chain, part, link) {
            self.ledger.read_on().await?;
        }
        Ok(self.ledger.is_erased(self.chain, part, link))
    }

    /// An event that tells of a statement proves that there was one.
    async fn statement_of(&mut self, line: &Line) -> Result<(), Stopped> {
        let columns = line.columns.as_ref().filter(|columns| columns.kind == Kind::AuditCheckpoint.as_str());
        let told = columns.and_then(|columns| columns.details.get("statement")?.get("body")?.as_str());
        let Some(told) = told.and_then(|body| serde_json::from_str::<serde_json::Value>(body).ok()) else { return Ok(()) };
        let number = told.get("number").and_then(serde_json::Value::as_i64).unwrap_or_default();
        if number > self.ledger.number() {
            self.ledger.read_on().await?;
        }
        if number > self.ledger.number() {
            let why = format!("link {} of chain {} tells of statement {number}", line.link, self.chain);
            return Err(Broken::of_statement(Fault::StatementMissing, self.ledger.number() + 1, why).into());
        }
        Ok(())
    }

    /// Hashes and all: between the last checkpoint that is right and the first that is wrong.
    async fn rewritten(&self) -> Result<Broken, Stopped> {
        let (mut right, mut after) = (self.first - 1, 0);
        loop {
            let (stands, last) = self.ledger.stands_after(self.chain, after).await?;
            for Stand { link, hash, .. } in stands {
                if link >= self.first && hash_at(self.database, self.chain, link).await?.as_ref() != Some(&hash) {
                    let why =
                        format!("rewritten with all hashes, somewhere up to link {link}: a checkpoint has another hash there");
                    return Ok(Broken::of_link(Fault::Changed, self.chain, right + 1, why));
                }
                right = right.max(link);
            }
            match last {
                Some(last) => after = last,
                None => return Ok(Broken::of_link(Fault::Changed, self.chain, right + 1, "a checkpoint has another hash")),
            }
        }
    }
}
