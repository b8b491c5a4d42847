//! Changes on their way to a server whose disk lags behind its answers: written together, and waited for together.
//!
//! Refuses to call a change done that the server has not written to its disk (`WAITAOF`): a sign-out that a crash undoes is none.
//! All changes that come while one batch is waited for make the next, so that many cost one wait.

use std::time::Duration;

use redis::{Cmd, Pipeline, Value};
use tokio::sync::{mpsc, oneshot};

use super::Unavailable;
use super::line::Line;

/// Changes that may wait; more are refused at once.
const WAITING: usize = 4096;
/// Changes of one batch.
const BATCH: usize = 256;
/// How long a batch may wait for the disk, in milliseconds: a server that syncs every second needs one and a little more.
const DISK: u32 = 1800;
/// How long the server may take to answer that it has waited.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

type Answer = Result<Value, Unavailable>;

struct Job {
    command: Cmd,
    answer: oneshot::Sender<Answer>,
}

#[derive(Clone)]
pub(super) struct Writer(mpsc::Sender<Job>);

impl Writer {
    /// Writes on `line` until the last handle is dropped.
    pub(super) fn start(line: Line) -> Self {
        let (sender, jobs) = mpsc::channel(WAITING);
        tokio::spawn(run(line, jobs));
        Self(sender)
    }

    pub(super) async fn write(&self, command: Cmd) -> Answer {
        let (answer, answered) = oneshot::channel();
        // Full, or its task is gone.
        self.0.try_send(Job { command, answer }).map_err(|_| Unavailable::Late)?;
        answered.await.map_err(|_| Unavailable::Late)?
    }
}

async fn run(line: Line, mut jobs: mpsc::Receiver<Job>) {
    let mut batch = Vec::new();
    while jobs.recv_many(&mut batch, BATCH).await > 0 {
        let outcome = write(&line, &batch).await;
        answer(&mut batch, outcome);
    }
}

/// Waits until what was written on this connection is on the server's disk, or for too long.
pub(super) fn kept() -> Cmd {
    let mut command = redis::cmd("WAITAOF");
    command.arg(1).arg(0).arg(DISK);
    command
}

/// What the server said to [`kept`].
pub(super) fn is_kept(answer: Value) -> Result<bool, Unavailable> {
    let (here, _): (u32, u32) = super::read(answer)?;
    Ok(here > 0)
}

async fn write(line: &Line, batch: &[Job]) -> Result<Vec<Value>, Unavailable> {
    let mut commands = Pipeline::with_capacity(batch.len() + 1);
    for job in batch {
        commands.add_command(job.command.clone());
    }
    commands.add_command(kept());
    let mut answers = line.ask_all(&commands).await?;
    // The server's own error is one, too: it cannot be waited for any more.
    let waited = answers.pop().unwrap_or(Value::Nil).extract_error().map_err(|_| Unavailable::NotKept)?;
    if is_kept(waited)? { Ok(answers) } else { Err(Unavailable::NotKept) }
}

fn answer(batch: &mut Vec<Job>, outcome: Result<Vec<Value>, Unavailable>) {
    // Whoever does not wait any more is not told.
    match outcome {
        Ok(answers) => {
            for (job, answer) in batch.drain(..).zip(answers) {
                let _ = job.answer.send(answer.extract_error().map_err(Unavailable::from));
            }
        }
        Err(error) => {
            for job in batch.drain(..) {
                let _ = job.answer.send(Err(error.clone()));
            }
        }
    }
}
