//! What is refused before it is a request: it has a line, a meter and an event like every other refusal, and no other name than
//! Doorward's on its answer.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::{access_lines, configuration, metric, secret};
use crate::support::{Door, PATIENCE, eventually, part};

const JSON: &str = "logging: { format: json }\nlimits: { header_timeout: 1s }\n";

/// Path (empty where none was told), status, reason, the bytes in pieces that arrive one after the other.
const REFUSED: &[(&str, u16, &str, &[&str])] = &[
    (
        "/open/1",
        400,
        "ambiguous_framing",
        &["POST /open/1?key=dw_secret HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"],
    ),
    ("/open/2", 400, "bare_line_feed", &["GET /open/2 HTTP/1.1\nHost: a\n\n"]),
    ("/open/3", 505, "http_version", &["GET /open/3 HTTP/3.0\r\nHost: a\r\n\r\n"]),
    ("/open/4", 400, "chunk_framing", &["POST /open/4 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"]),
    ("/open/5", 400, "chunk_framing", &["POST /open/5 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "zz\r\n"]),
    ("", 400, "bare_line_feed", &["GET /open/6 HTTP/1.1\r\n", "Host: a\n\n"]),
    ("", 408, "head_timeout", &["GET /open/7 HTTP/1.1\r\n"]),
    ("\u{16}\u{3}", 400, "request_line", &[" \u{16}\u{3} \u{1}\r\n\r\n"]),
    ("", 400, "request_head", &["GET /open/8 HTTP/1.1\r\nHost: a\r\nx y: a\r\n\r\n"]),
    ("", 400, "request_head", &["GET /open/9 HTTP/1.1\r\nHost: a\r\nx: a\u{1}b\r\n\r\n"]),
    ("", 400, "request_head", &["GET /open/10 HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"]),
    ("", 405, "method_not_allowed", &["CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"]),
];

fn answer(door: &Door, pieces: &[&str]) -> String {
    let mut stream = TcpStream::connect(door.listener(0)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    for (place, piece) in pieces.iter().enumerate() {
        if place > 0 {
            // Not a wait for something: the pieces are to arrive one by one.
            std::thread::sleep(Duration::from_millis(100));
        }
        stream.write_all(piece.as_bytes()).unwrap();
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

fn events(door: &Door) -> Vec<Value> {
    let trail = door.command(&["audit", "list", "--limit", "500"]);
    trail.as_array().unwrap().iter().filter(|event| event["kind"] == "request_refused").cloned().collect()
}

#[test]
fn what_never_became_a_request_has_a_line_a_meter_and_an_event_and_an_answer_in_our_name() {
    let upstream = part("echo", &[]);
    let door = Door::serve(&configuration(upstream.port(), JSON), secret);
    for (path, status, reason, pieces) in REFUSED {
        let answer = answer(&door, pieces);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{pieces:?}: {answer}");
        let lower = answer.to_ascii_lowercase();
        assert!(!lower.contains("pingora") && lower.contains("application/problem+json"), "{pieces:?}: {answer}");
        let id = lower.split_once("x-request-id: ").unwrap().1.lines().next().unwrap().to_owned();
        let line = eventually("its line is written", || access_lines(&door, &id).pop());
        assert_eq!((&line["decision"], &line["reason"]), (&"malformed".into(), &(*reason).into()), "{pieces:?}: {line}");
        assert_eq!((&line["status"], &line["client"]), (&(*status).into(), &"127.0.0.1".into()), "{line}");
        if !path.is_empty() {
            assert_eq!(line["path"], *path, "{line}");
        }
        let event = eventually("its event is written", || events(&door).into_iter().find(|event| event["request_id"] == *id));
        assert_eq!((&event["reason"], &event["source"]), (&(*reason).into(), &"127.0.0.1".into()), "{event}");
    }
    let said = door.process.said();
    assert!(!said.contains("dw_secret"), "{said}");
    let class =
        |class| metric(&door, &format!("doorward_requests_total{{route=\"none\",decision=\"malformed\",status=\"{class}\"}}"));
    let (fours, fives) = (class("4xx").unwrap(), class("5xx").unwrap());
    // One ended on its route.
    let expected = f64::from(u32::try_from(REFUSED.len()).unwrap() - 2);
    assert_eq!((fours, fives), (expected, 1.0));
}

#[test]
fn garbage_without_end_does_not_fill_the_trail() {
    let upstream = part("echo", &[]);
    let door = Door::serve(&configuration(upstream.port(), JSON), secret);
    for _ in 0..100 {
        assert!(answer(&door, &["garbage\n"]).starts_with("HTTP/1.1 400"));
    }
    eventually("all lines are written", || (access_lines(&door, "bare_line_feed").len() == 100).then_some(()));
    let events = eventually("the events are written", || Some(events(&door)).filter(|events| events.len() >= 60));
    assert!(events.len() <= 120, "in two minutes at most: {}", events.len());
}
