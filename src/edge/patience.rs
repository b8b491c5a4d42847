//! How long a client may keep a connection waiting.
//!
//! Refuses clients that send or read too slowly, because whoever holds a slot for nothing takes it from a guest (threats D5, D6).

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::deadline::Deadline;
use super::hygiene::{Unclean, refuse};
use super::wire::Awaited;
use crate::config::Limits;

/// What a body's client earns for each byte it sends: one second for 500 bytes.
pub const PER_BYTE: Duration = Duration::from_millis(2);

/// The spans of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Spans {
    /// For a request's head, and for the first bytes of a connection.
    pub head: Duration,
    /// Between two requests.
    pub keep_alive: Duration,
    /// That a body may keep us waiting in all, beside what it earns by its bytes.
    pub body: Duration,
    /// In which a client must have taken something of what is written.
    pub write: Duration,
}

impl From<&Limits> for Spans {
    fn from(limits: &Limits) -> Self {
        Self {
            head: limits.header_timeout.0,
            keep_alive: limits.keep_alive.0,
            body: limits.body_timeout.0,
            write: limits.write_timeout.0,
        }
    }
}

/// The patience left with one connection.
#[derive(Debug)]
pub(super) struct Patience {
    spans: Spans,
    awaited: Option<Awaited>,
    /// Whether anything has arrived yet.
    greeted: bool,
    reading: Deadline,
    /// Since when a body keeps us waiting.
    since: Option<Instant>,
    /// What is left of the span for the body.
    left: Duration,
    writing: Deadline,
}

impl Patience {
    pub(super) fn new(spans: Spans) -> Self {
        Self {
            spans,
            awaited: None,
            greeted: false,
            reading: Deadline::default(),
            since: None,
            left: Duration::ZERO,
            writing: Deadline::default(),
        }
    }

    /// Says what is awaited from now on.
    pub(super) fn turn(&mut self, awaited: Awaited) {
        if self.awaited != Some(awaited) {
            self.awaited = Some(awaited);
            self.reading.clear();
            (self.left, self.since) = (self.spans.body, None);
        }
    }

    /// Notes that something arrived, or the end.
    pub(super) fn arrived(&mut self, bytes: usize) {
        if !std::mem::replace(&mut self.greeted, true) {
            // The span was for the first bytes, and they are here; over HTTP/2 nothing else is awaited that would end it.
            self.reading.clear();
        }
        if let Some(since) = self.since.take() {
            self.left = self.left.saturating_sub(since.elapsed());
            self.reading.clear();
        }
        if self.awaited == Some(Awaited::Body) {
            self.left += PER_BYTE.saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX));
        }
    }

    /// Ready once the client has used up its time: with what to answer, or nothing where it had asked nothing yet.
    pub(super) fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<Option<Unclean>> {
        let awaited = self.awaited.unwrap_or(Awaited::Request);
        if !self.reading.is_set() {
            let span = match awaited {
                Awaited::Nothing => return Poll::Pending,
                Awaited::Frames if self.greeted => return Poll::Pending,
                Awaited::Request if self.greeted => self.spans.keep_alive,
                Awaited::Request | Awaited::Head | Awaited::Frames => self.spans.head,
                Awaited::Body => {
                    self.since = Some(Instant::now());
                    self.left
                }
            };
            self.reading.set(Instant::now() + span);
        }
        self.reading.poll(cx).map(|()| match awaited {
            Awaited::Head => Some(refuse(408, "head_timeout")),
            Awaited::Body => Some(Unclean::SLOW_BODY),
            Awaited::Request | Awaited::Nothing | Awaited::Frames => None,
        })
    }

    /// What a write came to, unless the client has taken nothing for too long.
    pub(super) fn poll_writing<V>(&mut self, cx: &mut Context<'_>, written: Poll<V>) -> Poll<io::Result<V>> {
        if let Poll::Ready(written) = written {
            self.writing.clear();
            return Poll::Ready(Ok(written));
        }
        if !self.writing.is_set() {
            self.writing.set(Instant::now() + self.spans.write);
        }
        self.writing.poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn patience() -> Patience {
        let seconds = Duration::from_secs;
        Patience::new(Spans { head: seconds(10), keep_alive: seconds(60), body: seconds(20), write: seconds(30) })
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_bytes_of_http2_are_waited_for_and_then_no_others() {
        for has_to_wait in [true, false] {
            let mut patience = patience();
            patience.turn(Awaited::Frames);
            if has_to_wait {
                assert!(poll_fn(|cx| Poll::Ready(patience.poll_waiting(cx))).await.is_pending());
                tokio::time::sleep(Duration::from_secs(9)).await;
            }
            patience.arrived(24);
            let waited = tokio::time::timeout(Duration::from_secs(3600), poll_fn(|cx| patience.poll_waiting(cx))).await;
            assert!(waited.is_err(), "the engine keeps the time from now on");
        }
        let mut patience = patience();
        patience.turn(Awaited::Frames);
        let begun = Instant::now();
        assert!(poll_fn(|cx| patience.poll_waiting(cx)).await.is_none());
        assert_eq!(begun.elapsed().as_secs(), 10, "who says nothing is not waited for");
    }
}
