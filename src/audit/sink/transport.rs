//! What every kind of receiver has to be able to do: take a batch, or say why not.
//!
//! Refuses to guess whether a receiver took something: what is not known to be taken is sent again, because an event twice can be told
//! by its id and an event never cannot.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::audit::Severity;
use crate::clock::Timestamp;

/// Characters kept of what a receiver said.
const SAID: usize = 200;

/// One event on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// The event's own id: the same however often it is sent.
    pub id: String,
    pub at: Timestamp,
    /// Whose event it is: the replica that recorded it.
    pub chain: String,
    /// Its place there: 1, 2, 3 …
    pub link: i64,
    /// The stable name of what happened.
    pub kind: String,
    pub severity: Severity,
    /// In the sink's format, after its field mapping.
    pub body: Map<String, Value>,
}

/// What one batch may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Most {
    pub events: usize,
    /// Of the bodies as JSON together, one more for each. A single event may be larger; then the transport refuses or cuts it.
    pub bytes: usize,
}

/// Why a batch is not delivered.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The receiver cannot now: the same batch is sent again, not before `after` where the receiver said so.
    #[error("{why}")]
    Later { why: String, after: Option<Duration> },
    /// The receiver will never take the event at this place, and has taken those before it. Without a place: something in the batch,
    /// which is then sent in halves until the culprit is alone.
    #[error("{why}")]
    Refused { at: Option<usize>, why: String },
}

impl SendError {
    /// It may be well later.
    #[must_use]
    pub fn later(why: impl fmt::Display) -> Self {
        Self::Later { why: said(&why.to_string()), after: None }
    }

    /// Not before `after`.
    #[must_use]
    pub fn after(why: impl fmt::Display, after: Option<Duration>) -> Self {
        Self::Later { why: said(&why.to_string()), after }
    }

    /// Never.
    #[must_use]
    pub fn refused(at: Option<usize>, why: impl fmt::Display) -> Self {
        Self::Refused { at, why: said(&why.to_string()) }
    }
}

/// The beginning of what a receiver said, fit for one line of a log.
#[must_use]
pub fn said(text: &str) -> String {
    let legible = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    legible.take(SAID).collect::<String>().trim().to_owned()
}

/// A way to one receiver. Connects when it first sends, and again whenever it has to; `send` ends within its
/// [`Transport::patience`], or is cut.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync {
    /// Sends `batch`, which is never empty and within [`Self::most`], and returns when the receiver has taken all of it. `why` of an error
    /// holds no secret.
    async fn send(&self, batch: &[Outgoing]) -> Result<(), SendError>;
    fn most(&self) -> Most;
    /// How long one `send` may take, where an answer may take `timeout`.
    fn patience(&self, timeout: Duration) -> Duration {
        timeout
    }
}
