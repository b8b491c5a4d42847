//! How events are found among millions: through an index, a stretch of the trail at a time.
//!
//! Refuses to hold the database for as long as the trail is: what no index answers is looked for among so many events, and the next
//! call goes on from there. A parameter that may be absent (`$1 IS NULL OR …`) would defeat every index; the text has only what is asked.

use sqlx::AssertSqlSafe;

use super::listing::{AuditFilter, Listing, Place, WHOLE};
use super::{AuditError, Entry, Kind, Outcome, Severity};
use crate::clock::Timestamp;
use crate::db::{Bind, Database, FromRow, Query, Row, Value, query};
use crate::model::UserId;

/// Events of the first stretch, of the longest, and of all stretches of one call.
const FIRST: i64 = 1000;
const LONGEST: i64 = 32_000;
const MOST: i64 = 150_000;
/// Kinds that are each looked up on their own.
const MOST_KINDS: usize = 8;
/// Events from one address that are put in order after they were found. Of a more frequent one a stretch of the trail has enough.
const RARE: i64 = 2000;

/// What an event has to be.
enum Condition {
    /// The column holds the text.
    Is(&'static str, String),
    /// One of the names is that of the actor, the target, or either.
    Who {
        parts: &'static [&'static str],
        names: Vec<String>,
    },
    Kinds(Vec<&'static str>),
    /// At least.
    Severity(Severity),
    Source(String),
    Since(Timestamp),
    Until(Timestamp),
}

/// What an index answers, in the order of time.
enum Arm<'f> {
    Column(&'static str, &'f str),
    /// What the actor or target was called.
    Name(&'static str, &'f str),
    /// From where the actor came.
    Source(&'f str),
    /// Whoever became an administrator.
    Risen,
}

/// A piece of the trail, in the order of the search.
#[derive(Clone, Copy)]
struct Stretch {
    after: Option<Place>,
    /// The last place of it.
    end: Option<Place>,
}

/// A statement in the making.
#[derive(Default)]
struct Text(Vec<Value>);

impl Text {
    /// The name of a value that is bound.
    fn bind(&mut self, value: impl Bind) -> String {
        self.0.push(value.into_value());
        format!("${}", self.0.len())
    }

    fn one_of(&mut self, kinds: &[&'static str]) -> String {
        let kinds: Vec<String> = kinds.iter().map(|kind| self.bind(*kind)).collect();
        // No event is of no kind.
        if kinds.is_empty() { "audit.kind = ''".to_owned() } else { format!("audit.kind IN ({})", kinds.join(", ")) }
    }

    fn finish(self, text: String) -> Query {
        self.0.into_iter().fold(query(AssertSqlSafe(text)), Query::bind)
    }
}

impl FromRow for Place {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self { at: Timestamp::from_millis(row.try_get("at")?), seq: row.try_get("seq")? })
    }
}

/// Events that fit, as many as there may be or as could be looked through.
pub(super) async fn search(database: &Database, filter: &AuditFilter) -> Result<Listing, AuditError> {
    let conditions = conditions(filter);
    let search = Search { database, filter, conditions: &conditions };
    let arms = if filter.order.is_of_time() { search.arms().await? } else { Vec::new() };
    match (conditions.as_slice(), arms.as_slice()) {
        ([], _) => search.at_once(&[]).await,
        ([_], [only]) => search.at_once(only).await,
        _ => search.by_stretches(&arms).await,
    }
}

struct Search<'s> {
    database: &'s Database,
    filter: &'s AuditFilter,
    conditions: &'s [Condition],
}

impl<'s> Search<'s> {
    /// What each condition that an index answers is answered by.
    async fn arms(&self) -> Result<Vec<Vec<Arm<'s>>>, AuditError> {
        let mut all = Vec::new();
        for condition in self.conditions {
            match condition {
                Condition::Source(address) if !self.is_rare(address).await? => {}
                condition => all.extend(condition.arms()),
            }
        }
        Ok(all)
    }

    /// Whether so few events are from `address` that they can be put in order. Its index knows no time.
    async fn is_rare(&self, address: &str) -> Result<bool, AuditError> {
        let mut text = Text::default();
        let (fits, most) = (self.came_from(&mut text, address).join(" AND "), text.bind(RARE + 1));
        let count =
            text.finish(format!("SELECT count(*) FROM (SELECT n.seq FROM audit_facts AS n WHERE {fits} LIMIT {most}) AS few"));
        let count: i64 = self.database.read(count.fetch_one(self.database.readers())).await?;
        Ok(count <= RARE)
    }

    /// What the index `audit_facts_by_source` answers, word for word as it stands there.
    fn came_from(&self, text: &mut Text, address: &str) -> Vec<String> {
        let address = text.bind(address);
        let (told, is) = if self.database.is_embedded() {
            ("substr(n.facts, 1, 11) = '{\"source\":\"'", "substr(n.facts, 12, instr(substr(n.facts, 12), '\"') - 1)")
        } else {
            ("split_part(n.facts, '\"', 2) = 'source'", "split_part(n.facts, '\"', 4)")
        };
        vec!["n.part = 'actor'".to_owned(), told.to_owned(), format!("{is} = {address}")]
    }

    /// Whether an event makes an administrator, word for word as the index `audit_by_administrator` has it.
    fn risen(&self) -> &'static str {
        if self.database.is_embedded() {
            "instr(audit.details, '\"administrator\":') > 0"
        } else {
            "audit.details ? 'administrator'"
        }
    }

    /// Where an index gives exactly what is asked.
    async fn at_once(&self, arms: &[Arm<'_>]) -> Result<Listing, AuditError> {
        let stretch = Stretch { after: self.filter.from, end: None };
        let entries = self.entries(arms, stretch, i64::from(self.filter.limit), self.filter.limit).await?;
        let full = entries.len() >= self.filter.limit as usize;
        Ok(Listing { next: entries.last().filter(|_| full).map(Entry::place), entries })
    }

    /// Where it does not: the events of a stretch are looked at one by one.
    async fn by_stretches(&self, drivers: &[Vec<Arm<'_>>]) -> Result<Listing, AuditError> {
        let limit = self.filter.limit as usize;
        let (mut entries, mut after, mut size, mut looked) = (Vec::new(), self.filter.from, FIRST, 0);
        loop {
            let (driver, end) = self.furthest(drivers, after, size).await?;
            let left = u32::try_from(limit - entries.len()).unwrap_or(u32::MAX);
            entries.extend(self.entries(driver, Stretch { after, end }, i64::MAX, left).await?);
            looked += size;
            if entries.len() >= limit {
                return Ok(Listing { next: entries.last().map(Entry::place), entries });
            }
            if end.is_none() || looked >= MOST {
                return Ok(Listing { entries, next: end });
            }
            (after, size) = (end, (size * 4).min(LONGEST));
        }
    }

    /// Of all that narrows the search, what reaches furthest with so many events, and how far; `None` is the end of the trail.
    async fn furthest<'d, 'f>(
        &self,
        drivers: &'d [Vec<Arm<'f>>],
        after: Option<Place>,
        size: i64,
    ) -> Result<(&'d [Arm<'f>], Option<Place>), AuditError> {
        let (mut best, mut reach): (&[Arm<'_>], _) = (&[], None);
        if drivers.is_empty() {
            return Ok((best, self.end(best, after, size).await?));
        }
        for (place, driver) in drivers.iter().enumerate() {
            let end = self.end(driver, after, size).await?;
            let further = match (&end, &reach) {
                (None, _) => true,
                (Some(end), Some(reach)) => self.filter.order.is_before(*reach, *end),
                (Some(_), None) => false,
            };
            if place == 0 || further {
                (best, reach) = (driver.as_slice(), end);
            }
            if reach.is_none() {
                break;
            }
        }
        Ok((best, reach))
    }

    /// The place of the last of so many events; `None` where there are not as many.
    async fn end(&self, arms: &[Arm<'_>], after: Option<Place>, size: i64) -> Result<Option<Place>, AuditError> {
        let mut text = Text::default();
        let places = self.places(&mut text, arms, Stretch { after, end: None }, size);
        let (order, skipped) = (self.order(""), text.bind(size - 1));
        let last = text.finish(format!("SELECT seq, at FROM ({places}) AS page ORDER BY {order} LIMIT 1 OFFSET {skipped}"));
        Ok(self.database.read(last.fetch_optional(self.database.readers())).await?)
    }

    /// The events of a stretch that fit, `limit` at most, among the first `most` that the index gives.
    async fn entries(&self, arms: &[Arm<'_>], stretch: Stretch, most: i64, limit: u32) -> Result<Vec<Entry>, AuditError> {
        let (text, found) = self.statement(arms, stretch, most, limit);
        Ok(self.database.read(text.finish(found).fetch_all(self.database.readers())).await?)
    }

    fn statement(&self, arms: &[Arm<'_>], stretch: Stretch, most: i64, limit: u32) -> (Text, String) {
        let mut text = Text::default();
        let places = self.places(&mut text, arms, stretch, most);
        let mut fits = vec!["audit.seq = page.seq".to_owned()];
        fits.extend(self.conditions.iter().map(|condition| condition.sql(&mut text, self.risen())));
        let (fits, order, limit) = (fits.join(" AND "), self.order("audit."), text.bind(limit));
        // The order of a `CROSS JOIN` is kept by SQLite: the few places first, then the events at them.
        (text, format!("{WHOLE} ({places}) AS page CROSS JOIN audit WHERE {fits} ORDER BY {order} LIMIT {limit}"))
    }

    /// The first `most` places of a stretch that fit any of `arms`. Its `LIMIT` keeps other conditions out, and with them other indexes.
    fn places(&self, text: &mut Text, arms: &[Arm<'_>], stretch: Stretch, most: i64) -> String {
        let range = self.range(text, stretch);
        let (order, most) = (self.order("audit."), text.bind(most));
        let within = |also: Vec<String>, from: &str| {
            let all: Vec<String> = also.into_iter().chain(range.iter().cloned()).collect();
            let all = if all.is_empty() { String::new() } else { format!("WHERE {} ", all.join(" AND ")) };
            format!("SELECT audit.seq, audit.at FROM {from} {all}ORDER BY {order} LIMIT {most}")
        };
        let mut found = arms.iter().map(|arm| match arm {
            Arm::Column(column, value) => within(vec![format!("audit.{column} = {}", text.bind(*value))], "audit"),
            Arm::Name(part, name) => within(
                vec![format!("n.part = '{part}'"), format!("n.name = {}", text.bind(*name)), "audit.seq = n.seq".to_owned()],
                "audit_facts AS n CROSS JOIN audit",
            ),
            Arm::Source(address) => {
                let mut fits = self.came_from(text, address);
                fits.push("audit.seq = n.seq".to_owned());
                within(fits, "audit_facts AS n CROSS JOIN audit")
            }
            Arm::Risen => within(vec![self.risen().to_owned()], "audit"),
        });
        match (found.next(), found.next()) {
            (None, _) => within(Vec::new(), "audit"),
            (Some(only), None) => only,
            (Some(first), Some(second)) => {
                let all = [first, second].into_iter().chain(found).enumerate();
                // Each once, though an arm may overlap another: somebody who does something to themselves.
                let all: Vec<String> = all.map(|(place, arm)| format!("SELECT seq, at FROM ({arm}) AS arm{place}")).collect();
                format!("SELECT seq, at FROM ({}) AS arms ORDER BY {} LIMIT {most}", all.join(" UNION "), self.order(""))
            }
        }
    }

    fn range(&self, text: &mut Text, stretch: Stretch) -> Vec<String> {
        let order = self.filter.order;
        let (on, back) = if order.is_descending() { ("<", ">") } else { (">", "<") };
        let mut range = Vec::new();
        if order.is_of_time() {
            if let Some(after) = stretch.after {
                let (at, seq) = (text.bind(after.at.millis()), text.bind(after.seq));
                range.push(format!("audit.at {on}= {at} AND (audit.at {on} {at} OR audit.seq {on} {seq})"));
            }
            if let Some(end) = stretch.end {
                let (at, seq) = (text.bind(end.at.millis()), text.bind(end.seq));
                range.push(format!("audit.at {back}= {at} AND (audit.at {back} {at} OR audit.seq {back}= {seq})"));
            }
            range.extend(self.filter.since.map(|since| format!("audit.at >= {}", text.bind(since.millis()))));
            range.extend(self.filter.until.map(|until| format!("audit.at < {}", text.bind(until.millis()))));
        } else {
            range.extend(stretch.after.map(|after| format!("audit.seq {on} {}", text.bind(after.seq))));
            range.extend(stretch.end.map(|end| format!("audit.seq {back}= {}", text.bind(end.seq))));
        }
        range
    }

    fn order(&self, table: &str) -> String {
        let direction = if self.filter.order.is_descending() { "DESC" } else { "ASC" };
        if self.filter.order.is_of_time() {
            format!("{table}at {direction}, {table}seq {direction}")
        } else {
            format!("{table}seq {direction}")
        }
    }
}

fn conditions(filter: &AuditFilter) -> Vec<Condition> {
    let is = |column, value: &Option<String>| value.clone().map(|value| Condition::Is(column, value));
    let who = |parts, name: &Option<String>| name.clone().map(|name| Condition::Who { parts, names: vec![name] });
    let mut all = Vec::new();
    all.extend((!filter.users.is_empty()).then(|| Condition::Who { parts: &["actor", "target"], names: filter.users.clone() }));
    all.extend(who(&["actor"], &filter.actor));
    all.extend(who(&["target"], &filter.target));
    all.extend((!filter.kinds.is_empty()).then(|| Condition::Kinds(filter.kinds.iter().map(|kind| kind.as_str()).collect())));
    all.extend(is("tenant", &filter.tenant));
    all.extend(is("reason", &filter.reason));
    all.extend(is("session", &filter.session));
    all.extend(is("request_id", &filter.request_id));
    all.extend(is("chain", &filter.chain));
    all.extend(filter.outcome.map(|outcome| Condition::Is("outcome", outcome.as_str().to_owned())));
    all.extend(filter.severity.filter(|least| *least > Severity::Info).map(Condition::Severity));
    all.extend(filter.source.map(|source| Condition::Source(source.to_string())));
    if !filter.order.is_of_time() {
        all.extend(filter.since.map(Condition::Since));
        all.extend(filter.until.map(Condition::Until));
    }
    all
}

impl Condition {
    /// The indexes that together give exactly what fits, if there are such.
    fn arms(&self) -> Option<Vec<Arm<'_>>> {
        match self {
            Self::Is(column @ ("tenant" | "request_id"), value) => Some(vec![Arm::Column(column, value)]),
            // The column is a former version's.
            Self::Source(address) => Some(vec![Arm::Source(address), Arm::Column("source", address)]),
            Self::Severity(Severity::Alarm) => {
                let kinds = kinds_of(Severity::Alarm, Outcome::Success);
                // An arm has all of what fits and nothing else, so that a kind has to be an alarm however it ends.
                let always = kinds == kinds_of(Severity::Alarm, Outcome::Failure);
                always.then(|| kinds.into_iter().map(|kind| Arm::Column("kind", kind)).chain([Arm::Risen]).collect())
            }
            Self::Kinds(kinds) if kinds.len() <= MOST_KINDS => Some(kinds.iter().map(|kind| Arm::Column("kind", kind)).collect()),
            Self::Who { parts, names } => {
                let of = |part: &'static str, name| {
                    // What is an id stands in the trail itself, and never among what people are called.
                    let called = name_of(name).map(|name| Arm::Name(part, name));
                    [Some(Arm::Column(part, name)), called].into_iter().flatten()
                };
                Some(names.iter().flat_map(|name| parts.iter().flat_map(move |part| of(part, name.as_str()))).collect())
            }
            _ => None,
        }
    }

    /// `risen`: what an administrator is known by.
    fn sql(&self, text: &mut Text, risen: &str) -> String {
        match self {
            Self::Is(column, value) => format!("audit.{column} = {}", text.bind(value)),
            Self::Kinds(kinds) => text.one_of(kinds),
            Self::Severity(least) => {
                let mut of = |outcome| {
                    let kinds = text.one_of(&kinds_of(*least, outcome));
                    format!("audit.outcome = '{}' AND {kinds}", outcome.as_str())
                };
                let (succeeded, failed) = (of(Outcome::Success), of(Outcome::Failure));
                // A new administrator is an alarm, whatever kind of event says so.
                format!("({succeeded} OR {failed} OR {risen})")
            }
            Self::Who { parts, names } => {
                let mut any = Vec::new();
                for name in names {
                    let name = text.bind(name);
                    any.extend(parts.iter().map(|part| format!("audit.{part} = {name} OR {} = {name}", known("name", part))));
                }
                format!("({})", any.join(" OR "))
            }
            Self::Source(address) => {
                let facts = known("facts", "actor");
                // As this version writes it, and as the migration of a former one's events did.
                let either = [format!("\"source\":\"{address}\""), format!("\"source\": \"{address}\"")];
                let either = either.map(|member| format!("replace({facts}, {}, '') <> {facts}", text.bind(member)));
                format!("({} OR audit.source = {})", either.join(" OR "), text.bind(address))
            }
            Self::Since(since) => format!("audit.at >= {}", text.bind(since.millis())),
            Self::Until(until) => format!("audit.at < {}", text.bind(until.millis())),
        }
    }
}

/// The kinds that matter so much when they end so.
fn kinds_of(least: Severity, outcome: Outcome) -> Vec<&'static str> {
    Kind::ALL.iter().filter(|kind| Severity::of(**kind, outcome) >= least).map(|kind| kind.as_str()).collect()
}

/// What is known of the actor or the target of an event.
fn known(column: &str, part: &str) -> String {
    format!("(SELECT {column} FROM audit_facts AS f WHERE f.seq = audit.seq AND f.part = '{part}')")
}

fn name_of(name: &str) -> Option<&str> {
    name.parse::<UserId>().is_err().then_some(name)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::SystemClock;

    /// How SQLite goes about it.
    async fn plan(filter: &AuditFilter) -> String {
        let database = Database::in_memory(Arc::new(SystemClock)).await.unwrap();
        let conditions = conditions(filter);
        let search = Search { database: &database, filter, conditions: &conditions };
        let arms = search.arms().await.unwrap();
        let [only] = &arms[..] else { panic!("one index answers it") };
        let (text, found) = search.statement(only, Stretch { after: None, end: None }, 50, 50);
        let steps = text.finish(format!("EXPLAIN QUERY PLAN {found}"));
        let steps: Vec<(i64, i64, i64, String)> = steps.fetch_all(database.readers()).await.unwrap();
        steps.into_iter().map(|(_, _, _, step)| step + "\n").collect()
    }

    #[tokio::test]
    async fn a_request_an_address_and_alarms_are_found_by_their_indexes_and_no_table_is_gone_through() {
        let request = AuditFilter { request_id: Some("r".to_owned()), ..AuditFilter::default() };
        let address = AuditFilter { source: Some([192, 0, 2, 1].into()), ..AuditFilter::default() };
        let alarms = AuditFilter { severity: Some(Severity::Alarm), since: Some(Timestamp::default()), ..AuditFilter::default() };
        for (filter, indexes) in [
            (request, &["audit_by_request"][..]),
            (address, &["audit_facts_by_source", "audit_by_source"]),
            (alarms, &["audit_by_kind", "audit_by_administrator"]),
        ] {
            let plan = plan(&filter).await;
            assert!(indexes.iter().all(|index| plan.contains(&format!("{index} "))), "{plan}");
            let whole = |step: &&str| step.contains("SCAN audit") && !step.contains("USING") || step.contains("SCAN n");
            assert_eq!(plan.lines().find(whole), None, "{plan}");
        }
    }
}
