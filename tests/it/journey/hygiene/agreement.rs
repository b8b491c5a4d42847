//! What was judged is what the application reads: generated requests through the real binary, compared with the application's parser.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpStream};

use doorward::clock::Timestamp;
use doorward::config::Limits;
use doorward::edge::{Arrival, ConnectionFacts, Hygiene, LiveStreams, settle};
use pingora::http::RequestHeader;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::Value;

use super::wire::{configuration, prepare};
use crate::support::{Door, PATIENCE, part};

const CASES: usize = 800;

/// A request as it is sent.
#[derive(Clone, Debug)]
struct Sent {
    method: &'static str,
    target: String,
    host: &'static str,
    soup: String,
}

/// What somebody makes of a request: method, target, host, the value of `x-soup`.
type Reading = [String; 4];

/// Pieces that parsers like to disagree about, among harmless ones. No letters that could make a behaviour of the echo.
fn text(odd: &'static [&'static str]) -> impl Strategy<Value = String> {
    let plain =
        select(vec!["A", "Zz", "0", "~", "-", "_", "!", "$", "'", "(", ",", "=", "@", ":", "+", "*", "|", "[", "%20", "%24"]);
    let piece =
        prop_oneof![12 => plain, 2 => select(vec!["%C3%A4", "%c3%a4", "%E2%82%AC", "/A", "/.A", "/A.."]), 1 => select(odd)];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn requests() -> impl Strategy<Value = Sent> {
    const PATH: &[&str] = &[
        "/",
        "//",
        "/.",
        "/..",
        "/../A",
        "..",
        "%2e%2e/",
        "%2f",
        "%2F",
        "%5c",
        "\\",
        ";",
        ";A=0",
        "%3b",
        "%00",
        "%",
        "%4",
        "%zz",
        "%25",
        "%41",
        "%0d%0a",
        "#",
        "%23",
        "^",
        "`",
        "{",
        "\"",
        "<",
        " ",
        "\t",
        "\u{e4}",
        "%ff",
        "%ef%bc%8f",
    ];
    const QUERY: &[&str] = &["?", "&", "/", "/../", "%", "%00", "%2f", ";", "\\", "#", "{", "^", " ", "\"", "\u{e4}"];
    const SOUP: &[&str] = &["\t", " ", ";", "\"", "\\", "\u{e4}", "\u{b}", "\r", "\n", "\0", "\u{7f}"];
    let methods =
        vec!["GET", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "get", "TRACE", "BREW", "GE=T"];
    let hosts =
        vec!["app.test", "app.test", "APP.Test", "app.test.", "app.test:8080", "[::1]", "a_b", "a..b", "", "a@b", "a,b", "a:0"];
    let prefix = prop_oneof![12 => Just("/A"), 1 => Just("http://app.test/A"), 1 => Just(""), 1 => Just("//")];
    let query = proptest::option::of(text(QUERY));
    (select(methods), prefix, text(PATH), query, select(hosts), text(SOUP), subsequence(vec!["?"], 0..=1)).prop_map(
        |(method, prefix, path, query, host, soup, bare)| {
            let query = query.map_or_else(|| bare.concat(), |query| format!("?{query}"));
            Sent { method, target: format!("{prefix}{path}{query}"), host, soup }
        },
    )
}

impl Sent {
    fn bytes(&self, number: usize) -> Vec<u8> {
        let Self { method, target, host, soup } = self;
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {host}\r\nX-Case: {number}\r\nX-Soup: {soup}\r\nConnection: close\r\n\r\n"
        );
        super::wire::bytes(&head)
    }

    /// What the policy judges; `None` if it refuses.
    fn judged(&self, hygiene: &Hygiene) -> Option<Reading> {
        let target = super::wire::bytes(&self.target);
        let mut head = RequestHeader::build(self.method, &target, None).ok()?;
        let soup = self.soup.trim_matches([' ', '\t']);
        head.append_header("Host", self.host).ok()?;
        head.append_header("X-Soup", super::wire::bytes(soup)).ok()?;
        settle(&mut head).ok()?;
        let facts = ConnectionFacts::plain(IpAddr::V4(Ipv4Addr::LOCALHOST), LiveStreams::default().handle());
        let clean = hygiene.inspect(Arrival { head: &head, facts: &facts, now: Timestamp::from_seconds(0) }).ok()?;
        let query = clean.query.map(|query| format!("?{query}")).unwrap_or_default();
        Some([self.method.to_owned(), format!("{}{query}", clean.path), clean.authority.to_owned(), soup.to_owned()])
    }
}

fn status(address: &str, request: &[u8]) -> u16 {
    let mut tcp = TcpStream::connect(address).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    // The door may have hung up already, which the reading will show.
    let _ = tcp.write_all(request);
    let mut answer = Vec::new();
    let _ = tcp.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).get(9..12).and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// What the application's parser read, by the number of the case.
fn readings(seen: &Value) -> HashMap<usize, Reading> {
    let one = |request: &Value| {
        let header = |name: &str| {
            let pairs = request["raw_headers"].as_array().unwrap().iter();
            let values: Vec<&str> = pairs
                .filter(|pair| pair[0].as_str().unwrap().eq_ignore_ascii_case(name))
                .map(|pair| pair[1].as_str().unwrap())
                .collect();
            values.join(" | ")
        };
        let text = |name: &str| request[name].as_str().unwrap().to_owned();
        (header("x-case").parse().unwrap(), [text("method"), text("url"), header("host"), header("x-soup")])
    };
    seen.as_array().unwrap().iter().map(one).collect()
}

#[test]
fn what_was_judged_is_what_the_application_reads_or_nothing_arrives() {
    let upstream = part("echo", &[]);
    let door = Door::serve(&configuration(upstream.port(), ""), prepare);
    let hygiene = Hygiene::new(Limits::default(), &[]);
    let (strategy, mut runner) = (requests(), TestRunner::default());
    let cases: Vec<(Sent, u16)> = (0..CASES)
        .map(|number| {
            let sent = strategy.new_tree(&mut runner).unwrap().current();
            let status = status(door.listener(0), &sent.bytes(number));
            (sent, status)
        })
        .collect();
    let arrived = upstream.control("GET", "/requests");
    let mut read = readings(&arrived);
    assert_eq!(read.len(), arrived.as_array().unwrap().len(), "each case at most once");
    let forwarded = read.len();
    for (number, (sent, status)) in cases.iter().enumerate() {
        match read.remove(&number) {
            Some(reading) => {
                assert_eq!(Some(reading), sent.judged(&hygiene), "{sent:?}");
                assert_eq!(*status, 200, "{sent:?}");
            }
            None => assert!((400..600).contains(status), "{status}, and nothing arrived of {sent:?}"),
        }
    }
    assert!(read.is_empty(), "nobody sent {read:?}");
    assert!((CASES / 10..CASES * 9 / 10).contains(&forwarded), "{forwarded} of {CASES} say too little");
}
