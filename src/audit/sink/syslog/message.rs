//! A syslog message (RFC 5424).
//!
//! Refuses to cut a message in the middle: what is too long for the receiver loses its longest fields whole and says which, because half a
//! JSON document can be read by nobody.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::audit::Severity;
use crate::audit::sink::transport::Outgoing;
use crate::config::sink::Facility;

/// Of the header's fields, in characters (RFC 5424 §6).
const HOSTNAME: usize = 255;
const APP_NAME: usize = 48;
const MSGID: usize = 32;
/// Of the longest value in the structured data.
const VALUE: usize = 255;

/// What all messages of a sink have in common.
#[derive(Clone, Debug)]
pub(super) struct Form {
    pub(super) facility: Facility,
    /// Whoever the message is from; else the replica that recorded the event.
    pub(super) hostname: Option<String>,
    pub(super) app_name: String,
    /// `name@number` (RFC 5424 §6.3.2).
    pub(super) structured_data: String,
    /// Bytes of a message.
    pub(super) largest: usize,
}

/// Even without its body the message is longer than the receiver takes.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event is longer than {0} bytes without its fields")]
pub(super) struct TooLong(usize);

impl Form {
    /// The message for `event`, [`Self::largest`] bytes at most.
    pub(super) fn message(&self, event: &Outgoing) -> Result<Vec<u8>, TooLong> {
        let whole = self.written(event, &event.body, &[]);
        if whole.len() <= self.largest {
            return Ok(whole);
        }
        let mut body = event.body.clone();
        let mut by_length: Vec<(usize, String)> =
            body.iter().map(|(name, value)| (value.to_string().len(), name.clone())).collect();
        by_length.sort_unstable();
        let mut left_out = Vec::new();
        while let Some((_, name)) = by_length.pop() {
            body.remove(&name);
            left_out.push(name);
            let shorter = self.written(event, &body, &left_out);
            if shorter.len() <= self.largest {
                return Ok(shorter);
            }
        }
        Err(TooLong(self.largest))
    }

    fn written(&self, event: &Outgoing, body: &Map<String, Value>, left_out: &[String]) -> Vec<u8> {
        let priority = self.facility as u8 * 8 + severity(event.severity);
        let hostname = printable(self.hostname.as_ref().unwrap_or(&event.chain), HOSTNAME);
        let (app_name, msgid) = (printable(&self.app_name, APP_NAME), printable(&event.kind, MSGID));
        // No PROCID: whoever delivers an event is often another process than the one that it happened in.
        let mut text = format!("<{priority}>1 {} {hostname} {app_name} - {msgid} ", event.at);
        // Registered by RFC 5424 §7.2.
        element(&mut text, "origin", &[("software", "Doorward"), ("swVersion", env!("CARGO_PKG_VERSION"))]);
        let (link, left_out) = (event.link.to_string(), left_out.join(","));
        let mut own = vec![
            ("id", event.id.as_str()),
            ("chain", &event.chain),
            ("link", &link),
            ("kind", &event.kind),
            ("severity", event.severity.as_str()),
        ];
        if !left_out.is_empty() {
            own.push(("left_out", &left_out));
        }
        element(&mut text, &self.structured_data, &own);
        text.push(' ');
        // Without a byte order mark, which JSON must not begin with (RFC 8259 §8.1); that makes it MSG-ANY (RFC 5424 §6.4). Line ends
        // and other control characters are escaped in JSON. Maps of JSON values can always be written.
        text.push_str(&serde_json::to_string(body).unwrap_or_default());
        text.into_bytes()
    }
}

/// SD-ELEMENT (RFC 5424 §6.3.1). Control characters become spaces, because receivers may take them for the end of the message.
fn element(text: &mut String, id: &str, parameters: &[(&str, &str)]) {
    text.push('[');
    text.push_str(id);
    for (name, value) in parameters {
        text.push(' ');
        text.push_str(name);
        text.push_str("=\"");
        for letter in value.chars().take(VALUE) {
            if matches!(letter, '"' | '\\' | ']') {
                text.push('\\');
            }
            text.push(if letter.is_control() { ' ' } else { letter });
        }
        text.push('"');
    }
    text.push(']');
}

/// Numerical severities (RFC 5424 §6.2.1): an alarm is what somebody has to act on at once.
const fn severity(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 6,
        Severity::Notice => 5,
        Severity::Warning => 4,
        Severity::Alarm => 1,
    }
}

/// PRINTUSASCII without spaces, `most` characters (RFC 5424 §6).
fn printable(text: &str, most: usize) -> Cow<'_, str> {
    if !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Cow::Borrowed(text);
    }
    let safe: String = text.chars().take(most).map(|letter| if letter.is_ascii_graphic() { letter } else { '_' }).collect();
    Cow::Owned(if safe.is_empty() { "-".to_owned() } else { safe })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clock::Timestamp;

    fn form(largest: usize) -> Form {
        let app_name = "doorward".to_owned();
        Form { facility: Facility::Authpriv, hostname: None, app_name, structured_data: "doorward@32473".to_owned(), largest }
    }

    fn event(body: Value) -> Outgoing {
        let Value::Object(body) = body else { panic!("{body}") };
        Outgoing {
            id: "0199".to_owned(),
            at: Timestamp::from_millis(1_795_320_000_123),
            chain: "replica 1".to_owned(),
            link: 7,
            kind: "sign_in".to_owned(),
            severity: Severity::Warning,
            body,
        }
    }

    #[test]
    fn a_message_is_written_as_the_rfc_has_it() {
        let message = String::from_utf8(form(2048).message(&event(json!({"name": "Jos\u{e9}\n"}))).unwrap()).unwrap();
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(
            r#"<84>1 2026-11-22T04:00:00.123Z replica_1 doorward - sign_in [origin software="Doorward" swVersion="{version}"][doorward@32473 id="0199" chain="replica 1" link="7" kind="sign_in" severity="warning"] {{"name":"José\n"}}"#
        );
        assert_eq!(message, expected);
    }

    #[test]
    fn text_from_outside_ends_neither_a_field_nor_the_message() {
        let mut hostile = event(json!({}));
        hostile.chain = "a\"]b\\\n<0>1 x".to_owned();
        let message = String::from_utf8(form(2048).message(&hostile).unwrap()).unwrap();
        assert!(message.contains(r#" chain="a\"\]b\\ <0>1 x" "#), "{message}");
        assert!(message.contains("Z a\"]b\\_<0>1_x doorward "), "{message}");
        assert!(!message.contains('\n'));
    }

    #[test]
    fn what_is_too_long_loses_its_longest_fields_and_says_so() {
        let long = event(json!({"a": "1", "agent": "x".repeat(900), "unmapped": {"b": "y".repeat(2000)}}));
        let message = String::from_utf8(form(1200).message(&long).unwrap()).unwrap();
        assert!(message.len() <= 1200 && message.contains(r#" left_out="unmapped"]"#), "{message}");
        let (_, body) = message.split_once("] ").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body, json!({"a": "1", "agent": "x".repeat(900)}));
        let shorter = String::from_utf8(form(400).message(&long).unwrap()).unwrap();
        assert!(shorter.ends_with(r#" left_out="unmapped,agent"] {"a":"1"}"#), "{shorter}");
        assert_eq!(form(100).message(&long), Err(TooLong(100)));
    }
}
