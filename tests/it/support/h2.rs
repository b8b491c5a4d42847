//! A client of HTTP/2 that says what it is told: frames and field names as given, right or wrong (RFC 9113).

use std::io::{Read, Write};

/// Frame types (RFC 9113 §6).
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// Flags (RFC 9113 §6.1, §6.2, §6.5).
pub(crate) const END_STREAM: u8 = 1;
const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Answer(u16),
    /// `RST_STREAM`, with its code.
    Reset(u32),
    /// `GOAWAY`, with its code.
    Away(u32),
    HungUp,
    /// Nothing came in five seconds.
    Silence,
}

impl End {
    /// The status of the answer; 0 where the stream or the connection was ended instead.
    pub(crate) fn status(self) -> Option<u16> {
        match self {
            Self::Answer(status) => Some(status),
            Self::Reset(_) | Self::Away(_) | Self::HungUp => Some(0),
            Self::Silence => None,
        }
    }
}

/// A connection.
pub(crate) struct Http2<S> {
    stream: S,
    decoder: loona_hpack::Decoder<'static>,
    /// The next stream to open.
    next: u32,
    /// Whether the other side has ended it.
    pub(crate) over: bool,
}

impl<S: Read + Write> Http2<S> {
    /// Opens with these settings.
    pub(crate) fn open(stream: S, settings: &[(u16, u32)]) -> Self {
        let mut this = Self { stream, decoder: loona_hpack::Decoder::new(), next: 1, over: false };
        let settings: Vec<u8> =
            settings.iter().flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
        let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        hello.extend(frame(SETTINGS, 0, 0, &settings));
        this.write(&hello);
        this
    }

    /// Sends bytes, unless the other side has ended the connection.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.over |= self.stream.write_all(bytes).and_then(|()| self.stream.flush()).is_err();
    }

    /// Sends a request, whatever it is, on a new stream, whose number is the result.
    pub(crate) fn send(&mut self, text: &str) -> u32 {
        let (stream, bytes) = self.request(text);
        self.write(&bytes);
        stream
    }

    /// The frames of [`Self::send`].
    pub(crate) fn request(&mut self, text: &str) -> (u32, Vec<u8>) {
        let stream = self.next;
        self.next += 2;
        let mut parts = text.split('§').peekable();
        let mut bytes = Vec::new();
        for kind in [HEADERS, DATA, HEADERS] {
            let Some(part) = parts.next() else { break };
            let payload = if kind == DATA { latin_1(part) } else { block(part) };
            let end = if parts.peek().is_none() { END_STREAM } else { 0 };
            bytes.extend(pieces(kind, end, stream, &payload));
        }
        (stream, bytes)
    }

    /// Sends a request and sees how it ends.
    pub(crate) fn ask(&mut self, text: &str) -> End {
        let stream = self.send(text);
        self.end_of(stream)
    }

    /// Reads until this stream, or the connection, has ended; the answer may stay without its body.
    pub(crate) fn end_of(&mut self, wanted: u32) -> End {
        let mut status = None;
        loop {
            let (kind, flags, stream, payload) = match self.read() {
                Ok(frame) => frame,
                Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                    return End::Silence;
                }
                Err(_) => {
                    self.over = true;
                    return End::HungUp;
                }
            };
            match kind {
                HEADERS => {
                    let fields = self.decoder.decode(&payload).unwrap();
                    let found = fields.iter().find(|(name, _)| name == b":status");
                    if let Some((_, value)) = found.filter(|_| stream == wanted) {
                        status = Some(String::from_utf8_lossy(value).parse().unwrap());
                    }
                }
                RST_STREAM if stream == wanted => return status.map_or(End::Reset(number(&payload)), End::Answer),
                GOAWAY if number(&payload[4..]) != 0 || number(&payload) < wanted => {
                    self.over = true;
                    return End::Away(number(&payload[4..]));
                }
                SETTINGS if flags & ACK == 0 => self.write(&frame(SETTINGS, ACK, 0, &[])),
                PING if flags & ACK == 0 => self.write(&frame(PING, ACK, 0, &payload)),
                _ => {}
            }
            if let Some(status) = status.filter(|_| stream == wanted && matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0)
            {
                return End::Answer(status);
            }
        }
    }

    /// Reads until the other side says that it goes: the last stream it will serve, and the code.
    pub(crate) fn goodbye(&mut self) -> (u32, u32) {
        loop {
            let (kind, flags, _, payload) = self.read().unwrap();
            match kind {
                GOAWAY => return (number(&payload), number(&payload[4..])),
                HEADERS => drop(self.decoder.decode(&payload).unwrap()),
                SETTINGS if flags & ACK == 0 => self.write(&frame(SETTINGS, ACK, 0, &[])),
                PING if flags & ACK == 0 => self.write(&frame(PING, ACK, 0, &payload)),
                _ => {}
            }
        }
    }

    /// Reads until the head of the answer on this stream is there.
    pub(crate) fn head_of(&mut self, wanted: u32) {
        loop {
            let (kind, _, stream, payload) = self.read().unwrap();
            if kind == HEADERS {
                self.decoder.decode(&payload).unwrap();
                if stream == wanted {
                    return;
                }
            }
        }
    }

    fn read(&mut self) -> std::io::Result<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head)?;
        let mut payload = vec![0; number(&[0, head[0], head[1], head[2]]) as usize];
        self.stream.read_exact(&mut payload)?;
        Ok((head[3], head[4], number(&head[5..]), payload))
    }
}

fn number(bytes: &[u8]) -> u32 {
    bytes[..4].iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

/// One frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A payload of any size in frames of at most 16 KiB; what a header block has beyond one goes into CONTINUATION.
fn pieces(kind: u8, end: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut chunks: Vec<&[u8]> = payload.chunks(16_384).collect();
    if chunks.is_empty() {
        chunks.push(&[]);
    }
    let last = chunks.len() - 1;
    let one = |(at, chunk): (usize, &&[u8])| {
        let ends_here = if kind == HEADERS { at == 0 } else { at == last };
        let end = if ends_here { end } else { 0 };
        match kind {
            HEADERS => {
                frame(if at == 0 { HEADERS } else { CONTINUATION }, end | if at == last { END_HEADERS } else { 0 }, stream, chunk)
            }
            _ => frame(kind, end, stream, chunk),
        }
    };
    chunks.iter().enumerate().flat_map(one).collect()
}

/// A header block of plain literals (RFC 7541 §6.2.2) from `name = value` between `¶`. `@GET /path` stands for the four
/// pseudo-header fields.
pub(crate) fn block(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in text.split('¶') {
        if let Some((method, path)) = line.strip_prefix('@').and_then(|line| line.split_once(' ')) {
            for (name, value) in [(":method", method), (":scheme", "https"), (":authority", "app.test"), (":path", path)] {
                literal(&mut bytes, &latin_1(name), &latin_1(value));
            }
        } else if !line.is_empty() {
            let (name, value) = line.split_once(" = ").unwrap_or_else(|| panic!("no field: {line}"));
            literal(&mut bytes, &latin_1(name), &latin_1(value));
        }
    }
    bytes
}

fn literal(bytes: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    bytes.push(0);
    for text in [name, value] {
        length(bytes, text.len());
        bytes.extend_from_slice(text);
    }
}

/// An integer with a prefix of seven bits (RFC 7541 §5.1); the eighth, for Huffman's code, stays clear.
fn length(bytes: &mut Vec<u8>, length: usize) {
    let Some(mut rest) = length.checked_sub(127) else {
        bytes.push(u8::try_from(length).unwrap());
        return;
    };
    bytes.push(127);
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128 + 128).unwrap());
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
}

/// One byte for each character.
fn latin_1(text: &str) -> Vec<u8> {
    text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect()
}
