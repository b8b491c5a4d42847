//! Notices that a file of the configuration changed.
//!
//! Refuses to guess from events what happened: an event is only a reason to look whether any file is another one than before.
//! So an editor's rename, a Kubernetes volume's `..data` swap and a renewed certificate are all the same thing.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};

/// Files are written one after the other, a certificate before its key; wait until it is this quiet.
const QUIET: Duration = Duration::from_millis(150);
/// But not longer than this, in a folder where something is always written.
const PATIENCE: Duration = Duration::from_secs(2);
/// Not every file system tells; look by oneself this often.
const ROUND: Duration = Duration::from_secs(10);

/// Watches a set of files, some of which may not be there yet.
pub struct Watch {
    watcher: RecommendedWatcher,
    stirred: Arc<Notify>,
    seen: BTreeMap<PathBuf, Option<Fingerprint>>,
    folders: BTreeSet<PathBuf>,
}

/// What changes when a file does: which it is, how long, and when it was written or put there. Links are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fingerprint {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Watch {
    /// Watches `files`, as they are now.
    ///
    /// # Errors
    /// When the operating system cannot watch at all, for example because it has no more watches to give.
    pub fn new(files: &BTreeSet<PathBuf>) -> Result<Self, notify::Error> {
        let stirred = Arc::new(Notify::new());
        let stir = Arc::clone(&stirred);
        let watcher = notify::recommended_watcher(move |event: Result<notify::Event, notify::Error>| {
            if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
                stir.notify_one();
            }
        })?;
        let mut watch = Self { watcher, stirred, seen: BTreeMap::new(), folders: BTreeSet::new() };
        watch.files(files);
        Ok(watch)
    }

    /// Watches these files from now on instead. A change of one that was watched before and was not told yet is not forgotten.
    pub fn files(&mut self, files: &BTreeSet<PathBuf>) {
        let before = std::mem::take(&mut self.seen);
        let seen = |file: &PathBuf| before.get(file).copied().unwrap_or_else(|| fingerprint(file));
        self.seen = files.iter().map(|file| (file.clone(), seen(file))).collect();
        self.follow();
    }

    /// Waits until a file is another one than it was when it was last looked at. May be dropped and asked again without missing
    /// anything.
    pub async fn changed(&mut self) {
        while !self.look() {
            tokio::select! {
                () = self.stirred.notified() => self.settle().await,
                () = sleep(ROUND) => {}
            }
            self.follow();
        }
        self.follow();
    }

    async fn settle(&self) {
        let end = Instant::now() + PATIENCE;
        loop {
            let quiet = (Instant::now() + QUIET).min(end);
            if timeout_at(quiet, self.stirred.notified()).await.is_err() {
                return;
            }
        }
    }

    /// Whether anything changed since the last look.
    fn look(&mut self) -> bool {
        let mut changed = false;
        for (file, seen) in &mut self.seen {
            let now = fingerprint(file);
            changed |= *seen != now;
            *seen = now;
        }
        changed
    }

    /// Watches the folders that the files, and what they link to, are in now. A folder that cannot be watched is looked at in
    /// rounds.
    fn follow(&mut self) {
        let wanted: BTreeSet<PathBuf> = self.seen.keys().flat_map(|file| folders(file)).collect();
        for gone in self.folders.difference(&wanted) {
            if let Err(error) = self.watcher.unwatch(gone) {
                tracing::debug!(folder = %gone.display(), %error, "a folder was no longer watched");
            }
        }
        self.folders = wanted;
        for folder in &self.folders {
            // Again even if it was watched: another folder may have taken its place.
            if let Err(error) = self.watcher.watch(folder, RecursiveMode::NonRecursive) {
                tracing::debug!(folder = %folder.display(), %error, "a folder cannot be watched");
            }
        }
    }
}

fn fingerprint(file: &Path) -> Option<Fingerprint> {
    let about = std::fs::metadata(file).ok()?;
    Some(Fingerprint {
        device: about.dev(),
        inode: about.ino(),
        length: about.len(),
        modified: (about.mtime(), about.mtime_nsec()),
        changed: (about.ctime(), about.ctime_nsec()),
    })
}

/// Where an event would be told: the folder of the file and of each link on the way to it; of a missing one, the nearest that is there.
fn folders(file: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    let mut next = Some(file.to_owned());
    // As many links as Linux follows.
    for _ in 0..40 {
        let Some(path) = next else { break };
        let parent = path.ancestors().skip(1).map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        let Some(folder) = parent.into_iter().find(|folder| folder.is_dir()) else { break };
        folders.push(folder.to_owned());
        next = std::fs::read_link(&path).ok().map(|target| folder.join(target));
    }
    folders
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;
    use tokio::time::timeout;

    use super::*;

    /// Less than a round, so that what passes was told by an event.
    const SOON: Duration = Duration::from_secs(30);

    fn watch(files: &[&Path]) -> Watch {
        Watch::new(&files.iter().map(|file| (*file).to_owned()).collect()).unwrap()
    }

    async fn notices(watch: &mut Watch) -> bool {
        timeout(SOON, watch.changed()).await.is_ok()
    }

    #[tokio::test]
    async fn an_editors_rename_over_the_file_is_noticed_each_time() {
        let folder = TempDir::new().unwrap();
        let (file, draft) = (folder.path().join("doorward.yaml"), folder.path().join(".doorward.yaml.swp"));
        fs::write(&file, "one").unwrap();
        let mut watch = watch(&[&file]);
        for text in ["two", "six"] {
            fs::write(&draft, text).unwrap();
            fs::rename(&draft, &file).unwrap();
            assert!(notices(&mut watch).await, "{text}");
        }
    }

    #[tokio::test]
    async fn a_write_in_place_is_noticed() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, "one").unwrap();
        let mut watch = watch(&[&file]);
        fs::write(&file, "two").unwrap();
        assert!(notices(&mut watch).await);
    }

    /// The kubelet writes a new folder and renames a new `..data` link over the old one; the files link through `..data`.
    #[tokio::test]
    async fn a_kubernetes_volume_swapping_its_data_link_is_noticed_each_time() {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        let publish = |version: &str, text: &str| {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("doorward.yaml"), text).unwrap();
            symlink(version, at("..data_tmp")).unwrap();
            fs::rename(at("..data_tmp"), at("..data")).unwrap();
        };
        publish("..2026_01", "one");
        symlink("..data/doorward.yaml", at("doorward.yaml")).unwrap();
        let mut watch = watch(&[&at("doorward.yaml")]);
        publish("..2026_02", "two");
        fs::remove_dir_all(at("..2026_01")).unwrap();
        assert!(notices(&mut watch).await);
        publish("..2026_03", "six");
        fs::remove_dir_all(at("..2026_02")).unwrap();
        assert!(notices(&mut watch).await);
        assert_eq!(fs::read_to_string(at("doorward.yaml")).unwrap(), "six");
    }

    #[tokio::test]
    async fn a_write_to_what_a_link_in_another_folder_names_is_noticed() {
        let (live, archive) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        fs::write(archive.path().join("cert1.pem"), "one").unwrap();
        let link = live.path().join("cert.pem");
        symlink(archive.path().join("cert1.pem"), &link).unwrap();
        let mut watch = watch(&[&link]);
        fs::write(archive.path().join("cert1.pem"), "two").unwrap();
        assert!(notices(&mut watch).await);
    }

    #[tokio::test]
    async fn a_file_that_appears_later_is_noticed() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("later").join("secret");
        let mut watch = watch(&[&file]);
        fs::create_dir(folder.path().join("later")).unwrap();
        assert!(timeout(3 * QUIET, watch.changed()).await.is_err());
        fs::write(&file, "one").unwrap();
        assert!(notices(&mut watch).await);
    }

    #[tokio::test]
    async fn other_files_in_the_folder_are_nobodys_business() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("doorward.yaml");
        fs::write(&file, "one").unwrap();
        let mut watch = watch(&[&file]);
        fs::write(folder.path().join("doorward.db-wal"), "two").unwrap();
        assert!(timeout(3 * QUIET, watch.changed()).await.is_err());
    }

    #[tokio::test]
    async fn a_change_while_nobody_waits_is_not_missed() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("doorward.yaml");
        fs::write(&file, "one").unwrap();
        let mut watch = watch(&[&file]);
        assert!(timeout(Duration::ZERO, watch.changed()).await.is_err());
        fs::write(&file, "two, longer").unwrap();
        assert!(notices(&mut watch).await);
    }

    #[tokio::test]
    async fn another_set_of_files_is_watched_instead() {
        let folder = TempDir::new().unwrap();
        let (first, second) = (folder.path().join("first"), folder.path().join("second"));
        fs::write(&first, "one").unwrap();
        let mut watch = watch(&[&first]);
        watch.files(&BTreeSet::from([second.clone()]));
        fs::write(&first, "two").unwrap();
        assert!(timeout(3 * QUIET, watch.changed()).await.is_err());
        fs::write(&second, "one").unwrap();
        assert!(notices(&mut watch).await);
    }
}
