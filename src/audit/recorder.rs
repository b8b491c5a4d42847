//! Recording: awaited where a state changes, in passing where requests come fast.
//!
//! Refuses to hold up a request: what is noted in passing waits in a bounded queue, from there goes to the disk where there is a journal,
//! and what does not fit is counted as lost, because a trail that stops the door is a way to attack it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::allowance::Allowance;
use super::grouped::Grouped;
use super::health::Health;
use super::journal::{self, Journal};
use super::{AuditError, AuditStore, Event, Kind};

/// Noted events that may wait.
const QUEUE: usize = 4096;
/// Events written together.
pub(super) const BATCH: usize = 256;
pub(super) const RETRY: Duration = Duration::from_secs(1);
/// How long the end waits for what is still queued.
const LAST_CALL: Duration = Duration::from_secs(5);
/// How long an answer waits for what is told of it to be on the disk.
const MOMENT: Duration = Duration::from_millis(250);
/// Bytes kept of a text that came from outside.
const TEXT: usize = 256;

/// Writes events to the trail. Clones share the queue.
#[derive(Clone, Debug)]
pub struct Recorder {
    grouped: Grouped,
    queue: mpsc::Sender<Message>,
    /// Where noted events wait for the store; `None`: in memory.
    journal: Option<Arc<Journal>>,
    /// Up to which number the store has what was in the journal.
    taken: watch::Receiver<u64>,
    lost: Arc<AtomicU64>,
    refused: Arc<Allowance>,
    health: Health,
}

#[derive(Debug)]
pub(super) enum Message {
    /// Whoever is named is told when it is on the disk.
    Event(Box<Event>, Option<oneshot::Sender<()>>),
    /// Answered when everything queued before it is written to the store, or to the journal, up to this number.
    Flush(oneshot::Sender<u64>),
}

impl Recorder {
    #[must_use]
    pub fn start(store: Arc<dyn AuditStore>) -> Self {
        let (queue, messages) = mpsc::channel(QUEUE);
        let health = Health::default();
        tokio::spawn(write(Arc::clone(&store), health.clone(), messages));
        Self::new(store, health, queue, None, watch::Sender::new(0).subscribe())
    }

    /// What is noted goes by way of `journal`, with what is already in it first.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start_with(store: Arc<dyn AuditStore>, journal: Journal) -> std::io::Result<Self> {
        let (queue, messages) = mpsc::channel(QUEUE);
        let taken = journal.taken();
        let journal = Arc::new(journal);
        let keeping = Arc::clone(&journal);
        std::thread::Builder::new().name("audit-journal".to_owned()).spawn(move || keeping.run(messages))?;
        let health = Health::default();
        tokio::spawn(journal::feed(Arc::clone(&store), health.clone(), Arc::clone(&journal)));
        Ok(Self::new(store, health, queue, Some(journal), taken))
    }

    fn new(
        store: Arc<dyn AuditStore>,
        health: Health,
        queue: mpsc::Sender<Message>,
        journal: Option<Arc<Journal>>,
        taken: watch::Receiver<u64>,
    ) -> Self {
        let grouped = Grouped::start(store, health.clone());
        Self { grouped, queue, journal, taken, lost: Arc::default(), refused: Arc::default(), health }
    }

    /// Records something that changes a state (a sign-in, a new key): durable when it returns.
    ///
    /// # Errors
    /// [`AuditError`] when the trail cannot be written; then the caller should not go on either.
    pub async fn record(&self, event: Event) -> Result<(), AuditError> {
        self.grouped.append(vec![clipped(event)]).await
    }

    /// Records what has happened and cannot be taken back, in one piece: durable when it returns.
    ///
    /// # Errors
    /// [`AuditError`] when the trail cannot be written; then the events wait in memory until it can.
    pub async fn record_done(&self, events: Vec<Event>) -> Result<(), AuditError> {
        if events.is_empty() {
            return Ok(());
        }
        let events: Vec<Event> = events.into_iter().map(clipped).collect();
        self.grouped.append(events.clone()).await.inspect_err(|_| events.into_iter().for_each(|event| self.note(event)))
    }

    /// Notes something that happens at the rate of requests (a refusal). Never waits. Of what anybody can cause without so much as
    /// a request, only so much is noted.
    pub fn note(&self, event: Event) {
        self.send(event, None);
    }

    /// Notes something before it is answered: whoever was answered is in the trail, even if this process is killed. Waits for the
    /// thread that writes, not for the disk or the store, and a moment at most.
    pub async fn note_before_answer(&self, event: Event) {
        if self.journal.is_none() {
            return self.note(event);
        }
        let (kept, told) = oneshot::channel();
        self.send(event, Some(kept));
        // What was left out or lost is told by the channel's end.
        let _ = tokio::time::timeout(MOMENT, told).await;
    }

    fn send(&self, mut event: Event, kept: Option<oneshot::Sender<()>>) {
        if event.kind == Kind::RequestRefused {
            match self.refused.take(event.at) {
                None => return,
                Some(0) => {}
                Some(more) => drop(event.details.insert("left_out".to_owned(), more.into())),
            }
        }
        if self.queue.try_send(Message::Event(Box::new(clipped(event)), kept)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Noted events that could not be kept since the start, for a metric.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed) + self.journal.as_ref().map_or(0, |journal| journal.lost())
    }

    /// Noted events that wait on the disk for the store, for a metric.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.journal.as_ref().map_or(0, |journal| journal.waiting())
    }

    /// Why the trail does not take events now, for a probe and a metric.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.health.trouble(self.waiting() > 0)
    }

    /// Waits until everything noted so far is written, seconds at most. Says whether it is.
    pub async fn flush(&self) -> bool {
        let (done, written) = oneshot::channel();
        let mut taken = self.taken.clone();
        let flush = async {
            let queued = self.queue.send(Message::Flush(done)).await.is_ok();
            let Ok(end) = written.await else { return false };
            queued && (self.journal.is_none() || taken.wait_for(|taken| *taken >= end).await.is_ok())
        };
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

async fn write(store: Arc<dyn AuditStore>, health: Health, mut messages: mpsc::Receiver<Message>) {
    let mut batch = Vec::new();
    while messages.recv_many(&mut batch, BATCH).await > 0 {
        let (mut events, mut waiting) = (Vec::new(), Vec::new());
        for message in batch.drain(..) {
            match message {
                Message::Event(event, _) => events.push(*event),
                Message::Flush(done) => waiting.push(done),
            }
        }
        while let Err(error) = health.noted(append(&*store, &events).await) {
            tracing::warn!(%error, events = events.len(), "audit events wait for the store");
            tokio::time::sleep(RETRY).await;
        }
        for done in waiting {
            // Whoever gave up waiting does not want to know.
            let _ = done.send(0);
        }
    }
}

async fn append(store: &dyn AuditStore, events: &[Event]) -> Result<(), AuditError> {
    if events.is_empty() { Ok(()) } else { store.append(events.to_vec()).await }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::moody::Moody;
    use crate::audit::{Kind, Outcome};
    use crate::clock::Timestamp;
    use crate::model::TenantId;

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
        assert_eq!(store.moments(), [1, 2, 3]);
    }

    /// As a process leaves it that is killed while the store is down.
    fn left_behind(base: &std::path::Path, numbers: std::ops::Range<i64>) {
        let journal = Journal::open(base, 0).unwrap();
        let (queue, messages) = mpsc::channel(QUEUE);
        for number in numbers {
            queue.try_send(Message::Event(Box::new(event(number)), None)).unwrap();
        }
        drop(queue);
        std::thread::spawn(move || journal.run(messages)).join().unwrap();
    }

    #[tokio::test]
    async fn what_a_killed_process_had_noted_comes_first_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let (base, store) = (folder.path().join("events"), Arc::new(Moody::default()));
        left_behind(&base, 0..700);
        let recorder = Recorder::start_with(store.clone(), Journal::open(&base, 0).unwrap()).unwrap();
        recorder.note(event(700));
        assert!(recorder.flush().await);
        assert_eq!(store.moments(), (0..=700).collect::<Vec<_>>());
        assert_eq!((recorder.waiting(), recorder.lost()), (0, 0));
    }

    #[tokio::test]
    async fn a_second_process_has_a_file_of_its_own_and_takes_over_what_a_dead_one_left() {
        let folder = tempfile::tempdir().unwrap();
        let (base, store) = (folder.path().join("events"), Arc::new(Moody::default()));
        let first = Journal::open(&base, 0).unwrap();
        left_behind(&base, 0..3);
        let second = folder.path().join("events.1");
        assert!(second.exists(), "the first is another's");
        let recorder = Recorder::start_with(store.clone(), first).unwrap();
        let deadline = std::time::Instant::now() + LAST_CALL;
        while second.exists() && std::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(!second.exists(), "it was emptied");
        recorder.note(event(3));
        assert!(recorder.flush().await);
        assert_eq!(store.moments(), [0, 1, 2, 3]);
    }

    #[tokio::test]
    async fn what_is_noted_while_the_store_is_down_waits_on_the_disk_and_follows_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Moody::default());
        store.down.store(true, Ordering::SeqCst);
        let recorder =
            Recorder::start_with(store.clone(), Journal::open(&folder.path().join("events"), 4 * 1024 * 1024).unwrap()).unwrap();
        let all = i64::try_from(QUEUE).unwrap() / 2;
        for round in 0..3 {
            (0..all).for_each(|number| recorder.note(event(round * all + number)));
            while recorder.waiting() < u64::try_from((round + 1) * all).unwrap() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        assert_eq!(recorder.lost(), 0, "more than the queue holds");
        store.down.store(false, Ordering::SeqCst);
        assert!(recorder.flush().await);
        assert_eq!(store.moments(), (0..3 * all).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn what_is_recorded_at_the_same_time_shares_a_transaction_and_keeps_its_order() {
        let store = Arc::new(Moody::default());
        let recorder = Recorder::start(store.clone());
        let recorded = futures::future::join_all((0..50).map(|number| recorder.record(event(number)))).await;
        assert!(recorded.iter().all(Result::is_ok));
        assert_eq!(store.moments(), (0..50).collect::<Vec<_>>());
        let transactions = store.transactions.load(Ordering::SeqCst);
        assert!(transactions <= 2, "{transactions}");
        store.down.store(true, Ordering::SeqCst);
        let refused = futures::future::join_all((0..50).map(|number| recorder.record(event(number)))).await;
        assert!(refused.iter().all(Result::is_err), "everybody is told");
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
        assert_eq!(store.moments(), (0..kept).collect::<Vec<_>>(), "each once and in order");
    }
}
