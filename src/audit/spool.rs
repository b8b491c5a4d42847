//! Events that could not be recorded, on the disk until they can be.
//!
//! Refuses to lose what may be the one trace of an emergency: an event is synced before whoever asked goes on, and leaves the disk only
//! when the trail has it, where it is once however often it is written.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::{AuditError, AuditStore, Event, Recorder};

/// Bytes that wait at most; a store that is down for so long is noticed by other means.
const MOST_BYTES: u64 = 4 * 1024 * 1024;
/// How often it is looked whether something waits.
const EVERY: Duration = Duration::from_secs(2);

/// Why an event could not be put aside.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("the spool cannot be written")]
    File(#[from] io::Error),
    #[error("the event cannot be written down")]
    Unwritable(#[from] serde_json::Error),
    #[error("too many events wait already")]
    Full,
}

/// A file of events, one JSON object in each line. Several processes may share it.
#[derive(Clone, Debug)]
pub struct Spool(Arc<PathBuf>);

impl Spool {
    #[must_use]
    pub fn new(file: PathBuf) -> Self {
        Self(Arc::new(file))
    }

    /// Puts `event` aside, durably. Waits for the disk: call it from a blocking thread.
    ///
    /// # Errors
    /// [`SpoolError`] when it is not on the disk.
    pub fn keep(&self, event: &Event) -> Result<(), SpoolError> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        let mut file = open(&self.0)?;
        file.lock()?;
        if file.metadata()?.len().saturating_add(line.len() as u64) > MOST_BYTES {
            return Err(SpoolError::Full);
        }
        file.seek(io::SeekFrom::End(0))?;
        file.write_all(&line)?;
        Ok(file.sync_all()?)
    }

    /// Moves what waits into the trail, in order. Says how many events.
    ///
    /// # Errors
    /// [`AuditError`] when the trail cannot take them, or the file cannot be read; then they wait on.
    pub async fn empty_into(&self, trail: &dyn AuditStore) -> Result<usize, AuditError> {
        let unreadable = |error: io::Error| AuditError(Box::new(error));
        let path = Arc::clone(&self.0);
        let work = move || -> io::Result<Option<(File, Vec<Event>)>> {
            match std::fs::metadata(&*path) {
                Ok(about) if about.len() > 0 => {}
                Ok(_) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            }
            let file = open(&path)?;
            file.lock()?;
            let events = read(&file)?;
            Ok(Some((file, events)))
        };
        let taken = tokio::task::spawn_blocking(work).await.map_err(|error| AuditError(Box::new(error)))?;
        let Some((file, events)) = taken.map_err(unreadable)? else { return Ok(0) };
        let count = events.len();
        trail.append(events).await?;
        file.set_len(0).and_then(|()| file.sync_all()).map_err(unreadable)?;
        Ok(count)
    }
}

impl Recorder {
    /// Records an event that must not be lost and must not wait for a store: loudly in the log, then in the trail, else in `spool`, else
    /// in memory until the trail takes it.
    pub async fn alarm(&self, event: Event, spool: Option<&Spool>) {
        tracing::error!(
            kind = event.kind.as_str(),
            outcome = event.outcome.as_str(),
            reason = event.reason.as_deref(),
            target = event.target,
            source = ?event.source,
            request_id = event.request_id,
            "alarm"
        );
        let Err(error) = self.record(event.clone()).await else { return };
        tracing::warn!(%error, "the alarm waits on the disk for the audit trail");
        let Some(spool) = spool.cloned() else { return self.note(event) };
        let kept = event.clone();
        let spooled = tokio::task::spawn_blocking(move || spool.keep(&kept)).await;
        match spooled {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "the alarm waits in memory for the audit trail");
                self.note(event);
            }
            Err(error) => {
                tracing::error!(%error, "the alarm waits in memory for the audit trail");
                self.note(event);
            }
        }
    }
}

/// Moves what waits in `spool` into the trail, now and whenever something does, until the task is ended.
pub async fn follow(spool: Spool, trail: Arc<dyn AuditStore>) {
    let mut silent = false;
    loop {
        match spool.empty_into(&*trail).await {
            Ok(0) => silent = false,
            Ok(events) => {
                silent = false;
                tracing::info!(events, "events that had waited on the disk are in the audit trail");
            }
            Err(error) if !silent => {
                silent = true;
                tracing::warn!(%error, "events wait on the disk for the audit trail");
            }
            Err(_) => {}
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// What a crash cut short is left out.
fn read(file: &File) -> io::Result<Vec<Event>> {
    let mut events = Vec::new();
    for line in BufReader::new(file).split(b'\n') {
        let line = line?;
        match serde_json::from_slice::<Event>(&line) {
            Ok(mut event) => {
                event.details.insert("waited_on_disk".to_owned(), true.into());
                events.push(event);
            }
            Err(_) if line.is_empty() => {}
            Err(_) => tracing::error!(bytes = line.len(), "a line of the spool is no event; it is left out"),
        }
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::audit::Outcome;
    use crate::audit::moody::Moody;
    use crate::audit::what::BreakGlassUsed;
    use crate::clock::Timestamp;
    use crate::model::TenantId;

    fn alarm(number: i64) -> Event {
        let used = BreakGlassUsed { severity: Some("critical"), ..BreakGlassUsed::default() };
        let mut event = Event::new(Timestamp::from_seconds(number), used, Outcome::Failure, &TenantId::default());
        event.reason = Some("wrong_code".into());
        event.target = Some("ops@acme.example".to_owned());
        event.source = Some([192, 0, 2, 1].into());
        event
    }

    #[tokio::test]
    async fn what_the_trail_could_not_take_waits_on_the_disk_and_follows_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path().join("spool"));
        let trail = Arc::new(Moody::default());
        let recorder = Recorder::start(trail.clone());
        trail.down.store(true, Ordering::SeqCst);
        for number in 0..3 {
            recorder.alarm(alarm(number), Some(&spool)).await;
        }
        assert!(spool.empty_into(&*trail).await.is_err());
        // A crash in the middle of a line.
        OpenOptions::new().append(true).open(folder.path().join("spool")).unwrap().write_all(b"{\"at\":").unwrap();
        trail.down.store(false, Ordering::SeqCst);
        let after_a_restart = Spool::new(folder.path().join("spool"));
        assert_eq!(after_a_restart.empty_into(&*trail).await.unwrap(), 3);
        assert_eq!(after_a_restart.empty_into(&*trail).await.unwrap(), 0, "once");
        let written = trail.written();
        assert_eq!(written.iter().map(|event| event.at.seconds()).collect::<Vec<_>>(), [0, 1, 2]);
        let (kept, sent) = (&written[0], alarm(0));
        assert_eq!((kept.kind, &kept.reason, &kept.target, kept.source), (sent.kind, &sent.reason, &sent.target, sent.source));
        assert_eq!((&kept.details["severity"], &kept.details["waited_on_disk"]), (&"critical".into(), &true.into()));
    }

    #[tokio::test]
    async fn a_spool_that_cannot_be_written_leaves_the_alarm_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path().join("missing/spool"));
        let trail = Arc::new(Moody::default());
        let recorder = Recorder::start(trail.clone());
        trail.down.store(true, Ordering::SeqCst);
        recorder.alarm(alarm(7), Some(&spool)).await;
        trail.down.store(false, Ordering::SeqCst);
        assert!(recorder.flush().await);
        assert_eq!(trail.written().len(), 1);
    }
}
