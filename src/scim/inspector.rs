//! A copy of each call, for administrators who wonder what a directory sends.
//!
//! Refuses to keep secrets and to keep without end: what sounds like a secret is blanked, texts are cut, and what is no JSON is only
//! counted.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Uri};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;

use super::call::Reply;
use super::error::ScimError;
use crate::clock::Timestamp;
use crate::model::{ScimCall, ScimToken};

/// Bytes kept of a request or an answer.
const LONGEST: usize = 8 * 1024;
const TARGET: usize = 2048;
const BLANK: &str = "[redacted]";

pub(super) fn copy(
    token: &ScimToken,
    method: &Method,
    uri: &Uri,
    body: Option<&Bytes>,
    outcome: &Result<Reply, ScimError>,
    at: Timestamp,
    took: Duration,
) -> ScimCall {
    let (status, response) = match outcome {
        Ok(reply) => (reply.status, reply.body.as_ref().map(shown).unwrap_or_default()),
        Err(error) => (error.status, shown(&error.document())),
    };
    let request = match body {
        None => "[not read]".to_owned(),
        Some(body) if body.is_empty() => String::new(),
        Some(body) => match serde_json::from_slice(body) {
            Ok(value) => shown(&value),
            Err(_) => format!("[{} bytes that are no JSON]", body.len()),
        },
    };
    ScimCall {
        token: token.id.clone(),
        at,
        method: method.to_string(),
        target: cut(target(uri), TARGET),
        status: status.as_u16(),
        took: i64::try_from(took.as_millis()).unwrap_or(i64::MAX),
        request,
        response,
    }
}

/// Path and query, but for parameters that sound like a secret, such as a filter by a password.
fn target(uri: &Uri) -> String {
    let Some(query) = uri.query() else { return uri.path().to_owned() };
    let sounds_secret =
        |part: &str| url::form_urlencoded::parse(part.as_bytes()).any(|(name, value)| is_secret(&name) || is_secret(&value));
    let told = |part: &str| match part.split_once('=') {
        _ if !sounds_secret(part) => part.to_owned(),
        Some((name, _)) if !is_secret(name) => format!("{name}={BLANK}"),
        _ => BLANK.to_owned(),
    };
    let parts: Vec<String> = query.split('&').map(told).collect();
    format!("{}?{}", uri.path(), parts.join("&"))
}

/// As much of the value as is kept: a page of a list is a hundred times as long, and is not copied for it.
fn shown(value: &Value) -> String {
    let mut room = Room(Vec::new());
    // It fails when the room is full, and what came before is all that is wanted.
    let _ = serde_json::to_writer(&mut room, &Blanked(value));
    cut(String::from_utf8_lossy(&room.0).into_owned(), LONGEST)
}

/// Takes a little more than is kept, so that a letter that was cut through is behind the end.
struct Room(Vec<u8>);

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = (LONGEST + 8).saturating_sub(self.0.len());
        self.0.extend_from_slice(&bytes[..bytes.len().min(left)]);
        if bytes.len() > left { Err(io::ErrorKind::StorageFull.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A value without what sounds like a secret, also as a PATCH, a filter, or the error that repeats one, names it.
struct Blanked<'v>(&'v Value);

impl Serialize for Blanked<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            // Something is compared with a secret, if only in a client's mistake.
            Value::String(text) if text.contains('"') && is_secret(text) => serializer.serialize_str(BLANK),
            Value::Array(values) => serializer.collect_seq(values.iter().map(Blanked)),
            Value::Object(fields) => {
                let is_path =
                    |(name, value): (&String, &Value)| name.eq_ignore_ascii_case("path") && value.as_str().is_some_and(is_secret);
                let about_secret = fields.iter().any(is_path);
                let mut kept = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    let is_filter = name.eq_ignore_ascii_case("filter") && value.as_str().is_some_and(is_secret);
                    if is_secret(name) || is_filter || (about_secret && name.eq_ignore_ascii_case("value")) {
                        kept.serialize_entry(name, BLANK)?;
                    } else {
                        kept.serialize_entry(name, &Blanked(value))?;
                    }
                }
                kept.end()
            }
            value => value.serialize(serializer),
        }
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["password", "secret", "token"].iter().any(|word| name.contains(word))
}

fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push('…');
    }
    // A database that keeps texts keeps no U+0000; JSON has it escaped, an address has it refused.
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_blanked_wherever_they_are() {
        let sent = json!({
            "userName": "ada", "passWord": "hunter2",
            "Operations": [{ "op": "replace", "path": "password", "value": "hunter2" },
                           { "op": "replace", "Path": "password", "Value": "hunter2" }, { "value": { "clientSecret": ["hunter2"] } }],
        });
        let kept = shown(&sent);
        assert!(!kept.contains("hunter2") && kept.contains("ada"), "{kept}");
        assert_eq!(shown(&json!({ "a": [1, null], "b": "c" })), r#"{"a":[1,null],"b":"c"}"#);
        for long in [json!("é".repeat(LONGEST)), json!(format!("a{}", "é".repeat(LONGEST))), json!(vec!["é"; LONGEST])] {
            let (kept, whole) = (shown(&long), long.to_string());
            assert!(kept.len() <= LONGEST + 4 && kept.ends_with('…'));
            assert!(whole.starts_with(kept.trim_end_matches('…')), "{kept}");
        }
    }

    #[test]
    fn what_is_compared_with_a_secret_is_blanked() {
        for sent in [
            json!({ "filter": "password eq \"hunter2\"" }),
            json!({ "FILTER": "userName eq \"ada\" and passWord sw hunter2" }),
            json!({ "Operations": [{ "op": "remove", "path": "x509Certificates[password eq \"hunter2\"]" }] }),
            json!({ "Operations": [{ "method": "DELETE", "path": "/Users?filter=clientSecret eq \"hunter2\"" }] }),
            json!({ "detail": "The path token[value eq \"hunter2\"] leads nowhere" }),
        ] {
            let kept = shown(&sent);
            assert!(!kept.contains("hunter2") && kept.contains(BLANK), "{kept}");
        }
        let plain = json!({ "filter": "userName eq \"ada\"", "detail": "There is no attribute password to filter by" });
        assert_eq!(shown(&plain), plain.to_string());
    }

    #[test]
    fn an_address_is_kept_without_the_secrets_of_its_query() {
        let kept = |uri: &str| target(&uri.parse().unwrap());
        for query in [
            "filter=password+eq+%22hunter2%22",
            "count=5&FILTER=pass%77ord%20eq%20%22hunter2%22&startIndex=1",
            "filter=userName%20eq%20%22ada%22%20or%20clientSecret%20eq%20%22hunter2%22",
            "access_token=hunter2",
            "%74oken=hunter2",
            "hunter2password",
        ] {
            let kept = kept(&format!("/scim/Users?{query}"));
            assert!(!kept.contains("hunter2") && kept.contains(BLANK) && kept.starts_with("/scim/Users?"), "{kept}");
        }
        assert_eq!(kept("/Users?count=5&filter=password%20pr&startIndex=1"), "/Users?count=5&filter=[redacted]&startIndex=1");
        for plain in ["/Users", "/Users?", "/Users?filter=userName+eq+%22ada%22&count=1"] {
            assert_eq!(kept(plain), plain);
        }
    }
}
