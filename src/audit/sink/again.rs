//! Dead letters that somebody asked to have sent again.
//!
//! Refuses to send what the trail does not have any more, because a letter is a place in it and no copy.

use super::engine::{Engine, Stop};

impl Engine {
    /// Sends those letters again that somebody asked for.
    pub(super) async fn letters(&mut self) -> Result<(), Stop> {
        self.state.letters = self.cursors.count(self.sink.id()).await?;
        self.meter.letters(self.state.letters);
        if self.state.letters == 0 {
            return Ok(());
        }
        for letter in self.cursors.asked(self.sink.id()).await? {
            let held = self.state.held.contains_key(&letter.chain);
            let Some(mut cursor) = self.cursors.take(self.sink.id(), &letter.chain, &self.holder).await? else { continue };
            self.state.held.insert(letter.chain.clone(), cursor.clone());
            let found = self.trail.following(&letter.chain, letter.link - 1, 1).await?;
            let event = found.first().filter(|entry| entry.link == letter.link).and_then(|entry| self.sink.outgoing(entry));
            let Some(event) = event else {
                tracing::warn!(
                    sink = letter.sink,
                    event = letter.event,
                    "a dead letter is not in the trail any more, or not for the sink"
                );
                self.cursors.give_up(&letter.sink, Some(&letter.event)).await?;
                continue;
            };
            let sent = self.send(&mut cursor, std::slice::from_ref(&event), 1).await;
            if let Some((why, after)) = sent.later {
                self.failed(&why);
                return Err(Stop::Later(self.state.backoff.next(after)));
            }
            if let Some((_, why)) = sent.refused.first() {
                self.cursors.refused_again(self.letter(&event, why)).await?;
            } else {
                self.succeeded();
                self.meter.count(1, 0, 0);
                cursor.sent += 1;
                self.cursors.give_up(&letter.sink, Some(&letter.event)).await?;
                self.keep(cursor, Vec::new()).await?;
            }
            if !held {
                self.give_back(&letter.chain).await?;
            }
        }
        Ok(())
    }
}
