//! Events of several callers in one transaction.
//!
//! Refuses to answer before what was asked for is durable. Whoever comes while one transaction is under way shares the next, because each
//! of them waits for the disk, and for the others that extend the same chain.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::health::Health;
use super::{AuditError, AuditStore, Event};

/// Callers that may wait in line; more wait to get there.
const QUEUE: usize = 1024;
/// Callers that share a transaction.
const TOGETHER: usize = 256;

/// Writes what it is given, in that order.
#[derive(Clone, Debug)]
pub(super) struct Grouped(mpsc::Sender<Asked>);

#[derive(Debug)]
struct Asked {
    events: Vec<Event>,
    answer: oneshot::Sender<Result<(), AuditError>>,
}

/// Nobody writes any more: the runtime is ending.
#[derive(Debug, thiserror::Error)]
#[error("the audit trail is closed")]
struct Closed;

impl Grouped {
    pub(super) fn start(store: Arc<dyn AuditStore>, health: Health) -> Self {
        let (queue, asked) = mpsc::channel(QUEUE);
        tokio::spawn(write(store, health, asked));
        Self(queue)
    }

    /// Durable when it returns.
    pub(super) async fn append(&self, events: Vec<Event>) -> Result<(), AuditError> {
        let (answer, answered) = oneshot::channel();
        let asked = self.0.send(Asked { events, answer }).await;
        asked.map_err(|_| AuditError(Box::new(Closed)))?;
        answered.await.unwrap_or_else(|_| Err(AuditError(Box::new(Closed))))
    }
}

async fn write(store: Arc<dyn AuditStore>, health: Health, mut asked: mpsc::Receiver<Asked>) {
    let mut batch = Vec::new();
    while asked.recv_many(&mut batch, TOGETHER).await > 0 {
        let (mut events, mut answers) = (Vec::new(), Vec::with_capacity(batch.len()));
        for asked in batch.drain(..) {
            events.extend(asked.events);
            answers.push(asked.answer);
        }
        let fate = health.noted(store.append(events).await).map_err(Arc::new);
        for answer in answers {
            // Whoever went away does not want to know.
            let _ = answer.send(fate.clone().map_err(|error| AuditError(Box::new(error))));
        }
    }
}
