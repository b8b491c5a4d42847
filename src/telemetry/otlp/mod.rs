//! Traces and metrics by OTLP over HTTP, as protobuf.
//!
//! Refuses to slow or stop a request: spans wait in a queue of bounded size, and what finds no room or no receiver is counted and dropped.
//! The wire types are the project's own (opentelemetry-proto). Its SDK is not used: its queue does not say how many spans it drops, it wants a
//! thread and an HTTP client of its own, and it would take the time and its randomness from elsewhere than this program does.

mod export;
mod metrics;
mod planned;
mod post;
mod resource;
mod spans;

pub use export::Export;
pub use planned::{Planned, compile, signal_address};

use std::sync::Arc;
use std::time::Instant;

use super::request_id::RequestIds;
use super::trace_context::TraceContext;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::trace::{Beginning, Queue, Scope};

/// Decides which requests are recorded.
#[derive(Debug)]
pub struct Tracer {
    /// A request is taken whose number is below it.
    threshold: u64,
    paths: bool,
    queue: Arc<Queue>,
}

/// How many numbers there are.
const NUMBERS: f64 = 18_446_744_073_709_551_616.0;

impl Tracer {
    /// As configured; `None`: no request is recorded.
    pub(super) fn new(config: &Config, queue: &Arc<Queue>) -> Option<Self> {
        let typed = config.telemetry.otlp.as_ref().filter(|typed| typed.traces)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a part is within 0 and 1; a float too large is cut"
        )]
        let threshold = (typed.sample * NUMBERS) as u64;
        Some(Self { threshold, paths: typed.paths, queue: Arc::clone(queue) })
    }

    /// Decides whether a request is recorded, and says so to all who follow. A trace that somebody `trusted` sent is recorded if they say so,
    /// and only then; strangers' say is not asked, because they would have everything recorded. Their trace goes on all the same.
    #[must_use]
    pub fn open(
        &self,
        trace: &mut TraceContext,
        trusted: bool,
        at: Timestamp,
        began: Instant,
        ids: &RequestIds,
    ) -> Option<Arc<Scope>> {
        let takes = || self.threshold == u64::MAX || ids.chance() < self.threshold;
        let sampled = if trusted && trace.came() { trace.is_sampled() } else { takes() };
        trace.sample(sampled);
        let beginning = || Beginning { trace: trace.id(), parent: trace.parent(), at, began, paths: self.paths };
        sampled.then(|| Scope::open(beginning(), &self.queue)).flatten()
    }
}
