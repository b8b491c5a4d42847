//! PostgreSQL when something goes wrong with it: gone at the start, dead under load, connections killed, notifications lost, numbers gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use doorward::audit::{AuditFilter, Event, Kind, Outcome as Ending};
use doorward::clock::{ManualClock, SystemClock};
use doorward::crypto::{Digest, Secret};
use doorward::db::{Database, OpenError, Terms};
use doorward::directory::{Directory as _, DirectoryError, SqlDirectory};
use doorward::model::{Change, TenantId};
use doorward::revocation::{FeedState, Follower, Subscription};
use doorward::session::{SessionStore as _, SqlSessions};
use serde_json::json;

use super::conformance::{Backend as _, Outcome, at, eventually, nobody, session, somebody};
use super::postgres::{Postgres, beside, fresh, open, stranger};
use crate::support::{PATIENCE, Part, Stopwatch, part_at_port};

/// What "soon" is: the store's own deadline of four seconds, and what a busy machine needs besides.
const SOON: Duration = Duration::from_secs(6);
/// How late another replica may hear of a change.
const HEARD: Duration = Duration::from_secs(1);

/// A server of one's own, which can be stopped; and a new database on it.
async fn server() -> Outcome<(Part, String)> {
    let server = tokio::task::spawn_blocking(|| part_at_port("postgres", &[])).await?;
    let url = beside(server.ready["url"].as_str().ok_or("no url")?).await?;
    Ok((server, url))
}

fn stop(server: &Part) {
    tokio::task::block_in_place(|| assert_eq!(server.tell("/stop", &json!({})).status, 200));
}

fn start(server: &Part) {
    tokio::task::block_in_place(|| assert_eq!(server.tell("/start", &json!({})).status, 200));
}

async fn heard(subscription: &mut Subscription) -> Outcome<Change> {
    let begun = Stopwatch::start();
    let change = tokio::time::timeout(PATIENCE, subscription.next()).await?.ok_or("the bus is gone")?;
    begun.within(HEARD);
    Ok(change)
}

/// Runs a statement as another program would, and tells nobody.
async fn meddle(url: &str, statement: &'static str) -> Outcome {
    sqlx::raw_sql(statement).execute(&mut stranger(url).await?).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_at_the_start_is_waited_for() -> Outcome {
    let (server, url) = server().await?;
    stop(&server);
    let database = open(&url).await?;
    let directory = SqlDirectory::new(database.clone());
    let ada = somebody("default", "ada")?;
    assert!(matches!(directory.create_user(&ada).await, Err(DirectoryError::Unavailable(_))));
    assert!(matches!(directory.user(ada.id).await, Err(DirectoryError::Unavailable(_))), "unavailable is not unknown");
    let follower = Follower::start(database).await?;
    assert!(matches!(follower.bus().state(), FeedState::BlindSince(_)));
    let mut subscription = follower.bus().subscribe();
    start(&server);
    eventually(async || Ok(follower.bus().state() == FeedState::Following)).await?;
    assert_eq!(heard(&mut subscription).await?, Change::Everything);
    directory.create_user(&ada).await?;
    assert_eq!(directory.user(ada.id).await?, Some(ada));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_under_load_loses_nothing_that_was_acknowledged() -> Outcome {
    let (server, url) = server().await?;
    let sessions = Arc::new(SqlSessions::new(open(&url).await?));
    let ended = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..12)
        .map(|writer| {
            let (sessions, ended) = (Arc::clone(&sessions), Arc::clone(&ended));
            tokio::spawn(async move {
                let (mut acknowledged, mut refusals, mut number) = (Vec::new(), 0, 0);
                while !ended.load(Ordering::SeqCst) {
                    number += 1;
                    let name = format!("{writer}-{number}");
                    let begun = Stopwatch::start();
                    match sessions.create(&session(nobody(), &name)?).await {
                        Ok(()) => acknowledged.push(name),
                        Err(_) => refusals += 1,
                    }
                    begun.within(SOON);
                }
                Outcome::Ok((acknowledged, refusals))
            })
        })
        .collect();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        stop(&server);
        eventually(async || Ok(sessions.count(at(0)).await.is_err())).await?;
        start(&server);
        eventually(async || Ok(sessions.create(&session(nobody(), &format!("probe{:?}", Instant::now()))?).await.is_ok()))
            .await?;
    }
    ended.store(true, Ordering::SeqCst);
    let (mut total, mut refused) = (0, 0);
    for writer in writers {
        let (acknowledged, refusals) = writer.await??;
        total += acknowledged.len();
        refused += refusals;
        for name in acknowledged {
            assert!(sessions.find(&Digest::of(name.as_bytes())).await?.is_some(), "{name} is lost");
        }
    }
    assert!(total > 100 && refused > 0, "{total} acknowledged, {refused} refused: nothing was shown");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_connections_are_replaced_and_a_revocation_is_heard_within_a_second() -> Outcome {
    let backend = Postgres::fresh().await?;
    let (here, there) = (backend.open().await?, backend.open().await?);
    for round in 0..5 {
        let one = session(nobody(), &format!("s{round}"))?;
        here.sessions.create(&one).await?;
        meddle(
            backend.url(),
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await?;
        let mut subscription = there.bus.subscribe();
        assert!(here.sessions.end(&one.handle, at(1)).await?, "a dead connection of the pool is nobody's failure");
        let begun = Stopwatch::start();
        loop {
            let change = tokio::time::timeout(PATIENCE, subscription.next()).await?.ok_or("the bus is gone")?;
            if change == Change::Session(one.digest) || change == Change::Everything {
                break;
            }
        }
        begun.within(HEARD);
        eventually(async || Ok(there.bus.state() == FeedState::Following && here.bus.state() == FeedState::Following)).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_notification_tells_is_found_within_a_second() -> Outcome {
    let url = fresh().await?;
    let follower = Follower::start(open(&url).await?).await?;
    let mut subscription = follower.bus().subscribe();
    for number in 1..=5 {
        meddle(
            &url,
            "BEGIN; UPDATE change_counter SET newest = newest + 1; \
             INSERT INTO changes SELECT newest, 'api_key', 'k' || newest, 0 FROM change_counter; COMMIT",
        )
        .await?;
        let change = heard(&mut subscription).await?;
        assert_eq!(change, Change::Program(doorward::model::ProgramKind::ApiKey, format!("k{number}")));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_are_gone_forget_everything() -> Outcome {
    let url = fresh().await?;
    let follower = Follower::start(open(&url).await?).await?;
    let mut subscription = follower.bus().subscribe();
    meddle(&url, "UPDATE change_counter SET newest = 7").await?;
    assert_eq!(heard(&mut subscription).await?, Change::Everything, "purged before it was read");
    meddle(&url, "UPDATE change_counter SET newest = 9; INSERT INTO changes VALUES (9, 'api_key', 'k', 0)").await?;
    assert_eq!(heard(&mut subscription).await?, Change::Everything, "a gap");
    meddle(&url, "UPDATE change_counter SET newest = 3; DELETE FROM changes").await?;
    assert_eq!(heard(&mut subscription).await?, Change::Everything, "another store in the place of this one");
    Ok(())
}

/// Whoever has read up to a number has missed nothing before it, however many write at once.
#[tokio::test(flavor = "multi_thread")]
async fn numbers_have_no_gaps_and_follow_commits() -> Outcome {
    let backend = Postgres::fresh().await?;
    let stores = backend.open().await?;
    let ended = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for writer in 0..8 {
        let (sessions, ended) = (Arc::clone(&stores.sessions), Arc::clone(&ended));
        writers.push(tokio::spawn(async move {
            let user = nobody();
            let mut number = 0;
            while !ended.load(Ordering::SeqCst) {
                number += 1;
                for name in ["a", "b", "c"] {
                    sessions.create(&session(user, &format!("{writer}-{number}-{name}"))?).await?;
                }
                sessions.end_all(user, at(1)).await?;
            }
            Outcome::Ok(())
        }));
    }
    let mut reader = stranger(backend.url()).await?;
    let mut seen: i64 = 0;
    let begun = Instant::now();
    while seen < 600 && begun.elapsed() < PATIENCE {
        let news: Vec<i64> =
            sqlx::query_scalar("SELECT seq FROM changes WHERE seq > $1 ORDER BY seq").bind(seen).fetch_all(&mut reader).await?;
        for number in news {
            assert_eq!(number, seen + 1, "a number was passed over");
            seen = number;
        }
    }
    ended.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await??;
    }
    assert!(seen >= 600, "only {seen} changes");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_hears_nothing_stops_believing_what_it_remembers() -> Outcome {
    let (server, url) = server().await?;
    let clock = Arc::new(ManualClock::at(at(0)));
    let database = Database::open(&url, clock.clone()).await?;
    let follower = Follower::start(database).await?;
    let mut subscription = follower.bus().subscribe();
    stop(&server);
    eventually(async || Ok(matches!(follower.bus().state(), FeedState::BlindSince(_)))).await?;
    let silent = tokio::time::timeout(Duration::from_millis(1500), subscription.next()).await;
    assert!(silent.is_err(), "a hiccup costs nobody anything: {silent:?}");
    clock.advance(Duration::from_secs(5));
    for _ in 0..2 {
        let change = tokio::time::timeout(PATIENCE, subscription.next()).await?;
        assert_eq!(change, Some(Change::Everything), "again and again, for as long as it lasts");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_changes_or_removes_an_audit_event_on_the_server() -> Outcome {
    let backend = Postgres::fresh().await?;
    let audit = backend.open().await?.audit;
    let events = [1, 2, 3].map(|seconds| Event::new(at(seconds), Kind::SignIn, Ending::Success, &TenantId::default()));
    audit.append(events.to_vec()).await?;
    let everything = AuditFilter { limit: 10, ..AuditFilter::default() };
    let before = audit.list(&everything).await?;
    for statement in [
        "UPDATE audit SET outcome = 'failure'",
        "DELETE FROM audit WHERE seq = 2",
        "TRUNCATE audit",
        "INSERT INTO audit (seq, at, kind, outcome, tenant, details) VALUES (2, 0, 'x', 'x', 'x', '{}') ON CONFLICT (seq) DO UPDATE SET at = 0",
    ] {
        let refused = meddle(backend.url(), statement).await;
        assert!(refused.is_err_and(|error| error.to_string().contains("append-only")), "{statement}");
    }
    assert_eq!(audit.list(&everything).await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_certificate_is_checked_and_the_password_is_never_said() -> Outcome {
    let folder = tempfile::tempdir()?;
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])?;
    let other = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])?;
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).map(|()| path.display().to_string())
    };
    let (cert, key) = (file("cert.pem", made.cert.pem())?, file("key.pem", made.signing_key.serialize_pem())?);
    let wrong = file("other.pem", other.cert.pem())?;
    let arguments = ["--cert".to_owned(), cert.clone(), "--key".to_owned(), key];
    let server = tokio::task::spawn_blocking(move || part_at_port("postgres", &arguments.each_ref().map(String::as_str))).await?;
    let (port, password) = (server.port(), server.ready["password"].as_str().ok_or("no password")?);
    let opened = async |password: &str, query: &str| {
        let url = format!("postgres://doorward@127.0.0.1:{port}/postgres?{query}");
        let terms = Terms { password: Some(Secret::new(password.to_owned())), connections: 4, ..Terms::default() };
        Database::open_on(&url, &terms, Arc::new(SystemClock)).await
    };
    let database = opened(password, &format!("sslmode=verify-full&sslrootcert={cert}")).await?;
    assert!(!format!("{database:?}").contains(password));
    SqlDirectory::new(database).ping().await?;
    for (password, query) in [
        (password, format!("sslmode=verify-full&sslrootcert={wrong}")),
        (password, "sslmode=verify-full".to_owned()),
        (password, "sslmode=disable".to_owned()),
        ("not the password", format!("sslmode=verify-full&sslrootcert={cert}")),
    ] {
        let refused = opened(password, &query).await.expect_err("it let us in");
        assert!(matches!(refused, OpenError::Server { .. }), "{query}: {refused:?}");
        assert!(!format!("{refused:?} {refused}").contains(password), "{refused:?}");
    }
    Ok(())
}
