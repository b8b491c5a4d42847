//! The access line: one for each request, all there is to say about it in one place.
//!
//! Refuses secrets and control characters: values of secret parameters are masked, everything else is escaped (threats L1, L2).

use std::cell::RefCell;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::mask;
use super::outcome::Decision;
use super::writer::LineWriter;
use crate::clock::Timestamp;
use crate::config::LogFormat;
use crate::model::Identity;

/// What one request was and became.
#[derive(Clone, Copy, Debug)]
pub struct AccessLine<'a> {
    pub at: Timestamp,
    pub request_id: &'a str,
    pub trace_id: &'a str,
    pub method: &'a str,
    /// As sent; bytes that are no UTF-8 were replaced.
    pub host: &'a str,
    pub path: &'a str,
    pub query: Option<&'a str>,
    /// Whether the path is one of Doorward's own pages.
    pub own_page: bool,
    pub route: Option<&'a str>,
    pub decision: Decision,
    pub reason: Option<&'static str>,
    /// 0: no answer was begun.
    pub status: u16,
    pub identity: Option<&'a Identity>,
    pub client: Option<IpAddr>,
    pub upstream: Option<Server<'a>>,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// From the head of the request to the end of the answer.
    pub took: Duration,
    /// From the head of the request to the head of the upstream's answer.
    pub first_byte: Option<Duration>,
    /// `1.3`; `None` without TLS.
    pub tls: Option<&'a str>,
    pub http: &'static str,
}

/// Where a request was sent.
#[derive(Clone, Copy, Debug)]
pub enum Server<'a> {
    Address(SocketAddr),
    Path(&'a str),
}

/// Writes access lines in one format.
#[derive(Debug)]
pub struct AccessLog {
    format: LogFormat,
    writer: Arc<LineWriter>,
}

/// Reused from line to line of one thread.
#[derive(Default)]
struct Scratch {
    line: Vec<u8>,
    /// The second that `date` stands for.
    second: i64,
    /// `2026-11-22T04:00:00`
    date: String,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl AccessLog {
    #[must_use]
    pub fn new(format: LogFormat, writer: Arc<LineWriter>) -> Self {
        Self { format, writer }
    }

    pub fn write(&self, line: &AccessLine<'_>) {
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.date_of(line.at);
            let Scratch { line: bytes, date, .. } = scratch;
            bytes.clear();
            let mut fields = Fields { format: self.format, bytes, first: true };
            fields.all(line, date);
            self.writer.write(bytes);
        });
    }
}

impl Scratch {
    fn date_of(&mut self, at: Timestamp) {
        if self.second != at.seconds() || self.date.is_empty() {
            self.second = at.seconds();
            self.date = Timestamp::from_seconds(at.seconds()).to_string();
            self.date.truncate(19);
        }
    }
}

struct Fields<'a> {
    format: LogFormat,
    bytes: &'a mut Vec<u8>,
    first: bool,
}

impl Fields<'_> {
    /// Short names, because they are repeated in every line; times in microseconds.
    fn all(&mut self, line: &AccessLine<'_>, date: &str) {
        self.open();
        self.time(date, line.at.millis().rem_euclid(1000));
        self.text("request_id", line.request_id);
        self.text("trace_id", line.trace_id);
        self.text("method", line.method);
        self.text("host", line.host);
        self.text("path", &mask::path(line.path));
        self.optional("query", line.query.map(|query| mask::query(query, line.own_page)).as_deref());
        self.optional("route", line.route);
        self.text("decision", line.decision.as_str());
        self.optional("reason", line.reason);
        self.number("status", line.status.into());
        if let Some(identity) = line.identity {
            self.text("credential", identity.credential.as_str());
            self.text("subject", &identity.subject);
            self.text("tenant", identity.tenant.as_str());
        }
        if let Some(client) = line.client {
            self.shown("client", &client);
        }
        match line.upstream {
            Some(Server::Address(address)) => self.shown("upstream", &address),
            Some(Server::Path(path)) => self.text("upstream", path),
            None => {}
        }
        self.number("bytes_in", line.bytes_in);
        self.number("bytes_out", line.bytes_out);
        self.number("duration_us", micros(line.took));
        if let Some(first_byte) = line.first_byte {
            self.number("first_byte_us", micros(first_byte));
        }
        self.optional("tls", line.tls);
        self.text("http", line.http);
        self.close();
    }

    fn open(&mut self) {
        if self.format == LogFormat::Json {
            self.bytes.push(b'{');
        }
    }

    fn close(&mut self) {
        if self.format == LogFormat::Json {
            self.bytes.push(b'}');
        }
        self.bytes.push(b'\n');
    }

    fn key(&mut self, key: &str) {
        let (separator, before, after) = match self.format {
            LogFormat::Json => (b',', "\"", "\":"),
            LogFormat::Text => (b' ', "", "="),
        };
        if !std::mem::take(&mut self.first) {
            self.bytes.push(separator);
        }
        for part in [before, key, after] {
            self.bytes.extend_from_slice(part.as_bytes());
        }
    }

    fn time(&mut self, date: &str, millis: i64) {
        self.key("time");
        let quote: &[u8] = if self.format == LogFormat::Json { b"\"" } else { b"" };
        self.bytes.extend_from_slice(quote);
        // Writing to memory does not fail.
        let _ = write!(self.bytes, "{date}.{millis:03}Z");
        self.bytes.extend_from_slice(quote);
    }

    fn optional(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        if self.format == LogFormat::Text && !value.is_empty() && value.bytes().all(is_plain) {
            self.bytes.extend_from_slice(value.as_bytes());
        } else {
            quote(self.bytes, value);
        }
    }

    fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        let _ = write!(self.bytes, "{value}");
    }

    /// For addresses, which hold nothing that needs escaping.
    fn shown(&mut self, key: &str, value: &impl std::fmt::Display) {
        self.key(key);
        let quote: &[u8] = if self.format == LogFormat::Json { b"\"" } else { b"" };
        self.bytes.extend_from_slice(quote);
        let _ = write!(self.bytes, "{value}");
        self.bytes.extend_from_slice(quote);
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// Stands in a text line as it is.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'=')
}

/// In quotes and escaped as JSON does (RFC 8259 §7), and beyond that everything a terminal or another reader could take for more
/// than text: controls, line separators, marks that change the direction of writing.
fn quote(bytes: &mut Vec<u8>, value: &str) {
    bytes.push(b'"');
    let mut rest = value;
    while let Some((at, odd)) = rest.char_indices().find(|(_, c)| is_odd(*c)) {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        if matches!(odd, '"' | '\\') {
            bytes.extend_from_slice(&[b'\\', odd as u8]);
        } else {
            let _ = write!(bytes, "\\u{:04x}", u32::from(odd));
        }
        rest = &rest[at + odd.len_utf8()..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes.push(b'"');
}

fn is_odd(c: char) -> bool {
    matches!(c, '"' | '\\' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
        || c.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> AccessLine<'static> {
        AccessLine {
            at: Timestamp::from_millis(1_700_000_000_007),
            request_id: "7f3c",
            trace_id: "4bf9",
            method: "GET",
            host: "app.example",
            path: "/a",
            query: None,
            own_page: false,
            route: Some("/a/**"),
            decision: Decision::Allowed,
            reason: None,
            status: 200,
            identity: None,
            client: Some(IpAddr::from([192, 0, 2, 7])),
            upstream: Some(Server::Address(SocketAddr::from(([127, 0, 0, 1], 3000)))),
            bytes_in: 0,
            bytes_out: 12,
            took: Duration::from_micros(1500),
            first_byte: Some(Duration::from_micros(900)),
            tls: Some("1.3"),
            http: "2",
        }
    }

    fn written(format: LogFormat, line: &AccessLine<'_>) -> String {
        let mut bytes = Vec::new();
        let mut scratch = Scratch::default();
        scratch.date_of(line.at);
        Fields { format, bytes: &mut bytes, first: true }.all(line, &scratch.date);
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn text_is_one_line_of_plain_pairs() {
        let expected = "time=2023-11-14T22:13:20.007Z request_id=7f3c trace_id=4bf9 method=GET host=app.example path=/a route=/a/** \
                        decision=allowed status=200 client=192.0.2.7 upstream=127.0.0.1:3000 bytes_in=0 bytes_out=12 \
                        duration_us=1500 first_byte_us=900 tls=1.3 http=2\n";
        assert_eq!(written(LogFormat::Text, &line()), expected);
    }

    #[test]
    fn json_says_the_same_and_parses() {
        let written = written(LogFormat::Json, &line());
        let parsed: serde_json::Value = serde_json::from_str(&written).expect("JSON");
        assert_eq!(parsed["time"], "2023-11-14T22:13:20.007Z");
        assert_eq!(parsed["duration_us"], 1500);
        assert_eq!(parsed["upstream"], "127.0.0.1:3000");
        assert_eq!(parsed["client"], "192.0.2.7");
        assert_eq!(written.matches('\n').count(), 1);
    }

    #[test]
    fn nothing_from_outside_breaks_the_line_or_the_terminal() {
        let nasty = "a\r\nstatus=200 \u{1b}[31m \u{2028} \u{202e} \" \\ \u{9b} \u{7f}";
        for format in [LogFormat::Text, LogFormat::Json] {
            let written = written(format, &AccessLine { host: nasty, path: nasty, method: nasty, ..line() });
            assert_eq!(written.matches('\n').count(), 1, "{written}");
            assert!(!written.trim_end().chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{202e}')), "{written}");
        }
        let json: serde_json::Value =
            serde_json::from_str(&written(LogFormat::Json, &AccessLine { host: nasty, ..line() })).expect("JSON");
        assert_eq!(json["host"], nasty, "escaping loses nothing");
    }
}
