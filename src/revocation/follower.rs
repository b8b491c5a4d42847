//! Following the change feed of the store: changes made by this process are forgotten before their maker is answered, those of others within
//! a fraction of a second.
//!
//! Refuses to guess what it missed: after an error or a gap everything is forgotten. And refuses to go on believing what was remembered
//! while nothing can be heard: after [`BELIEVED`] everything is forgotten every second, so that who cannot be looked up anew is answered
//! with 503 rather than let in on a word that may have been taken back.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::task::AbortOnDropHandle;

use super::{Bus, Feed, FeedState, ear};
use crate::db::{Connection, Database, Failure, Unavailable, changes, query};
use crate::model::Change;

/// How often an embedded store is looked at for another process's commit; costs a look at the log's header.
const LOOK_AT_FILE: Duration = Duration::from_millis(150);
/// How often a server is asked for what its notifications did not tell; costs a look at one row.
const LOOK_AT_SERVER: Duration = Duration::from_millis(400);
/// A look that takes longer is blindness.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long what is remembered is believed though nothing can be heard.
const BELIEVED: Duration = Duration::from_secs(5);
const FORGET_EVERY: Duration = Duration::from_secs(1);
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
    /// Follows from the newest change on: call it before anything is cached. A server that is not there yet is followed once it is.
    ///
    /// # Errors
    /// [`Unavailable`] when an embedded database cannot be read.
    pub async fn start(database: Database) -> Result<Self, Unavailable> {
        let bus = Bus::default();
        bus.hear_at_once(database.listeners());
        let task = Task {
            commits: database.commits(),
            every: if database.is_embedded() { LOOK_AT_FILE } else { LOOK_AT_SERVER },
            bus: bus.clone(),
            eyes: None,
            seen: None,
            forgotten_at: None,
            database,
        };
        let task = task.open_eyes().await?;
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

    /// Whether anybody has committed anything since the last look; a server is always asked.
    async fn sees_commit(&mut self, database: &Database) -> Result<bool, sqlx::Error> {
        if !database.is_embedded() {
            return Ok(true);
        }
        let version = query("PRAGMA data_version").fetch_one(&mut self.connection).await?;
        Ok(self.version.replace(version) != Some(version))
    }
}

struct Task {
    database: Database,
    bus: Bus,
    commits: watch::Receiver<u64>,
    every: Duration,
    /// `None` after an error.
    eyes: Option<Eyes>,
    /// The number of the last change that was published; `None` while it is not known where the feed is.
    seen: Option<i64>,
    /// When everything was forgotten last because nothing can be heard.
    forgotten_at: Option<Instant>,
}

impl Task {
    async fn open_eyes(mut self) -> Result<Self, Unavailable> {
        match self.find_place().await {
            Ok(()) => {}
            Err(error) if self.database.is_embedded() => return Err(error),
            Err(_) => drop(self.bus.blind(Feed::Store, self.database.now())),
        }
        Ok(self)
    }

    async fn find_place(&mut self) -> Result<(), Unavailable> {
        let mut eyes = Eyes::open(&self.database).await?;
        self.seen = Some(self.database.read(changes::newest(&mut eyes.connection)).await?);
        self.eyes = Some(eyes);
        Ok(())
    }

    async fn run(mut self) {
        let (_ear, mut heard) = ear::listen(self.database.clone());
        let mut ticks = tokio::time::interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut purge_at = Instant::now() + PURGE_EVERY;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                Ok(()) = heard.changed() => {}
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
        self.forget();
    }

    /// Believes nothing any more that is remembered, when the bus has been blind for too long, whichever of its feeds it is.
    fn forget(&mut self) {
        let FeedState::BlindSince(since) = self.bus.state() else { return };
        let lately = self.forgotten_at.is_some_and(|at| at.elapsed() < FORGET_EVERY);
        if self.database.now().since(since) >= BELIEVED && !lately {
            self.forgotten_at = Some(Instant::now());
            self.bus.publish(Change::Everything);
        }
    }

    async fn catch_up(&mut self) -> Result<(), Unavailable> {
        let Some(before) = self.seen else { return self.find_place().await };
        let mut seen = before;
        let mut eyes = match self.eyes.take() {
            Some(eyes) => eyes,
            None => Eyes::open(&self.database).await?,
        };
        if !eyes.sees_commit(&self.database).await? {
            self.eyes = Some(eyes);
            return Ok(());
        }
        // Asked first: whatever has a number up to this one can be read from now on.
        let newest = changes::newest(&mut eyes.connection).await?;
        loop {
            let news = changes::after(&mut eyes.connection, seen, PAGE).await?;
            let page = news.len();
            for (number, change) in news {
                // Numbers are given without gaps, so a gap was purged before it was read.
                let missed = number != seen.saturating_add(1);
                self.bus.publish(if missed { Change::Everything } else { change });
                (seen, self.seen) = (number, Some(number));
            }
            if page < PAGE as usize {
                break;
            }
        }
        if seen < newest || newest < before {
            // All of it was purged before it was read; or another store stands in its place, such as a backup.
            self.bus.publish(Change::Everything);
            self.seen = Some(newest);
        }
        self.eyes = Some(eyes);
        Ok(())
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
