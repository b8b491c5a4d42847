//! What somebody who owns the database can do to the trail, and where it has to be found.

use std::fmt::Write as _;

use doorward::audit::verify::Fault;
use doorward::crypto::Secret;
use doorward::crypto::signer::Signer;

use crate::memory::conformance::source_of;

pub(super) type Place = (Fault, Option<&'static str>, Option<i64>, Option<i64>);

fn link(fault: Fault, chain: &'static str, link: i64) -> Place {
    (fault, Some(chain), Some(link), None)
}

fn statement(fault: Fault, number: i64) -> Place {
    (fault, None, None, Some(number))
}

pub(super) const COLUMNS: [&str; 18] = [
    "id = 'x'",
    "at = at + 1",
    "kind = 'x'",
    "outcome = 'x'",
    "reason = 'x'",
    "tenant = 'x'",
    "actor = 'x'",
    "target = 'x'",
    "credential = 'x'",
    "session = 'x'",
    "source = 'x'",
    "user_agent = 'x'",
    "request_id = 'x'",
    "details = '[1]'",
    "actor_digest = {00}",
    "target_digest = {00}",
    "form = 2",
    "hash = {00}",
];

const A: &str = "INSERT INTO audit (seq, at, kind, outcome, tenant, details, id, chain, link, form, hash) SELECT";
const PART: &str = "WHERE part = 'actor' AND seq = (SELECT seq FROM audit WHERE chain = 'a' AND link = 10)";

/// What is done, and where it has to be found.
pub(super) fn acts() -> Vec<(Vec<String>, Place)> {
    use Fault::{Changed, CutOff, Inserted, Missing, OutOfOrder, PartChanged, PartInserted, PartMissing};
    let one = |act: &str, place: Place| (vec![act.to_owned()], place);
    let mut acts: Vec<(Vec<String>, Place)> = COLUMNS
        .iter()
        .map(|set| one(&format!("UPDATE audit SET {set} WHERE chain = 'a' AND link = 10"), link(Changed, "a", 10)))
        .collect();
    acts.extend([
        one("UPDATE audit SET seq = seq + 100000 WHERE chain = 'a' AND link = 10", link(OutOfOrder, "a", 10)),
        one("UPDATE audit SET link = 100 WHERE chain = 'a' AND link = 10", link(Missing, "a", 10)),
        one("UPDATE audit SET link = NULL WHERE chain = 'a' AND link = 10", (Inserted, Some("a"), None, None)),
        one("UPDATE audit SET chain = 'c' WHERE chain = 'a' AND link = 10", link(Missing, "a", 10)),
        one("DELETE FROM audit WHERE chain = 'a' AND link = 5", link(Missing, "a", 5)),
        one("DELETE FROM audit WHERE chain = 'a' AND link = 10", link(Missing, "a", 10)),
        one("DELETE FROM audit WHERE chain = 'a' AND link = 39", link(CutOff, "a", 39)),
        one("DELETE FROM audit WHERE chain = 'b' AND link > 20", link(CutOff, "b", 21)),
        one("DELETE FROM audit WHERE chain = 'b'", link(Missing, "b", 5)),
        one(
            "UPDATE audit SET link = CASE link WHEN 10 THEN 11 ELSE 10 END WHERE chain = 'a' AND link IN (10, 11)",
            link(OutOfOrder, "a", 10),
        ),
        one("UPDATE audit SET chain = CASE chain WHEN 'a' THEN 'b' ELSE 'a' END", link(Changed, "a", 5)),
        one(&format!("{A} 9001, at, kind, outcome, tenant, details, 'x', chain, link, form, hash FROM audit WHERE chain = 'a' AND link = 10"), link(Inserted, "a", 10)),
        one(&format!("{A} 9001, at, kind, outcome, tenant, details, 'x', chain, 40, form, hash FROM audit WHERE chain = 'a' AND link = 10"), link(Inserted, "a", 40)),
        one(&format!("{A} 9001, at, kind, outcome, tenant, details, 'x', chain, 2, form, hash FROM audit WHERE chain = 'a' AND link = 10"), link(Inserted, "a", 2)),
        one(&format!("{A} 9001, at, kind, outcome, tenant, details, NULL, NULL, NULL, NULL, NULL FROM audit WHERE chain = 'a' AND link = 10"), (Inserted, None, None, None)),
        one("DELETE FROM audit_heads WHERE chain = 'a'", link(Changed, "a", 39)),
        one("UPDATE audit_heads SET link = 40 WHERE chain = 'a'", link(CutOff, "a", 40)),
        one("UPDATE audit_heads SET hash = {00} WHERE chain = 'a'", link(Changed, "a", 39)),
        (
            vec![
                "DELETE FROM audit WHERE chain = 'a' AND link < 8".to_owned(),
                "UPDATE audit_heads SET first_link = 8 WHERE chain = 'a'".to_owned(),
            ],
            link(Missing, "a", 5),
        ),
        (
            // Rows and head: the last checkpoint was at 36.
            vec![
                "UPDATE audit_heads SET link = 30, hash = (SELECT hash FROM audit WHERE chain = 'a' AND link = 30) WHERE chain = 'a'".to_owned(),
                "DELETE FROM audit WHERE chain = 'a' AND link > 30".to_owned(),
            ],
            link(CutOff, "a", 31),
        ),
        (
            vec!["DELETE FROM audit WHERE chain = 'b'".to_owned(), "DELETE FROM audit_heads WHERE chain = 'b'".to_owned()],
            link(Missing, "b", 5),
        ),
        one(&format!("UPDATE audit_facts SET facts = '{{}}' {PART}").replace("{}", "[]"), link(PartChanged, "a", 10)),
        one(&format!("UPDATE audit_facts SET person = 'x' {PART}"), link(PartChanged, "a", 10)),
        one(&format!("UPDATE audit_facts SET name = 'x' {PART}"), link(PartChanged, "a", 10)),
        one(&format!("UPDATE audit_facts SET salt = {{00}} {PART}"), link(PartChanged, "a", 10)),
        one(&format!("DELETE FROM audit_facts {PART}"), link(PartMissing, "a", 10)),
        one("DELETE FROM audit_facts", link(PartMissing, "a", 5)),
        one("INSERT INTO audit_facts (seq, part, facts, salt) VALUES (9001, 'actor', '[]', {00})", (PartInserted, None, None, None)),
        one(
            "INSERT INTO audit_facts (seq, part, facts, salt) SELECT seq, 'target', '[]', {00} FROM audit WHERE chain = 'a' AND link = 12",
            link(PartChanged, "a", 12),
        ),
    ]);
    acts.extend(acts_on_statements());
    acts
}

fn acts_on_statements() -> Vec<(Vec<String>, Place)> {
    use Fault::{StatementForged, StatementMissing};
    let one = |act: &str, place: Place| (vec![act.to_owned()], place);
    let mut acts = vec![
        one(
            "UPDATE audit_statements SET body = replace(body, 'erasure', 'nothing') WHERE number = 3",
            statement(StatementForged, 3),
        ),
        one("UPDATE audit_statements SET signature = {00} WHERE number = 4", statement(StatementForged, 4)),
        one("UPDATE audit_statements SET at = at + 1 WHERE number = 4", statement(StatementForged, 4)),
        one("DELETE FROM audit_statements WHERE number = 1", statement(StatementMissing, 1)),
        one("DELETE FROM audit_statements WHERE number = 3", statement(StatementMissing, 3)),
        one("DELETE FROM audit_statements WHERE number = 6", statement(StatementMissing, 6)),
        one("DELETE FROM audit_statements", statement(StatementMissing, 1)),
        (
            // With the counter; the chain tells of it.
            vec![
                "DELETE FROM audit_statements WHERE number = 6".to_owned(),
                "UPDATE audit_statement_counter SET newest = 5".to_owned(),
            ],
            statement(StatementMissing, 6),
        ),
    ];
    let stranger = Signer::new(&Secret::new("fedcba9876543210fedcba9876543210".to_owned()), "audit statements").unwrap();
    let body = "{\"number\":1,\"at\":0,\"previous\":\"0000000000000000000000000000000000000000000000000000000000000000\",\"by\":\"a\",\"kind\":\"beginning\",\"older\":0}";
    let signature = stranger.sign(body.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    for kid in [stranger.public().id(), source_of("a").keys().next().unwrap().id()] {
        let set = format!(
            "UPDATE audit_statements SET at = 0, kid = '{kid}', signature = BYTES{signature}END, body = 'BODY' WHERE number = 1"
        );
        acts.push(one(
            &set.replace("BODY", &body.replace(['{', '}'], "")).replace("BYTES", "{").replace("END", "}"),
            statement(StatementForged, 1),
        ));
    }
    acts
}
