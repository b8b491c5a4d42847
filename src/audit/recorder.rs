//! Recording: awaited where a state changes, in passing where requests come fast.
//!
//! Refuses to hold up a request: what is noted in passing waits in a bounded queue, and what does not fit is counted as lost,
//! because a trail that stops the door is a way to attack it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::allowance::Allowance;
use super::{AuditError, AuditStore, Event, Kind};

/// Noted events that may wait.
const QUEUE: usize = 4096;
/// Events written together.
const BATCH: usize = 256;
const RETRY: Duration = Duration::from_secs(1);
/// How long the end waits for what is still queued.
const LAST_CALL: Duration = Duration::from_secs(5);
/// Bytes kept of a text that came from outside.
const TEXT: usize = 256;

/// Writes events to the trail. Clones share the queue.
#[derive(Clone, Debug)]
pub struct Recorder {
    store: Arc<dyn AuditStore>,
    queue: mpsc::Sender<Message>,
    lost: Arc<AtomicU64>,
    refused: Arc<Allowance>,
}

#[derive(Debug)]
enum Message {
    Event(Box<Event>),
    /// Answered when everything queued before it is written.
    Flush(oneshot::Sender<()>),
}

impl Recorder {
    #[must_use]
    pub fn start(store: Arc<dyn AuditStore>) -> Self {
        let (queue, messages) = mpsc::channel(QUEUE);
        tokio::spawn(write(Arc::clone(&store), messages));
        Self { store, queue, lost: Arc::default(), refused: Arc::default() }
    }

    /// Records something that changes a state (a sign-in, a new key): durable when it returns.
    ///
    /// # Errors
    /// [`AuditError`] when the trail cannot be written; then the caller should not go on either.
    pub async fn record(&self, event: Event) -> Result<(), AuditError> {
        self.store.append(vec![clipped(event)]).await
    }

    /// Records what has happened and cannot be taken back, in one piece: durable when it returns.
    ///
    /// # Errors
    /// [`AuditError`] when the trail cannot be written; then the events wait in memory until it can.
    pub async fn record_done(&self, events: Vec<Event>) -> Result<(), AuditError> {
        let events: Vec<Event> = events.into_iter().map(clipped).collect();
        append(&*self.store, &events).await.inspect_err(|_| events.into_iter().for_each(|event| self.note(event)))
    }

    /// Notes something that happens at the rate of requests (a refusal). Never waits. Of what anybody can cause without so much as
    /// a request, only so much is noted.
    pub fn note(&self, mut event: Event) {
        if event.kind == Kind::RequestRefused {
            match self.refused.take(event.at) {
                None => return,
                Some(0) => {}
                Some(more) => drop(event.details.insert("left_out".to_owned(), more.into())),
            }
        }
        if self.queue.try_send(Message::Event(Box::new(clipped(event)))).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Noted events that found the queue full since the start, for a metric.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Waits until everything noted so far is written, seconds at most. Says whether it is.
    pub async fn flush(&self) -> bool {
        let (done, written) = oneshot::channel();
        let flush = async { self.queue.send(Message::Flush(done)).await.is_ok() && written.await.is_ok() };
        tokio::time::timeout(LAST_CALL, flush).await.unwrap_or(false)
    }
}

/// A caller must not be able to fill the disk with a long header.
fn clipped(mut event: Event) -> Event {
    for text in [&mut event.actor, &mut event.target, &mut event.user_agent, &mut event.request_id].into_iter().flatten() {
        text.truncate(text.floor_char_boundary(TEXT));
    }
    event
}

async fn write(store: Arc<dyn AuditStore>, mut messages: mpsc::Receiver<Message>) {
    let mut batch = Vec::new();
    while messages.recv_many(&mut batch, BATCH).await > 0 {
        let (mut events, mut waiting) = (Vec::new(), Vec::new());
        for message in batch.drain(..) {
            match message {
                Message::Event(event) => events.push(*event),
                Message::Flush(done) => waiting.push(done),
            }
        }
        while let Err(error) = append(&*store, &events).await {
            tracing::warn!(%error, events = events.len(), "audit events wait for the store");
            tokio::time::sleep(RETRY).await;
        }
        for done in waiting {
            // Whoever gave up waiting does not want to know.
            let _ = done.send(());
        }
    }
}

async fn append(store: &dyn AuditStore, events: &[Event]) -> Result<(), AuditError> {
    if events.is_empty() { Ok(()) } else { store.append(events.to_vec()).await }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;

    use async_trait::async_trait;

    use super::*;
    use crate::audit::{AuditFilter, Entry, Head, Kind, Listing, Outcome};
    use crate::clock::Timestamp;
    use crate::model::{TenantId, UserId};

    /// A store that can be down.
    #[derive(Debug, Default)]
    struct Moody {
        down: AtomicBool,
        written: Mutex<Vec<i64>>,
    }

    #[async_trait]
    impl AuditStore for Moody {
        async fn append(&self, events: Vec<Event>) -> Result<(), AuditError> {
            if self.down.load(Ordering::SeqCst) {
                return Err(AuditError("down".into()));
            }
            self.written.lock().unwrap().extend(events.iter().map(|event| event.at.seconds()));
            Ok(())
        }

        async fn search(&self, _: &AuditFilter) -> Result<Listing, AuditError> {
            Ok(Listing::default())
        }

        async fn following(&self, _: &str, _: i64, _: u32) -> Result<Vec<Entry>, AuditError> {
            Ok(Vec::new())
        }

        async fn heads(&self) -> Result<Vec<Head>, AuditError> {
            Ok(Vec::new())
        }

        async fn forget(&self, _: UserId, _: &[String]) -> Result<u64, AuditError> {
            Ok(0)
        }

        async fn purge(&self, _: Timestamp) -> Result<u64, AuditError> {
            Ok(0)
        }
    }

    fn event(number: i64) -> Event {
        Event::new(Timestamp::from_seconds(number), Kind::AccessDenied, Outcome::Failure, &TenantId::default())
    }

    #[tokio::test]
    async fn what_cannot_be_taken_back_waits_for_a_store_that_is_down() {
        let store = Arc::new(Moody::default());
        let recorder = Recorder::start(store.clone());
        assert!(recorder.record_done(vec![event(1)]).await.is_ok());
        store.down.store(true, Ordering::SeqCst);
        assert!(recorder.record_done(vec![event(2), event(3)]).await.is_err(), "the failure is told");
        store.down.store(false, Ordering::SeqCst);
        assert!(recorder.flush().await);
        assert_eq!(*store.written.lock().unwrap(), [1, 2, 3]);
    }

    #[tokio::test]
    async fn noting_never_waits_and_what_does_not_fit_is_counted() {
        let store = Arc::new(Moody::default());
        store.down.store(true, Ordering::SeqCst);
        let recorder = Recorder::start(store.clone());
        // Nothing here awaits: the queue is not drained meanwhile.
        for number in 0..5000 {
            recorder.note(event(number));
        }
        assert_eq!(recorder.lost(), 5000 - QUEUE as u64);
        assert!(recorder.record(event(-1)).await.is_err(), "what is awaited is not swallowed");

        // The writer tries, fails, and tries again.
        while recorder.queue.capacity() == 0 {
            tokio::task::yield_now().await;
        }
        store.down.store(false, Ordering::SeqCst);
        assert!(recorder.flush().await);
        let kept = i64::try_from(QUEUE).unwrap();
        assert_eq!(*store.written.lock().unwrap(), (0..kept).collect::<Vec<_>>(), "each once and in order");
    }
}
