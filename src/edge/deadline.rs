//! A deadline that costs nothing while it is only moved ahead.
//!
//! Refuses nothing by itself; the stream asks it whether a client has used up its time (threats D6).

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep};

/// A moment by which something must have happened. The timer behind it is moved only when it goes off too early or would go off
/// too late, because a busy connection sets a new deadline for every request.
#[derive(Debug, Default)]
pub(super) struct Deadline {
    due: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    pub(super) fn set(&mut self, due: Instant) {
        self.due = Some(due);
    }

    pub(super) fn clear(&mut self) {
        self.due = None;
    }

    pub(super) fn is_set(&self) -> bool {
        self.due.is_some()
    }

    /// Ready once the deadline has passed; without a deadline never, and nobody is woken.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.due else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if timer.deadline() > due {
            timer.as_mut().reset(due);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if timer.deadline() >= due {
                self.due = None;
                // A timer that went off cannot be polled again.
                self.timer = None;
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_passes_when_it_was_last_set_to() {
        let begun = Instant::now();
        let mut deadline = Deadline::default();
        assert!(poll_fn(|cx| Poll::Ready(deadline.poll(cx))).await.is_pending(), "none is set");
        for seconds in [5, 60, 10] {
            deadline.set(begun + Duration::from_secs(seconds));
            assert!(poll_fn(|cx| Poll::Ready(deadline.poll(cx))).await.is_pending());
        }
        poll_fn(|cx| deadline.poll(cx)).await;
        assert_eq!(begun.elapsed().as_secs(), 10);
        deadline.set(begun + Duration::from_secs(20));
        poll_fn(|cx| deadline.poll(cx)).await;
        assert_eq!(begun.elapsed().as_secs(), 20);
    }
}
