//! What keeps state over requests and reloads.
//!
//! Refuses a store it does not know; the embedded one is SQLite, and sessions may live on a server of their own. Without a store
//! nothing is written to a disk.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::TaskTracker;

use super::strangers::Strangers;
use crate::admin;
use crate::audit::alarm::{Alarms, Rules};
use crate::audit::sink::{Cursors, Delivery, Fare, Planned};
use crate::audit::{AuditStore, Journal, JournalError, LoggedAudit, Recorder, Source, SqlAudit};
use crate::authn::Stores;
use crate::batch::{Batched, Gathered};
use crate::clock::SharedClock;
use crate::config::{Config, SessionServer};
use crate::crypto::weekly::Unsigned;
use crate::db::{self, Database, OpenError, Terms, Unavailable};
use crate::directory::{
    self, Answers, Connections, Directory, Factors, Invitations, Networks, Provisioning, ScimCalls, ScimTokens, SqlDirectory,
    Visits,
};
use crate::login::{Means, UsedCodes};
use crate::mail::Post;
use crate::revocation::{Bus, Follower, ValkeyFollower};
use crate::scim;
use crate::session::{self, MailedLinks, SessionStore, SqlSessions, Tries, ValkeySessions};
use crate::telemetry::Metrics;
use crate::valkey::{self, Address, Valkey};

/// How late "last seen" and "last used" may be.
const RENEWAL: Duration = Duration::from_secs(5);
/// How late a call of a directory may be shown.
const INSPECTION: Duration = Duration::from_millis(500);
/// How long the end waits for letters under way.
const LAST_LETTERS: Duration = Duration::from_secs(2);

/// How long what goes on in the background may take at the end.
const LAST_TASKS: Duration = Duration::from_secs(10);

/// The stores, opened, and what gathers writes for them.
#[derive(Clone, Debug)]
pub struct Memory {
    pub directory: Arc<dyn Directory>,
    pub factors: Arc<dyn Factors>,
    pub connections: Arc<dyn Connections>,
    pub sessions: Arc<dyn SessionStore>,
    pub links: Arc<dyn MailedLinks>,
    /// Tries that have not succeeded.
    pub tries: Arc<dyn Tries>,
    pub invitations: Arc<dyn Invitations>,
    answers: Arc<dyn Answers>,
    pub provisioning: Arc<dyn Provisioning>,
    pub scim_tokens: Arc<dyn ScimTokens>,
    scim_calls: Arc<ScimCalls>,
    /// Letters under way.
    pub post: Post,
    /// The audit trail, to read; [`Self::audit`] writes it.
    pub trail: Arc<dyn AuditStore>,
    /// The same where it can be proved: in a store.
    pub proof: Option<SqlAudit>,
    pub audit: Recorder,
    /// What sets off alarms.
    pub alarms: Arc<Alarms>,
    /// What carries the trail to the sinks; nothing does without a store.
    pub delivery: Option<Delivery>,
    /// How far each sink is.
    pub cursors: Cursors,
    pub seen: Arc<session::Renewals>,
    pub used: Arc<directory::Renewals>,
    /// From which networks keys and clients are used.
    pub networks: Arc<dyn Networks>,
    visits: Arc<Visits>,
    used_codes: Arc<UsedCodes>,
    clock: SharedClock,
    follower: Arc<Follower>,
    /// Where sessions live elsewhere.
    _sessions_follower: Option<Arc<ValkeyFollower>>,
    tasks: TaskTracker,
}

/// Which of the stores could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error(transparent)]
    Sessions(#[from] valkey::OpenError),
    #[error("the audit trail cannot be signed for")]
    Audit(#[from] Unsigned),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("there is no thread to keep audit events")]
    Thread(#[source] std::io::Error),
}

impl From<Unavailable> for MemoryError {
    fn from(error: Unavailable) -> Self {
        Self::Store(error.into())
    }
}

impl Memory {
    /// Opens what `store.url` names; without it, what lasts as long as the process.
    pub async fn open(config: &Config, clock: &SharedClock) -> Result<Self, MemoryError> {
        let database = match &config.store {
            Some(store) => {
                let terms = Terms { password: store.password.clone(), connections: store.connections, patience: store.timeout.0 };
                Database::open_on(store.url.expose(), &terms, Arc::clone(clock)).await?
            }
            None => Database::in_memory(Arc::clone(clock)).await?,
        };
        let follower = Arc::new(Follower::start(database.clone()).await?);
        let people = Arc::new(SqlDirectory::new(database.clone()));
        let factors: Arc<dyn Factors> = people.clone();
        let connections: Arc<dyn Connections> = people.clone();
        let directory: Arc<dyn Directory> = people.clone();
        let provisioning: Arc<dyn Provisioning> = people.clone();
        let scim_tokens: Arc<dyn ScimTokens> = people.clone();
        let signed_in = Arc::new(SqlSessions::new(database.clone()));
        let (sessions, sessions_follower): (Arc<dyn SessionStore>, _) = match session_server(config) {
            Some(server) => {
                let server = Valkey::open(Address::of(server).map_err(valkey::OpenError::from)?).await?;
                let followed = ValkeyFollower::start(&server, follower.bus().clone(), Arc::clone(clock)).await;
                let followed = followed.map_err(valkey::OpenError::from)?;
                (Arc::new(ValkeySessions::new(server, Arc::clone(clock))), Some(Arc::new(followed)))
            }
            None => (signed_in.clone(), None),
        };
        let cursors = Cursors::new(database.clone());
        let proof =
            config.store.as_ref().map(|_| source(config).map(|source| SqlAudit::new(database.clone(), source))).transpose()?;
        let alarms = Arc::new(Alarms::new(Rules::of(config)));
        let (trail, delivery): (Arc<dyn AuditStore>, _) = match &proof {
            Some(stored) => {
                let trail = Arc::new(stored.clone());
                (trail.clone(), Some(Delivery::new(trail, database, stored.source().chain())))
            }
            None => (Arc::new(LoggedAudit::new(alarms.rules())), None),
        };
        let audit = Recorder::start(Arc::clone(&trail));
        let networks: Arc<dyn Networks> = people.clone();
        Ok(Self {
            visits: visits(&networks, &alarms, &audit, clock),
            networks,
            audit,
            alarms,
            delivery,
            cursors,
            seen: Arc::new(session::Renewals::start(Arc::clone(&sessions), RENEWAL)),
            used: Arc::new(directory::Renewals::start(Arc::clone(&directory), RENEWAL)),
            directory,
            factors,
            connections,
            sessions,
            links: signed_in.clone(),
            tries: signed_in,
            answers: people.clone(),
            invitations: people,
            provisioning,
            scim_calls: Arc::new(ScimCalls::start(Arc::clone(&scim_tokens), INSPECTION)),
            scim_tokens,
            post: Post::open(),
            trail,
            proof,
            used_codes: Arc::default(),
            clock: Arc::clone(clock),
            follower,
            _sessions_follower: sessions_follower,
            tasks: TaskTracker::new(),
        })
    }

    /// Lets noted events wait on the disk: for who serves, and so is asked a thousand times a second.
    pub fn keep_journal(&mut self, config: &Config) -> Result<(), MemoryError> {
        if config.store.is_none() {
            return Ok(());
        }
        let Some(base) = journal(config) else {
            tracing::warn!("audit events wait in memory while the store is down: name a file in `audit.journal`");
            return Ok(());
        };
        let journal = Journal::open(&base, config.audit.journal_size)?;
        self.audit = Recorder::start_with(Arc::clone(&self.trail), journal).map_err(MemoryError::Thread)?;
        self.visits = visits(&self.networks, &self.alarms, &self.audit, &self.clock);
        Ok(())
    }

    /// What credentials are checked against.
    #[must_use]
    pub fn stores(&self, metrics: &Arc<Metrics>) -> Stores {
        Stores {
            directory: Arc::clone(&self.directory),
            sessions: Arc::clone(&self.sessions),
            seen: Arc::clone(&self.seen),
            used: Arc::clone(&self.used),
            visits: Arc::clone(&self.visits),
            metrics: Arc::clone(metrics),
            refresher: None,
        }
    }

    /// What signing in needs.
    #[must_use]
    pub fn means(&self) -> Means {
        Means {
            directory: Arc::clone(&self.directory),
            factors: Arc::clone(&self.factors),
            connections: Arc::clone(&self.connections),
            sessions: Arc::clone(&self.sessions),
            links: Arc::clone(&self.links),
            tries: Arc::clone(&self.tries),
            invitations: Arc::clone(&self.invitations),
            post: self.post.clone(),
            audit: self.audit.clone(),
            used_codes: Arc::clone(&self.used_codes),
            clock: Arc::clone(&self.clock),
            tasks: self.tasks.clone(),
        }
    }

    /// What administration needs.
    #[must_use]
    pub fn administration(&self) -> admin::Means {
        admin::Means {
            directory: Arc::clone(&self.directory),
            factors: Arc::clone(&self.factors),
            connections: Arc::clone(&self.connections),
            sessions: Arc::clone(&self.sessions),
            links: Arc::clone(&self.links),
            invitations: Arc::clone(&self.invitations),
            answers: Arc::clone(&self.answers),
            provisioning: Arc::clone(&self.provisioning),
            scim_tokens: Arc::clone(&self.scim_tokens),
            post: self.post.clone(),
            trail: Arc::clone(&self.trail),
            audit: self.audit.clone(),
            clock: Arc::clone(&self.clock),
        }
    }

    /// What directories' clients need.
    #[must_use]
    pub fn provisioning(&self) -> scim::Means {
        scim::Means {
            people: Arc::clone(&self.provisioning),
            tokens: Arc::clone(&self.scim_tokens),
            calls: Arc::clone(&self.scim_calls),
            connections: Arc::clone(&self.connections),
            sessions: Arc::clone(&self.sessions),
            audit: self.audit.clone(),
            clock: Arc::clone(&self.clock),
        }
    }

    /// Delivers audit events to `sinks` from now on, and to no others.
    pub fn deliver(&self, sinks: Vec<Planned>) {
        let begun = self.delivery.as_ref().map_or(Ok(()), |delivery| delivery.apply(sinks));
        if let Err(error) = begun {
            tracing::error!(%error, "audit events are not delivered");
        }
    }

    /// Says what follows from what all replicas record.
    pub fn watch(&self) {
        if let Some(trail) = &self.proof {
            self.alarms.watch(trail.clone());
        }
    }

    /// How the sinks for audit events fare.
    #[must_use]
    pub fn fares(&self) -> Vec<Fare> {
        self.delivery.as_ref().map(Delivery::fares).unwrap_or_default()
    }

    /// Where changes of the store are heard, those of other processes too.
    #[must_use]
    pub fn bus(&self) -> &Bus {
        self.follower.bus()
    }

    /// Writes what was gathered, before the end.
    pub async fn settle(&self) {
        self.tasks.close();
        if tokio::time::timeout(LAST_TASKS, self.tasks.wait()).await.is_err() {
            tracing::warn!("not everything in the background could be finished");
        }
        let unsent = self.post.settle(LAST_LETTERS).await;
        if unsent > 0 {
            tracing::warn!(unsent, "letters were still under way and are given up");
        }
        flush(&self.seen).await;
        flush(&self.used).await;
        flush(&self.visits).await;
        flush(&self.scim_calls).await;
        if !self.audit.flush().await {
            tracing::warn!("audit events were not written");
        }
        if let Some(delivery) = &self.delivery {
            delivery.finish().await;
        }
    }
}

/// Learns from which networks programs are used, and has it told by `audit`.
fn visits(networks: &Arc<dyn Networks>, alarms: &Arc<Alarms>, audit: &Recorder, clock: &SharedClock) -> Arc<Visits> {
    let strangers = Strangers { alarms: Arc::clone(alarms), audit: audit.clone() };
    Arc::new(Visits::start(Arc::clone(networks), Arc::new(strangers), Arc::clone(clock), RENEWAL))
}

async fn flush<G: Gathered>(last: &Batched<G>) {
    if let Err(error) = last.flush().await {
        tracing::warn!(%error, "{} were not written", G::WHAT);
    }
}

/// Who writes to the trail.
fn source(config: &Config) -> Result<Source, Unsigned> {
    Source::new(&config.audit.source(), &config.secret_key, &config.former_secret_keys)
}

/// Where audit events wait: beside an embedded store, if nothing else is said.
fn journal(config: &Config) -> Option<PathBuf> {
    config.audit.journal.clone().or_else(|| {
        let mut file = db::file(config.store.as_ref()?.url.expose())?.into_os_string();
        file.push("-events");
        Some(file.into())
    })
}

fn session_server(config: &Config) -> Option<&SessionServer> {
    config.store.as_ref()?.sessions.as_ref()
}
