//! A server that syncs its disk every second and can be waited for: what it acknowledged is there after it was killed, and what it cannot put
//! on its disk is not acknowledged.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use doorward::session::{SessionStore as _, ValkeySessions};
use doorward::valkey::{Address, OpenError, Valkey};
use tokio::task::JoinSet;

use super::super::conformance::{Backend, Outcome, Stores, at, conformance, nobody, session};
use super::super::sqlite::Sqlite;
use super::{BesideSqlite, sessions_on};
use crate::support::valkey::ValkeyServer;

const EVERY_SECOND: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "everysec"];

/// Valkey itself, whose disk is waited for, passes the suite.
pub(crate) struct WaitedFor(BesideSqlite);

#[async_trait::async_trait]
impl Backend for WaitedFor {
    async fn fresh() -> Outcome<Self> {
        Ok(Self(BesideSqlite { server: ValkeyServer::newer(&EVERY_SECOND, None), sqlite: Sqlite::fresh().await? }))
    }

    async fn open(&self) -> Outcome<Stores> {
        self.0.open().await
    }
}

conformance!(sessions of crate::memory::valkey::durable::WaitedFor);

/// A library in which a disk is slow.
fn slow_disk(folder: &Path) -> Outcome<PathBuf> {
    let library = folder.join("slow_disk.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/memory/valkey/slow_disk.c");
    let made = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).status()?;
    assert!(made.success());
    Ok(library)
}

/// Makes a session and ends every second one, again and again; says which it was told were made and ended before the server was gone.
async fn load(sessions: Arc<ValkeySessions>, name: usize) -> Outcome<Vec<(String, bool)>> {
    let mut told = Vec::new();
    for number in 0.. {
        let kept = session(nobody(), &format!("{name}-{number}"))?;
        if sessions.create(&kept).await.is_err() {
            break;
        }
        told.push((format!("{name}-{number}"), false));
        if number % 2 == 1 {
            match sessions.end(&kept.handle, at(10)).await {
                Ok(ended) => told.push((format!("{name}-{number}"), ended)),
                Err(_) => break,
            }
        }
    }
    Ok(told)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_on_a_slow_disk_when_the_server_is_killed() -> Outcome {
    let folder = tempfile::tempdir()?;
    let library = slow_disk(folder.path())?;
    let (mut made, mut ended) = (0, 0);
    for round in 0..3 {
        let mut server = ValkeyServer::newer(&EVERY_SECOND, Some(library.clone()));
        let sessions = sessions_on(&server).await?;
        let mut writers = JoinSet::new();
        for name in 0..8 {
            writers.spawn(load(Arc::clone(&sessions), name));
        }
        // At another moment of the sync each time.
        tokio::time::sleep(Duration::from_millis(4000 + round * 230)).await;
        server.kill();
        let told = writers.join_all().await;
        server.plain();
        server.begin();
        let sessions = sessions_on(&server).await?;
        for (name, is_over) in told.into_iter().collect::<Outcome<Vec<_>>>()?.concat() {
            let found = sessions.find(&doorward::crypto::Digest::of(name.as_bytes())).await?;
            let found = found.ok_or_else(|| format!("round {round}: {name} is lost"))?;
            assert!(!is_over || found.revoked_at == Some(at(10)), "round {round}: {name} is back");
            (made, ended) = (made + usize::from(!is_over), ended + usize::from(is_over));
        }
    }
    assert!(made > 20 && ended > 5, "{made} made, {ended} ended: nothing was shown");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_writing_to_its_disk_is_not_believed() -> Outcome {
    for (name, value, well) in [("appendfsync", "no", "everysec"), ("appendonly", "no", "yes")] {
        let server = ValkeyServer::newer(&EVERY_SECOND, None);
        let sessions = sessions_on(&server).await?;
        let kept = session(nobody(), "kept")?;
        sessions.create(&kept).await?;
        server.say(&["CONFIG", "SET", name, value]);
        let begun = Instant::now();
        assert!(sessions.create(&session(nobody(), "unsafe")?).await.is_err(), "{name} {value}");
        assert!(sessions.end(&kept.handle, at(10)).await.is_err(), "{name} {value}");
        assert!(begun.elapsed() < Duration::from_secs(7), "after {:?}", begun.elapsed());
        server.say(&["CONFIG", "SET", name, well]);
        sessions.create(&session(nobody(), "again")?).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_syncs_its_disk_is_refused_with_a_remedy() -> Outcome {
    let server = ValkeyServer::newer(&["--appendonly", "yes", "--appendfsync", "no"], None);
    let refused = Valkey::open(Address::new(&server.url(), None)?).await;
    assert!(matches!(refused, Err(OpenError::NeverSynced)), "{refused:?}");
    server.say(&["CONFIG", "SET", "appendfsync", "everysec"]);
    sessions_on(&server).await?;
    Ok(())
}
