//! Killed without warning, and out of space: what was acknowledged is there.
//!
//! The writing is done by this very test binary, started again as a child that is told by its environment which store to use.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use doorward::audit::{AuditFilter, AuditStore as _, Event, Kind, Outcome as Ending, SqlAudit};
use doorward::crypto::Digest;
use doorward::db::Database;
use doorward::directory::{Directory as _, SqlDirectory};
use doorward::model::{ProgramKind, SessionHandle, TenantId};
use doorward::session::{SessionStore as _, SqlSessions};

use super::conformance::{Outcome, at, nobody, program, session, source};
use super::file::open;

/// Names the folder of the store that a child shall write to without end.
const CHILD: &str = "DOORWARD_TEST_STORE";
const ROUNDS: u32 = 20;
const WRITERS: u64 = 24;

/// What a child is told to write to: a folder, or a server's URL.
async fn opened(told: &Path) -> Outcome<Database> {
    match told.to_str().filter(|told| told.starts_with("postgres://")) {
        Some(url) => super::postgres::open(url).await,
        None => Ok(open(told).await?),
    }
}

/// The stores under test, on one database.
struct Stores {
    sessions: SqlSessions,
    directory: SqlDirectory,
    audit: SqlAudit,
}

impl Stores {
    fn on(database: &Database) -> Self {
        Self {
            sessions: SqlSessions::new(database.clone()),
            directory: SqlDirectory::new(database.clone()),
            audit: SqlAudit::new(database.clone(), source()),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a test says to its child what to do")]
fn told() -> Option<std::ffi::OsString> {
    std::env::var_os(CHILD)
}

/// Writes one of each and says so, step by step, after each acknowledgement.
async fn write(stores: &Stores, name: &str, mut acknowledge: impl FnMut(&str) -> Outcome) -> Outcome {
    stores.sessions.create(&session(nobody(), name)?).await?;
    acknowledge("session")?;
    stores.directory.create_program(&program(ProgramKind::ApiKey, "default", name)?).await?;
    acknowledge("key")?;
    assert!(stores.sessions.take_once("attempt", &Digest::of(name.as_bytes()), at(1_000_000)).await?);
    acknowledge("taken")?;
    let mut event = Event::new(at(0), Kind::KeyCreated, Ending::Success, &TenantId::default());
    event.target = Some(name.to_owned());
    stores.audit.append(vec![event]).await?;
    acknowledge("event")?;
    stores.sessions.end(&SessionHandle(format!("handle-{name}")), at(5)).await?;
    acknowledge("ended")?;
    stores.directory.revoke_program(ProgramKind::ApiKey, name, at(5)).await?;
    acknowledge("revoked")
}

/// Whether what was acknowledged as `what` of `name` is in the store.
async fn holds(stores: &Stores, what: &str, name: &str) -> Outcome<bool> {
    let found = async || Outcome::Ok(stores.sessions.find(&Digest::of(name.as_bytes())).await?);
    let key = async || Outcome::Ok(stores.directory.program(ProgramKind::ApiKey, name).await?);
    Ok(match what {
        "session" => found().await?.is_some(),
        "ended" => found().await?.is_some_and(|found| found.revoked_at == Some(at(5))),
        "key" => key().await?.is_some(),
        "revoked" => key().await?.is_some_and(|key| key.revoked_at == Some(at(5))),
        "taken" => !stores.sessions.take_once("attempt", &Digest::of(name.as_bytes()), at(1_000_000)).await?,
        "event" => true,
        other => return Err(format!("what is {other}?").into()),
    })
}

/// As a test of its own: what is acknowledged is there at once. As a child: goes on until it is killed.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_is_there() -> Outcome {
    if let Some(folder) = told() {
        return write_without_end(Path::new(&folder)).await;
    }
    let folder = tempfile::tempdir()?;
    let stores = Stores::on(&open(folder.path()).await?);
    let mut acknowledged = Vec::new();
    write(&stores, "one", |what| {
        acknowledged.push(what.to_owned());
        Ok(())
    })
    .await?;
    assert_eq!(acknowledged.len(), 6);
    for what in acknowledged {
        assert!(holds(&stores, &what, "one").await?, "{what}");
    }
    Ok(())
}

async fn write_without_end(folder: &Path) -> Outcome {
    let stores = Arc::new(Stores::on(&opened(folder).await?));
    let (numbers, begun) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let writers = (0..WRITERS).map(|_| {
        let (stores, numbers) = (Arc::clone(&stores), Arc::clone(&numbers));
        tokio::spawn(async move {
            loop {
                let name = format!("{}-{}", std::process::id(), numbers.fetch_add(1, Ordering::Relaxed));
                let started = begun.elapsed();
                let written = write(&stores, &name, |what| say(&format!("ack {what} {name}"))).await;
                if written.is_err() {
                    let waited = (begun.elapsed().saturating_sub(started)).as_millis();
                    let reads = stores.sessions.find(&Digest::of(b"unknown")).await.is_ok();
                    say(&format!("unavailable {waited} {reads}"))?;
                }
            }
            #[expect(unreachable_code, reason = "names the type of what never ends")]
            Outcome::Ok(())
        })
    });
    for ended in futures::future::join_all(writers).await {
        ended??;
    }
    Ok(())
}

fn say(line: &str) -> Outcome {
    Ok(writeln!(std::io::stdout().lock(), "\n{line}")?)
}

/// A child that writes to the store in `folder`; `limit` is the largest file it may make, in blocks of 1024 bytes.
fn start(folder: &Path, limit: Option<u32>) -> Outcome<Child> {
    let this = std::env::current_exe()?;
    let mut command = Command::new("bash");
    let limit = limit.map_or_else(|| "unlimited".to_owned(), |blocks| blocks.to_string());
    // Ignored, the signal becomes an error of the write, as a full disk's.
    command.args(["-c", "trap '' XFSZ; ulimit -S -f \"$0\"; exec \"$@\"", &limit]).arg(this);
    command.args(["--exact", "memory::crash::what_is_acknowledged_is_there", "--nocapture"]);
    Ok(command.env(CHILD, folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?)
}

async fn integrity(folder: &Path) -> Outcome<String> {
    Ok(sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut super::file::stranger(folder).await?).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_no_acknowledged_write_is_lost() -> Outcome {
    let folder = tempfile::tempdir()?;
    let mut total = 0;
    for round in 0..ROUNDS {
        let mut child = start(folder.path(), None)?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        let mut acknowledged = BTreeSet::new();
        // A different moment each time: after the first, the seventh, the forty-ninth acknowledgement…
        let enough = 1 + usize::try_from(round * 37 % 400)?;
        while acknowledged.len() < enough {
            let line = lines.next().ok_or("the child ended by itself")??;
            acknowledged.extend(line.strip_prefix("ack ").map(str::to_owned));
        }
        child.kill()?;
        child.wait()?;
        // What it had said before it died counts too; a line that was cut short does not.
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        acknowledged.extend(rest.iter().rev().skip(1).filter_map(|line| line.strip_prefix("ack ")).map(str::to_owned));

        assert_eq!(integrity(folder.path()).await?, "ok", "round {round}");
        let stores = Stores::on(&open(folder.path()).await?);
        let trail = stores.audit.list(&AuditFilter { limit: u32::MAX, ..AuditFilter::default() }).await?;
        let recorded: BTreeSet<&str> = trail.iter().filter_map(|entry| entry.target.as_deref()).collect();
        for line in &acknowledged {
            let (what, name) = line.split_once(' ').ok_or("a cut line")?;
            assert!(holds(&stores, what, name).await?, "round {round}: {line} is lost");
            assert!(what != "event" || recorded.contains(name), "round {round}: {line} is lost");
        }
        let proved = stores.audit.verify(Vec::new(), &[]).await?;
        assert_eq!(proved.broken, None, "round {round}");
        total += acknowledged.len();
    }
    assert!(total > 2000, "only {total} writes were acknowledged");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_beside_others_on_a_server_the_trail_is_whole_and_has_every_acknowledged_event() -> Outcome {
    let url = super::postgres::fresh().await?;
    for round in 0..5 {
        // Two that share a chain; one of them is killed in the middle and the other a moment later.
        let mut acknowledged = BTreeSet::new();
        let mut children = [start(Path::new(&url), None)?, start(Path::new(&url), None)?];
        for child in &mut children {
            let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
            let enough = acknowledged.len() + 20 + 37 * round;
            while acknowledged.len() < enough {
                let line = lines.next().ok_or("the child ended by itself")??;
                acknowledged.extend(line.strip_prefix("ack event ").map(str::to_owned));
            }
            child.kill()?;
            child.wait()?;
        }
        let audit = SqlAudit::new(super::postgres::open(&url).await?, source());
        let proved = audit.verify(Vec::new(), &[]).await?;
        assert_eq!(proved.broken, None, "round {round}");
        let trail = audit.list(&AuditFilter { limit: u32::MAX, ..AuditFilter::default() }).await?;
        let recorded: BTreeSet<&str> = trail.iter().filter_map(|entry| entry.target.as_deref()).collect();
        assert!(acknowledged.iter().all(|name| recorded.contains(&**name)), "round {round}: an event is lost");
        assert!(proved.events >= acknowledged.len() as u64);
    }
    Ok(())
}

/// The limit on the size of files is to the store what a full disk is: its writes fail until there is room again.
#[tokio::test(flavor = "multi_thread")]
async fn without_room_writes_are_refused_soon_reads_go_on_and_room_ends_it() -> Outcome {
    let folder = tempfile::tempdir()?;
    drop(open(folder.path()).await?);
    let mut child = start(folder.path(), Some(600))?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
    let mut acknowledged = Vec::new();
    let mut refusals = 0;
    while refusals < 50 {
        let line = lines.next().ok_or("the child ended by itself")??;
        if let Some(ack) = line.strip_prefix("ack ") {
            acknowledged.push(ack.to_owned());
        } else if let Some((waited, reads)) = line.strip_prefix("unavailable ").and_then(|rest| rest.split_once(' ')) {
            refusals += 1;
            assert!(waited.parse::<u64>()? < 6 * 4000, "refused only after {waited} ms");
            assert_eq!(reads, "true", "reads go on");
        }
    }
    let room = Command::new("prlimit").args(["--fsize=unlimited", "--pid", &child.id().to_string()]).status()?;
    assert!(room.success());
    let before = acknowledged.len();
    while acknowledged.len() < before + 500 {
        let line = lines.next().ok_or("the child ended by itself")??;
        acknowledged.extend(line.strip_prefix("ack ").map(str::to_owned));
    }
    child.kill()?;
    child.wait()?;
    assert_eq!(integrity(folder.path()).await?, "ok");
    let stores = Stores::on(&open(folder.path()).await?);
    for line in &acknowledged {
        let (what, name) = line.split_once(' ').ok_or("a cut line")?;
        assert!(holds(&stores, what, name).await?, "{line} is lost");
    }
    Ok(())
}
