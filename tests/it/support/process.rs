//! Child processes that speak JSON lines and end with the test.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::remains::Said;
use super::{PATIENCE, Stopwatch, eventually, free_port};

/// When a child was heard from.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Heard {
    pub(crate) last_line: Option<Stopwatch>,
    pub(crate) end: Option<Stopwatch>,
}

/// A running child. Dropping it kills it and waits for its end.
pub(crate) struct Process {
    child: Child,
    /// Held open: counterparts end when it closes.
    pub(crate) stdin: Option<ChildStdin>,
    lines: Mutex<Receiver<String>>,
    heard: Arc<Mutex<Heard>>,
    errors: Arc<Mutex<String>>,
    /// Ends with standard error.
    hearing: JoinHandle<()>,
}

impl Process {
    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (sender, lines) = channel();
        let kept = Arc::new(Said::by(command));
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (noted, out) = (Arc::clone(&heard), Arc::clone(&kept));
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                out.keep(format!("{line}\n").as_bytes());
                noted.lock().unwrap().last_line = Some(Stopwatch::start());
                if sender.send(line).is_err() {
                    return;
                }
            }
            noted.lock().unwrap().end = Some(Stopwatch::start());
        });
        let errors = Arc::new(Mutex::new(String::new()));
        let (mut stderr, told) = (child.stderr.take().unwrap(), Arc::clone(&errors));
        let hearing = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = stderr.read(&mut buffer) {
                kept.keep(&buffer[..length]);
                told.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
        });
        Self { stdin: child.stdin.take(), child, lines: Mutex::new(lines), heard, errors, hearing }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line of standard output as JSON.
    #[track_caller]
    pub(crate) fn json_line(&self) -> Value {
        let line = self.line(PATIENCE).unwrap_or_else(|why| panic!("no line ({why:?}); it said: {}", self.said()));
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    pub(crate) fn line(&self, patience: Duration) -> Result<String, RecvTimeoutError> {
        self.lines.lock().unwrap().recv_timeout(patience)
    }

    /// When it was heard from on standard output, however late it is listened to.
    pub(crate) fn heard(&self) -> Heard {
        *self.heard.lock().unwrap()
    }

    /// What it has written to standard error so far.
    pub(crate) fn said(&self) -> String {
        self.errors.lock().unwrap().clone()
    }

    /// Sends a signal by name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Whether it has ended already.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end, and for all that it said until then; says its exit code (`None`: killed by a signal).
    #[track_caller]
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let ended = eventually("the process ends", || self.child.try_wait().unwrap());
        eventually("what it said is read", || self.hearing.is_finished().then_some(()));
        ended.code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // It may have ended by itself already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A real counterpart of `tests/parts`, with its ready line.
pub(crate) struct Part {
    pub(crate) process: Process,
    pub(crate) ready: Value,
}

impl Drop for Part {
    /// Lets it end by itself, so that what it started and the folders that it made end with it.
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until && matches!(self.process.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Starts `tests/parts/NAME.mjs` and waits until it is ready.
#[track_caller]
pub(crate) fn part(name: &str, arguments: &[&str]) -> Part {
    Part::start(Command::new("node").arg(parts().join(name).with_extension("mjs")).args(arguments))
}

/// The same, for a program that has to be told its port: one that it keeps, also while it is stopped for a while.
#[track_caller]
pub(crate) fn part_at_port(name: &str, arguments: &[&str]) -> Part {
    part(name, &[&["--port", &free_port().to_string()], arguments].concat())
}

/// Starts `tests/parts/NAME.py` and waits until it is ready.
#[track_caller]
pub(crate) fn python_part(name: &str, arguments: &[&str]) -> Part {
    python_part_of(".venv", name, arguments)
}

/// The same with the libraries of another environment.
#[track_caller]
pub(crate) fn python_part_of(environment: &str, name: &str, arguments: &[&str]) -> Part {
    let python = parts().join(environment).join("bin/python");
    Part::start(Command::new(python).arg(parts().join(name).with_extension("py")).args(arguments))
}

fn parts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parts")
}

impl Part {
    #[track_caller]
    fn start(command: &mut Command) -> Self {
        // One that never gets ready has to end as softly as one that did.
        let mut part = Self { process: Process::start(command), ready: Value::Null };
        part.ready = part.process.json_line();
        part
    }

    #[track_caller]
    pub(crate) fn port(&self) -> u16 {
        self.number("port")
    }

    #[track_caller]
    fn number(&self, name: &str) -> u16 {
        self.ready[name].as_u64().and_then(|port| port.try_into().ok()).unwrap_or_else(|| panic!("no {name} in {}", self.ready))
    }

    /// Asks its control port.
    #[track_caller]
    pub(crate) fn control(&self, method: &str, path: &str) -> Value {
        let url = format!("http://127.0.0.1:{}{path}", self.number("control"));
        super::curl(&["-X", method, &url]).json()
    }

    /// Sends JSON to its control port.
    #[track_caller]
    pub(crate) fn tell(&self, path: &str, body: &Value) -> super::Answer {
        let url = format!("http://127.0.0.1:{}{path}", self.number("control"));
        super::curl(&["-X", "POST", "-H", "content-type: application/json", "-d", &body.to_string(), &url])
    }
}
