//! Sending: a few lines to one server, each letter tried until it is taken, refused or of no use any more.
//!
//! Refuses to try for ever: a letter has a last moment, and waits grow between tries.

use std::sync::Arc;
use std::time::Duration;

use lettre::Message;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use super::line::Line;
use super::{Letter, MailError, Post, Server};
use crate::clock::SharedClock;

/// Connections to the server at once.
const LINES: usize = 4;
/// The wait before the second try; it doubles from try to try. Greylisting servers ask for a minute or more.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A connection that was last used longer ago than this is made anew: servers end idle ones.
const IDLE: Duration = Duration::from_secs(20);
/// How long a server may take to say that it is still there, or to hear goodbye.
const PATIENCE: Duration = Duration::from_secs(2);

/// One mail server's letters. Clones share its lines.
#[derive(Clone, Debug)]
pub struct Outbox {
    server: Arc<Server>,
    post: Post,
    clock: SharedClock,
    lines: Arc<Semaphore>,
    /// Open lines that wait for a letter.
    idle: Arc<Mutex<Vec<Idle>>>,
}

struct Idle {
    line: Line,
    since: tokio::time::Instant,
}

impl std::fmt::Debug for Idle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Idle({:?})", self.since)
    }
}

impl Outbox {
    #[must_use]
    pub fn new(server: Server, post: Post, clock: SharedClock) -> Self {
        Self { server: Arc::new(server), post, clock, lines: Arc::new(Semaphore::new(LINES)), idle: Arc::default() }
    }

    #[must_use]
    pub fn post(&self) -> &Post {
        &self.post
    }

    /// The server's name, for records.
    #[must_use]
    pub fn server(&self) -> String {
        self.server.name()
    }

    /// Sends one letter, trying until its last moment. `put_off` hears why the first try did not succeed, if another follows.
    ///
    /// # Errors
    /// [`MailError`] of the last try.
    pub async fn send(&self, letter: &Letter, put_off: impl Fn(&MailError) + Send) -> Result<(), MailError> {
        let name = self.server.name();
        let sent = self.persist(letter, &name, put_off).await;
        match &sent {
            Ok(()) => self.post.sent(&name),
            Err(error) => {
                self.post.failed();
                tracing::warn!(server = %name, %error, reason = error.reason(), "a letter was not sent");
            }
        }
        sent
    }

    async fn persist(&self, letter: &Letter, name: &str, put_off: impl Fn(&MailError) + Send) -> Result<(), MailError> {
        let message = letter.message(&self.server)?;
        let mut wait = FIRST_WAIT;
        loop {
            let error = match self.try_once(&message).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if error.is_of_the_server() {
                self.post.note(name, false);
            }
            if !error.may_pass() || self.clock.now().after(wait) >= letter.until {
                return Err(error);
            }
            self.post.put_off();
            if wait == FIRST_WAIT {
                put_off(&error);
            }
            tracing::warn!(server = %name, %error, reason = error.reason(), ?wait, "a letter is tried again later");
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// One try, without waiting for a better moment: for somebody who looks on.
    ///
    /// # Errors
    /// [`MailError`]
    pub async fn send_now(&self, letter: &Letter) -> Result<(), MailError> {
        self.try_once(&letter.message(&self.server)?).await
    }

    async fn try_once(&self, message: &Message) -> Result<(), MailError> {
        // The semaphore is never closed.
        let Ok(_place): Result<OwnedSemaphorePermit, _> = Arc::clone(&self.lines).acquire_owned().await else {
            return Err(MailError::Full);
        };
        let mut line = match self.waiting().await {
            Some(line) => line,
            None => Line::open(&self.server).await?,
        };
        let sent = line.send(&self.server, message).await;
        if sent.is_ok() {
            self.idle.lock().await.push(Idle { line, since: tokio::time::Instant::now() });
        } else {
            line.close(PATIENCE).await;
        }
        sent
    }

    /// A line that is open and still good.
    async fn waiting(&self) -> Option<Line> {
        loop {
            let Idle { mut line, since } = self.idle.lock().await.pop()?;
            if since.elapsed() < IDLE && line.is_alive(PATIENCE).await {
                return Some(line);
            }
            line.close(PATIENCE).await;
        }
    }
}
