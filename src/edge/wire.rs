//! HTTP/1 as it arrives, before the engine reads it: where each head and body ends, and what in them has two readings.
//!
//! Refuses bare line feeds, folded lines, repeated or doubtful lengths, odd request lines and loose chunk framing, on the bytes
//! themselves, because the engine repairs some of them before anyone else can see them (threats F1–F5).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use super::chunks::Chunks;
use super::hygiene::{Unclean, refuse};
use super::target;

/// What the stream and the stages tell each other about one HTTP/1 connection.
#[derive(Debug, Default)]
pub struct Wire {
    flaw: OnceLock<Unclean>,
    busy: AtomicBool,
    /// Whether the request that is being answered came as far as the stages.
    heard: AtomicBool,
}

impl Wire {
    /// Why the rest of a body was not taken. The connection ends with it, so there is at most one.
    #[must_use]
    pub fn flaw(&self) -> Option<Unclean> {
        self.flaw.get().copied()
    }

    pub(super) fn spoil(&self, flaw: Unclean) {
        // The first flaw is the one that is answered.
        let _ = self.flaw.set(flaw);
    }

    /// Says that the request was answered, so that the next bytes begin a new one.
    pub fn rest(&self) {
        self.busy.store(false, Ordering::Release);
        self.heard.store(false, Ordering::Release);
    }

    /// Says that the request has come as far as the stages, which answer it from now on.
    pub(super) fn hear(&self) {
        self.heard.store(true, Ordering::Release);
    }

    /// Whether it is the engine, not a stage, that answers the request.
    pub(super) fn is_unheard(&self) -> bool {
        self.busy() && !self.heard.load(Ordering::Acquire)
    }

    /// Whether a request is being answered.
    pub(super) fn busy(&self) -> bool {
        self.busy.load(Ordering::Acquire)
    }
}

/// Limits on a head (threats D7).
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    pub bytes: usize,
    pub fields: usize,
    pub target: usize,
}

/// Where the reader stands.
#[derive(Debug)]
enum State {
    /// Before the first byte of a head.
    Between,
    Head(Head),
    /// So many bytes of a body with a length are to come.
    Length(u64),
    Chunks(Chunks),
    /// The request has been read; it is being answered. What comes now is no request: the engine does not pipeline.
    Read,
}

/// What is known of the head so far.
#[derive(Debug, Default)]
struct Head {
    /// The line that is not complete yet.
    partial: Vec<u8>,
    bytes: usize,
    lines: usize,
    length: Option<u64>,
    chunked: bool,
    old_version: bool,
}

/// Follows one HTTP/1 connection's incoming bytes.
#[derive(Debug)]
pub(super) struct Reader {
    limits: HeadLimits,
    state: State,
}

/// What the stream is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    /// A new request.
    Request,
    /// The rest of a head.
    Head,
    /// More of a body.
    Body,
    /// Nothing: the request has been read.
    Nothing,
    /// Frames of HTTP/2, which the engine reads.
    Frames,
}

impl Reader {
    pub(super) const fn new(limits: HeadLimits) -> Self {
        Self { limits, state: State::Between }
    }

    pub(super) fn awaited(&self, wire: &Wire) -> Awaited {
        match &self.state {
            State::Read if wire.busy() => Awaited::Nothing,
            State::Between | State::Read => Awaited::Request,
            State::Head(_) => Awaited::Head,
            State::Length(_) | State::Chunks(_) => Awaited::Body,
        }
    }

    /// Judges newly arrived bytes; after an error none of them may be passed on.
    pub(super) fn read(&mut self, mut bytes: &[u8], wire: &Wire) -> Result<(), Unclean> {
        if matches!(self.state, State::Read) && !wire.busy() {
            self.state = State::Between;
        }
        while !bytes.is_empty() {
            match &mut self.state {
                State::Between => self.state = State::Head(Head::default()),
                State::Head(head) => {
                    let Some(used) = head.read(bytes, self.limits)? else { return Ok(()) };
                    self.state = head.body();
                    wire.busy.store(true, Ordering::Release);
                    bytes = &bytes[used..];
                }
                State::Length(left) => {
                    let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= taken as u64;
                    bytes = &bytes[taken..];
                    if *left == 0 {
                        self.state = State::Read;
                    }
                }
                State::Chunks(chunks) => {
                    let Some(used) = chunks.read(bytes)? else { return Ok(()) };
                    bytes = &bytes[used..];
                    self.state = State::Read;
                }
                State::Read => return Ok(()),
            }
        }
        Ok(())
    }
}

impl Head {
    /// How many bytes of `bytes` belong to the head if it ends here; `None` if it goes on.
    fn read(&mut self, bytes: &[u8], limits: HeadLimits) -> Result<Option<usize>, Unclean> {
        let mut begin = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            let piece = &bytes[begin..end];
            begin = end + 1;
            self.count(piece.len() + 1, limits)?;
            let done = if self.partial.is_empty() {
                self.line(piece, limits)?
            } else {
                let mut line = std::mem::take(&mut self.partial);
                line.extend_from_slice(piece);
                self.line(&line, limits)?
            };
            if done {
                return Ok(Some(begin));
            }
        }
        let rest = &bytes[begin..];
        self.count(rest.len(), limits)?;
        self.partial.extend_from_slice(rest);
        Ok(None)
    }

    fn count(&mut self, bytes: usize, limits: HeadLimits) -> Result<(), Unclean> {
        self.bytes += bytes;
        if self.bytes > limits.bytes { Err(refuse(431, "head_too_large")) } else { Ok(()) }
    }

    /// Judges one line without its line feed; says whether it was the head's last.
    fn line(&mut self, line: &[u8], limits: HeadLimits) -> Result<bool, Unclean> {
        let [line @ .., b'\r'] = line else { return Err(refuse(400, "bare_line_feed")) };
        if self.lines == 0 {
            if line.is_empty() && self.bytes == 2 {
                // One empty line before a request is forgiven (RFC 9112 §2.2).
                return Ok(false);
            }
            self.old_version = request_line(line, limits.target)?;
            self.lines = 1;
            return Ok(false);
        }
        if line.is_empty() {
            return self.whole().map(|()| true);
        }
        self.lines += 1;
        if self.lines > limits.fields + 1 {
            return Err(refuse(431, "too_many_headers"));
        }
        self.field(line).map(|()| false)
    }

    fn field(&mut self, line: &[u8]) -> Result<(), Unclean> {
        if matches!(line[0], b' ' | b'\t') {
            return Err(refuse(400, "folded_line"));
        }
        let colon = memchr::memchr(b':', line).filter(|colon| *colon > 0).ok_or(refuse(400, "header_line"))?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if memchr::memchr(b'\r', line).is_some() {
            return Err(refuse(400, "bare_carriage_return"));
        }
        // An application that takes `_` for `-` would read a second framing header where others read none.
        match name.len() {
            14 if same_name(name, b"content-length") => self.content_length(name, value.trim_ascii()),
            17 if same_name(name, b"transfer-encoding") => self.transfer_encoding(name, value.trim_ascii()),
            _ => Ok(()),
        }
    }

    fn content_length(&mut self, name: &[u8], value: &[u8]) -> Result<(), Unclean> {
        if self.length.is_some() || name.contains(&b'_') {
            return Err(refuse(400, "ambiguous_framing"));
        }
        self.length = Some(parse_length(value).ok_or(refuse(400, "content_length"))?);
        Ok(())
    }

    fn transfer_encoding(&mut self, name: &[u8], value: &[u8]) -> Result<(), Unclean> {
        if self.chunked || name.contains(&b'_') {
            return Err(refuse(400, "ambiguous_framing"));
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(refuse(400, "transfer_coding"));
        }
        self.chunked = true;
        Ok(())
    }

    /// Judges what can only be said of the whole head (RFC 9112 §6.1).
    fn whole(&self) -> Result<(), Unclean> {
        if self.chunked && self.length.is_some() {
            return Err(refuse(400, "ambiguous_framing"));
        }
        if self.chunked && self.old_version { Err(refuse(400, "transfer_coding")) } else { Ok(()) }
    }

    /// What follows the head.
    fn body(&self) -> State {
        match (self.chunked, self.length) {
            (true, _) => State::Chunks(Chunks::default()),
            (false, Some(length)) if length > 0 => State::Length(length),
            (false, _) => State::Read,
        }
    }
}

/// A Content-Length: digits, and no more than fit in 63 bits (threats F3).
pub(super) fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse::<u64>().ok().filter(|length| *length <= i64::MAX.unsigned_abs())
}

fn same_name(name: &[u8], wanted: &[u8]) -> bool {
    name.iter().zip(wanted).all(|(found, wanted)| found.to_ascii_lowercase() == *wanted || (*found == b'_' && *wanted == b'-'))
}

/// `method SP request-target SP HTTP-version` (RFC 9112 §3), with exactly these spaces. Says whether it is HTTP/1.0.
fn request_line(line: &[u8], target_limit: usize) -> Result<bool, Unclean> {
    const WHAT: Unclean = refuse(400, "request_line");
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next()) else {
        return Err(WHAT);
    };
    if method.is_empty() || !method.iter().all(|byte| target::is_token(*byte)) {
        return Err(WHAT);
    }
    let old = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        _ => return Err(refuse(505, "http_version")),
    };
    if target.len() > target_limit {
        return Err(refuse(414, "target_too_long"));
    }
    target::judge_raw(target)?;
    Ok(old)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits { bytes: 1024, fields: 8, target: 256 };

    /// What the reader says of `bytes`, given whole and byte by byte.
    fn verdict(bytes: &[u8]) -> Option<Unclean> {
        let judge = |size: usize| {
            let (mut reader, wire) = (Reader::new(LIMITS), Wire::default());
            bytes.chunks(size).find_map(|piece| reader.read(piece, &wire).err())
        };
        assert_eq!(judge(usize::MAX), judge(1), "{}", bytes.escape_ascii());
        judge(usize::MAX)
    }

    fn chunked(body: &str) -> Option<&'static str> {
        verdict(format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}").as_bytes())
            .map(|flaw| flaw.reason)
    }

    #[test]
    fn f4_loose_chunk_framing_is_refused_however_it_is_cut() {
        assert_eq!(chunked("5\r\nhello\r\n0\r\n\r\n"), None);
        assert_eq!(chunked("5;a=b\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n"), None);
        for loose in ["5\nhello\r\n0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello0\r\n\r\n", "5;a\nb\r\nhello\r\n0\r\n\r\n"] {
            assert_eq!(chunked(loose), Some("chunk_framing"), "{loose:?}");
        }
        for loose in
            ["\r\nhello", "0x5\r\nhello", "+5\r\nhello", "5 \r\nhello", "-1\r\n", "g\r\n", "0\r\n\n", "0\r\n folded\r\n\r\n"]
        {
            assert_eq!(chunked(loose), Some("chunk_framing"), "{loose:?}");
        }
        assert_eq!(chunked("5;a;b=c;d=\"e \\\" f\";g\r\nhello\r\n0\r\n\r\n"), None);
        for loose in ["", "=b", ";", "a;", "a=", "a=\"b", "a=\"b\\\"", "a=\"b\"c", "a b", "a = b", " a", "a=b=c"] {
            assert_eq!(chunked(&format!("5;{loose}\r\nhello\r\n0\r\n\r\n")), Some("chunk_framing"), "{loose:?}");
        }
        assert_eq!(chunked("fffffffffffffffff\r\n"), Some("chunk_size"));
        assert_eq!(chunked(&format!("5;{}\r\nhello", "a".repeat(300))), Some("chunk_extension"));
        assert_eq!(chunked(&format!("0\r\na: {}\r\n\r\n", "a".repeat(9000))), Some("trailers_too_large"));
    }

    #[test]
    fn a_body_is_not_taken_for_a_head() {
        let two = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nG\nE\nT";
        assert_eq!(verdict(two), None);
        let (mut reader, wire) = (Reader::new(LIMITS), Wire::default());
        reader.read(two, &wire).unwrap();
        assert_eq!(reader.awaited(&wire), Awaited::Nothing);
        wire.rest();
        assert_eq!(reader.awaited(&wire), Awaited::Request);
        let flaw = reader.read(b"GET / HTTP/1.1\nHost: a\r\n\r\n", &wire).unwrap_err();
        assert_eq!(flaw.reason, "bare_line_feed");
    }

    #[test]
    fn d7_a_head_beyond_the_limits_is_refused_before_it_is_complete() {
        let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "a".repeat(2000));
        assert_eq!(verdict(long.as_bytes()).map(|flaw| flaw.status), Some(431));
        let many = format!("GET / HTTP/1.1\r\n{}", "A: b\r\n".repeat(9));
        assert_eq!(verdict(many.as_bytes()).map(|flaw| flaw.status), Some(431));
        let target = format!("GET /{} HTTP/1.1\r\n", "a".repeat(300));
        assert_eq!(verdict(target.as_bytes()).map(|flaw| flaw.status), Some(414));
    }
}
