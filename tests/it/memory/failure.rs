//! A store that is locked, full or broken: everybody is told soon, and it works again without a restart.

use std::time::Duration;

use doorward::audit::{AuditStore as _, SqlAudit};
use doorward::db::{Database, Failure, Unavailable, query};
use doorward::directory::{Directory as _, DirectoryError, SqlDirectory};
use doorward::session::{Renewals, SessionStore as _, SqlSessions};
use sqlx::sqlite::SqliteConnection;

use super::conformance::{Outcome, at, nobody, session, somebody, source};
use super::file::{open, stranger};
use crate::support::Stopwatch;

/// What "soon" is: the store's own deadline of four seconds, and what a busy machine needs besides.
const SOON: Duration = Duration::from_secs(6);

async fn run(connection: &mut SqliteConnection, statement: &'static str) -> Outcome {
    sqlx::query(statement).execute(connection).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_store_answers_unavailable_soon_still_reads_and_recovers() -> Outcome {
    let folder = tempfile::tempdir()?;
    let database = open(folder.path()).await?;
    let (directory, sessions) = (SqlDirectory::new(database.clone()), SqlSessions::new(database));
    let (known, refused) = (somebody("default", "ada")?, somebody("default", "eve")?);
    directory.create_user(&known).await?;

    let mut other = stranger(folder.path()).await?;
    run(&mut other, "BEGIN EXCLUSIVE").await?;
    let begun = Stopwatch::start();
    let (users, many) = tokio::join!(
        directory.create_user(&refused),
        futures::future::join_all((0..200).map(|number| {
            let sessions = sessions.clone();
            async move { sessions.create(&session(nobody(), &number.to_string())?).await.map_err(Into::into) }
        }))
    );
    assert!(matches!(users, Err(DirectoryError::Unavailable(_))));
    assert!(many.into_iter().all(|outcome: Outcome| outcome.is_err()));
    begun.within(SOON);
    assert_eq!(directory.user(known.id).await?, Some(known), "reads go on");
    directory.ping().await?;

    run(&mut other, "ROLLBACK").await?;
    assert_eq!(directory.user(refused.id).await?, None, "what was refused was not done");
    directory.create_user(&refused).await?;
    assert_eq!(sessions.count(at(0)).await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn more_writes_than_can_wait_are_refused_at_once() -> Outcome {
    let folder = tempfile::tempdir()?;
    let sessions = SqlSessions::new(open(folder.path()).await?);
    let mut other = stranger(folder.path()).await?;
    run(&mut other, "BEGIN EXCLUSIVE").await?;
    let begun = Stopwatch::start();
    let attempts = futures::future::join_all((0..12_000).map(|_| async {
        let refused = sessions.touch(&[]).await.is_err();
        (refused, begun.passed())
    }));
    let attempts = attempts.await;
    assert!(attempts.iter().all(|(refused, _)| *refused));
    let at_once = attempts.iter().filter(|(_, after)| *after < Duration::from_secs(1)).count();
    assert!(at_once >= 12_000 - 4096 - 1024, "{at_once} refused at once");
    assert!(attempts.iter().all(|(_, after)| *after < SOON));
    run(&mut other, "ROLLBACK").await?;
    sessions.touch(&[]).await?;
    Ok(())
}

/// SQLite says FULL when the file may not grow; the limit belongs to the writer's connection, which is replaced after a failure.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_store_answers_unavailable_to_all_who_shared_the_commit_and_recovers() -> Outcome {
    let folder = tempfile::tempdir()?;
    let database = open(folder.path()).await?;
    let sessions = SqlSessions::new(database.clone());
    let limited: Result<i64, Failure<()>> = database
        .write(|connection| Box::pin(async move { Ok(query("PRAGMA max_page_count = 1").fetch_one(connection).await?) }))
        .await;
    assert!(limited.is_ok());
    let mut big = session(nobody(), "big")?;
    big.sealed_tokens = Some(vec![7; 100_000]);
    let refused = sessions.create(&big).await.expect_err("the file cannot grow");
    let Some(Unavailable::Failed(why)) = refused.0.downcast_ref() else { return Err(refused.into()) };
    assert!(why.to_string().contains("full"), "{why}");
    assert_eq!(sessions.find(&big.digest).await?, None);
    sessions.create(&big).await?;
    assert_eq!(sessions.find(&big.digest).await?, Some(big));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failing_write_does_not_fail_those_it_shares_a_commit_with() -> Outcome {
    let folder = tempfile::tempdir()?;
    let database = open(folder.path()).await?;
    let directory = SqlDirectory::new(database.clone());
    let taken = somebody("default", "taken")?;
    directory.create_user(&taken).await?;
    let before = *database.commits().borrow();
    let outcomes = futures::future::join_all((0..300).map(|number| {
        let directory = directory.clone();
        async move {
            let name = if number % 3 == 0 { "TAKEN".to_owned() } else { format!("user{number}") };
            let user = somebody("default", &name)?;
            let outcome = directory.create_user(&user).await;
            Outcome::Ok((number, directory.user(user.id).await?.is_some(), outcome))
        }
    }))
    .await;
    for outcome in outcomes {
        let (number, stored, outcome) = outcome?;
        assert_eq!(stored, number % 3 != 0, "{number}");
        assert_eq!(matches!(outcome, Err(DirectoryError::Conflict(_))), number % 3 == 0, "{number}: {outcome:?}");
    }
    let commits = *database.commits().borrow() - before;
    assert!(commits < 100, "300 writes took {commits} commits");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_gathered_survives_a_locked_store() -> Outcome {
    let folder = tempfile::tempdir()?;
    let database = open(folder.path()).await?;
    let sessions = std::sync::Arc::new(SqlSessions::new(database));
    let kept = session(nobody(), "s")?;
    sessions.create(&kept).await?;
    let renewals = Renewals::start(sessions.clone(), Duration::from_secs(3600));
    renewals.seen(&kept.digest, at(50));
    let mut other = stranger(folder.path()).await?;
    run(&mut other, "BEGIN EXCLUSIVE").await?;
    assert!(renewals.flush().await.is_err());
    renewals.seen(&kept.digest, at(40));
    run(&mut other, "ROLLBACK").await?;
    renewals.flush().await?;
    assert_eq!(sessions.find(&kept.digest).await?.ok_or("gone")?.last_seen_at, at(50));
    Ok(())
}

#[tokio::test]
async fn a_write_whose_caller_went_away_leaves_the_store_usable() -> Outcome {
    let folder = tempfile::tempdir()?;
    let database: Database = open(folder.path()).await?;
    let audit = SqlAudit::new(database.clone(), source());
    for _ in 0..50 {
        let abandoned = tokio::time::timeout(Duration::from_micros(50), audit.purge(at(0))).await;
        drop(abandoned);
    }
    audit.append(Vec::new()).await?;
    assert!(*database.commits().borrow() > 0);
    Ok(())
}
