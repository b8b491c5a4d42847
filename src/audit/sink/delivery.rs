//! The tasks of all sinks: begun, changed and ended as the configuration says.
//!
//! Refuses to begin a sink twice: a sink that was changed goes on where it is, in the same task.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::cursor::Cursors;
use super::engine::{Engine, Order, State};
use super::meter::{Fare, Meter};
use super::planned::Planned;
use crate::audit::{AuditStore, Head};
use crate::crypto::random::NoRandomness;
use crate::crypto::token;
use crate::db::Database;

/// How often it is looked what other processes have recorded.
const EVERY: Duration = Duration::from_secs(1);
/// Between two looks, however much happens.
const BREATH: Duration = Duration::from_millis(50);
/// How long the end may take.
const LAST: Duration = Duration::from_secs(5);

/// Delivers what the trail has to where the configuration says. Clones share the tasks.
#[derive(Clone, Debug)]
pub struct Delivery(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    trail: Arc<dyn AuditStore>,
    database: Database,
    own: Arc<str>,
    heads: watch::Sender<Arc<[Head]>>,
    tasks: Mutex<Tasks>,
}

#[derive(Debug, Default)]
struct Tasks {
    sinks: BTreeMap<String, Task>,
    looking: Option<AbortOnDropHandle<()>>,
}

#[derive(Debug)]
struct Task {
    orders: watch::Sender<Order>,
    meter: Arc<Meter>,
    ended: AbortOnDropHandle<()>,
}

impl Delivery {
    /// Nothing is delivered before [`Self::apply`]. `own`: the chain that this process writes.
    #[must_use]
    pub fn new(trail: Arc<dyn AuditStore>, database: Database, own: &str) -> Self {
        let (heads, _) = watch::channel(Arc::default());
        Self(Arc::new(Shared { trail, database, own: own.into(), heads, tasks: Mutex::default() }))
    }

    /// Delivers to `sinks` from now on, and to no others.
    ///
    /// # Errors
    /// [`NoRandomness`] when no name can be made for a new task.
    pub fn apply(&self, sinks: Vec<Planned>) -> Result<(), NoRandomness> {
        let mut tasks = self.tasks();
        let mut former = std::mem::take(&mut tasks.sinks);
        for sink in sinks.into_iter().map(Arc::new) {
            let known = former.remove(sink.id()).filter(|task| !task.ended.is_finished());
            let task = match known {
                Some(task) => {
                    task.orders.send_replace(Order::Run(Arc::clone(&sink)));
                    task
                }
                None => self.begin(Arc::clone(&sink))?,
            };
            tasks.sinks.insert(sink.id().to_owned(), task);
        }
        for task in former.into_values() {
            task.orders.send_replace(Order::Leave);
            // It ends by itself, after the batch that is under way.
            drop(task.ended.detach());
        }
        if tasks.sinks.is_empty() {
            tasks.looking = None;
        } else if tasks.looking.is_none() {
            tasks.looking = Some(AbortOnDropHandle::new(tokio::spawn(look(Arc::downgrade(&self.0)))));
        }
        Ok(())
    }

    fn begin(&self, sink: Arc<Planned>) -> Result<Task, NoRandomness> {
        let (orders, told) = watch::channel(Order::Run(Arc::clone(&sink)));
        let meter = Arc::<Meter>::default();
        let engine = Engine {
            sink,
            orders: told,
            heads: self.0.heads.subscribe(),
            trail: Arc::clone(&self.0.trail),
            cursors: Cursors::new(self.0.database.clone()),
            meter: Arc::clone(&meter),
            own: Arc::clone(&self.0.own),
            holder: token::new_id()?,
            state: State::default(),
        };
        Ok(Task { orders, meter, ended: AbortOnDropHandle::new(tokio::spawn(engine.run())) })
    }

    /// Delivers what can be delivered within seconds, and ends.
    pub async fn finish(&self) {
        let tasks = std::mem::take(&mut *self.tasks());
        if tasks.sinks.is_empty() {
            return;
        }
        if let Ok(heads) = self.0.trail.heads().await {
            self.0.heads.send_replace(heads.into());
        }
        for task in tasks.sinks.values() {
            task.orders.send_replace(Order::Finish);
        }
        let all = futures::future::join_all(tasks.sinks.into_values().map(|task| task.ended));
        if tokio::time::timeout(LAST, all).await.is_err() {
            tracing::warn!("not every sink could end in time; what is left is delivered after the next start");
        }
    }

    /// How each sink fares.
    #[must_use]
    pub fn fares(&self) -> Vec<Fare> {
        let now = self.0.database.now();
        self.tasks().sinks.iter().map(|(sink, task)| task.meter.fare(sink, now)).collect()
    }

    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the sinks where the chains stand: at once when this process has recorded something, soon when another has.
async fn look(delivery: std::sync::Weak<Shared>) {
    let Some(mut commits) = delivery.upgrade().map(|delivery| delivery.database.commits()) else { return };
    while let Some(delivery) = delivery.upgrade() {
        match delivery.trail.heads().await {
            Ok(heads) => {
                let heads: Arc<[Head]> = heads.into();
                delivery.heads.send_if_modified(|known| {
                    let changed = *known != heads;
                    *known = heads;
                    changed
                });
            }
            Err(error) => tracing::debug!(%error, "it is not known where the chains stand"),
        }
        drop(delivery);
        tokio::time::sleep(BREATH).await;
        // The sender lives as long as the database; without it, the second is waited for.
        let _ = tokio::time::timeout(EVERY, commits.changed()).await;
    }
}
