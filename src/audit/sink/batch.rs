//! One batch to one receiver, down to the event that it does not take.
//!
//! Refuses to hold up the rest for one event that the receiver will never take, and to give up one that it may.

use std::time::Duration;

use super::planned::Planned;
use super::transport::{Outgoing, SendError};

/// A transport ends its tries by itself; one that does not is cut a moment later.
const MARGIN: Duration = Duration::from_secs(1);

/// What became of a batch.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// How many from the front are done: taken or refused.
    pub done: usize,
    pub taken: usize,
    /// Places that were refused, and why.
    pub refused: Vec<(usize, String)>,
    /// Why the rest has to wait, and how long at least.
    pub later: Option<(String, Option<Duration>)>,
}

/// Sends `batch` in order. Refusals beyond `refusals` make the rest wait.
pub(super) async fn send(sink: &Planned, batch: &[Outgoing], refusals: usize) -> Sent {
    let mut sent = Sent::default();
    let mut size = batch.len();
    while sent.done < batch.len() {
        let chunk = &batch[sent.done..batch.len().min(sent.done + size)];
        match one(sink, chunk).await {
            Ok(()) => {
                sent.taken += chunk.len();
                sent.done += chunk.len();
                size = (size * 2).min(batch.len());
            }
            Err(SendError::Later { why, after }) => {
                sent.later = Some((why, after));
                break;
            }
            Err(SendError::Refused { at, why }) => {
                let culprit = at.filter(|at| *at < chunk.len()).or((chunk.len() == 1).then_some(0));
                let Some(culprit) = culprit else {
                    size = chunk.len() / 2;
                    continue;
                };
                if sent.refused.len() >= refusals {
                    sent.taken += culprit;
                    sent.done += culprit;
                    sent.later = Some((format!("too many dead letters: {why}"), None));
                    break;
                }
                sent.refused.push((sent.done + culprit, why));
                sent.taken += culprit;
                sent.done += culprit + 1;
                size = batch.len();
            }
        }
    }
    sent
}

async fn one(sink: &Planned, chunk: &[Outgoing]) -> Result<(), SendError> {
    let limit = sink.transport.patience(sink.typed.timeout.0) + MARGIN;
    let cut = |_| Err(SendError::later("the receiver took too long"));
    tokio::time::timeout(limit, sink.transport.send(chunk)).await.unwrap_or_else(cut)
}

/// The end of the batch that begins at `from`: as much as fits.
pub(super) fn end(sink: &Planned, events: &[Outgoing], from: usize) -> usize {
    let most = sink.most();
    let (mut bytes, mut to) = (0, from);
    while to < events.len() && to - from < most.events {
        // A comma or a line's end for each.
        bytes += serde_json::to_string(&events[to].body).map_or(0, |body| body.len() + 1);
        if bytes > most.bytes && to > from {
            break;
        }
        to += 1;
    }
    to
}
