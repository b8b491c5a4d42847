//! One caller's work, its types forgotten: what an engine does with it is the same for a hundred kinds of work.
//!
//! Refuses to let the caller know how it went before the engine knows its fate: what was not committed was not done.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::oneshot;

use super::{Connection, Failure, Unavailable};

/// Work in a transaction, by whose outcome somebody waits.
pub(super) trait Job: Send {
    /// Whether the caller still waits; work whose caller was told "unavailable" is not begun.
    fn is_awaited(&self) -> bool;
    /// Does the work, once.
    fn perform<'a>(&'a mut self, connection: &'a mut Connection) -> BoxFuture<'a, Performed>;
    /// Hands the caller the outcome, or why the whole transaction failed.
    fn answer(self: Box<Self>, fate: Result<(), Unavailable>);
}

/// How the work itself went.
pub(super) enum Performed {
    Done,
    /// It said no.
    Refused,
    /// A statement failed.
    Failed(Unavailable),
}

/// What a job will be answered with.
pub(super) type Answer<T, E> = oneshot::Receiver<Result<T, Failure<E>>>;

/// `work` as a job, and where its outcome comes.
pub(super) fn job<T, E, F>(work: F) -> (Box<dyn Job>, Answer<T, E>)
where
    T: Send + 'static,
    E: Send + 'static,
    F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, Failure<E>>> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    (Box::new(Asked { work: Some(work), outcome: None, reply }), answer)
}

struct Asked<T, E, F> {
    work: Option<F>,
    outcome: Option<Result<T, Failure<E>>>,
    reply: oneshot::Sender<Result<T, Failure<E>>>,
}

impl<T, E, F> Job for Asked<T, E, F>
where
    T: Send,
    E: Send,
    F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, Failure<E>>> + Send,
{
    fn is_awaited(&self) -> bool {
        !self.reply.is_closed()
    }

    fn perform<'a>(&'a mut self, connection: &'a mut Connection) -> BoxFuture<'a, Performed> {
        async move {
            let Some(work) = self.work.take() else { return Performed::Refused };
            let outcome = work(connection).await;
            let performed = match &outcome {
                Ok(_) => Performed::Done,
                Err(Failure::Refused(_)) => Performed::Refused,
                Err(Failure::Unavailable(error)) => Performed::Failed(error.clone()),
            };
            self.outcome = Some(outcome);
            performed
        }
        .boxed()
    }

    fn answer(self: Box<Self>, fate: Result<(), Unavailable>) {
        let outcome = match fate {
            Ok(()) => self.outcome.unwrap_or(Err(Failure::Unavailable(Unavailable::Closed))),
            Err(error) => Err(Failure::Unavailable(error)),
        };
        // A caller that has gone away does not want to know.
        let _ = self.reply.send(outcome);
    }
}
