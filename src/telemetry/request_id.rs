//! One name for each request, the same in the answer, at the application and in every record.
//!
//! Refuses an id from anybody but a trusted proxy, and one that could break a log line, because an id is trusted by whoever reads logs.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use http::HeaderValue;

use super::hex;
use crate::crypto::random::{self, NoRandomness};

/// Longest id that is taken from a trusted proxy, in bytes.
const LONGEST: usize = 128;

/// A request's name: at most 128 bytes of letters, digits and `-_.:+/=@`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The id that a trusted proxy gave; `None` if it is not one.
    #[must_use]
    pub fn parse(value: &HeaderValue) -> Option<Self> {
        let bytes = value.as_bytes();
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:+/=@".contains(byte);
        let fits = (1..=LONGEST).contains(&bytes.len()) && bytes.iter().all(plain);
        fits.then(|| Self(value.clone()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII is ever put in.
        self.0.to_str().unwrap_or_default()
    }

    #[must_use]
    pub fn header(&self) -> &HeaderValue {
        &self.0
    }
}

/// Makes ids: unique within the process by a counter, between processes by a random prefix. The counter is mixed so that ids do not
/// tell how many requests there were.
#[derive(Debug)]
pub struct RequestIds {
    prefix: [u8; 16],
    key: u64,
    next: AtomicU64,
}

impl RequestIds {
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn new() -> Result<Self, NoRandomness> {
        let prefix = u64::from_be_bytes(random::bytes()?);
        Ok(Self { prefix: hex::of(prefix | 1), key: u64::from_be_bytes(random::bytes()?), next: AtomicU64::new(0) })
    }

    /// 32 lower-case hexadecimal digits, never all zero: also fit to be a trace id (W3C Trace Context §3.2.2.3).
    #[must_use]
    pub fn next(&self) -> [u8; 32] {
        let mut id = [0; 32];
        id[..16].copy_from_slice(&self.prefix);
        id[16..].copy_from_slice(&hex::of(self.number()));
        id
    }

    /// 16 lower-case hexadecimal digits, never all zero: fit to be a parent id (§3.2.2.4).
    #[must_use]
    pub fn next_span(&self) -> [u8; 16] {
        match self.number() {
            0 => hex::of(1),
            number => hex::of(number),
        }
    }

    /// A number that is as likely to be one as another, for what is done to a part of the requests.
    #[must_use]
    pub fn chance(&self) -> u64 {
        self.number()
    }

    fn number(&self) -> u64 {
        mixed(self.next.fetch_add(1, Relaxed) ^ self.key)
    }
}

impl From<&[u8; 32]> for RequestId {
    fn from(id: &[u8; 32]) -> Self {
        // Hexadecimal digits always are a header's value.
        Self(HeaderValue::from_bytes(id).unwrap_or_else(|_| HeaderValue::from_static("unnamed")))
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every input has an output of its own.
const fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn made_ids_differ_and_do_not_count_visibly() -> Result<(), NoRandomness> {
        let ids = RequestIds::new()?;
        let made: Vec<_> = (0..1000).map(|_| ids.next()).collect();
        assert_eq!(made.iter().collect::<HashSet<_>>().len(), 1000);
        assert!(made.iter().flatten().all(u8::is_ascii_hexdigit));
        let steps: HashSet<_> = made.windows(2).map(|two| number(&two[1]).wrapping_sub(number(&two[0]))).collect();
        assert!(steps.len() > 990, "{}", steps.len());
        Ok(())
    }

    fn number(id: &[u8; 32]) -> u64 {
        u64::from_str_radix(std::str::from_utf8(&id[16..]).expect("ASCII"), 16).expect("hexadecimal")
    }

    #[test]
    fn an_id_that_could_break_a_line_is_not_taken() {
        let long = "a".repeat(129);
        for odd in ["", "a b", "a\"b", "a,b", "a;b", "é", &long] {
            let value = HeaderValue::from_bytes(odd.as_bytes()).expect("a header value");
            assert_eq!(RequestId::parse(&value), None, "{odd}");
        }
        let good = HeaderValue::from_static("7f3c-Ab_1.2:3+4/5=@6");
        assert_eq!(RequestId::parse(&good).as_ref().map(RequestId::as_str), Some("7f3c-Ab_1.2:3+4/5=@6"));
    }
}
