//! A stream that a real client holds: a WebSocket, an event stream or a gRPC call, and when it ended.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use serde_json::{Value, json};

use super::{PATIENCE, Process, Stopwatch};

/// What the product promises.
pub(crate) const WITHIN: Duration = Duration::from_secs(1);

/// How long a stream may take at all, so that what it took is said when it was too long.
const AT_MOST: Duration = Duration::from_secs(10);

pub(crate) struct Stream {
    pub(crate) name: &'static str,
    process: Process,
}

/// A client of `tests/parts`.
pub(crate) fn client(file: &str) -> Command {
    let script: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parts").join(file);
    let mut command = Command::new("node");
    command.arg(script);
    command
}

impl Stream {
    /// Begins, and flows. The name is `websocket` (ws-client), `events` (curl) or `grpc` (grpc-client).
    #[track_caller]
    pub(crate) fn start(name: &'static str, command: &mut Command) -> Self {
        let stream = Self { name, process: Process::start(command) };
        let begun: Vec<String> = (0..6).map_while(|_| stream.process.line(PATIENCE).ok()).collect();
        assert_eq!(begun.len(), 6, "{name} does not flow: {begun:?} {}", stream.process.said());
        stream
    }

    /// When the client saw the end, and what it said last. Clients that say how it ended have seen it then; they take a moment to leave.
    #[track_caller]
    fn end(&self) -> (Stopwatch, String) {
        let (mut last, begun) = (String::new(), Stopwatch::start());
        loop {
            begun.within(AT_MOST);
            match self.process.line(PATIENCE) {
                Ok(line) if !line.is_empty() => last = line,
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("{} goes on: {last}", self.name),
            }
        }
        let heard = super::eventually("its end is noted", || Some(self.process.heard()).filter(|heard| heard.end.is_some()));
        let seen = if self.name == "events" { heard.end } else { heard.last_line };
        (seen.unwrap(), last)
    }

    /// It has ended, as one ends that was taken away, within a second of `since`.
    #[track_caller]
    pub(crate) fn ends(&self, since: Stopwatch) {
        let (at, last) = self.end();
        let took = since.until(&at);
        assert!(took < WITHIN, "{} went on for {took:?}: {last}", self.name);
        match self.name {
            "websocket" => {
                let last: Value = serde_json::from_str(&last).unwrap();
                assert_eq!((&last["event"], &last["code"]), (&json!("closed"), &json!(1008)), "{last}");
            }
            "grpc" => assert!(last.contains("\"status\"") && !last.contains("\"code\":0"), "{last}"),
            _ => {}
        }
    }

    #[track_caller]
    pub(crate) fn goes_on(&self) {
        while self.process.line(Duration::from_millis(1)).is_ok() {}
        let more: Vec<_> = (0..5).map(|_| self.process.line(PATIENCE)).collect();
        assert!(
            more.iter().all(Result::is_ok),
            "{} ended: {more:?} {:?} {}",
            self.name,
            self.process.heard(),
            self.process.said()
        );
    }
}
