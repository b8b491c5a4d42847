//! Where spans wait to be exported.
//!
//! Refuses to grow and to wait: what finds no room is counted and dropped.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::span::Span;

/// Spans that may wait; some 4 MiB of them.
pub const ROOM: usize = 8192;

/// Spans on their way out.
pub struct Queue {
    sender: Sender<Span>,
    /// Until somebody takes them.
    receiver: Mutex<Option<Receiver<Span>>>,
    dropped: AtomicU64,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Queue({} waiting)", self.waiting())
    }
}

impl Default for Queue {
    fn default() -> Self {
        let (sender, receiver) = channel(ROOM);
        Self { sender, receiver: Mutex::new(Some(receiver)), dropped: AtomicU64::new(0) }
    }
}

impl Queue {
    pub(super) fn put(&self, span: Span) {
        if self.sender.try_send(span).is_err() {
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    /// The other end, for the one who exports them; `None` for everybody after the first.
    pub fn take(&self) -> Option<Receiver<Span>> {
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// How many found no room.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// How many wait now.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        (self.sender.max_capacity() - self.sender.capacity()) as u64
    }
}
