//! The change feed of a session server when something goes wrong with it.

use std::sync::Arc;
use std::time::Duration;

use doorward::clock::SystemClock;
use doorward::crypto::Digest;
use doorward::model::Change;
use doorward::revocation::{Bus, FeedState, Subscription, ValkeyFollower};
use doorward::session::SessionStore as _;

use super::super::conformance::{Outcome, at, eventually, nobody, session};
use super::{connected, sessions_on};
use crate::support::valkey::ValkeyServer;
use crate::support::{PATIENCE, Stopwatch};

async fn following(server: &ValkeyServer) -> Outcome<(Bus, ValkeyFollower)> {
    let bus = Bus::default();
    let follower = ValkeyFollower::start(&connected(server).await?, bus.clone(), Arc::new(SystemClock)).await?;
    Ok((bus, follower))
}

async fn heard(subscription: &mut Subscription) -> Outcome<Change> {
    Ok(tokio::time::timeout(PATIENCE, subscription.next()).await?.ok_or("the bus is gone")?)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_is_heard_elsewhere_within_a_fraction_of_a_second() -> Outcome {
    let server = ValkeyServer::start();
    let (bus, _follower) = following(&server).await?;
    let mut subscription = bus.subscribe();
    let sessions = sessions_on(&server).await?;
    let mut longest = Duration::ZERO;
    for number in 0..50 {
        let kept = session(nobody(), &number.to_string())?;
        sessions.create(&kept).await?;
        sessions.end(&kept.handle, at(10)).await?;
        let begun = Stopwatch::start();
        assert_eq!(heard(&mut subscription).await?, Change::Session(kept.digest));
        longest = longest.max(begun.passed());
    }
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_in_the_servers_feed_forgets_everything() -> Outcome {
    let server = ValkeyServer::start();
    let (bus, _follower) = following(&server).await?;
    let mut subscription = bus.subscribe();
    let sessions = sessions_on(&server).await?;
    let end = async |name: &str| {
        let kept = session(nobody(), name)?;
        sessions.create(&kept).await?;
        sessions.end(&kept.handle, at(10)).await?;
        Outcome::Ok(Change::Session(kept.digest))
    };
    let told = end("one").await?;
    assert_eq!(heard(&mut subscription).await?, told);
    // An entry that came and went while nobody looked.
    let lost = "local last = redis.call('XREVRANGE', 'doorward:changes', '+', '-', 'COUNT', 1)[1][1] \
                local one = redis.call('XADD', 'doorward:changes', '*', 'after', last, 'kind', 'session', 'key', string.rep('0', 64)) \
                redis.call('XADD', 'doorward:changes', '*', 'after', one, 'kind', 'session', 'key', string.rep('1', 64)) \
                return redis.call('XDEL', 'doorward:changes', one)";
    server.say(&["EVAL", lost, "0"]);
    assert_eq!(heard(&mut subscription).await?, Change::Everything);
    let told = end("two").await?;
    assert_eq!(heard(&mut subscription).await?, told, "and from there on it is followed");

    let later = "local last = redis.call('XREVRANGE', 'doorward:changes', '+', '-', 'COUNT', 1)[1][1] \
                 return redis.call('XADD', 'doorward:changes', '*', 'after', last, 'kind', 'of a later version', 'key', 'x')";
    server.say(&["EVAL", later, "0"]);
    assert_eq!(heard(&mut subscription).await?, Change::Everything);

    server.say(&["FLUSHALL"]);
    assert_eq!(heard(&mut subscription).await?, Change::Everything, "a feed that is gone");
    let told = end("three").await?;
    assert_eq!(heard(&mut subscription).await?, told);
    assert_eq!(bus.state(), FeedState::Following);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_heard_is_blindness_until_it_is_and_everything_is_forgotten_then() -> Outcome {
    let mut server = ValkeyServer::start();
    let (bus, _follower) = following(&server).await?;
    let mut subscription = bus.subscribe();
    let blind = async || eventually(async || Ok(matches!(bus.state(), FeedState::BlindSince(_)))).await;
    server.kill();
    blind().await?;
    server.begin();
    assert_eq!(heard(&mut subscription).await?, Change::Everything);
    assert_eq!(bus.state(), FeedState::Following);

    server.signal("STOP");
    let begun = Stopwatch::start();
    blind().await?;
    begun.within(Duration::from_secs(4));
    server.signal("CONT");
    assert_eq!(heard(&mut subscription).await?, Change::Everything);
    let kept = session(nobody(), "s")?;
    let sessions = sessions_on(&server).await?;
    sessions.create(&kept).await?;
    sessions.end(&kept.handle, at(10)).await?;
    let mut last = heard(&mut subscription).await?;
    while last == Change::Everything {
        last = heard(&mut subscription).await?;
    }
    assert_eq!(last, Change::Session(Digest::of(b"s")));
    Ok(())
}
