//! What is refused before it is a request that the stages could judge, and who is told.
//!
//! Refuses to refuse in silence: whoever reads the records must find these like all others, because they are what an attack
//! begins with.

use std::fmt;
use std::time::Duration;

use super::{ConnectionFacts, Unclean};
use crate::telemetry::RequestId;

/// Longest target that is told, in bytes.
const TARGET: usize = 1024;

/// Bytes that came to no request.
#[derive(Debug)]
pub struct Refused<'a> {
    pub facts: &'a ConnectionFacts,
    pub flaw: Unclean,
    /// As sent; empty where it is not known.
    pub method: &'a str,
    pub target: &'a str,
    /// From the first byte.
    pub took: Duration,
}

/// Keeps the records, and names what it was told for the answer.
pub trait Witness: fmt::Debug + Send + Sync {
    fn refused(&self, refused: &Refused<'_>) -> RequestId;
}

/// Method and target of the request that `bytes` begin, as far as they can be told; nothing is judged here.
pub(super) fn first_line(bytes: &[u8]) -> (&str, &str) {
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).find(|line| !line.is_empty()).unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let mut word = |most: usize| {
        let word = words.next().unwrap_or_default();
        std::str::from_utf8(&word[..word.len().min(most)]).unwrap_or_default()
    };
    (word(32), word(TARGET))
}

/// As much of a target as is told.
pub(super) fn clipped(target: &str) -> &str {
    &target[..target.floor_char_boundary(TARGET)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_told_of_a_first_line_is_told() {
        assert_eq!(first_line(b"GET /a?b HTTP/1.1\r\nHost: x\r\n"), ("GET", "/a?b"));
        assert_eq!(first_line(b"\r\nGET /a\n"), ("GET", "/a"));
        assert_eq!(first_line(b"\xff\xfe /a"), ("", "/a"));
        assert_eq!(first_line(b""), ("", ""));
        assert_eq!(first_line(&[b'a'; 5000]).0.len(), 32);
    }
}
