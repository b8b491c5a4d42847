//! Stopping: in peace, late, at once.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use super::{configuration, operations, secret};
use crate::support::{Door, PATIENCE, Process, curl, doorward, eventually, part};

#[test]
fn a_request_in_flight_ends_well_and_the_exit_status_is_zero() {
    let upstream = part("echo", &[]);
    let mut door = Door::serve(&configuration(upstream.port(), ""), secret);
    let url = format!("http://{}/open/slow?ms=1500", door.listener(0));
    let request = std::thread::spawn(move || curl(&[&url]));
    eventually("the request is at the application", || {
        (upstream.control("GET", "/requests").as_array().unwrap().len() == 1).then_some(())
    });
    door.process.signal("TERM");
    assert_eq!(request.join().unwrap().status, 200);
    assert_eq!(door.process.wait(), Some(0));
}

#[test]
fn an_idle_connection_is_closed_when_the_server_stops() {
    let upstream = part("echo", &[]);
    let mut door = Door::serve(&configuration(upstream.port(), ""), secret);
    let mut idle = TcpStream::connect(door.listener(0)).unwrap();
    idle.set_read_timeout(Some(PATIENCE)).unwrap();
    idle.write_all(b"HEAD /open/a HTTP/1.1\r\nHost: app.example\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        idle.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    door.process.signal("TERM");
    assert_eq!(idle.read(&mut [0; 64]).unwrap(), 0, "the end of the stream, not a byte more");
    assert_eq!(door.process.wait(), Some(0));
}

#[test]
fn an_event_stream_ends_whole_and_a_websocket_with_1001() {
    let upstream = part("echo", &[]);
    let sockets = part("ws-server", &[]);
    let route = format!("  - {{ path: /ws, access: public, upstream: {{ url: 'http://127.0.0.1:{}' }} }}\n", sockets.port());
    let mut door = Door::serve(&configuration(upstream.port(), &route), secret);
    let url = format!("http://{}/open/sse?every=50", door.listener(0));
    let stream = Command::new("curl").args(["--silent", "--no-buffer", &url]).stdout(Stdio::piped()).spawn().unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parts/ws-client.mjs");
    let client = Process::start(Command::new("node").args([script, &format!("ws://{}/ws", door.listener(0))]));
    while client.json_line()["event"] != "message" {}
    eventually("the stream is at the application", || {
        (upstream.control("GET", "/requests").as_array().unwrap().len() == 1).then_some(())
    });
    door.process.signal("TERM");
    let closed = loop {
        let line = client.json_line();
        if line["event"] == "closed" {
            break line;
        }
    };
    assert_eq!(closed["code"], 1001, "{closed}");
    let stream = stream.wait_with_output().unwrap();
    assert!(stream.status.success(), "the stream ends as HTTP ends one: {:?}", stream.status);
    assert_eq!(door.process.wait(), Some(0));
}

#[test]
fn readiness_ends_at_once_and_connections_are_taken_until_the_delay_is_over() {
    let upstream = part("echo", &[]);
    let mut door = Door::serve(&configuration(upstream.port(), "shutdown: { delay: 2s }\n"), secret);
    let url = format!("http://{}/open/a", door.listener(0));
    door.process.signal("TERM");
    let ready = eventually("readiness ends", || Some(operations(&door, "/readyz")).filter(|ready| ready.status == 503));
    assert_eq!(ready.json()["missing"][0]["what"], "draining");
    assert_eq!(curl(&[&url]).status, 200, "the balancer has not looked away yet");
    assert_eq!(operations(&door, "/livez").status, 200);
    assert_eq!(door.process.wait(), Some(0));
    assert_eq!(curl(&[&url]).status, 0);
}

#[test]
fn a_second_signal_stops_at_once_and_the_exit_status_says_so() {
    let upstream = part("echo", &[]);
    let mut door = Door::serve(&configuration(upstream.port(), ""), secret);
    let url = format!("http://{}/open/hang", door.listener(0));
    let mut hanging = Command::new("curl").args(["--silent", &url]).stdout(Stdio::null()).spawn().unwrap();
    eventually("the request is at the application", || {
        (upstream.control("GET", "/requests").as_array().unwrap().len() == 1).then_some(())
    });
    door.process.signal("TERM");
    eventually("it is draining", || (operations(&door, "/readyz").status == 503).then_some(()));
    door.process.signal("INT");
    assert_eq!(door.process.wait(), Some(130));
    assert!(!hanging.wait().unwrap().success());
}

#[test]
fn a_wrong_configuration_and_a_taken_address_have_statuses_of_their_own() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("doorward.yaml");
    let run = || doorward(&["serve", "--config", file.to_str().unwrap()]).output().unwrap();
    std::fs::write(&file, "version: 1\n").unwrap();
    assert_eq!(run().status.code(), Some(78));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let text = configuration(1, "").replace("address: 127.0.0.1:0 }]", &format!("address: {} }}]", taken.local_addr().unwrap()));
    std::fs::write(&file, text.replace("{folder}", folder.path().to_str().unwrap())).unwrap();
    secret(folder.path());
    let ended = run();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(String::from_utf8_lossy(&ended.stderr).contains("cannot listen on"), "{ended:?}");
}
