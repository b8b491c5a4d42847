//! Events as JSON lines on standard output.
//!
//! Refuses to break a line: a batch is written under the lock that every other writer to standard output takes.

use std::io::{self, Write as _};

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::transport::{Most, Outgoing, SendError, Transport};

const MOST: Most = Most { events: 1000, bytes: 1 << 20 };

/// Standard output.
#[derive(Debug, Default)]
pub(super) struct Stdout {
    /// What is being written. A reader that reads no more holds it up, and then there must not be a second.
    writing: Mutex<Option<JoinHandle<io::Result<()>>>>,
}

#[async_trait]
impl Transport for Stdout {
    async fn send(&self, batch: &[Outgoing]) -> Result<(), SendError> {
        let mut writing = self.writing.lock().await;
        if let Some(before) = writing.as_mut() {
            // It was given up by whoever began it, and will be sent again.
            let done = before.await;
            *writing = None;
            done.map_err(SendError::later)?.map_err(SendError::later)?;
        }
        let lines = json_lines(batch)?;
        let begun = writing.insert(tokio::task::spawn_blocking(move || {
            let mut out = io::stdout().lock();
            out.write_all(&lines)?;
            out.flush()
        }));
        let done = begun.await;
        *writing = None;
        done.map_err(SendError::later)?.map_err(SendError::later)
    }

    fn most(&self) -> Most {
        MOST
    }
}

/// One JSON object in each line.
pub(super) fn json_lines(batch: &[Outgoing]) -> Result<Vec<u8>, SendError> {
    let mut lines = Vec::new();
    for (place, event) in batch.iter().enumerate() {
        serde_json::to_writer(&mut lines, &event.body).map_err(|error| SendError::refused(Some(place), error))?;
        lines.push(b'\n');
    }
    Ok(lines)
}
