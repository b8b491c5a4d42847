//! Following the embedded database: changes made by this process are heard at once, those of others within a fraction of a second.
//!
//! Refuses to guess what it missed: after an error or a gap everything is forgotten.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::task::AbortOnDropHandle;

use super::{Bus, Feed};
use crate::db::{Connection, Database, Failure, Unavailable, changes, query};
use crate::model::Change;

/// How often another process's commit is looked for; costs a look at the log's header.
const LOOK: Duration = Duration::from_millis(150);
/// A look that takes longer is blindness.
const PATIENCE: Duration = Duration::from_secs(2);
/// Changes read at once.
const PAGE: u32 = 500;
/// How long an announced change is kept for those that follow.
const KEPT: Duration = Duration::from_secs(3600);
const PURGE_EVERY: Duration = Duration::from_secs(600);

/// Reads the change feed for as long as it lives and publishes it on its bus.
#[derive(Debug)]
pub struct Follower {
    bus: Bus,
    _task: AbortOnDropHandle<()>,
}

impl Follower {
    /// Follows from the newest change on: call it before anything is cached.
    ///
    /// # Errors
    /// [`Unavailable`] when the database cannot be read.
    pub async fn start(database: Database) -> Result<Self, Unavailable> {
        let bus = Bus::default();
        let mut eyes = Eyes::open(&database).await?;
        let seen = database.read(changes::newest(&mut eyes.connection)).await?;
        let task = Task { commits: database.commits(), database, bus: bus.clone(), eyes: Some(eyes), seen };
        Ok(Self { bus, _task: AbortOnDropHandle::new(tokio::spawn(task.run())) })
    }

    #[must_use]
    pub const fn bus(&self) -> &Bus {
        &self.bus
    }
}

/// A connection of its own, because `data_version` tells of other connections' commits only.
struct Eyes {
    connection: Connection,
    version: Option<i64>,
}

impl Eyes {
    async fn open(database: &Database) -> Result<Self, Unavailable> {
        Ok(Self { connection: database.reader().await?, version: None })
    }

    /// Whether anybody has committed anything since the last look.
    async fn sees_commit(&mut self) -> Result<bool, sqlx::Error> {
        let version = query("PRAGMA data_version").fetch_one(&mut self.connection).await?;
        Ok(self.version.replace(version) != Some(version))
    }
}

struct Task {
    database: Database,
    bus: Bus,
    commits: watch::Receiver<u64>,
    /// `None` after an error.
    eyes: Option<Eyes>,
    /// The number of the last change that was published.
    seen: i64,
}

impl Task {
    async fn run(mut self) {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut purge_at = Instant::now() + PURGE_EVERY;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                committed = self.commits.changed() => if committed.is_err() {
                    // Only a writer that died ends this; then nothing more can be promised.
                    self.bus.blind(Feed::Store, self.database.now());
                    return;
                },
            }
            self.look().await;
            if Instant::now() >= purge_at {
                purge_at = Instant::now() + PURGE_EVERY;
                self.purge().await;
            }
        }
    }

    async fn look(&mut self) {
        let outcome = match tokio::time::timeout(PATIENCE, self.catch_up()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Unavailable::Late),
        };
        match outcome {
            Ok(()) if self.bus.following(Feed::Store) => {
                tracing::info!("the change feed is heard again");
                self.bus.publish(Change::Everything);
            }
            Ok(()) => {}
            Err(error) => {
                self.eyes = None;
                if self.bus.blind(Feed::Store, self.database.now()) {
                    tracing::error!(%error, "the change feed is not heard: revocations made elsewhere are not known here");
                }
            }
        }
    }

    async fn catch_up(&mut self) -> Result<(), Unavailable> {
        let eyes = match &mut self.eyes {
            Some(eyes) => eyes,
            empty => empty.insert(Eyes::open(&self.database).await?),
        };
        if !eyes.sees_commit().await? {
            return Ok(());
        }
        loop {
            let news = changes::after(&mut eyes.connection, self.seen, PAGE).await?;
            let page = news.len();
            for (number, change) in news {
                // Numbers are given without gaps, so a gap was purged before it was read.
                let missed = number != self.seen.saturating_add(1);
                self.bus.publish(if missed { Change::Everything } else { change });
                self.seen = number;
            }
            if page < PAGE as usize {
                return Ok(());
            }
        }
    }

    async fn purge(&self) {
        let before = self.database.now().before(KEPT);
        let purged: Result<u64, Failure<()>> =
            self.database.write(move |connection| Box::pin(async move { Ok(changes::purge(connection, before).await?) })).await;
        if let Err(Failure::Unavailable(error)) = purged {
            tracing::debug!(%error, "old announcements were not purged");
        }
    }
}
