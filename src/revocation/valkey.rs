//! Following a session server: changes are heard as soon as they are written, by whichever process.
//!
//! Refuses to guess what it missed: after an error, a gap, or a feed that began anew everything is forgotten.

use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

use super::{Bus, Feed};
use crate::clock::SharedClock;
use crate::model::Change;
use crate::valkey::changes::{self, Place};
use crate::valkey::{Line, Unavailable, Valkey};

/// How long one question waits for a change, in milliseconds; then the next shows that the server is still there.
const WATCH: u32 = 400;
/// A question that takes longer is blindness.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two tries to see again.
const AGAIN: Duration = Duration::from_millis(100);
/// Changes read at once.
const PAGE: u32 = 500;

/// Reads the change feed for as long as it lives and publishes it on a bus.
#[derive(Debug)]
pub struct ValkeyFollower {
    _task: AbortOnDropHandle<()>,
}

impl ValkeyFollower {
    /// Follows from the newest change on: call it before anything is cached.
    ///
    /// # Errors
    /// [`Unavailable`] when the server cannot be asked.
    pub async fn start(server: &Valkey, bus: Bus, clock: SharedClock) -> Result<Self, Unavailable> {
        let line = server.line();
        bus.hear_at_once(server.listeners());
        let seen = changes::newest(&line).await?;
        let task = Task { line, bus, clock, seen };
        Ok(Self { _task: AbortOnDropHandle::new(tokio::spawn(task.run())) })
    }
}

struct Task {
    line: Line,
    bus: Bus,
    clock: SharedClock,
    /// Where the last change was that was published.
    seen: Place,
}

impl Task {
    async fn run(mut self) {
        loop {
            let outcome = match tokio::time::timeout(PATIENCE, self.look()).await {
                Ok(outcome) => outcome,
                Err(_) => Err(Unavailable::Late),
            };
            match outcome {
                Ok(()) if self.bus.following(Feed::Sessions) => {
                    tracing::info!("the session server's change feed is heard again");
                    self.bus.publish(Change::Everything);
                }
                Ok(()) => {}
                Err(error) => {
                    if self.bus.blind(Feed::Sessions, self.clock.now()) {
                        tracing::error!(%error, "the session server is not heard: sessions ended elsewhere are not known here");
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// Publishes what is new, and waits for it a moment. A server that lost what it had told begins anew, so that is looked for first.
    async fn look(&mut self) -> Result<(), Unavailable> {
        let newest = changes::newest(&self.line).await?;
        if newest < self.seen {
            self.seen = newest;
            self.bus.publish(Change::Everything);
        }
        for entry in changes::after(&self.line, self.seen, PAGE, WATCH).await? {
            let missed = entry.after != self.seen;
            self.bus.publish(if missed { Change::Everything } else { entry.change });
            self.seen = entry.place;
        }
        Ok(())
    }
}
