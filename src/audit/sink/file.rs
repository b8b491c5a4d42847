//! Events as JSON lines in a file that is replaced in time.
//!
//! Refuses to call an event written before the disk has it, and to leave half a line behind. No library: those there are do not sync, and
//! swallow or panic at what a full disk says.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::stdout::json_lines;
use super::transport::{Most, Outgoing, SendError, Transport};
use crate::clock::{SharedClock, Timestamp};
use crate::config::sink::File as Typed;

const MOST: Most = Most { events: 1000, bytes: 1 << 20 };
/// A line of an event is never so long; what is longer is not one that a crash cut short.
const LONGEST_LINE: u64 = 1 << 20;

/// A file, and when it is replaced.
#[derive(Debug)]
pub(super) struct Lines {
    clock: SharedClock,
    /// Held by the thread that writes, so that there is never a second.
    book: Arc<Mutex<Book>>,
}

#[derive(Debug)]
struct Book {
    path: PathBuf,
    size: Option<u64>,
    age: Option<Duration>,
    keep: u32,
    file: Option<File>,
}

impl Lines {
    /// What `typed` says. Nothing is opened yet.
    pub(super) fn new(typed: &Typed, clock: SharedClock) -> Self {
        let (size, age) = (typed.rotate.size, typed.rotate.age.map(|age| age.0));
        let book = Book { path: typed.path.clone(), size, age, keep: typed.rotate.keep, file: None };
        Self { clock, book: Arc::new(Mutex::new(book)) }
    }
}

#[async_trait]
impl Transport for Lines {
    async fn send(&self, batch: &[Outgoing]) -> Result<(), SendError> {
        let lines = json_lines(batch)?;
        let (mut book, now) = (Arc::clone(&self.book).lock_owned().await, self.clock.now());
        let written = tokio::task::spawn_blocking(move || {
            let done = book.write(&lines, now);
            done.map_err(|error| SendError::later(format!("{}: {error}", book.path.display())))
        });
        written.await.map_err(SendError::later)?
    }

    fn most(&self) -> Most {
        MOST
    }
}

impl Book {
    /// Adds `lines` and has them on the disk, or leaves the file as it was.
    fn write(&mut self, lines: &[u8], now: Timestamp) -> io::Result<()> {
        let mut file = match self.file.take() {
            Some(file) if is_at(&file, &self.path)? => file,
            _ => open(&self.path)?,
        };
        if self.is_over(&file, lines.len(), now)? {
            drop(file);
            self.rotate()?;
            file = open(&self.path)?;
        }
        let before = file.metadata()?.len();
        if let Err(error) = file.write_all(lines).and_then(|()| file.sync_data()) {
            // All of it comes again.
            file.set_len(before)?;
            return Err(error);
        }
        self.file = Some(file);
        Ok(())
    }

    /// Whether `more` bytes belong into a new file.
    fn is_over(&self, file: &File, more: usize, now: Timestamp) -> io::Result<bool> {
        let about = file.metadata()?;
        if about.len() == 0 {
            return Ok(false);
        }
        let full = self.size.is_some_and(|size| about.len().saturating_add(more as u64) > size);
        let written = about.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        // Spans of time begin together at every door: a day's at midnight UTC.
        let span = |millis: u128, age: Duration| millis / age.as_millis().max(1);
        let now = u128::try_from(now.millis()).unwrap_or(0);
        Ok(full || self.age.is_some_and(|age| span(now, age) > span(written, age)))
    }

    /// `audit.jsonl` becomes `audit.jsonl.1`, that `.2`, and so on; the last one goes.
    fn rotate(&self) -> io::Result<()> {
        let numbered = |number: u32| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        for number in (1..self.keep).rev() {
            rename(&numbered(number), &numbered(number + 1))?;
        }
        if self.keep > 0 {
            rename(&self.path, &numbered(1))?;
        } else {
            fs::remove_file(&self.path)?;
        }
        sync_folder(&self.path)
    }
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether what is open is still what stands there: others may have moved it away (logrotate).
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Opens the file at its end, for its owner alone if it is made, without the half of a line that a crash may have left.
fn open(path: &Path) -> io::Result<File> {
    match fs::metadata(path) {
        // A pipe would hold up whoever opens it.
        Ok(about) if !about.is_file() => return Err(io::Error::other("this is no regular file")),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    let length = file.metadata()?.len();
    if length == 0 {
        sync_folder(path)?;
        return Ok(file);
    }
    let begin = length.saturating_sub(LONGEST_LINE);
    file.seek(SeekFrom::Start(begin))?;
    let mut tail = Vec::new();
    Read::by_ref(&mut file).take(LONGEST_LINE).read_to_end(&mut tail)?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    if let Some(b'{') = tail.get(whole) {
        file.set_len(begin + whole as u64)?;
    }
    Ok(file)
}

/// A new name is only safe once its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
