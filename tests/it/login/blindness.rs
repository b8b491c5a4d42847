//! Live streams while nobody can say whether their owner is still let in: they are borne for half a minute, and cut after that.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::json;

use super::replicas::{Engine, Replicas, Setting};
use crate::support::valkey::ValkeyServer;
use crate::support::{curl, eventually};

/// An event stream, and the lines of it.
struct Stream {
    curl: Child,
    lines: Receiver<String>,
}

impl Stream {
    fn start(url: &str, cookie: &str) -> Self {
        let mut command = Command::new("curl");
        command.args(["--silent", "-N", "-H", cookie, url]).stdout(Stdio::piped());
        let mut curl = command.spawn().unwrap();
        let (said, lines) = channel();
        let output = BufReader::new(curl.stdout.take().unwrap());
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| said.send(line)));
        let stream = Self { curl, lines };
        stream.goes_on("at the beginning");
        stream
    }

    /// It flows now, and not only what was sent before.
    #[track_caller]
    fn goes_on(&self, when: &str) {
        while self.lines.try_recv().is_ok() {}
        assert!((0..10).all(|_| self.lines.recv_timeout(Duration::from_secs(5)).is_ok()), "ended {when}");
    }

    #[track_caller]
    fn ends(&self) {
        eventually("the stream is cut", || {
            loop {
                match self.lines.try_recv() {
                    Ok(_) => {}
                    Err(std::sync::mpsc::TryRecvError::Empty) => return None,
                    Err(std::sync::mpsc::TryRecvError::Disconnected) => return Some(()),
                }
            }
        });
        assert_eq!(self.lines.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Disconnected));
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = self.curl.kill();
        let _ = self.curl.wait();
    }
}

/// What `doors` do with the streams of two people when `blind` has cut them off, and that `healed` makes them well again.
fn bears_it_for_half_a_minute(mut doors: Replicas, blind: impl FnOnce(&Replicas), heal: impl FnOnce(&Replicas)) {
    let (ada, other) = (doors.signed_in(), doors.signed_in());
    let line = |person: &super::house::Person| format!("Cookie: __Host-doorward={}", person.cookie("__Host-doorward").unwrap());
    let streams = [&ada, &other].map(|person| Stream::start(&doors.at(0, "/sse?every=50&count=0"), &line(person)));
    let open = Stream::start(&doors.at(0, "/open/sse?every=50&count=0"), "X-Nobody: 1");
    blind(&doors);
    let stranger = format!("Cookie: __Host-doorward={}", "a".repeat(43));
    eventually("the store cannot be asked", || (curl(&["-H", &stranger, &doors.at(0, "/")]).status == 503).then_some(()));
    // The blindness begins with the first look that fails, which the clock that stands still does not see pass.
    std::thread::sleep(Duration::from_secs(3));
    doors.pass_seconds(28);
    std::thread::sleep(Duration::from_secs(2));
    for stream in &streams {
        stream.goes_on("before half a minute had passed");
    }
    doors.pass_seconds(2);
    for stream in &streams {
        stream.ends();
    }
    open.goes_on("though it was nobody's");
    heal(&doors);
    eventually("they are let in again", || (curl(&["-H", &line(&ada), &doors.at(0, "/")]).status == 200).then_some(()));
    let again = Stream::start(&doors.at(0, "/sse?every=50&count=0"), &line(&ada));
    again.goes_on("after the store was back");
}

const OPEN: &str = "routes: [{ path: /open/**, access: public }]";

#[test]
fn streams_are_borne_for_half_a_minute_without_a_database_and_cut_then() {
    let doors = Replicas::start(1, &Setting { on: Engine::Postgres, settings: OPEN, ..Setting::default() });
    let tell = |path: &'static str| move |doors: &Replicas| assert_eq!(doors.database().tell(path, &json!({})).status, 200);
    bears_it_for_half_a_minute(doors, tell("/stop"), tell("/start"));
}

#[test]
fn streams_are_borne_for_half_a_minute_without_a_session_server_and_cut_then() {
    let server = std::cell::RefCell::new(ValkeyServer::start());
    let store = format!(", sessions: {{ url: {} }}", server.borrow().url());
    let doors = Replicas::start(1, &Setting { store, settings: OPEN, ..Setting::default() });
    bears_it_for_half_a_minute(doors, |_| server.borrow_mut().kill(), |_| server.borrow_mut().begin());
}
