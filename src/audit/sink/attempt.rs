//! Sending a batch to a receiver that takes all of it or nothing for certain.
//!
//! Refuses to leave out what stands before an event that was refused, because what is not known to be taken is sent again.

use async_trait::async_trait;
use serde::Serialize;

use super::transport::{Outgoing, SendError};

/// One attempt at a batch. Where it says that the event at a place is refused, nothing is known of those before it.
#[async_trait]
pub(super) trait Attempt: Sync {
    async fn attempt(&self, batch: &[Outgoing]) -> Result<(), SendError>;
}

/// Sends `batch`; where an event of it is refused, what stands before that, once more and without it.
pub(super) async fn send(sender: &dyn Attempt, batch: &[Outgoing]) -> Result<(), SendError> {
    let mut sound = batch;
    let mut culprit = None;
    loop {
        match sender.attempt(sound).await {
            Ok(()) => return culprit.map_or(Ok(()), Err),
            Err(SendError::Refused { at: Some(at), why }) if at > 0 => {
                sound = sound.get(..at).unwrap_or_default();
                culprit = Some(SendError::Refused { at: Some(at), why });
            }
            Err(error) => return Err(error),
        }
    }
}

/// A JSON array of `rows`. Refuses the first that cannot be written, or has more than `largest` bytes.
pub(super) fn array<T: Serialize>(rows: impl Iterator<Item = T>, largest: usize) -> Result<Vec<u8>, SendError> {
    let mut body = vec![b'['];
    for (place, row) in rows.enumerate() {
        if place > 0 {
            body.push(b',');
        }
        let begun = body.len();
        serde_json::to_writer(&mut body, &row).map_err(|error| SendError::refused(Some(place), error))?;
        let length = body.len() - begun;
        if length > largest {
            return Err(SendError::refused(Some(place), format!("{length} bytes are more than the receiver takes ({largest})")));
        }
    }
    body.push(b']');
    Ok(body)
}
