//! Takes spans off the queue and numbers off the meters, and sends them.
//!
//! Refuses to keep what the receiver will not have: spans are tried for half a minute and then dropped, which is counted; numbers come anew with
//! the next interval.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::metrics::{self, Period};
use super::planned::Planned;
use super::post::{PostError, post};
use super::spans;
use crate::clock::SharedClock;
use crate::telemetry::families;
use crate::telemetry::metrics::{Metrics, Signal};
use crate::telemetry::operations::Insight;
use crate::trace::Span;

/// Spans of one request.
const MOST: usize = 512;
/// How long the first of them waits for others.
const GATHER: Duration = Duration::from_secs(1);
/// How long spans are tried; meanwhile others wait in the queue.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between the first try and the second; it doubles from there.
const AGAIN: Duration = Duration::from_millis(500);

/// The export of one process, under whatever configuration is in force.
#[derive(Debug)]
pub struct Export {
    metrics: Arc<Metrics>,
    /// Where to; `None`: nowhere.
    planned: watch::Sender<Option<Arc<Planned>>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Export {
    pub(in crate::telemetry) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, planned: watch::Sender::new(None), stop: CancellationToken::new(), tasks: TaskTracker::new() }
    }

    /// Sends to this receiver from now on; `None`: to none.
    pub fn apply(&self, planned: Option<Planned>) {
        self.planned.send_replace(planned.map(Arc::new));
    }

    /// Begins to send, for as long as the process lives.
    pub fn start(&self, insight: Arc<dyn Insight>, clock: SharedClock) {
        let Some(queue) = self.metrics.otlp.spans.take() else { return };
        let carrier =
            || Carrier { metrics: Arc::clone(&self.metrics), planned: self.planned.subscribe(), stop: self.stop.clone() };
        self.tasks.spawn(carrier().carry(queue));
        self.tasks.spawn(carrier().push(insight, clock));
    }

    /// Sends what waits and the last numbers, within this span.
    pub async fn finish(&self, within: Duration) {
        self.stop.cancel();
        self.tasks.close();
        if timeout(within, self.tasks.wait()).await.is_err() {
            tracing::warn!("the OTLP receiver did not take the last spans and metrics in time");
        }
    }
}

/// What both tasks have.
struct Carrier {
    metrics: Arc<Metrics>,
    planned: watch::Receiver<Option<Arc<Planned>>>,
    stop: CancellationToken,
}

impl Carrier {
    fn planned(&self) -> Option<Arc<Planned>> {
        self.planned.borrow().clone()
    }

    /// Spans, until it is told to stop; then those that are there.
    async fn carry(self, mut queue: mpsc::Receiver<Span>) {
        let mut batch = Vec::new();
        let mut failing = false;
        while gather(&mut queue, &mut batch, &self.stop).await {
            self.deliver(&batch, &mut failing).await;
            batch.clear();
        }
        while let Ok(span) = queue.try_recv() {
            batch.push(span);
        }
        for last in batch.chunks(MOST) {
            self.deliver(last, &mut failing).await;
        }
    }

    async fn deliver(&self, batch: &[Span], failing: &mut bool) {
        let Some(planned) = self.planned() else { return };
        let Some(url) = &planned.traces else { return };
        let message = spans::request(batch, &planned.resource).encode_to_vec();
        let otlp = &self.metrics.otlp;
        let (until, mut pause) = (Instant::now() + PATIENCE, AGAIN);
        loop {
            let answer = post(&planned, url, message.clone()).await;
            otlp.count(Signal::Traces, answer.is_ok());
            told(Signal::Traces, answer.as_ref().err(), failing);
            match answer {
                Ok(answer) => {
                    let refused = rejected(&answer).min(batch.len() as u64);
                    otlp.refused.add(refused);
                    otlp.sent.add(batch.len() as u64 - refused);
                    return;
                }
                Err(PostError::Refused(_)) => return otlp.refused.add(batch.len() as u64),
                Err(PostError::Later { after, .. }) => {
                    let next = Instant::now() + after.unwrap_or(pause);
                    // At the end there is one try for each.
                    if next > until || self.stop.is_cancelled() {
                        return otlp.given_up.add(batch.len() as u64);
                    }
                    tokio::select! {
                        () = sleep_until(next) => {}
                        () = self.stop.cancelled() => {}
                    }
                    pause *= 2;
                }
            }
        }
    }

    /// Numbers, at each interval and at the end.
    async fn push(mut self, insight: Arc<dyn Insight>, clock: SharedClock) {
        let since = clock.now();
        let mut failing = false;
        loop {
            let interval = self.planned().and_then(|planned| Some(planned.metrics.as_ref()?.1));
            let stopped = tokio::select! {
                () = self.stop.cancelled() => true,
                () = async { sleep(interval.unwrap_or_default()).await }, if interval.is_some() => false,
                changed = self.planned.changed() => if changed.is_ok() { continue } else { return },
            };
            self.send(&*insight, Period::of(since, clock.now()), &mut failing).await;
            if stopped {
                return;
            }
        }
    }

    async fn send(&self, insight: &dyn Insight, period: Period, failing: &mut bool) {
        let Some(planned) = self.planned() else { return };
        let Some((url, _)) = &planned.metrics else { return };
        let families = families::read(&self.metrics, insight.samples().await);
        let message = metrics::request(families, period, &planned.resource).encode_to_vec();
        let answer = post(&planned, url, message).await;
        self.metrics.otlp.count(Signal::Metrics, answer.is_ok());
        told(Signal::Metrics, answer.as_ref().err(), failing);
    }
}

/// Waits for spans and gathers some; says whether there is more to come.
async fn gather(queue: &mut mpsc::Receiver<Span>, batch: &mut Vec<Span>, stop: &CancellationToken) -> bool {
    let mut until = None;
    while batch.len() < MOST {
        let room = MOST - batch.len();
        let full = async {
            match until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return false,
            () = full => break,
            taken = queue.recv_many(batch, room) => {
                if taken == 0 {
                    return false;
                }
                until.get_or_insert_with(|| Instant::now() + GATHER);
            }
        }
    }
    true
}

/// How many spans a receiver that took the request will not have (OTLP specification, "Partial Success"). An answer that cannot be read came
/// from one that took everything.
fn rejected(answer: &[u8]) -> u64 {
    let told = ExportTraceServiceResponse::decode(answer).ok().and_then(|told| told.partial_success);
    told.and_then(|told| u64::try_from(told.rejected_spans).ok()).unwrap_or(0)
}

/// Says once that it fails, and once that it goes on.
fn told(signal: Signal, error: Option<&PostError>, failing: &mut bool) {
    let was = std::mem::replace(failing, error.is_some());
    match error {
        Some(error) if !was => {
            tracing::warn!(signal = signal.as_str(), %error, "the OTLP receiver does not take what it is sent");
        }
        None if was => tracing::info!(signal = signal.as_str(), "the OTLP receiver takes what it is sent again"),
        _ => {}
    }
}
