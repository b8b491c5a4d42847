//! The chunked coding of HTTP/1 bodies, followed byte by byte: where a body ends, and whether all agree on it.
//!
//! Refuses every liberty that the grammar leaves or that readers take (signs, spaces, bare line feeds, endless extensions), because
//! each has been a way to smuggle a request (threats F4).

use super::hygiene::{Unclean, refuse};
use super::target;

/// Bytes of one chunk's extension, and of all extensions of one body (CVE-2023-39326).
const EXTENSION_BYTES: usize = 256;
const ALL_EXTENSION_BYTES: usize = 16 * 1024;
/// Bytes of a body's trailer section.
const TRAILER_BYTES: usize = 8 * 1024;

/// Follows the chunked coding (RFC 9112 §7.1), more strictly than it must be read.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    at: ChunkPart,
    /// Size of the chunk being announced or read.
    size: u64,
    digits: u8,
    /// Bytes of the extension, or of the trailer section, so far.
    bytes: usize,
    extensions: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ChunkPart {
    #[default]
    Size,
    Extension(ExtensionPart),
    SizeLineFeed,
    Data,
    DataReturn,
    DataLineFeed,
    /// At the beginning of a trailer line.
    Trailer,
    TrailerName,
    TrailerValue,
    TrailerLineFeed,
    LastLineFeed,
}

/// Where in a chunk's extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ExtensionPart {
    Begin,
    Name,
    ValueBegin,
    Value,
    Quoted,
    Escaped,
    Unquoted,
}

impl Chunks {
    /// How many bytes belong to the body if it ends here; `None` if it goes on.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Option<usize>, Unclean> {
        let mut at = 0;
        while at < bytes.len() {
            if self.at == ChunkPart::Data {
                let taken = (bytes.len() - at).min(usize::try_from(self.size).unwrap_or(usize::MAX));
                self.size -= taken as u64;
                at += taken;
                if self.size == 0 {
                    self.at = ChunkPart::DataReturn;
                }
                continue;
            }
            let last = self.at == ChunkPart::LastLineFeed;
            self.byte(bytes[at])?;
            at += 1;
            if last {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    fn byte(&mut self, byte: u8) -> Result<(), Unclean> {
        const WHAT: Unclean = refuse(400, "chunk_framing");
        self.at = match (self.at, byte) {
            (ChunkPart::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => return self.digit(byte),
            (ChunkPart::Size, b';') if self.digits > 0 => ChunkPart::Extension(ExtensionPart::Begin),
            (ChunkPart::Size, b'\r') if self.digits > 0 => ChunkPart::SizeLineFeed,
            (ChunkPart::Extension(part), byte) => self.extension(part, byte)?,
            (ChunkPart::SizeLineFeed, b'\n') => self.announced(),
            (ChunkPart::DataReturn, b'\r') => ChunkPart::DataLineFeed,
            (ChunkPart::DataLineFeed, b'\n') => ChunkPart::Size,
            (ChunkPart::Trailer, b'\r') => ChunkPart::LastLineFeed,
            (ChunkPart::TrailerName, b':') | (ChunkPart::TrailerValue, b'\t' | b' '..=b'~' | 0x80..) => ChunkPart::TrailerValue,
            (ChunkPart::Trailer | ChunkPart::TrailerName, byte) if target::is_token(byte) => ChunkPart::TrailerName,
            (ChunkPart::TrailerValue, b'\r') => ChunkPart::TrailerLineFeed,
            (ChunkPart::TrailerLineFeed | ChunkPart::LastLineFeed, b'\n') => ChunkPart::Trailer,
            _ => return Err(WHAT),
        };
        if matches!(self.at, ChunkPart::TrailerName | ChunkPart::TrailerValue) {
            self.bytes += 1;
            if self.bytes > TRAILER_BYTES {
                return Err(refuse(431, "trailers_too_large"));
            }
        }
        Ok(())
    }

    fn digit(&mut self, byte: u8) -> Result<(), Unclean> {
        let value = char::from(byte).to_digit(16).unwrap_or_default();
        self.digits += 1;
        self.size = (self.size << 4) | u64::from(value);
        // Sixteen digits would reach past 63 bits, where some parsers wrap around.
        if self.digits > 15 { Err(refuse(400, "chunk_size")) } else { Ok(()) }
    }

    /// Extensions end at the door; still one that breaks off, or a quote that does not end, has two readings. The space that
    /// RFC 9112 §7.1.1 would tolerate around `;` and `=` is refused, as others do.
    fn extension(&mut self, part: ExtensionPart, byte: u8) -> Result<ChunkPart, Unclean> {
        use ExtensionPart::{Begin, Escaped, Name, Quoted, Unquoted, Value, ValueBegin};
        self.bytes += 1;
        self.extensions += 1;
        if self.bytes > EXTENSION_BYTES || self.extensions > ALL_EXTENSION_BYTES {
            return Err(refuse(400, "chunk_extension"));
        }
        let next = match (part, byte) {
            (Name | Value | Unquoted, b'\r') => return Ok(ChunkPart::SizeLineFeed),
            (Name | Value | Unquoted, b';') => Begin,
            (Begin | Name, byte) if target::is_token(byte) => Name,
            (Name, b'=') => ValueBegin,
            (ValueBegin | Value, byte) if target::is_token(byte) => Value,
            (Quoted, b'"') => Unquoted,
            (Quoted, b'\\') => Escaped,
            (ValueBegin, b'"') | (Quoted | Escaped, b'\t' | b' '..=b'~' | 0x80..) => Quoted,
            _ => return Err(refuse(400, "chunk_framing")),
        };
        Ok(ChunkPart::Extension(next))
    }

    fn announced(&mut self) -> ChunkPart {
        (self.digits, self.bytes) = (0, 0);
        if self.size == 0 { ChunkPart::Trailer } else { ChunkPart::Data }
    }
}
