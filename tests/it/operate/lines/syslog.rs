//! rsyslog, and what becomes of messages while it is killed, stands still, or shows a certificate of last year.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::thread;
use std::time::Duration;

use doorward::audit::sink::transport::SendError;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Authority, Way, event, events};
use crate::support::{PATIENCE, Part, eventually, free_port, part};

/// rsyslog with the certificate `server.pem` of `folder`.
pub(super) struct Rsyslog {
    pub(super) part: Part,
    folder: TempDir,
    authority: Authority,
}

impl Rsyslog {
    /// Its certificate is valid until `year`; with `client`, others have to have one in that name.
    #[track_caller]
    pub(super) fn start(year: i32, client: Option<&str>) -> Self {
        let folder = TempDir::new().unwrap();
        let authority = Authority::found(folder.path());
        authority.issue(folder.path(), "server", year);
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let ports = [free_port(), free_port(), free_port()].map(|port| port.to_string());
        let (ca, cert, key) = (path("ca.pem"), path("server.pem"), path("server.key"));
        let mut arguments =
            vec!["--udp", &ports[0], "--tcp", &ports[1], "--tls", &ports[2], "--ca", &ca, "--cert", &cert, "--key", &key];
        arguments.extend(client.iter().flat_map(|name| ["--client", name]));
        Self { part: part("rsyslog", &arguments), folder, authority }
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A way there by `udp`, `tcp` or `tls`, with more settings of a sink.
    #[track_caller]
    fn way(&self, scheme: &str, more: Value) -> Way {
        let port = self.part.ready[scheme].as_u64().unwrap();
        // A UDP port of 127.0.0.1 is what keeps others away from it.
        let host = if scheme == "udp" { "127.0.0.2" } else { "localhost" };
        let mut typed = json!({ "id": "siem", "syslog": { "url": format!("{scheme}://{host}:{port}") } });
        if scheme == "tls" {
            typed["ca"] = json!(self.folder().join("ca.pem"));
        }
        for (key, value) in more.as_object().unwrap() {
            match typed[key].as_object_mut() {
                Some(members) => members.extend(value.as_object().unwrap().clone()),
                None => typed[key] = value.clone(),
            }
        }
        Way::open(typed)
    }

    fn messages(&self) -> Vec<Value> {
        self.part.control("GET", "/messages").as_array().unwrap().clone()
    }

    pub(super) fn ask(&self, what: &str) {
        self.part.control("POST", what);
    }

    /// Waits until each event up to `last` is there, and fails if their first appearances are out of order, or one is there in part.
    #[track_caller]
    pub(super) fn has_all_up_to(&self, last: i64) {
        let links = eventually("every event is there", || {
            let mut seen = HashSet::new();
            let links: Vec<i64> = self.messages().iter().map(link).filter(|link| seen.insert(*link)).collect();
            (links.len() == usize::try_from(last).unwrap()).then_some(links)
        });
        assert_eq!(links, (1..=last).collect::<Vec<_>>(), "the first of each");
        for message in self.messages() {
            let whole = serde_json::from_str::<Value>(message["message"].as_str().unwrap());
            assert!(whole.is_ok_and(|body| body.is_object()), "{message}");
        }
    }
}

fn link(message: &Value) -> i64 {
    message["structured"]["doorward@32473"]["link"]
        .as_str()
        .and_then(|link| link.parse().ok())
        .unwrap_or_else(|| panic!("{message}"))
}

#[test]
fn rsyslog_reads_every_field_by_udp_tcp_and_tls() {
    let server = Rsyslog::start(2100, None);
    for (number, way) in ["udp", "tcp", "tls"].into_iter().enumerate() {
        server.way(way, json!({ "syslog": { "facility": "local3", "app_name": "front" } })).deliver(&[event(7)]);
        let messages = eventually("the message is there", || Some(server.messages()).filter(|all| all.len() > number));
        let read = messages.last().unwrap();
        let expected = json!({
            "came_by": way, "version": "1", "priority": "156", "facility": "local3", "severity": "warning",
            "timestamp": "2026-11-22T04:00:00.007Z", "hostname": "replica-1", "app_name": "front", "procid": "-", "msgid": "sign_in",
            // It reads the names of parameters in small letters.
            "structured": {
                "origin": { "software": "Doorward", "swversion": env!("CARGO_PKG_VERSION") },
                "doorward@32473": { "id": "event-7", "chain": "replica-1", "link": "7", "kind": "sign_in", "severity": "warning" },
            },
        });
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(&read[key], value, "{key} by {way}");
        }
        let body: Value = serde_json::from_str(read["message"].as_str().unwrap()).unwrap();
        assert_eq!(body, Value::Object(event(7).body), "by {way}");
    }
}

#[test]
fn rsyslog_reads_lines_by_tcp_and_tls() {
    let server = Rsyslog::start(2100, None);
    for (number, way) in ["tcp", "tls"].into_iter().enumerate() {
        let sent = server.way(way, json!({ "syslog": { "framing": "newline" } }));
        sent.deliver(&events(1..=3));
        let before = number * 3;
        let messages = eventually("the messages are there", || Some(server.messages()).filter(|all| all.len() >= before + 3));
        for (read, expected) in messages[before..].iter().zip(events(1..=3)) {
            assert_eq!(read["came_by"], way);
            assert!(read["raw"].as_str().unwrap().starts_with("<84>1 2026-"), "{read}");
            assert_eq!(serde_json::from_str::<Value>(read["message"].as_str().unwrap()).unwrap(), Value::Object(expected.body));
        }
        assert_eq!(messages.len(), before + 3, "{messages:#?}");
    }
}

#[test]
fn who_reads_lines_finds_one_message_in_each_and_no_length() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let reader = thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        BufReader::new(socket).lines().take(40).map(Result::unwrap).collect::<Vec<_>>()
    });
    let sent = Way::open(json!({ "id": "siem", "syslog": { "url": url, "framing": "newline" } }));
    let mut hostile = events(1..=40);
    for event in &mut hostile {
        event.chain = "replica\n<84>1 - forged".to_owned();
        event.body.insert("a\r\nb".to_owned(), "one\ntwo\0three\r".into());
    }
    sent.deliver(&hostile);
    for (line, event) in reader.join().unwrap().into_iter().zip(hostile) {
        let (head, body) = line.split_once("] ").unwrap();
        assert!(head.starts_with("<84>1 2026-11-22T04:00:00.0"), "{line}");
        assert_eq!(serde_json::from_str::<Value>(body).unwrap(), Value::Object(event.body));
    }
}

#[test]
fn a_message_too_long_for_its_way_arrives_as_whole_json() {
    let server = Rsyslog::start(2100, None);
    let mut long = event(1);
    long.body.insert("long".to_owned(), "x".repeat(70_000).into());
    for (number, way) in ["udp", "tcp"].into_iter().enumerate() {
        server.way(way, json!({})).deliver(&[long.clone()]);
        let messages = eventually("the message is there", || Some(server.messages()).filter(|all| all.len() > number));
        let read = messages.last().unwrap();
        assert_eq!(read["structured"]["doorward@32473"]["left_out"], "long", "by {way}");
        assert_eq!(serde_json::from_str::<Value>(read["message"].as_str().unwrap()).unwrap(), Value::Object(event(1).body));
    }
}

#[test]
fn a_receiver_killed_in_the_middle_loses_nothing_and_order_is_kept() {
    for way in ["tcp", "tls"] {
        let server = Rsyslog::start(2100, None);
        let sent = server.way(way, json!({}));
        for batch in 0..30 {
            match batch {
                // What it has read when it is killed is not yet what it has written.
                10 => server.ask("/kill"),
                12 | 22 => server.ask("/start"),
                20 => server.ask("/stop"),
                _ => {}
            }
            let events = events(batch * 20 + 1..=batch * 20 + 20);
            if matches!(batch, 10 | 11 | 20 | 21) {
                // Nobody is there; the system may take it all the same.
                let patience = Duration::from_secs(3);
                if sent.try_within(patience, &events).is_err() {
                    server.ask("/start");
                    sent.deliver(&events);
                }
            } else {
                sent.deliver(&events);
            }
        }
        server.has_all_up_to(600);
    }
}

#[test]
fn what_a_killed_receiver_had_not_read_comes_again_though_nothing_new_does() {
    for way in ["tcp", "tls"] {
        let server = Rsyslog::start(2100, None);
        let sent = server.way(way, json!({}));
        sent.deliver(&events(1..=5));
        server.has_all_up_to(5);
        // Its system still takes what is sent.
        server.ask("/freeze");
        sent.deliver(&events(6..=25));
        server.ask("/kill");
        server.ask("/start");
        server.has_all_up_to(25);
    }
}

#[test]
fn a_receiver_that_stands_still_is_waited_for() {
    let server = Rsyslog::start(2100, None);
    let sent = server.way("tcp", json!({}));
    sent.deliver(&[event(1)]);
    server.ask("/freeze");
    let mut last = 1;
    // Until the buffers of both systems are full.
    let why = eventually("it takes no more", || {
        let mut more = events(last + 1..=last + 100);
        for event in &mut more {
            event.body.insert("long".to_owned(), "x".repeat(7000).into());
        }
        let done = sent.try_within(Duration::from_secs(2), &more);
        last += if done.is_ok() { 100 } else { 0 };
        done.err()
    });
    assert!(matches!(why, SendError::Later { .. }), "{why}");
    server.ask("/thaw");
    sent.deliver(&events(last + 1..=last + 100));
    server.has_all_up_to(last + 100);
}

#[test]
fn an_expired_certificate_is_waited_out() {
    let server = Rsyslog::start(2020, None);
    let sent = server.way("tls", json!({}));
    let why = sent.waits(&[event(1)]);
    assert!(why.contains("certificate") && why.contains("xpired"), "{why}");
    server.authority.issue(server.folder(), "server", 2100);
    server.ask("/stop");
    server.ask("/start");
    sent.deliver(&[event(1)]);
    server.has_all_up_to(1);
    let stranger = TempDir::new().unwrap();
    Authority::found(stranger.path());
    let why = server.way("tls", json!({ "ca": stranger.path().join("ca.pem") })).waits(&[event(2)]);
    assert!(why.contains("certificate"), "{why}");
}

#[test]
fn who_is_refused_for_their_certificate_has_delivered_nothing() {
    let server = Rsyslog::start(2100, Some("door.test"));
    let why = server.way("tls", json!({})).waits(&[event(1)]);
    assert!(why.contains("at once"), "{why}");
    server.authority.issue(server.folder(), "door.test", 2100);
    let (cert, key) = (server.folder().join("door.test.pem"), server.folder().join("door.test.key"));
    server.way("tls", json!({ "client_certificate": { "cert": cert, "key": key } })).deliver(&[event(1)]);
    server.has_all_up_to(1);
}

#[test]
fn datagrams_that_nobody_listens_for_are_kept_where_the_system_says_so() {
    let port = free_port();
    let sent = Way::open(json!({ "id": "siem", "syslog": { "url": format!("udp://127.0.0.2:{port}") } }));
    let why = sent.waits(&[event(1)]);
    assert!(why.contains("refused"), "{why}");
}
