//! Tampering with the audit trail, by somebody who owns the database: each act is found, at the right place.

mod acts;

use std::path::PathBuf;
use std::process::Command;

use doorward::audit::verify::{Broken, Fault, Report};
use doorward::audit::what::UserChanged;
use doorward::audit::{AuditStore as _, Event, Occasion, Outcome as Ending, Personal, Signed, Source, SqlAudit};
use doorward::crypto::Secret;
use doorward::db::Database;
use doorward::model::{TenantId, UserId};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sqlx::{AssertSqlSafe, Connection as _};

use acts::{COLUMNS, acts};

use super::conformance::{Outcome, at, source_of};
use super::{file, postgres};

const ADA: &str = "0b0f9c2e-6c5b-4a8e-9a43-1f8f6a1f7f10";
const BOB: &str = "0b0f9c2e-6c5b-4a8e-9a43-1f8f6a1f7f11";
/// What keeps everybody else from doing these things.
const SQLITE_GUARDS: &str = "SELECT 'DROP TRIGGER ' || name FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'audit%'";
const POSTGRES_GUARDS: &str = "SELECT DISTINCT 'DROP TRIGGER ' || tgname || ' ON ' || tgrelid::regclass FROM pg_trigger \
                               WHERE NOT tgisinternal AND tgrelid::regclass::TEXT LIKE 'audit%'";

/// A store of either engine.
enum Store {
    Sqlite(tempfile::TempDir),
    Postgres(String),
}

impl Store {
    async fn both() -> Outcome<[Self; 2]> {
        Ok([Self::Sqlite(tempfile::tempdir()?), Self::Postgres(postgres::fresh().await?)])
    }

    async fn open(&self) -> Outcome<Database> {
        Ok(match self {
            Self::Sqlite(folder) => file::open(folder.path()).await?,
            Self::Postgres(url) => postgres::open(url).await?,
        })
    }

    /// A copy of it.
    async fn copy(&self) -> Outcome<Self> {
        match self {
            Self::Sqlite(folder) => {
                let copy = tempfile::tempdir()?;
                let text = format!("VACUUM INTO '{}'", copy.path().join("doorward.db").display());
                sqlx::query(AssertSqlSafe(text)).execute(&mut file::stranger(folder.path()).await?).await?;
                Ok(Self::Sqlite(copy))
            }
            Self::Postgres(url) => {
                let (server, name) = url.rsplit_once('/').ok_or("no database in the URL")?;
                let copy = format!("c{}", uuid::Uuid::new_v4().simple());
                let mut other = postgres::stranger(&format!("{server}/postgres")).await?;
                let end = format!("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}'");
                sqlx::query(AssertSqlSafe(end)).execute(&mut other).await?;
                sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {copy} TEMPLATE {name}"))).execute(&mut other).await?;
                Ok(Self::Postgres(format!("{server}/{copy}")))
            }
        }
    }

    /// What the owner of the database does; `{…}` is a text of bytes in hexadecimal.
    async fn tamper(&self, acts: &[String]) -> Outcome {
        match self {
            Self::Sqlite(folder) => {
                let mut stranger = file::stranger(folder.path()).await?;
                let mut all: Vec<String> = sqlx::query_scalar(SQLITE_GUARDS).fetch_all(&mut stranger).await?;
                all.push("DROP INDEX audit_by_link".to_owned());
                all.extend(acts.iter().map(|act| act.replace('{', "x'").replace('}', "'")));
                for act in all {
                    sqlx::query(AssertSqlSafe(act)).execute(&mut stranger).await?;
                }
                stranger.close().await?;
            }
            Self::Postgres(url) => {
                let mut stranger = postgres::stranger(url).await?;
                let mut all: Vec<String> = sqlx::query_scalar(POSTGRES_GUARDS).fetch_all(&mut stranger).await?;
                all.push("DROP INDEX audit_by_link".to_owned());
                all.extend(acts.iter().map(|act| act.replace('{', "'\\x").replace('}', "'::bytea")));
                for act in all {
                    sqlx::query(AssertSqlSafe(act)).execute(&mut stranger).await?;
                }
            }
        }
        Ok(())
    }

    async fn verify(&self) -> Outcome<Report> {
        Ok(SqlAudit::new(self.open().await?, source_of("a")).verify(Vec::new(), &[]).await?)
    }

    async fn broken(&self) -> Outcome<Option<Broken>> {
        Ok(self.verify().await?.broken)
    }
}

fn happened(second: i64, person: &str) -> Event {
    let changed = UserChanged {
        user_name: Some(Personal(format!("{person}@acme.example"))),
        roles: Some(vec!["admin".to_owned(), "ä\u{1}\"".to_owned()]),
        ..UserChanged::default()
    };
    let mut event = Event::new(at(second), changed, Ending::Success, &TenantId::default());
    (event.actor, event.target) = (Some("cli:root".to_owned()), Some(person.to_owned()));
    event.source = Some([192, 0, 2, 1].into());
    event
}

async fn write(audit: &SqlAudit, seconds: std::ops::Range<i64>) -> Outcome {
    let events = seconds.map(|second| happened(second, if second % 6 == 0 { ADA } else { BOB }));
    Ok(audit.append(events.collect()).await?)
}

/// Two chains with checkpoints, an erasure and retention: `a` has the links 5 to 39, `b` 5 to 26. Statement 1 begins, 2 is a checkpoint (a: 30,
/// b: 20), 3 an erasure, 4 and 5 are retention, 6 is a checkpoint (a: 36, b: 25).
async fn town(store: &Store) -> Outcome<Signed> {
    let database = store.open().await?;
    let (a, b) = (SqlAudit::new(database.clone(), source_of("a")), SqlAudit::new(database, source_of("b")));
    write(&a, 1..31).await?;
    write(&b, 1..21).await?;
    assert!(a.checkpoint(Occasion::Regular).await?.is_some());
    assert!(a.checkpoint(Occasion::Regular).await?.is_none(), "nothing has happened but the checkpoint");
    write(&a, 32..37).await?;
    write(&b, 21..26).await?;
    let ada: UserId = ADA.parse()?;
    // As target of 6, 12, 18, 24, 30, 36 of one and of 6, 12, 18, 24 of the other.
    assert_eq!(a.forget(ada, &[]).await?, 10);
    assert_eq!(b.purge(at(5)).await?, 8);
    let last = b.checkpoint(Occasion::Regular).await?.ok_or("no checkpoint")?;
    write(&a, 37..40).await?;
    Ok(last)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_tampered_with_is_whole_after_retention_and_an_erasure() -> Outcome {
    for store in Store::both().await? {
        let checkpoint = town(&store).await?;
        let audit = SqlAudit::new(store.open().await?, source_of("a"));
        let report = audit.verify(Vec::new(), std::slice::from_ref(&checkpoint)).await?;
        assert_eq!(report.broken, None);
        assert_eq!((report.events, report.chains, report.statements, report.older), (35 + 22, 2, 6, 0));
        // Everything may go, and the chain goes on.
        audit.purge(at(1000)).await?;
        write(&audit, 1001..1003).await?;
        assert_eq!(audit.verify(Vec::new(), &[checkpoint]).await?.broken, None);
        assert_eq!(audit.verify(Vec::new(), &[]).await?.events, 2);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_act_of_whoever_owns_the_database_is_found_at_its_place() -> Outcome {
    for store in Store::both().await? {
        town(&store).await?;
        for (acts, place) in acts() {
            let copy = store.copy().await?;
            copy.tamper(&acts).await?;
            let found = copy.broken().await?.ok_or_else(|| format!("not found: {acts:?}"))?;
            assert_eq!((found.fault, found.chain.as_deref(), found.link, found.statement), place, "{acts:?}: {found}");
            assert!(!found.to_string().is_empty());
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_was_written_anew_with_all_hashes_disagrees_with_its_checkpoint() -> Outcome {
    for store in Store::both().await? {
        town(&store).await?;
        store
            .tamper(&[
                "UPDATE audit_heads SET link = 9, hash = (SELECT hash FROM audit WHERE chain = 'a' AND link = 9) WHERE chain = 'a'".to_owned(),
                "DELETE FROM audit_facts WHERE seq IN (SELECT seq FROM audit WHERE chain = 'a' AND link > 9)".to_owned(),
                "DELETE FROM audit WHERE chain = 'a' AND link > 9".to_owned(),
            ])
            .await?;
        let forger = SqlAudit::new(store.open().await?, source_of("a"));
        forger.append((10..40).map(|second| happened(second, BOB)).collect()).await?;
        let found = store.broken().await?.ok_or("not found")?;
        // No part is there that an erasure has removed, so that this is seen even before the checkpoint.
        assert_eq!((found.chain.as_deref(), found.link), (Some("a"), Some(12)), "{found}");
        store.tamper_again("DELETE FROM audit_facts WHERE part = 'target' AND seq IN (SELECT seq FROM audit WHERE chain = 'a' AND link IN (12, 18, 24, 30, 36))").await?;
        let found = store.broken().await?.ok_or("not found")?;
        assert_eq!((found.fault, found.chain.as_deref(), found.link), (Fault::Changed, Some("a"), Some(5)), "{found}");
        assert!(found.why.contains("up to link 30"), "{found}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_of_the_whole_database_is_found_with_a_checkpoint_from_elsewhere() -> Outcome {
    for store in Store::both().await? {
        let a = SqlAudit::new(store.open().await?, source_of("a"));
        write(&a, 1..11).await?;
        let first = a.checkpoint(Occasion::Regular).await?.ok_or("no checkpoint")?;
        let older = store.copy().await?;
        let a = SqlAudit::new(store.open().await?, source_of("a"));
        write(&a, 12..21).await?;
        let second = a.checkpoint(Occasion::Regular).await?.ok_or("no checkpoint")?;
        let line = format!("2026-11-22T00:00:00Z  INFO audit: checkpoint statement={}\n", serde_json::to_string(&second)?);
        let second = doorward::audit::verify::read_checkpoints(&line)?;
        assert_eq!(a.verify(Vec::new(), &second).await?.broken, None);
        let back = SqlAudit::new(older.open().await?, source_of("a"));
        assert_eq!(back.verify(Vec::new(), std::slice::from_ref(&first)).await?.broken, None);
        let found = back.verify(Vec::new(), &second).await?.broken.ok_or("not found")?;
        assert_eq!((found.fault, found.chain.as_deref(), found.link), (Fault::CutOff, Some("a"), Some(12)), "{found}");
        // It goes on from there, and still is not what it was.
        write(&back, 100..120).await?;
        back.checkpoint(Occasion::Regular).await?;
        let found = back.verify(Vec::new(), &second).await?.broken.ok_or("not found")?;
        assert_eq!((found.fault, found.statement), (Fault::StatementForged, Some(3)), "{found}");
        let mut forged = first;
        forged.body = forged.body.replace("\"link\":10", "\"link\":11");
        assert_eq!(a.verify(Vec::new(), &[forged]).await?.broken.map(|found| found.fault), Some(Fault::StatementForged));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_secret_key_is_survived_if_the_former_one_was_kept_for_a_while() -> Outcome {
    let secret = |text: &str| Secret::new(text.repeat(4));
    let (old, new) = (secret("01234567"), secret("89abcdef"));
    for store in Store::both().await? {
        let database = store.open().await?;
        let source = |key: &Secret, former: &[Secret]| Source::new("a", key, former);
        let of = |source: Source| SqlAudit::new(database.clone(), source);
        let (before, between, after) =
            (of(source(&old, &[])?), of(source(&new, std::slice::from_ref(&old))?), of(source(&new, &[])?));
        write(&before, 1..5).await?;
        before.checkpoint(Occasion::Regular).await?;
        let found = after.verify(Vec::new(), &[]).await?.broken.ok_or("an unknown key is trusted")?;
        assert_eq!((found.fault, found.statement), (Fault::StatementForged, Some(1)));
        let public = before.source().keys().next().ok_or("no key")?.clone();
        assert_eq!(after.verify(vec![public], &[]).await?.broken, None, "whoever kept the key can check");
        write(&between, 5..8).await?;
        between.checkpoint(Occasion::Regular).await?;
        write(&after, 8..10).await?;
        after.checkpoint(Occasion::Regular).await?;
        for keys in [&after, &before] {
            assert_eq!(keys.verify(Vec::new(), &[]).await?.broken, None);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_and_processes_that_share_a_chain_write_one_trail() -> Outcome {
    for store in Store::both().await? {
        let chains = match &store {
            Store::Sqlite(_) => vec!["a", "a"],
            Store::Postgres(_) => vec!["a", "b", "c", "a"],
        };
        let mut replicas = Vec::new();
        for chain in &chains {
            let audit = SqlAudit::new(store.open().await?, source_of(chain));
            replicas.push(tokio::spawn(async move {
                for round in 0..60 {
                    write(&audit, round..round + 3).await?;
                    if round % 10 == 0 {
                        audit.checkpoint(Occasion::Regular).await?;
                    }
                }
                Outcome::Ok(())
            }));
        }
        for replica in replicas {
            replica.await??;
        }
        let report = store.verify().await?;
        assert_eq!(report.broken, None);
        assert!(report.events > 180 * chains.len() as u64 && report.statements > 6, "{report:?}");
    }
    Ok(())
}

/// With nothing of ours, on the rows alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_script_of_an_auditors_own_comes_to_the_same() -> Outcome {
    let store = Store::Sqlite(tempfile::tempdir()?);
    town(&store).await?;
    let check = |store: &Store| -> Outcome<(bool, String)> {
        let Store::Sqlite(folder) = store else { return Err("not a file".into()) };
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/audit-check.py");
        let done = Command::new("python3").arg(script).arg(folder.path().join("doorward.db")).output()?;
        Ok((done.status.success(), String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned()))
    };
    assert_eq!(check(&store)?, (true, "57 events are as they were written\n".to_owned()));
    for (act, place) in [
        ("UPDATE audit SET details = '{}' WHERE chain = 'a' AND link = 10", "chain a, link 10\n"),
        ("DELETE FROM audit WHERE chain = 'b' AND link = 7", "chain b, link 7\n"),
        (
            "UPDATE audit_facts SET facts = '' WHERE seq = (SELECT seq FROM audit WHERE chain = 'a' AND link = 10)",
            "chain a, link 10, actor\n",
        ),
        ("DELETE FROM audit_statements WHERE number = 3", "statement 3\n"),
    ] {
        let copy = store.copy().await?;
        copy.tamper_again(act).await?;
        assert_eq!(check(&copy)?, (false, place.to_owned()), "{act}");
    }
    Ok(())
}

/// Acts at random places: each is found; and none, where none was done.
#[test]
fn no_tampering_at_any_place_is_missed_and_none_is_seen_where_none_was() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let store = Store::Sqlite(tempfile::tempdir().unwrap());
    runtime.block_on(town(&store)).unwrap();
    let places = prop_oneof![(Just("a"), 5_i64..40), (Just("b"), 5_i64..27)];
    let acts = (places, 0..COLUMNS.len() + 5);
    let mut runner = TestRunner::new(Config { cases: 96, failure_persistence: None, ..Config::default() });
    let done = runner.run(&acts, |((chain, link), act)| {
        let place = format!("WHERE chain = '{chain}' AND link = {link}");
        let next = link + 1;
        let text = match act.checked_sub(COLUMNS.len()) {
            None => format!("UPDATE audit SET {} {place}", COLUMNS[act]),
            Some(0) => format!("DELETE FROM audit {place}"),
            Some(1) => format!("DELETE FROM audit_facts WHERE part = 'actor' AND seq = (SELECT seq FROM audit {place} AND actor_digest IS NOT NULL)"),
            Some(2) => format!("UPDATE audit SET link = CASE link WHEN {link} THEN {next} ELSE {link} END WHERE chain = '{chain}' AND link IN ({link}, {next})"),
            Some(3) => format!("DELETE FROM audit WHERE chain = '{chain}' AND link >= {link}"),
            Some(_) => String::from("SELECT 1"),
        };
        let (found, changed) = runtime
            .block_on(async {
                let copy = store.copy().await?;
                let changed = copy.tamper_counting(&text).await?;
                Outcome::Ok((copy.broken().await?, changed))
            })
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(found.is_some(), changed > 0, "{}: {:?}", text, found);
        if let Some(found) = found {
            prop_assert_eq!((found.chain.as_deref(), found.link), (Some(chain), Some(link)), "{}: {}", text, found);
        }
        Ok(())
    });
    done.unwrap();
}

impl Store {
    /// Where the guards are gone, or on a copy of a file: one more act as it is written.
    async fn tamper_again(&self, act: &str) -> Outcome {
        match self {
            Self::Sqlite(_) => self.tamper_counting(act).await.map(drop),
            Self::Postgres(url) => {
                Ok(sqlx::query(AssertSqlSafe(act.to_owned())).execute(&mut postgres::stranger(url).await?).await.map(drop)?)
            }
        }
    }

    /// How many rows it changed.
    async fn tamper_counting(&self, act: &str) -> Outcome<u64> {
        let Self::Sqlite(folder) = self else { return Err("not a file".into()) };
        let mut stranger = file::stranger(folder.path()).await?;
        let guards: Vec<String> = sqlx::query_scalar(SQLITE_GUARDS).fetch_all(&mut stranger).await?;
        for act in guards.into_iter().chain(["DROP INDEX IF EXISTS audit_by_link".to_owned()]) {
            sqlx::query(AssertSqlSafe(act)).execute(&mut stranger).await?;
        }
        let act = if act.contains("'{}'") { act.to_owned() } else { act.replace('{', "x'").replace('}', "'") };
        let changed = sqlx::query(AssertSqlSafe(act)).execute(&mut stranger).await?.rows_affected();
        stranger.close().await?;
        Ok(changed)
    }
}
