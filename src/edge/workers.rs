//! The threads that serve connections: one for each processor, each with a runtime and an engine of its own.
//!
//! Refuses to share work between threads: a connection stays where it was put, because then neither its tasks nor the upstream
//! connections it uses ever cross processors, and answers of one HTTP/2 connection leave together: 12 % less processor time over HTTP/2
//! than with one runtime that balances (`bench/README.md`). What takes long (hashing a password) must therefore leave the thread by
//! `spawn_blocking`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The threads. They, and whatever still runs on them, end with this.
#[derive(Debug)]
pub struct Workers {
    all: Box<[Worker]>,
}

#[derive(Debug)]
struct Worker {
    runtime: Handle,
    /// The thread ends when this is dropped.
    _alive: oneshot::Sender<()>,
}

impl Workers {
    /// Starts a thread for each processor that this process may use.
    pub fn start() -> io::Result<Self> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let all = (0..processors).map(|_| Worker::start()).collect::<io::Result<_>>()?;
        Ok(Self { all })
    }
}

impl Worker {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (alive, ended) = oneshot::channel::<()>();
        thread::Builder::new().name("doorward-worker".to_owned()).spawn(move || {
            // Either way the other end is gone.
            let _ = runtime.block_on(ended);
        })?;
        Ok(Self { runtime: handle, _alive: alive })
    }
}

/// An application on all threads, an instance on each.
#[derive(Debug)]
pub struct Crew<A> {
    workers: Arc<Workers>,
    apps: Box<[Arc<A>]>,
    turn: AtomicUsize,
}

impl<A> Crew<A> {
    /// `app` makes an instance for each thread.
    #[must_use]
    pub fn new(workers: Arc<Workers>, app: impl Fn() -> Arc<A>) -> Self {
        let apps = workers.all.iter().map(|_| app()).collect();
        Self { workers, apps, turn: AtomicUsize::new(0) }
    }

    pub fn apps(&self) -> impl Iterator<Item = &Arc<A>> {
        self.apps.iter()
    }

    /// The runtime and the instance whose turn it is to take a connection; `None` if there is none at all.
    pub fn next(&self) -> Option<(&Handle, &Arc<A>)> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed).checked_rem(self.apps.len())?;
        Some((&self.workers.all.get(turn)?.runtime, self.apps.get(turn)?))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;

    use super::*;

    #[test]
    fn connections_are_dealt_out_in_turn() {
        let workers = Arc::new(Workers::start().unwrap());
        let count = Cell::new(0);
        let crew = Crew::new(workers, || Arc::new(count.replace(count.get() + 1)));
        let made = crew.apps().count();
        let dealt: Vec<usize> = (0..2 * made).map(|_| **crew.next().unwrap().1).collect();
        let expected: Vec<usize> = (0..made).chain(0..made).collect();
        assert_eq!(dealt, expected);
    }

    #[tokio::test]
    async fn what_runs_on_a_worker_ends_with_it() {
        let crew = Crew::new(Arc::new(Workers::start().unwrap()), || Arc::new(()));
        let (witness, ended) = oneshot::channel::<()>();
        crew.next().unwrap().0.spawn(async move {
            let _witness = witness;
            pending::<()>().await;
        });
        drop(crew);
        assert!(ended.await.is_err(), "the task outlived its worker");
    }
}
