//! Answers that go on for long, such as WebSockets and event streams, and ending them in a way the other side understands.
//!
//! Refuses to cut in the middle of a frame where it can be helped, and to wait for it forever, because a stream of somebody who
//! was signed out, or of a door that is closing, has to end (threats H9).

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::task::AtomicWaker;
use http::{StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use tokio_util::sync::CancellationToken;

use super::ConnectionFacts;
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

/// How the bytes of a long answer are framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// RFC 6455 §5.2, after a 101.
    WebSocket,
    /// RFC 9112 §7.1.
    Chunked,
    /// None that could be ended politely: the connection is closed.
    Bare,
}

const QUIET: u8 = 0;
const GOING_AWAY: u8 = 1;
const REVOKED: u8 = 2;
const CUT: u8 = 3;

struct Shared {
    id: u64,
    streams: LiveStreams,
    /// Whether a long answer is on its way.
    long: AtomicBool,
    reason: AtomicU8,
    /// The stream type, waiting for bytes in either direction.
    waker: AtomicWaker,
    closed: CancellationToken,
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

    /// Notes that an answer with this head begins. One that goes on for long is registered, as `identity`'s, until [`Self::end`].
    pub fn begin(&self, answer: &ResponseHeader, identity: Option<&Arc<Identity>>) {
        if !goes_on(answer) {
            return;
        }
        self.0.long.store(true, Ordering::Release);
        self.0.streams.entries().insert(self.0.id, Entry { handle: self.clone(), identity: identity.cloned() });
    }

    /// Notes that the answer ended.
    pub fn end(&self) {
        if self.0.long.swap(false, Ordering::AcqRel) {
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
            self.0.closed.cancel();
            self.0.waker.wake();
        }
    }

    /// Ends the connection at once and without a word.
    pub(super) fn cut(&self) {
        self.0.reason.store(CUT, Ordering::Release);
        self.0.closed.cancel();
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
        self.0.long.load(Ordering::Acquire)
    }

    pub(super) fn listen(&self, waker: &std::task::Waker) {
        self.0.waker.register(waker);
    }

    /// Resolves once it was told to close.
    pub(super) fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        self.0.closed.clone().cancelled_owned()
    }

    /// Resolves once it was told to close and has had the time to do it politely.
    pub(super) async fn overdue(&self) {
        self.closed().await;
        if self.0.reason.load(Ordering::Acquire) != CUT {
            tokio::time::sleep(PATIENCE).await;
        }
    }
}

/// Whether an answer goes on for long; others end by themselves.
fn goes_on(answer: &ResponseHeader) -> bool {
    let kind = answer.headers.get(header::CONTENT_TYPE).map(http::HeaderValue::as_bytes).unwrap_or_default();
    let long = [&b"text/event-stream"[..], b"application/grpc"].into_iter().any(|long| begins_with(kind, long));
    answer.status == StatusCode::SWITCHING_PROTOCOLS || (long && !answer.headers.contains_key(header::CONTENT_LENGTH))
}

fn begins_with(text: &[u8], beginning: &[u8]) -> bool {
    text.get(..beginning.len()).is_some_and(|text| text.eq_ignore_ascii_case(beginning))
}

struct Entry {
    handle: LiveHandle,
    identity: Option<Arc<Identity>>,
}

/// All long answers that are under way.
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
    /// A handle for a new connection; it is listed only while a long answer goes over it.
    #[must_use]
    pub fn handle(&self) -> LiveHandle {
        LiveHandle(Arc::new(Shared {
            id: self.next.fetch_add(1, Ordering::Relaxed),
            streams: self.clone(),
            long: AtomicBool::new(false),
            reason: AtomicU8::new(QUIET),
            waker: AtomicWaker::new(),
            closed: CancellationToken::new(),
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
    pub fn close_where(&self, reason: CloseReason, mut is_meant: impl FnMut(Option<&Identity>) -> bool) -> usize {
        let meant: Vec<LiveHandle> = self
            .entries()
            .values()
            .filter(|entry| is_meant(entry.identity.as_deref()))
            .map(|entry| entry.handle.clone())
            .collect();
        // Outside the lock, because the woken may end at once.
        for handle in &meant {
            handle.close(reason);
        }
        meant.len()
    }

    /// Ends all, and says how many there were.
    pub fn close_all(&self, reason: CloseReason) -> usize {
        self.close_where(reason, |_| true)
    }

    /// A panic elsewhere leaves the map whole: each change is one call.
    fn entries(&self) -> MutexGuard<'_, HashMap<u64, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows what is written to a client during a long answer, to know where a frame ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Frames {
    /// The answer's head as far as it was written; what follows it is framed as it says.
    head: Vec<u8>,
    framing: Option<Framing>,
    /// Bytes of the current frame's header.
    header: Header,
    /// Bytes of payload still to come.
    left: u64,
    /// Whether the chunked body's last chunk was written.
    finished: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Header {
    bytes: [u8; 20],
    length: usize,
}

impl Frames {
    /// Whether something else may be written now.
    pub(super) const fn at_boundary(&self) -> bool {
        self.framing.is_some() && self.header.length == 0 && self.left == 0
    }

    /// What to write at a boundary so that the client takes this for the end.
    pub(super) fn last_words(&self, reason: CloseReason) -> Vec<u8> {
        match (self.framing, reason) {
            // FIN and opcode 8, two bytes: the close codes of RFC 6455 §7.4.1, 1001 and 1008.
            (Some(Framing::WebSocket), CloseReason::GoingAway) => vec![0x88, 2, 0x03, 0xe9],
            (Some(Framing::WebSocket), CloseReason::Revoked) => vec![0x88, 2, 0x03, 0xf0],
            (Some(Framing::Chunked), _) if !self.finished => b"0\r\n\r\n".to_vec(),
            (Some(Framing::Chunked | Framing::Bare) | None, _) => Vec::new(),
        }
    }

    /// How many of `bytes` lead up to the next boundary; all if there is none in them.
    pub(super) fn boundary_in(&self, bytes: &[u8]) -> usize {
        self.clone().move_to_boundary(bytes)
    }

    /// Moves on to the next boundary in `bytes`, and says how far that was.
    fn move_to_boundary(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            at += self.step(&bytes[at..]);
            if self.at_boundary() {
                break;
            }
        }
        at
    }

    /// Moves on by all of `bytes`.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while at < bytes.len() {
            at += self.step(&bytes[at..]);
        }
    }

    /// Moves on by at least one byte, at most to the next boundary. `bytes` is not empty.
    fn step(&mut self, bytes: &[u8]) -> usize {
        let Some(framing) = self.framing else { return self.head_byte(bytes[0]) };
        if self.left > 0 {
            let taken = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left -= taken as u64;
            return taken;
        }
        match framing {
            Framing::Bare => bytes.len(),
            Framing::WebSocket => self.header_byte(bytes[0], websocket_payload),
            Framing::Chunked => self.header_byte(bytes[0], chunk_payload),
        }
    }

    fn head_byte(&mut self, byte: u8) -> usize {
        self.head.push(byte);
        if self.head.ends_with(b"\r\n\r\n") {
            let head = std::mem::take(&mut self.head);
            self.framing = framing(&head);
        }
        1
    }

    fn header_byte(&mut self, byte: u8, payload: fn(&[u8]) -> Option<u64>) -> usize {
        if let Some(slot) = self.header.bytes.get_mut(self.header.length) {
            *slot = byte;
            self.header.length += 1;
        }
        if let Some(size) = payload(&self.header.bytes[..self.header.length]) {
            self.finished |= self.framing == Some(Framing::Chunked) && size <= 2;
            (self.left, self.header.length) = (size, 0);
        }
        1
    }
}

/// What follows an answer's head; `None` after an interim one, which another head follows.
fn framing(head: &[u8]) -> Option<Framing> {
    let status = head.get(9..12).unwrap_or_default();
    if status == b"101" {
        return Some(Framing::WebSocket);
    }
    if status.starts_with(b"1") {
        return None;
    }
    let chunked = head
        .split(|byte| *byte == b'\n')
        .any(|line| begins_with(line, b"transfer-encoding:") && line.trim_ascii_end().to_ascii_lowercase().ends_with(b"chunked"));
    Some(if chunked { Framing::Chunked } else { Framing::Bare })
}

/// Payload length of a frame whose header is complete (RFC 6455 §5.2).
fn websocket_payload(header: &[u8]) -> Option<u64> {
    let [_, second, rest @ ..] = header else { return None };
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let (width, short) = match second & 0x7f {
        126 => (2, 0),
        127 => (8, 0),
        short => (0, u64::from(short)),
    };
    if rest.len() < width + mask {
        return None;
    }
    Some(if width == 0 { short } else { rest[..width].iter().fold(0, |length, byte| (length << 8) | u64::from(*byte)) })
}

/// Bytes up to the next chunk's size line, once this one's is complete: the data and its CR LF. The engine writes no extensions.
fn chunk_payload(header: &[u8]) -> Option<u64> {
    let digits = header.strip_suffix(b"\r\n")?;
    let size = std::str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok())?;
    Some(size.saturating_add(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boundaries(answer: &[u8]) -> Vec<usize> {
        let walk = |piece: usize| {
            let (mut frames, mut found, mut base) = (Frames::default(), Vec::new(), 0);
            for bytes in answer.chunks(piece) {
                let mut at = 0;
                while at < bytes.len() {
                    at += frames.move_to_boundary(&bytes[at..]);
                    if frames.at_boundary() {
                        found.push(base + at);
                    }
                }
                base += bytes.len();
            }
            found
        };
        assert_eq!(walk(1), walk(usize::MAX));
        walk(1)
    }

    #[test]
    fn frames_end_where_they_end() {
        let mut answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n".to_vec();
        let head = answer.len();
        answer.extend(b"\x81\x02hi\x82\x7e\x01\x00");
        answer.extend([7; 256]);
        answer.extend(b"\x89\x00");
        assert_eq!(boundaries(&answer), [head, head + 4, head + 264, head + 266]);
        let head = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let answer = [&head[..], b"5\r\nhello\r\nA\r\n0123456789\r\n"].concat();
        assert_eq!(boundaries(&answer), [head.len(), head.len() + 10, head.len() + 25]);
    }
}
