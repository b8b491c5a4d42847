//! Who is at the other end: balancers that say so, and Unix sockets.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use super::{Stage, to_the_end};
use crate::support::{Door, curl, eventually};

const BALANCED: &str = "{ address: 127.0.0.1:0, proxy_protocol_from: [127.0.0.0/8] }";
const NOT_BALANCED: &str = "{ address: 127.0.0.1:0, proxy_protocol_from: [203.0.113.0/24] }";
const REQUEST: &[u8] = b"GET /a HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n";

/// The address that the application is told, after these bytes; `None` if there was no answer at all.
fn told(stage: &Stage, bytes: &[u8]) -> Option<String> {
    let mut tcp = stage.tcp();
    // The door may hang up in the middle, which the reading shows.
    let _ = tcp.write_all(&[bytes, REQUEST].concat());
    let answer = to_the_end(&mut tcp);
    let (_, value) = answer.split_once(r#"["x-forwarded-for",""#).or_else(|| answer.split_once(r#"["X-Forwarded-For",""#))?;
    value.split_once('"').map(|(address, _)| address.to_owned())
}

/// A version 2 header with this command and family, and these addresses.
fn binary(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
    let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
    [&b"\r\n\r\n\0\r\nQUIT\n"[..], &[command, family], &length, addresses].concat()
}

#[test]
fn a_listed_balancer_is_believed_about_who_comes() {
    let stage = Stage::set(BALANCED, "", |_| {});
    let from = [203, 0, 113, 9, 127, 0, 0, 1, 0x12, 0x67, 1, 0xbb];
    assert_eq!(told(&stage, &binary(0x21, 0x11, &from)).as_deref(), Some("203.0.113.9"));
    let six = [&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7][..], &[0; 15], &[1, 1, 1, 1, 1]].concat();
    assert_eq!(told(&stage, &binary(0x21, 0x21, &six)).as_deref(), Some("2001:db8::7"));
    assert_eq!(told(&stage, b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 443\r\n").as_deref(), Some("203.0.113.7"));
    assert_eq!(told(&stage, b"PROXY TCP6 ::ffff:203.0.113.8 ::1 4711 443\r\n").as_deref(), Some("203.0.113.8"));
    assert_eq!(told(&stage, &binary(0x20, 0x00, &[])).as_deref(), Some("127.0.0.1"), "a balancer's own health check");
    // curl's version 1 header names its own address.
    let seen = curl(&["--haproxy-protocol", &format!("http://{}/", stage.door.listener(0))]);
    assert_eq!(seen.status, 200, "{}", seen.error);
}

#[test]
fn a_listed_balancer_that_does_not_say_who_comes_is_refused() {
    let stage = Stage::set(BALANCED, "limits: { handshake_timeout: 1s }", |_| {});
    let refused: [&[u8]; 7] = [
        b"",
        b"PROXY TCP4 203.0.113.256 127.0.0.1 4711 443\r\n",
        b"PROXY TCP4 203.0.113.7\r\n",
        b"proxy TCP4 203.0.113.7 127.0.0.1 4711 443\r\n",
        &binary(0x21, 0x11, &[1, 2, 3]),
        &binary(0x31, 0x11, &[203, 0, 113, 9, 127, 0, 0, 1, 0x12, 0x67, 1, 0xbb]),
        &binary(0x21, 0x31, &[0; 216]),
    ];
    for bytes in refused {
        assert_eq!(told(&stage, bytes), None, "{}", bytes.escape_ascii());
    }
    let mut slow = stage.tcp();
    slow.write_all(b"PROXY TCP4 203.0.113.7 ").unwrap();
    assert_eq!(to_the_end(&mut slow), "", "an unfinished header is not waited for");
    assert_eq!(stage.arrived(), 0);
}

#[test]
fn others_cannot_say_who_they_are() {
    let stage = Stage::set(NOT_BALANCED, "", |_| {});
    assert_eq!(told(&stage, b"").as_deref(), Some("127.0.0.1"));
    let from = [203, 0, 113, 9, 127, 0, 0, 1, 0x12, 0x67, 1, 0xbb];
    for claim in [b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 443\r\n".to_vec(), binary(0x21, 0x11, &from)] {
        assert_eq!(told(&stage, &claim), None, "{}", claim.escape_ascii());
    }
    assert_eq!(stage.arrived(), 1);
}

#[test]
fn a_unix_socket_serves_replaces_a_stale_one_and_goes_with_the_server() {
    let stage = Stage::set("{ address: 'unix:{folder}/door.sock' }", "", |folder| {
        // What a server that was killed leaves.
        drop(std::os::unix::net::UnixListener::bind(folder.join("door.sock")).unwrap());
    });
    let socket = stage.door.folder().join("door.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
    let seen = curl(&["--unix-socket", socket.to_str().unwrap(), "http://app.test/a"]);
    assert_eq!(seen.status, 200, "{}", seen.error);
    assert_eq!(seen.json()["url"], "/a");
    let Stage { mut door, .. } = stage;
    door.process.signal("TERM");
    assert_eq!(door.process.wait(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn a_socket_that_is_in_use_is_not_taken() {
    let stage = Stage::set("{ address: 'unix:{folder}/door.sock' }", "", |_| {});
    let mut second = crate::support::Process::start(crate::support::doorward(&["serve", "--config"]).arg(stage.door.config()));
    assert_ne!(second.wait(), Some(0), "{}", second.said());
    eventually("it says which address", || second.said().contains("door.sock").then_some(()));
    let socket = stage.door.folder().join("door.sock");
    let serves = |_: &Door| curl(&["--unix-socket", socket.to_str().unwrap(), "http://app.test/a"]).status;
    assert_eq!(serves(&stage.door), 200, "the first still serves");
}
