//! Where the frames of a long answer end, and what ends it: WebSocket and chunked coding.
//!
//! Refuses to guess: what is not framed has no boundary and is cut, because half a frame would be taken for something else.

use super::live::{CloseReason, begins_with};

/// How the bytes of a long answer are framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// RFC 6455 §5.2, after a 101.
    WebSocket,
    /// RFC 9112 §7.1.
    Chunked,
    /// None that could be ended politely: the connection is closed.
    Bare,
}

/// Follows what is written to a client during a long answer, to know where a frame ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Frames {
    /// The answer's head as far as it was written; what follows it is framed as it says.
    head: Vec<u8>,
    framing: Option<Framing>,
    /// Bytes of the current frame's header.
    header: Header,
    /// Bytes of payload still to come.
    left: u64,
    /// Whether the chunked body's last chunk was written.
    finished: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Header {
    bytes: [u8; 20],
    length: usize,
}

impl Frames {
    /// Whether something else may be written now.
    pub(super) const fn at_boundary(&self) -> bool {
        self.framing.is_some() && self.header.length == 0 && self.left == 0
    }

    /// What to write at a boundary so that the client takes this for the end.
    pub(super) fn last_words(&self, reason: CloseReason) -> Vec<u8> {
        match (self.framing, reason) {
            // FIN and opcode 8, two bytes: the close codes of RFC 6455 §7.4.1, 1001 and 1008.
            (Some(Framing::WebSocket), CloseReason::GoingAway) => vec![0x88, 2, 0x03, 0xe9],
            (Some(Framing::WebSocket), CloseReason::Revoked) => vec![0x88, 2, 0x03, 0xf0],
            (Some(Framing::Chunked), _) if !self.finished => b"0\r\n\r\n".to_vec(),
            (Some(Framing::Chunked | Framing::Bare) | None, _) => Vec::new(),
        }
    }

    /// How many of `bytes` lead up to the next boundary; all if there is none in them.
    pub(super) fn boundary_in(&self, bytes: &[u8]) -> usize {
        self.clone().move_to_boundary(bytes)
    }

    /// Moves on to the next boundary in `bytes`, and says how far that was.
    fn move_to_boundary(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            at += self.step(&bytes[at..]);
            if self.at_boundary() {
                break;
            }
        }
        at
    }

    /// Moves on by all of `bytes`.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while at < bytes.len() {
            at += self.step(&bytes[at..]);
        }
    }

    /// Moves on by at least one byte, at most to the next boundary. `bytes` is not empty.
    fn step(&mut self, bytes: &[u8]) -> usize {
        let Some(framing) = self.framing else { return self.head_byte(bytes[0]) };
        if self.left > 0 {
            let taken = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left -= taken as u64;
            return taken;
        }
        match framing {
            Framing::Bare => bytes.len(),
            Framing::WebSocket => self.header_byte(bytes[0], websocket_payload),
            Framing::Chunked => self.header_byte(bytes[0], chunk_payload),
        }
    }

    fn head_byte(&mut self, byte: u8) -> usize {
        self.head.push(byte);
        if self.head.ends_with(b"\r\n\r\n") {
            let head = std::mem::take(&mut self.head);
            self.framing = framing(&head);
        }
        1
    }

    fn header_byte(&mut self, byte: u8, payload: fn(&[u8]) -> Option<u64>) -> usize {
        if let Some(slot) = self.header.bytes.get_mut(self.header.length) {
            *slot = byte;
            self.header.length += 1;
        }
        if let Some(size) = payload(&self.header.bytes[..self.header.length]) {
            self.finished |= self.framing == Some(Framing::Chunked) && size <= 2;
            (self.left, self.header.length) = (size, 0);
        }
        1
    }
}

/// What follows an answer's head; `None` after an interim one, which another head follows.
fn framing(head: &[u8]) -> Option<Framing> {
    let status = head.get(9..12).unwrap_or_default();
    if status == b"101" {
        return Some(Framing::WebSocket);
    }
    if status.starts_with(b"1") {
        return None;
    }
    let chunked = head
        .split(|byte| *byte == b'\n')
        .any(|line| begins_with(line, b"transfer-encoding:") && line.trim_ascii_end().to_ascii_lowercase().ends_with(b"chunked"));
    Some(if chunked { Framing::Chunked } else { Framing::Bare })
}

/// Payload length of a frame whose header is complete (RFC 6455 §5.2).
fn websocket_payload(header: &[u8]) -> Option<u64> {
    let [_, second, rest @ ..] = header else { return None };
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let (width, short) = match second & 0x7f {
        126 => (2, 0),
        127 => (8, 0),
        short => (0, u64::from(short)),
    };
    if rest.len() < width + mask {
        return None;
    }
    Some(if width == 0 { short } else { rest[..width].iter().fold(0, |length, byte| (length << 8) | u64::from(*byte)) })
}

/// Bytes up to the next chunk's size line, once this one's is complete: the data and its CR LF. The engine writes no extensions.
fn chunk_payload(header: &[u8]) -> Option<u64> {
    let digits = header.strip_suffix(b"\r\n")?;
    let size = std::str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok())?;
    Some(size.saturating_add(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boundaries(answer: &[u8]) -> Vec<usize> {
        let walk = |piece: usize| {
            let (mut frames, mut found, mut base) = (Frames::default(), Vec::new(), 0);
            for bytes in answer.chunks(piece) {
                let mut at = 0;
                while at < bytes.len() {
                    at += frames.move_to_boundary(&bytes[at..]);
                    if frames.at_boundary() {
                        found.push(base + at);
                    }
                }
                base += bytes.len();
            }
            found
        };
        assert_eq!(walk(1), walk(usize::MAX));
        walk(1)
    }

    #[test]
    fn frames_end_where_they_end() {
        let mut answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n".to_vec();
        let head = answer.len();
        answer.extend(b"\x81\x02hi\x82\x7e\x01\x00");
        answer.extend([7; 256]);
        answer.extend(b"\x89\x00");
        assert_eq!(boundaries(&answer), [head, head + 4, head + 264, head + 266]);
        let head = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let answer = [&head[..], b"5\r\nhello\r\nA\r\n0123456789\r\n"].concat();
        assert_eq!(boundaries(&answer), [head.len(), head.len() + 10, head.len() + 25]);
    }
}
