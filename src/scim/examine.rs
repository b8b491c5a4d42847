//! What strangers can send as filters, paths and patches, read as far as it goes without a directory: what `fuzz/` calls.
//!
//! Refuses to differ from what the door does: it is the same functions.

use serde_json::{Value, json};

use super::schema::Kind;
use super::{filter, patch, resource};

/// Whether the filter is taken, for people or for groups.
#[must_use]
pub fn takes_filter(text: &str) -> bool {
    let Ok(filter) = filter::parse(text) else { return false };
    Kind::ALL.into_iter().any(|kind| filter::compile(kind, &filter).is_ok())
}

/// Whether the path leads anywhere in people or groups.
#[must_use]
pub fn takes_path(text: &str) -> bool {
    Kind::ALL.into_iter().any(|kind| patch::aim(kind, text).is_ok())
}

/// What a person is after a patch; `None` where it is refused. The person before it is somebody with a bit of everything.
#[must_use]
pub fn patched(body: &Value) -> Option<Value> {
    let before = json!({
        "userName": "ada", "active": true, "name": { "givenName": "Ada" }, "title": "Countess",
        "emails": [{ "value": "ada@acme.example", "type": "work", "primary": true }, { "value": "ada@home.example", "type": "home" }],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { "department": "R&D", "manager": { "value": "1" } },
    });
    let before = resource::normalise(Kind::User, &before).ok()?;
    let operations = patch::read(Kind::User, body).ok()?;
    patch::apply(Kind::User, &before, &operations).ok().map(Value::Object)
}

/// A resource as it is kept; `None` where it is refused. What was kept once is kept as it is.
#[must_use]
pub fn kept(sent: &Value) -> Option<Value> {
    resource::normalise(Kind::User, sent).ok().map(Value::Object)
}
