//! A copy of each call, for administrators who wonder what a directory sends.
//!
//! Refuses to keep secrets and to keep without end: what sounds like a secret is blanked, texts are cut, and what is no JSON is only
//! counted.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Uri};
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
        Ok(reply) => (reply.status, reply.body.as_ref().map(|body| shown(body.clone())).unwrap_or_default()),
        Err(error) => (error.status, shown(error.document())),
    };
    let request = match body {
        None => "[not read]".to_owned(),
        Some(body) if body.is_empty() => String::new(),
        Some(body) => match serde_json::from_slice(body) {
            Ok(value) => shown(value),
            Err(_) => format!("[{} bytes that are no JSON]", body.len()),
        },
    };
    ScimCall {
        token: token.id.clone(),
        at,
        method: method.to_string(),
        target: cut(uri.path_and_query().map(ToString::to_string).unwrap_or_default(), TARGET),
        status: status.as_u16(),
        took: i64::try_from(took.as_millis()).unwrap_or(i64::MAX),
        request,
        response,
    }
}

fn shown(mut value: Value) -> String {
    blank(&mut value);
    cut(value.to_string(), LONGEST)
}

/// Blanks what sounds like a secret, also as a PATCH names it.
fn blank(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(blank),
        Value::Object(fields) => {
            let is_path =
                |(name, value): (&String, &Value)| name.eq_ignore_ascii_case("path") && value.as_str().is_some_and(is_secret);
            let about_secret = fields.iter().any(is_path);
            for (name, value) in fields {
                if is_secret(name) || (about_secret && name.eq_ignore_ascii_case("value")) {
                    *value = BLANK.into();
                } else {
                    blank(value);
                }
            }
        }
        _ => {}
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
        let kept = shown(sent);
        assert!(!kept.contains("hunter2") && kept.contains("ada"), "{kept}");
        assert!(shown(json!("é".repeat(LONGEST))).len() <= LONGEST + 4);
    }
}
