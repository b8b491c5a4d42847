//! Events on a standard output that nobody reads: a request waits for nothing, other sinks go on, and nothing is lost.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::delivery::Seen;
use super::journal::{CLOSED, answer, refused_at};
use super::{configuration, secret};
use crate::support::{PATIENCE, Stopwatch, curl, doorward, eventually, part};

/// A running door whose standard output is read line by line, when it is read.
struct Door {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    ready: Value,
    folder: tempfile::TempDir,
}

impl Door {
    fn new(upstream: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        secret(folder.path());
        let more = format!(
            "{CLOSED}audit:\n  source: here\n  sinks:\n    \
             - {{ id: console, stdout: {{}}, format: doorward, from: beginning, timeout: 1s, batch: {{ wait: 20ms }} }}\n    \
             - {{ id: disk, file: {{ path: '{{folder}}/audit.jsonl', rotate: {{}} }}, format: doorward, from: beginning, batch: {{ wait: 20ms }} }}\n"
        );
        let file = folder.path().join("doorward.yaml");
        let text = configuration(upstream, &more).replace("{folder}", folder.path().to_str().unwrap());
        std::fs::write(&file, text).unwrap();
        let mut command = doorward(&["serve", "--json", "--config"]);
        let mut child = command.arg(&file).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        Self { child, lines, ready, folder }
    }

    fn address(&self) -> &str {
        self.ready["listeners"][0].as_str().unwrap()
    }

    fn operations(&self, path: &str) -> crate::support::Answer {
        let address = self.ready["operations"].as_str().unwrap();
        curl(&[&format!("http://{}{path}", address.trim_start_matches("http://"))])
    }

    /// The links that the other sink has.
    fn on_disk(&self) -> Vec<i64> {
        let text = std::fs::read_to_string(self.folder.path().join("audit.jsonl")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()?["link"].as_i64()).collect()
    }

    /// Until standard output takes no more.
    #[track_caller]
    fn is_stuck(&self) {
        eventually("the sink is stuck", || {
            let ready = self.operations("/readyz");
            assert_eq!(ready.status, 200);
            ready.json()["impaired"].to_string().contains("console: nothing delivered since").then_some(())
        });
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // It may have ended by itself already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How long the slowest of so many took, one after the other.
fn slowest(address: &str, count: usize) -> Duration {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let asked = (0..count).map(|_| {
        let clock = Stopwatch::start();
        stream.write_all(b"GET /closed/door HTTP/1.1\r\nHost: localhost:1\r\n\r\n").unwrap();
        answer(&mut answers).unwrap();
        clock.passed()
    });
    asked.max().unwrap()
}

#[test]
fn a_reader_of_standard_output_that_reads_no_more_holds_up_no_request_and_no_other_sink_and_loses_nothing() {
    let upstream = part("echo", &[]);
    let mut door = Door::new(upstream.port());
    // More than a pipe holds.
    assert_eq!(refused_at(door.address(), 800).iter().map(Vec::len).sum::<usize>(), 800);
    door.is_stuck();
    let took = slowest(door.address(), 400);
    assert!(took < Duration::from_secs(1), "the slowest took {took:?}");
    let newest = eventually("the other sink has everything", || {
        let links = door.on_disk();
        (links.len() >= 1200).then(|| *links.iter().max().unwrap())
    });
    assert!(!door.operations("/metrics").text().contains("doorward_audit_sink_well{sink=\"disk\"} 0"));

    let mut seen = Seen::default();
    for line in door.lines.by_ref() {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let link = event["link"].as_i64().unwrap();
        seen.0.push(("here".to_owned(), link, event["id"].as_str().unwrap().to_owned()));
        if link >= newest {
            break;
        }
    }
    seen.is_whole("here", newest, &[]);

    // It ends though nobody reads.
    assert_eq!(refused_at(door.address(), 800).iter().map(Vec::len).sum::<usize>(), 800);
    door.is_stuck();
    let clock = Stopwatch::start();
    assert!(std::process::Command::new("kill").args(["-TERM", &door.child.id().to_string()]).status().unwrap().success());
    let ended = eventually("it ends", || door.child.try_wait().unwrap());
    clock.within(Duration::from_secs(20));
    assert_eq!(ended.code(), Some(0));
}
