//! Answers that go on for long, such as WebSockets and event streams, and requests whose bodies are still coming in, such as calls with
//! a client's stream; and ending them in a way the other side understands.
//!
//! Refuses to cut in the middle of a frame where it can be helped, and to wait for it forever, because a stream of somebody who
//! was signed out, or of a door that is closing, has to end (threats H9).

use std::collections::HashMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures::task::AtomicWaker;
use http::{HeaderValue, StatusCode, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;

use super::ConnectionFacts;
use crate::clock::Timestamp;
use crate::model::Identity;

/// How long the other side of a stream has to reach the end of a frame before the stream is cut there.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why a stream is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The door is closing; the client may come back at once.
    GoingAway,
    /// Its owner may no longer have it.
    Revoked,
}

const QUIET: u8 = 0;
const GOING_AWAY: u8 = 1;
const REVOKED: u8 = 2;
const CUT: u8 = 3;

/// Nothing is under way that others would have to end.
const PASSING: u8 = 0;
/// The request's body is still coming in.
const ASKING: u8 = 1;
/// A long answer is on its way.
const ANSWERING: u8 = 2;

struct Shared {
    id: u64,
    streams: LiveStreams,
    stage: AtomicU8,
    reason: AtomicU8,
    /// The stream type, waiting for bytes in either direction.
    waker: AtomicWaker,
    /// The one task that serves it, waiting for the word to close.
    server: AtomicWaker,
}

tokio::task_local! {
    /// The HTTP/2 stream that a task serves. The engine's sessions have no place for it.
    static STREAM: LiveHandle;
}

/// One HTTP/1 connection or one HTTP/2 stream, as far as it may have to be ended from elsewhere.
#[derive(Clone)]
pub struct LiveHandle(Arc<Shared>);

impl fmt::Debug for LiveHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LiveHandle({}, {:?})", self.0.id, self.reason())
    }
}

impl LiveHandle {
    /// The handle of the answer to the request that `session` holds.
    #[must_use]
    pub fn of(session: &Session) -> Option<Self> {
        // An HTTP/2 stream has one of its own; an HTTP/1 connection serves one request at a time.
        STREAM.try_with(Self::clone).ok().or_else(|| ConnectionFacts::of(session).map(|facts| facts.live.clone()))
    }

    /// Serves an HTTP/2 stream, whose handle this is.
    pub(super) fn within<F: Future>(&self, serving: F) -> impl Future<Output = F::Output> + use<F> {
        STREAM.scope(self.clone(), serving)
    }

    /// A handle for one HTTP/2 stream of the same connection.
    pub(super) fn branch(&self) -> Self {
        self.0.streams.handle()
    }

    /// Notes that a request of `identity` may go on though not all of its body is here. It is registered until [`Self::asked`], or
    /// [`Self::end`]: what it brings must not be taken in from somebody who may no longer bring it.
    pub fn ask(&self, head: &RequestHeader, identity: &Arc<Identity>) {
        self.0.stage.store(ASKING, Ordering::Release);
        self.list(Some(Arc::clone(identity)), is_call(head.headers.get(header::CONTENT_TYPE)));
    }

    /// Notes that the request's body is here.
    pub fn asked(&self) {
        if self.0.stage.compare_exchange(ASKING, PASSING, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.0.streams.entries().remove(&self.0.id);
        }
    }

    /// Notes that an answer with this head begins. One that goes on for long is registered, as `identity`'s, until [`Self::end`];
    /// says whether it is one.
    pub fn begin(&self, answer: &ResponseHeader, identity: Option<&Arc<Identity>>) -> bool {
        if !goes_on(answer) {
            return false;
        }
        self.0.stage.store(ANSWERING, Ordering::Release);
        self.list(identity.cloned(), true);
        true
    }

    fn list(&self, identity: Option<Arc<Identity>>, stream: bool) {
        let entry = Entry { handle: self.clone(), identity, stream, new: true };
        self.0.streams.entries().insert(self.0.id, entry);
    }

    /// Notes that the answer ended.
    pub fn end(&self) {
        if self.0.stage.swap(PASSING, Ordering::AcqRel) != PASSING {
            self.0.streams.entries().remove(&self.0.id);
        }
    }

    /// Ends the answer: politely at the next frame's end, and in any case soon.
    pub fn close(&self, reason: CloseReason) {
        let code = match reason {
            CloseReason::GoingAway => GOING_AWAY,
            CloseReason::Revoked => REVOKED,
        };
        // The first reason is the one that is told.
        if self.0.reason.compare_exchange(QUIET, code, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.0.server.wake();
            self.0.waker.wake();
        }
    }

    /// Ends the connection at once and without a word.
    pub(super) fn cut(&self) {
        self.0.reason.store(CUT, Ordering::Release);
        self.0.server.wake();
    }

    #[must_use]
    pub fn reason(&self) -> Option<CloseReason> {
        match self.0.reason.load(Ordering::Acquire) {
            QUIET => None,
            REVOKED => Some(CloseReason::Revoked),
            _ => Some(CloseReason::GoingAway),
        }
    }

    /// Whether a long answer is on its way.
    pub(super) fn is_long(&self) -> bool {
        self.0.stage.load(Ordering::Acquire) == ANSWERING
    }

    pub(super) fn listen(&self, waker: &std::task::Waker) {
        self.0.waker.register(waker);
    }

    /// Resolves once it was told to close. For one task at a time, which costs every stream less than a token for many.
    pub(super) fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        let shared = Arc::clone(&self.0);
        poll_fn(move |context| {
            shared.server.register(context.waker());
            if shared.reason.load(Ordering::Acquire) == QUIET { Poll::Pending } else { Poll::Ready(()) }
        })
    }

    /// Resolves once it was told to close and has had the time to do it politely; there are no words for who is still asking.
    pub(super) async fn overdue(&self) {
        self.closed().await;
        if self.0.reason.load(Ordering::Acquire) != CUT && self.is_long() {
            tokio::time::sleep(PATIENCE).await;
        }
    }
}

/// Whether an answer goes on for long; others end by themselves.
fn goes_on(answer: &ResponseHeader) -> bool {
    let kind = answer.headers.get(header::CONTENT_TYPE);
    let long = is_call(kind) || kind.is_some_and(|kind| begins_with(kind.as_bytes(), b"text/event-stream"));
    answer.status == StatusCode::SWITCHING_PROTOCOLS || (long && !answer.headers.contains_key(header::CONTENT_LENGTH))
}

/// Whether it is the content type of a gRPC call.
fn is_call(kind: Option<&HeaderValue>) -> bool {
    kind.is_some_and(|kind| begins_with(kind.as_bytes(), b"application/grpc"))
}

pub(super) fn begins_with(text: &[u8], beginning: &[u8]) -> bool {
    text.get(..beginning.len()).is_some_and(|text| text.eq_ignore_ascii_case(beginning))
}

struct Entry {
    handle: LiveHandle,
    identity: Option<Arc<Identity>>,
    /// Whether it goes on for as long as both sides like; others end when all is said.
    stream: bool,
    /// Not yet told of by [`LiveStreams::newcomers`].
    new: bool,
}

/// All long answers and unfinished requests that are under way.
#[derive(Clone, Default)]
pub struct LiveStreams {
    entries: Arc<Mutex<HashMap<u64, Entry>>>,
    next: Arc<AtomicU64>,
}

impl fmt::Debug for LiveStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LiveStreams({})", self.len())
    }
}

impl LiveStreams {
    /// A handle for a new connection; it is listed only while a long answer or an unfinished request goes over it.
    #[must_use]
    pub fn handle(&self) -> LiveHandle {
        LiveHandle(Arc::new(Shared {
            id: self.next.fetch_add(1, Ordering::Relaxed),
            streams: self.clone(),
            stage: AtomicU8::new(PASSING),
            reason: AtomicU8::new(QUIET),
            waker: AtomicWaker::new(),
            server: AtomicWaker::new(),
        }))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries().len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends those whose identity `is_meant`, and says how many those were.
    pub fn close_where(&self, reason: CloseReason, mut is_meant: impl FnMut(&Identity) -> bool) -> usize {
        self.close(reason, |entry| entry.identity.as_deref().is_some_and(&mut is_meant))
    }

    /// Ends those whose identity has expired at `now`, and says how many those were. An upload that began in time may come to its end.
    pub fn close_expired(&self, now: Timestamp) -> usize {
        self.close(CloseReason::Revoked, |entry| entry.stream && entry.identity.as_ref().is_some_and(|one| one.has_expired(now)))
    }

    /// Ends all long answers, and says how many there were. What is still being asked has its answer to come.
    pub fn close_all(&self, reason: CloseReason) -> usize {
        self.close(reason, |entry| entry.handle.is_long())
    }

    fn close(&self, reason: CloseReason, is_meant: impl FnMut(&&Entry) -> bool) -> usize {
        let meant: Vec<LiveHandle> = self.entries().values().filter(is_meant).map(|entry| entry.handle.clone()).collect();
        // Outside the lock, because the woken may end at once.
        for handle in &meant {
            handle.close(reason);
        }
        meant.len()
    }

    /// Whose streams there are, of those whom `is_meant`; each once.
    pub fn identities(&self, mut is_meant: impl FnMut(&Identity) -> bool) -> Vec<Arc<Identity>> {
        let mut found: Vec<Arc<Identity>> =
            self.entries().values().filter_map(|entry| entry.identity.clone()).filter(|identity| is_meant(identity)).collect();
        found.sort_by_key(Arc::as_ptr);
        found.dedup_by_key(|identity| Arc::as_ptr(identity));
        found
    }

    /// Whose streams began since this was last asked.
    #[must_use]
    pub fn newcomers(&self) -> Vec<Arc<Identity>> {
        let mut entries = self.entries();
        let new = entries.values_mut().filter_map(|entry| std::mem::take(&mut entry.new).then_some(entry));
        new.filter_map(|entry| entry.identity.clone()).collect()
    }

    /// A panic elsewhere leaves the map whole: each change is one call.
    fn entries(&self) -> MutexGuard<'_, HashMap<u64, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
