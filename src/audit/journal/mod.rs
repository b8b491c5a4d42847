//! Noted events on the disk, from a moment after they were noted until the trail has them.
//!
//! Refuses to make a request wait, and to be shared: each process has a file of its own, under a lock, and takes over what a dead one left.
//! What was written survives the end of the process at once; the end of the machine, once the trail has been silent for a moment.

mod feed;
mod ring;

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use self::ring::{LONGEST, Ring};
use super::Event;
use super::recorder::{BATCH, Message};

pub(super) use feed::feed;

/// Processes that may share a folder.
const FILES: u32 = 16;
/// Between two looks whether there is room again.
const AGAIN: Duration = Duration::from_millis(100);

/// Why there is no journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the journal of audit events {file} cannot be used: {source}")]
    File { file: PathBuf, source: io::Error },
    #[error("every journal of audit events from {0} on is another process's: end those that are too many")]
    Taken(PathBuf),
}

/// A process's file of events that wait.
#[derive(Debug)]
pub struct Journal {
    /// Where the first process's file is; the others' are beside it.
    base: PathBuf,
    path: PathBuf,
    bytes: u64,
    ring: Mutex<Ring>,
    handle: File,
    /// The number after the last event that was kept, and the one that waits the longest.
    kept: watch::Sender<u64>,
    taken: watch::Sender<u64>,
    /// Up to which number the disk has it.
    synced: AtomicU64,
    lost: AtomicU64,
}

impl Journal {
    /// Opens the first file from `base` on that no other process has, and takes over what is in it. It takes up `bytes` of the disk.
    ///
    /// # Errors
    /// [`JournalError`] says which file.
    pub fn open(base: &Path, bytes: u64) -> Result<Self, JournalError> {
        for number in 0..FILES {
            let path = numbered(base, number);
            let error = |source| JournalError::File { file: path.clone(), source };
            if let Some(file) = lock(&path, true).map_err(error)? {
                let (ring, reserved) = Ring::open(file, bytes).map_err(error)?;
                if !reserved {
                    tracing::warn!(file = %path.display(), "there is no room on the disk for the whole journal of audit events");
                }
                return Self::of(base, path.clone(), bytes, ring).map_err(error);
            }
        }
        Err(JournalError::Taken(base.to_owned()))
    }

    fn of(base: &Path, path: PathBuf, bytes: u64, ring: Ring) -> io::Result<Self> {
        let (first, end) = (ring.end() - ring.len(), ring.end());
        Ok(Self {
            base: base.to_owned(),
            path,
            bytes,
            handle: ring.handle()?,
            ring: Mutex::new(ring),
            kept: watch::Sender::new(end),
            taken: watch::Sender::new(first),
            synced: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        })
    }

    /// How many events wait for the trail.
    pub fn waiting(&self) -> u64 {
        self.kept.borrow().saturating_sub(*self.taken.borrow())
    }

    /// Events that could not be kept.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Which events have left it: those before this number.
    pub(super) fn taken(&self) -> watch::Receiver<u64> {
        self.taken.subscribe()
    }

    /// Keeps what is sent, on a thread of its own, until nobody sends any more.
    pub(super) fn run(&self, mut messages: mpsc::Receiver<Message>) {
        let mut batch = Vec::with_capacity(BATCH);
        while messages.blocking_recv_many(&mut batch, BATCH) > 0 {
            let (mut records, mut told, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
            for message in batch.drain(..) {
                match message {
                    Message::Event(event, kept) => {
                        records.extend(self.written(&event));
                        told.extend(kept);
                    }
                    Message::Flush(done) => waiting.push(done),
                }
            }
            self.keep(&records);
            let end = *self.kept.borrow();
            // Whoever gave up waiting does not want to know.
            for kept in told {
                let _ = kept.send(());
            }
            for done in waiting {
                let _ = done.send(end);
            }
        }
    }

    fn written(&self, event: &Event) -> Option<Vec<u8>> {
        let written = serde_json::to_vec(event).ok().filter(|bytes| bytes.len() <= LONGEST);
        if written.is_none() {
            self.lost.fetch_add(1, Ordering::Relaxed);
            tracing::error!(kind = event.kind.as_str(), "an audit event cannot be written down and is lost");
        }
        written
    }

    /// Waits while there is no room: what is noted meanwhile waits in memory, and then is counted as lost.
    fn keep(&self, mut records: &[Vec<u8>]) {
        let mut told = false;
        while !records.is_empty() {
            let mut ring = self.ring();
            let pushed = ring.push(records);
            let end = ring.end();
            drop(ring);
            match pushed {
                Ok(kept @ 1..) => {
                    records = &records[kept..];
                    self.kept.send_replace(end);
                    continue;
                }
                Ok(0) if !told => tracing::error!("the journal of audit events is full: events will be lost"),
                Err(error) if !told => {
                    tracing::error!(%error, "the journal of audit events cannot be written: events will be lost");
                }
                _ => {}
            }
            told = true;
            std::thread::sleep(AGAIN);
        }
    }

    /// Has the disk take what it has not yet. Waits for it: call it from a blocking thread.
    fn sync(&self) {
        let end = *self.kept.borrow();
        if self.synced.load(Ordering::Relaxed) < end {
            match self.handle.sync_data() {
                Ok(()) => self.synced.store(end, Ordering::Relaxed),
                Err(error) => tracing::error!(%error, "the journal of audit events is not safe from a loss of power"),
            }
        }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The files of processes that are gone. Each is removed once it was emptied.
    fn left_behind(&self) -> Vec<Self> {
        let open = |number| {
            let path = numbered(&self.base, number);
            if path == self.path || !path.exists() {
                return None;
            }
            let file = lock(&path, false).ok()??;
            let (ring, _) = Ring::open(file, 0).ok()?;
            Self::of(&self.base, path, self.bytes, ring).ok()
        };
        (0..FILES).filter_map(open).collect()
    }
}

fn numbered(base: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return base.to_owned();
    }
    let mut path = base.as_os_str().to_owned();
    path.push(format!(".{number}"));
    path.into()
}

/// The file at `path`, if no other process has it.
fn lock(path: &Path, create: bool) -> io::Result<Option<File>> {
    loop {
        let file = OpenOptions::new().read(true).write(true).create(create).truncate(false).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Whoever had it may have removed it in between.
        match std::fs::metadata(path) {
            Ok(there) if there.ino() == file.metadata()?.ino() => return Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !create => return Ok(None),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
}
