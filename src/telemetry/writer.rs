//! Lines on their way to a file descriptor, written by a thread of their own.
//!
//! Refuses to make a request wait: a line that finds no room is dropped and counted, because a slow disk or terminal must not slow
//! the application behind the door.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Metrics;

/// Bytes that may wait to be written.
const ROOM: usize = 4 * 1024 * 1024;
/// How long lines gather before they are written together: one wake-up and one system call for many.
const GATHER: Duration = Duration::from_millis(20);

/// Takes lines and has them written.
#[derive(Debug)]
pub struct LineWriter {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    lines: u64,
    closed: bool,
}

impl LineWriter {
    /// Begins to write to `out`.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(out: impl Write + Send + 'static, metrics: Arc<Metrics>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { waiting: Mutex::default(), wake: Condvar::new(), metrics });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("access-lines".to_owned()).spawn(move || theirs.write_all(out))?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Hands over one line, its line feed included.
    pub fn write(&self, line: &[u8]) {
        let mut waiting = self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.closed || waiting.bytes.len() + line.len() > ROOM {
            self.shared.metrics.lost_access_lines.one();
            return;
        }
        let first = waiting.bytes.is_empty();
        waiting.bytes.extend_from_slice(line);
        waiting.lines += 1;
        drop(waiting);
        if first {
            self.shared.wake.notify_one();
        }
    }

    /// Writes what waits and takes no more.
    pub fn close(&self) {
        self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.shared.wake.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes access lines had failed");
        }
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn write_all(&self, mut out: impl Write) {
        let mut taken = Vec::new();
        loop {
            let (lines, closed) = self.take(&mut taken);
            if let Err(error) = out.write_all(&taken).and_then(|()| out.flush()) {
                self.metrics.lost_access_lines.add(lines);
                tracing::debug!(%error, lines, "access lines could not be written");
            }
            if closed {
                return;
            }
            taken.clear();
        }
    }

    /// Waits for lines, lets some more gather, and swaps them for the empty `taken`.
    fn take(&self, taken: &mut Vec<u8>) -> (u64, bool) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = |waiting: &mut Waiting| waiting.bytes.is_empty() && !waiting.closed;
        let waiting = self.wake.wait_while(waiting, idle).unwrap_or_else(PoisonError::into_inner);
        let gathering = |waiting: &mut Waiting| !waiting.closed;
        let (mut waiting, _) = self.wake.wait_timeout_while(waiting, GATHER, gathering).unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut waiting.bytes, taken);
        (std::mem::take(&mut waiting.lines), waiting.closed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Blocks in its first write until it is told to go on.
    struct Stuck {
        gate: mpsc::Receiver<()>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            // A closed gate stays open.
            let _ = self.gate.recv();
            self.written.lock().expect("unpoisoned").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_output_loses_lines_and_counts_them_but_never_blocks() -> std::io::Result<()> {
        let (open, gate) = mpsc::channel();
        let written = Arc::new(Mutex::default());
        let metrics = Arc::new(Metrics::default());
        let writer = LineWriter::start(Stuck { gate, written: Arc::clone(&written) }, Arc::clone(&metrics))?;
        let line = vec![b'x'; 64 * 1024];
        // Twice the room and more: the output may hold one room full while another fills.
        let sent = 3 * ROOM / line.len();
        for _ in 0..sent {
            writer.write(&line);
        }
        let lost = metrics.lost_access_lines.read();
        assert!(lost > 0);
        drop(open);
        writer.close();
        let written = written.lock().expect("unpoisoned").len() / line.len();
        assert_eq!(written as u64 + lost, sent as u64, "each line is either written or counted as lost");
        Ok(())
    }

    #[test]
    fn closing_writes_what_waits() -> std::io::Result<()> {
        let (open, gate) = mpsc::channel();
        drop(open);
        let written = Arc::new(Mutex::default());
        let writer = LineWriter::start(Stuck { gate, written: Arc::clone(&written) }, Arc::default())?;
        writer.write(b"one\n");
        writer.write(b"two\n");
        writer.close();
        assert_eq!(*written.lock().expect("unpoisoned"), b"one\ntwo\n");
        Ok(())
    }
}
