//! A store that the version before has filled, opened by this one: all of it is there, and the trail's rows of before tell as much as new ones.

use std::path::Path;

use doorward::audit::{AuditFilter, AuditStore as _, Event, Kind, Outcome as Ending, SqlAudit};
use doorward::crypto::Digest;
use doorward::db::Database;
use doorward::directory::{Directory as _, SqlDirectory};
use doorward::model::{ProgramKind, SessionHandle, TenantId};
use doorward::session::{SessionStore as _, SqlSessions};
use serde_json::{Value, json};
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection as _};

use super::conformance::{Outcome, at, source};
use super::{file, postgres};

/// The last migration that the version before knew.
const BEFORE: i64 = 90;
const ADA: &str = "0b51a3a4-6f1c-4d0e-9c5b-6f1c2d3e4f50";

async fn migrations(engine: &str) -> Outcome<Migrator> {
    let all = Migrator::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(engine)).await?;
    assert!(all.iter().any(|one| one.version > BEFORE), "there is something to show");
    Ok(all)
}

/// At which second, kind, outcome, reason, actor, target, source and user agent, details.
type Written = (i64, &'static str, &'static str, Option<&'static str>, [Option<&'static str>; 4], Value);

/// What the version before wrote down.
fn trail() -> Vec<Written> {
    vec![
        (1, "user_created", "success", None, [Some("cli:root"), Some(ADA), None, None], json!({ "user_name": "ada" })),
        (
            2,
            "sign_in",
            "success",
            None,
            [Some(ADA), None, Some("192.0.2.1"), Some("Mozilla/5.0")],
            json!({ "amr": ["pwd"], "provider": { "email": "ada@acme.example" } }),
        ),
        (3, "sign_in", "failure", Some("unknown"), [Some("eve@acme.example"), None, Some("2001:db8::1"), None], json!({})),
        (4, "key_created", "success", None, [Some("cli:root"), Some("k"), None, None], json!({})),
        (5, "invited", "success", None, [Some("cli:root"), Some("ada@acme.example"), None, None], json!({ "roles": ["viewer"] })),
    ]
}

const EVENT: &str = "INSERT INTO audit (at, kind, outcome, reason, tenant, actor, target, source, user_agent, details) VALUES ";

fn text(value: Option<&str>) -> String {
    value.map_or_else(|| "NULL".to_owned(), |text| format!("'{text}'"))
}

/// The statements of the version before, in words that both engines understand; `bytes` writes down a digest.
fn rows(bytes: impl Fn(&Digest) -> String) -> Vec<String> {
    let (now, end) = (at(0).millis(), at(1_000_000).millis());
    let secret = json!([{ "digest": Digest::of(b"secret").to_hex(), "created_at": now, "expires_at": null }]);
    let mut rows = vec![
        format!(
            "INSERT INTO users (id, tenant, user_name, folded_name, email, active, \"groups\", roles, created_at, updated_at) \
             VALUES ('{ADA}', 'default', 'ada', 'ada', 'ada@acme.example', TRUE, '[\"Engineering\"]', '[\"admin\"]', {now}, {now})"
        ),
        format!(
            "INSERT INTO programs (kind, id, tenant, name, owner, roles, scopes, networks, secrets, created_at) \
             VALUES ('api_key', 'k', 'default', 'nightly', '{ADA}', '[\"viewer\"]', '[\"api:read\"]', '[]', '{secret}', {now})"
        ),
        format!(
            "INSERT INTO sessions (digest, handle, tenant, \"user\", connection, amr, authenticated_at, created_at, last_seen_at, expires_at) \
             VALUES ({}, 'handle', 'default', '{ADA}', 'okta', '[\"pwd\"]', {now}, {now}, {now}, {end})",
            bytes(&Digest::of(b"cookie"))
        ),
        format!("INSERT INTO once (purpose, token, expires_at) VALUES ('attempt', {}, {end})", bytes(&Digest::of(b"state"))),
    ];
    rows.extend(trail().into_iter().map(|event| one(&event)));
    rows
}

fn one(
    (second, kind, outcome, reason, [actor, target, source, agent], details): &(
        i64,
        &str,
        &str,
        Option<&str>,
        [Option<&str>; 4],
        Value,
    ),
) -> String {
    format!(
        "{EVENT}({}, '{kind}', '{outcome}', {}, 'default', {}, {}, {}, {}, '{details}')",
        at(*second).millis(),
        text(*reason),
        text(*actor),
        text(*target),
        text(*source),
        text(*agent)
    )
}

/// Everything that was there is there, by this version's eyes.
async fn is_whole(database: &Database) -> Outcome {
    let directory = SqlDirectory::new(database.clone());
    let ada = directory.user_by_name(&TenantId::default(), "Ada").await?.ok_or("nobody")?;
    assert_eq!((ada.id.to_string().as_str(), ada.active), (ADA, true));
    assert_eq!((&ada.groups[..], &ada.roles[..]), (&["Engineering".to_owned()][..], &["admin".to_owned()][..]));
    let key = directory.program(ProgramKind::ApiKey, "k").await?.ok_or("no key")?;
    assert_eq!((key.owner, key.secrets[0].digest, key.revoked_at), (Some(ada.id), Digest::of(b"secret"), None));
    let sessions = SqlSessions::new(database.clone());
    let session = sessions.find(&Digest::of(b"cookie")).await?.ok_or("no session")?;
    assert_eq!((session.user, session.revoked_at, session.expires_at), (ada.id, None, at(1_000_000)));
    assert!(!sessions.take_once("attempt", &Digest::of(b"state"), at(1_000_000)).await?, "what was used stays used");
    assert!(sessions.end(&SessionHandle("handle".to_owned()), at(50)).await?);
    Ok(())
}

/// The trail tells what it told; new events follow, and what it tells of a person can be removed.
async fn tells_all(database: &Database, late: impl AsyncFn(String) -> Outcome) -> Outcome {
    let audit = SqlAudit::new(database.clone(), source());
    let all = AuditFilter { limit: 100, ..AuditFilter::default() };
    let told = |entries: Vec<doorward::audit::Entry>| {
        let told = entries.into_iter().rev().map(|entry| {
            let of = [entry.actor, entry.target, entry.source, entry.user_agent];
            (entry.at, entry.kind, entry.outcome, entry.reason, of, Value::from(entry.details))
        });
        told.collect::<Vec<_>>()
    };
    let written = |events: Vec<Written>| {
        let written = events.into_iter().map(|(second, kind, outcome, reason, of, details)| {
            let of = of.map(|text| text.map(str::to_owned));
            (at(second), kind.to_owned(), outcome.to_owned(), reason.map(str::to_owned), of, details)
        });
        written.collect::<Vec<_>>()
    };
    assert_eq!(told(audit.list(&all).await?), written(trail()));
    // A replica of the version before goes on meanwhile.
    let beside = (6, "sign_in", "success", None, [Some(ADA), None, Some("192.0.2.9"), Some("curl/8")], json!({ "amr": ["otp"] }));
    late(one(&beside)).await?;
    let mut new = Event::new(at(7), Kind::SignIn, Ending::Success, &TenantId::default());
    (new.actor, new.source) = (Some(ADA.to_owned()), Some("192.0.2.3".parse()?));
    audit.append(vec![new]).await?;
    let now = told(audit.list(&all).await?);
    assert_eq!(now.len(), 7);
    assert_eq!(now[5..6], written(vec![beside]));
    assert_eq!((now[6].0, now[6].4[2].as_deref()), (at(7), Some("192.0.2.3")));

    assert!(audit.forget(ADA.parse()?, &["ada@acme.example".to_owned(), "ada".to_owned()]).await? >= 4);
    let left = told(audit.list(&all).await?);
    assert_eq!(left.len(), 7, "the events stay");
    let old = serde_json::to_string(&left[..5].iter().map(|entry| (&entry.4, &entry.5)).collect::<Vec<_>>())?;
    for gone in ["ada@", "192.0.2.1\"", "Mozilla", "user_name"] {
        assert!(!old.contains(gone), "{gone} in {old}");
    }
    assert!(old.contains("eve@acme.example") && old.contains(ADA), "others, and their pseudonym, stay: {old}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_the_version_before_is_taken_over_whole() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("doorward.db");
    std::fs::write(&path, "")?;
    let mut connection = file::stranger(folder.path()).await?;
    migrations("sqlite").await?.run_direct(Some(BEFORE), &mut connection, false).await?;
    for row in rows(|digest| format!("x'{}'", digest.to_hex())) {
        sqlx::query(AssertSqlSafe(row)).execute(&mut connection).await?;
    }
    connection.close().await?;
    let database = file::open(folder.path()).await?;
    is_whole(&database).await?;
    tells_all(&database, async |row| {
        sqlx::query(AssertSqlSafe(row)).execute(&mut file::stranger(folder.path()).await?).await?;
        Ok(())
    })
    .await?;
    let refused = sqlx::query("UPDATE audit SET outcome = 'x'").execute(&mut file::stranger(folder.path()).await?).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("append-only")), "the trail is closed again");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_the_version_before_is_taken_over_whole() -> Outcome {
    let url = postgres::fresh().await?;
    let mut connection = postgres::stranger(&url).await?;
    migrations("postgres").await?.run_direct(Some(BEFORE), &mut connection, false).await?;
    for row in rows(|digest| format!("'\\x{}'::BYTEA", digest.to_hex())) {
        sqlx::query(AssertSqlSafe(row)).execute(&mut connection).await?;
    }
    let database = postgres::open(&url).await?;
    is_whole(&database).await?;
    tells_all(&database, async |row| {
        sqlx::query(AssertSqlSafe(row)).execute(&mut postgres::stranger(&url).await?).await?;
        Ok(())
    })
    .await?;
    let refused = sqlx::query("UPDATE audit SET outcome = 'x'").execute(&mut connection).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("append-only")), "the trail is closed again");
    Ok(())
}
