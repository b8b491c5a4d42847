//! The change feed of the embedded database when something goes wrong with it.

use std::path::Path;
use std::time::Duration;

use doorward::crypto::Digest;
use doorward::model::Change;
use doorward::revocation::{FeedState, Follower, Subscription};

use super::conformance::{Outcome, eventually};
use super::file::{open, stranger};

async fn heard(subscription: &mut Subscription) -> Outcome<Change> {
    Ok(tokio::time::timeout(Duration::from_secs(5), subscription.next()).await?.ok_or("the bus is gone")?)
}

/// Runs a statement as another program would.
async fn meddle(folder: &Path, statement: &'static str) -> Outcome {
    sqlx::query(statement).execute(&mut stranger(folder).await?).await?;
    Ok(())
}

#[tokio::test]
async fn a_gap_in_the_feed_forgets_everything() -> Outcome {
    let folder = tempfile::tempdir()?;
    let follower = Follower::start(open(folder.path()).await?).await?;
    let mut subscription = follower.bus().subscribe();
    meddle(folder.path(), "INSERT INTO changes (seq, kind, key, at) VALUES (7, 'api_key', 'the seventh', 0)").await?;
    assert_eq!(heard(&mut subscription).await?, Change::Everything);
    meddle(folder.path(), "INSERT INTO changes (kind, key, at) VALUES ('session', printf('%064d', 0), 0)").await?;
    assert_eq!(heard(&mut subscription).await?, Change::Session(Digest::from_bytes([0; 32])));
    meddle(folder.path(), "INSERT INTO changes (kind, key, at) VALUES ('of a later version', 'x', 0)").await?;
    assert_eq!(heard(&mut subscription).await?, Change::Everything);
    Ok(())
}

#[tokio::test]
async fn a_feed_that_cannot_be_read_says_so_and_forgets_everything_when_it_can_again() -> Outcome {
    let folder = tempfile::tempdir()?;
    let follower = Follower::start(open(folder.path()).await?).await?;
    let bus = follower.bus();
    let mut subscription = bus.subscribe();
    meddle(folder.path(), "ALTER TABLE changes RENAME TO hidden").await?;
    eventually(async || Ok(matches!(bus.state(), FeedState::BlindSince(_)))).await?;
    let since = bus.state();
    meddle(folder.path(), "INSERT INTO hidden (kind, key, at) VALUES ('api_key', 'unheard', 0)").await?;
    assert_eq!(bus.state(), since, "blind since the beginning");
    meddle(folder.path(), "ALTER TABLE hidden RENAME TO changes").await?;
    eventually(async || Ok(bus.state() == FeedState::Following)).await?;
    let mut last = heard(&mut subscription).await?;
    while last != Change::Everything {
        last = heard(&mut subscription).await?;
    }
    Ok(())
}
