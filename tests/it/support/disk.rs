//! A small disk of a door's own, which can be filled to the last byte: a file system in memory, mounted where only those who enter see it, so
//! that it is gone with whoever holds it.
//!
//! Where nobody may mount, files may not grow instead (`RLIMIT_FSIZE`): that is a full disk to whoever writes, and is said.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::Process;

/// Where nobody may mount: bytes beyond which no file grows.
const GROWN: u64 = 1024 * 1024;

/// What is mounted where. It goes when it is dropped.
pub(crate) struct Disk {
    /// Keeps the mount alive; `None`: nobody may mount here.
    holder: Option<Child>,
    path: PathBuf,
    full: Cell<bool>,
}

impl Disk {
    /// A disk of so many MiB at `path`, a folder that is there.
    pub(crate) fn new(path: &Path, mib: u32) -> Self {
        let holder =
            [&["--mount"][..], &["--user", "--map-root-user", "--mount"]].into_iter().find_map(|how| hold(how, path, mib));
        if holder.is_none() {
            eprintln!("nobody may mount here: the disk is full in that files cannot grow");
        }
        Self { holder, path: path.to_owned(), full: Cell::new(false) }
    }

    /// What a program is begun by so that it sees the disk as it is now.
    pub(crate) fn entrance(&self) -> Vec<String> {
        let Some(holder) = &self.holder else {
            let limited = ["prlimit".to_owned(), format!("--fsize={GROWN}:unlimited")];
            return if self.full.get() { limited.to_vec() } else { Vec::new() };
        };
        let target = format!("--target={}", holder.id());
        let own = fs::read_link("/proc/self/ns/user").unwrap();
        let theirs = fs::read_link(format!("/proc/{}/ns/user", holder.id())).unwrap();
        let user: &[&str] = if own == theirs { &[] } else { &["--user", "--preserve-credentials"] };
        ["nsenter", &target, "--mount"].iter().chain(user).map(|&word| word.to_owned()).collect()
    }

    /// What is there, as this process reaches it.
    pub(crate) fn reached(&self, name: &str) -> PathBuf {
        let path = self.path.join(name);
        match &self.holder {
            Some(holder) => Path::new("/proc").join(holder.id().to_string()).join("root").join(path.strip_prefix("/").unwrap()),
            None => path,
        }
    }

    /// Leaves no byte of room to `process`.
    #[track_caller]
    pub(crate) fn fill(&self, process: &Process) {
        self.full.set(true);
        if self.holder.is_none() {
            return limit_files(process, Some(GROWN));
        }
        let mut ballast = File::options().create(true).append(true).open(self.reached("ballast")).unwrap();
        for size in [1 << 20, 4096, 1] {
            while ballast.write_all(&vec![0; size]).is_ok() {}
        }
    }

    #[track_caller]
    pub(crate) fn free(&self, process: &Process) {
        self.full.set(false);
        if self.holder.is_none() {
            return limit_files(process, None);
        }
        fs::remove_file(self.reached("ballast")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Some(holder) = &mut self.holder {
            // It ends with its standard input, too.
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }
}

/// Somebody in whose sight the disk is mounted.
fn hold(how: &[&str], path: &Path, mib: u32) -> Option<Child> {
    let mount = format!("mount -t tmpfs -o size={mib}m,mode=0700 disk \"$0\" && echo there && exec cat");
    let mut command = Command::new("unshare");
    command.args(how).args(["--propagation", "private", "sh", "-c", &mount]).arg(path);
    let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let mut said = [0; 5];
    if std::io::Read::read_exact(holder.stdout.as_mut()?, &mut said).is_ok() && &said == b"there" {
        return Some(holder);
    }
    let _ = holder.wait();
    None
}

/// Lets no file of a process grow beyond so many bytes, nor be written there. `None`: lets them again.
#[track_caller]
pub(crate) fn limit_files(process: &Process, bytes: Option<u64>) {
    let limit = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
    let arguments = [&format!("--pid={}", process.id()), &format!("--fsize={limit}:unlimited")];
    assert!(Command::new("prlimit").args(arguments).status().unwrap().success());
}
