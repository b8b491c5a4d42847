//! A session server that dies, stands still or is cut off: everybody is told soon, nothing that was acknowledged is lost, and it works
//! again without a restart.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use doorward::crypto::Digest;
use doorward::model::Session;
use doorward::session::{SessionFilter, SessionStore as _, ValkeySessions};
use tokio::task::JoinSet;

use super::super::conformance::{Outcome, at, eventually, nobody, session};
use super::sessions_on;
use crate::support::Stopwatch;
use crate::support::valkey::ValkeyServer;

/// What "soon" is: the second and a half that an answer may take, and what a busy machine needs besides.
const SOON: Duration = Duration::from_millis(2500);

/// Makes sessions and ends every second of them, until a while after it was told to stop; says which it was told were made and ended.
async fn load(sessions: Arc<ValkeySessions>, name: usize, stop: Arc<AtomicBool>) -> Outcome<(Vec<Session>, Vec<Session>)> {
    let (mut made, mut ended) = (Vec::new(), Vec::new());
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let kept = session(nobody(), &format!("{name}-{number}"))?;
        if sessions.create(&kept).await.is_err() {
            continue;
        }
        if number % 2 == 1 && sessions.end(&kept.handle, at(10)).await.is_ok_and(|ended| ended) {
            ended.push(kept);
        } else if number % 2 == 0 {
            made.push(kept);
        }
    }
    Ok((made, ended))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed_under_load() -> Outcome {
    let mut server = ValkeyServer::start();
    let sessions = sessions_on(&server).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for name in 0..8 {
        writers.spawn(load(Arc::clone(&sessions), name, Arc::clone(&stop)));
    }
    for _ in 0..3 {
        let before = sessions.count(at(0)).await?;
        eventually(async || Ok(sessions.count(at(0)).await? > before + 20)).await?;
        server.kill();
        server.begin();
        eventually(async || Ok(sessions.count(at(0)).await.is_ok())).await?;
    }
    stop.store(true, Ordering::Relaxed);
    let (mut made, mut ended) = (0, 0);
    for outcome in writers.join_all().await {
        let (live, over) = outcome?;
        (made, ended) = (made + live.len(), ended + over.len());
        for kept in live {
            assert_eq!(sessions.find(&kept.digest).await?, Some(kept));
        }
        for kept in over {
            let found = sessions.find(&kept.digest).await?.ok_or("gone")?;
            assert_eq!(found.revoked_at, Some(at(10)), "an ended session is back");
        }
    }
    assert!(made > 30 && ended > 30, "{made} made, {ended} ended");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_is_told_at_once_however_many_ask_and_used_again_when_it_is_back() -> Outcome {
    let mut server = ValkeyServer::start();
    let sessions = sessions_on(&server).await?;
    let kept = session(nobody(), "s")?;
    sessions.create(&kept).await?;
    server.kill();
    let begun = Stopwatch::start();
    let asked = futures::future::join_all((0..500).map(|_| sessions.find(&kept.digest))).await;
    assert!(asked.iter().all(Result::is_err));
    assert!(sessions.end(&kept.handle, at(5)).await.is_err());
    begun.within(Duration::from_secs(2));
    server.begin();
    eventually(async || Ok(sessions.find(&kept.digest).await.is_ok())).await?;
    assert!(sessions.end(&kept.handle, at(5)).await?, "what failed was not done");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_keeps_nobody_waiting_and_is_used_again_when_it_goes_on() -> Outcome {
    let server = ValkeyServer::start();
    let sessions = sessions_on(&server).await?;
    let kept = session(nobody(), "s")?;
    sessions.create(&kept).await?;
    server.signal("STOP");
    for _ in 0..2 {
        let begun = Stopwatch::start();
        let (everybody, seen) = (SessionFilter::default(), [(kept.digest, at(9))]);
        let (found, listed, touched, ended) = tokio::join!(
            sessions.find(&kept.digest),
            sessions.list(&everybody, at(0)),
            sessions.touch(&seen),
            sessions.end_all(nobody(), at(9)),
        );
        assert!(found.is_err() && listed.is_err() && touched.is_err() && ended.is_err());
        begun.within(SOON);
    }
    server.signal("CONT");
    eventually(async || Ok(sessions.find(&kept.digest).await.is_ok_and(|found| found.is_some()))).await?;
    assert!(sessions.end(&kept.handle, at(10)).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_is_made_anew_before_anybody_notices() -> Outcome {
    let server = ValkeyServer::start();
    let sessions = sessions_on(&server).await?;
    let kept = session(nobody(), "s")?;
    sessions.create(&kept).await?;
    for _ in 0..20 {
        server.say(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        assert_eq!(sessions.find(&kept.digest).await?.as_ref(), Some(&kept));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_on_the_server_has_an_end() -> Outcome {
    let server = ValkeyServer::start();
    let sessions = sessions_on(&server).await?;
    let (live, ended) = (session(nobody(), "live")?, session(nobody(), "ended")?);
    sessions.create(&live).await?;
    sessions.create(&ended).await?;
    sessions.end(&ended.handle, at(5)).await?;
    sessions.touch(&[(live.digest, at(9)), (Digest::of(b"never"), at(9))]).await?;
    sessions.take_once("attempt", &Digest::of(b"state"), at(9)).await?;
    let keys = server.say(&["EVAL", "return #redis.call('KEYS', '*')", "0"]);
    let endless = "local endless = {} for _, key in ipairs(redis.call('KEYS', '*')) do \
                   if redis.call('PTTL', key) < 0 or key:sub(1, 9) ~= 'doorward:' then table.insert(endless, key) end end return endless";
    assert_eq!(server.say(&["EVAL", endless, "0"]), "array([])", "of {keys}");
    assert_eq!(sessions.purge(at(2000)).await?, 2);
    let left = server.say(&["EVAL", "local keys = redis.call('KEYS', '*') table.sort(keys) return keys", "0"]);
    assert_eq!(left, "array([bulk-string('\"doorward:changes\"')])", "a purge leaves the feed alone");
    Ok(())
}
