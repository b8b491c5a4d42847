//! W3C Trace Context, Level 1: passed on with a parent id of our own, or begun.
//!
//! Refuses a malformed or repeated `traceparent`: the trace then begins here (§3.2, §4.3), so that no half-read id is spread.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::hex;
use super::request_id::RequestIds;
use crate::trace::{Parent, SpanId, TraceId};

pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// §3.3.1.5 asks for at least 512 characters to be passed on.
const LONGEST_STATE: usize = 512;
/// §3.3.1.1
const MOST_MEMBERS: usize = 32;

/// The trace a request belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// 32 lower-case hexadecimal digits.
    trace_id: [u8; 32],
    /// 16 of them; `None`: it begins here.
    parent: Option<[u8; 16]>,
    sampled: bool,
}

impl TraceContext {
    /// The trace that the request's headers name, if they do so validly.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut named = headers.get_all(TRACEPARENT).iter();
        let (one, None) = (named.next()?, named.next()) else { return None };
        parse(one.as_bytes())
    }

    /// A trace that begins here. It counts as sampled: an application whose sampler follows its parent, as OpenTelemetry's default
    /// does, would otherwise stop recording the moment a front door is put before it.
    #[must_use]
    pub const fn begin(trace_id: [u8; 32]) -> Self {
        Self { trace_id, parent: None, sampled: true }
    }

    /// Whether somebody before us began it.
    #[must_use]
    pub const fn came(&self) -> bool {
        self.parent.is_some()
    }

    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// Decides for all who follow whether it is recorded.
    pub const fn sample(&mut self, sampled: bool) {
        self.sampled = sampled;
    }

    /// As spans name it.
    #[must_use]
    pub fn id(&self) -> TraceId {
        hex::read(&self.trace_id)
    }

    /// The span that it came with.
    #[must_use]
    pub fn parent(&self) -> Option<Parent> {
        Some(Parent { id: hex::read(&self.parent?), remote: true })
    }

    #[must_use]
    pub fn trace_id(&self) -> &str {
        std::str::from_utf8(&self.trace_id).unwrap_or_default()
    }

    /// The `traceparent` to send on, with a parent id of our own: the one of `span`, if that is recorded.
    #[must_use]
    pub fn traceparent(&self, ids: &RequestIds, span: Option<SpanId>) -> HeaderValue {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        text[3..35].copy_from_slice(&self.trace_id);
        text[36..52].copy_from_slice(&span.map_or_else(|| ids.next_span(), |span| hex::of(u64::from_be_bytes(span))));
        text[54] = if self.sampled { b'1' } else { b'0' };
        // Digits and dashes always are a header's value.
        HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// Whether the `tracestate` that came along may go on (§3.3): it belongs to a trace that came from outside, and is well-formed.
    #[must_use]
    pub fn keeps_state(&self, headers: &HeaderMap) -> bool {
        self.came() && state_is_well_formed(headers)
    }
}

/// §3.2.2. A later version is read by the rules of this one, as §4.3 says.
fn parse(text: &[u8]) -> Option<TraceContext> {
    let lower_hex = |digits: &[u8]| digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let dashes = text.len() >= 55 && [2, 35, 52].into_iter().all(|place| text[place] == b'-');
    if !dashes || !lower_hex(&text[..2]) || &text[..2] == b"ff" {
        return None;
    }
    if text.len() > 55 && (&text[..2] == b"00" || text[55] != b'-') {
        return None;
    }
    let (trace, parent, flags) = (&text[3..35], &text[36..52], &text[53..55]);
    let zero = |digits: &[u8]| digits.iter().all(|digit| *digit == b'0');
    if !lower_hex(trace) || !lower_hex(parent) || !lower_hex(flags) || zero(trace) || zero(parent) {
        return None;
    }
    let sampled = matches!(flags[1], b'1' | b'3' | b'5' | b'7' | b'9' | b'b' | b'd' | b'f');
    Some(TraceContext { trace_id: trace.try_into().ok()?, parent: Some(parent.try_into().ok()?), sampled })
}

fn state_is_well_formed(headers: &HeaderMap) -> bool {
    let (mut length, mut members) = (0, 0);
    for line in headers.get_all(TRACESTATE) {
        length += line.len();
        for member in line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty()) {
            members += 1;
            if !is_member(member) {
                return false;
            }
        }
    }
    members <= MOST_MEMBERS && length <= LONGEST_STATE
}

/// `key=value` (§3.3.1.3).
fn is_member(member: &[u8]) -> bool {
    let Some(split) = member.iter().position(|byte| *byte == b'=') else { return false };
    let (key, value) = (&member[..split], &member[split + 1..]);
    let key_byte = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    let starts = key.first().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let value_byte = |byte: &u8| matches!(byte, 0x20..=0x7e) && *byte != b'=';
    starts && key.len() <= 256 && key.iter().all(key_byte) && (1..=256).contains(&value.len()) && value.iter().all(value_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(name.clone(), value.parse().expect("a header value"));
        }
        map
    }

    #[test]
    fn a_valid_trace_goes_on_under_a_new_parent() {
        let ids = RequestIds::new().expect("randomness");
        let trace = TraceContext::of(&headers(&[(TRACEPARENT, GOOD)])).expect("a trace");
        let sent = trace.traceparent(&ids, None);
        let sent = sent.to_str().expect("ASCII");
        assert_eq!(&sent[..36], &GOOD[..36]);
        assert_ne!(&sent[36..52], &GOOD[36..52]);
        assert_eq!(&sent[52..], "-01");
        assert!(parse(sent.as_bytes()).is_some());
        let named = trace.traceparent(&ids, Some([0xab; 8]));
        assert_eq!(named.to_str().expect("ASCII")[36..52], *"abababababababab");
        assert_eq!(trace.parent().map(|parent| u64::from_be_bytes(parent.id)), Some(0x00f0_67aa_0ba9_02b7));
    }

    #[test]
    fn a_malformed_trace_is_not_taken() {
        let other = [
            "",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ];
        for odd in other {
            assert_eq!(TraceContext::of(&headers(&[(TRACEPARENT, odd)])), None, "{odd}");
        }
        assert_eq!(TraceContext::of(&headers(&[(TRACEPARENT, GOOD), (TRACEPARENT, GOOD)])), None, "twice");
        let later = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more";
        assert!(TraceContext::of(&headers(&[(TRACEPARENT, later)])).is_some(), "a later version may say more");
    }

    #[test]
    fn state_goes_on_only_with_its_trace_and_well_formed() {
        let came = TraceContext::of(&headers(&[(TRACEPARENT, GOOD)])).expect("a trace");
        let state = headers(&[(TRACESTATE, "rojo=00f067aa0ba902b7, t61rcw@vendor=x")]);
        assert!(came.keeps_state(&state));
        assert!(!TraceContext::begin(*b"4bf92f3577b34da6a3ce929d0e0e4736").keeps_state(&state));
        for odd in ["Rojo=1", "rojo", "rojo=", "rojo=a=b", "=x"] {
            assert!(!came.keeps_state(&headers(&[(TRACESTATE, odd)])), "{odd}");
        }
        let many: Vec<String> = (0..33).map(|n| format!("k{n}=v")).collect();
        assert!(!came.keeps_state(&headers(&[(TRACESTATE, &many.join(","))])));
    }
}
