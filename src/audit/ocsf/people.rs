//! Who did something, in the words of OCSF.
//!
//! Refuses to call a program a person: a reader counts people by their type.

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::Entry;

/// OCSF's types of user.
const UNKNOWN: (u32, &str) = (0, "Unknown");
const USER: (u32, &str) = (1, "User");
const SYSTEM: (u32, &str) = (3, "System");

/// Whoever did it; the door itself if nobody did.
pub(super) fn actor(entry: &Entry) -> Value {
    let mut actor = match entry.actor.as_deref() {
        None => json!({ "app_name": "doorward" }),
        Some(who) => match who.split_once(':') {
            Some(("cli", name)) => json!({ "app_name": "doorward", "user": typed(&json!({ "name": name }), USER) }),
            Some(("scim", token)) => json!({ "app_name": "scim", "app_uid": token }),
            _ => json!({ "user": user(entry, who) }),
        },
    };
    if let Some(session) = &entry.session {
        actor["session"] = json!({ "uid": session });
    }
    actor
}

/// The person or program called `who`, who did something.
pub(super) fn user(entry: &Entry, who: &str) -> Value {
    let program =
        matches!(entry.credential.as_deref(), Some("api_key" | "client_secret" | "bearer" | "license" | "client_certificate"));
    typed(&named(who), if program { SYSTEM } else { USER })
}

/// Somebody to whom something was done.
pub(super) fn target(who: Option<&str>) -> Value {
    who.map_or_else(|| typed(&json!({ "name": "unknown" }), UNKNOWN), |who| typed(&named(who), USER))
}

/// By id, or by the name that was typed.
fn named(who: &str) -> Value {
    if Uuid::parse_str(who).is_ok() {
        return json!({ "uid": who });
    }
    json!({ "uid": who, "name": who })
}

fn typed(user: &Value, (id, name): (u32, &str)) -> Value {
    let mut user = user.clone();
    user["type_id"] = id.into();
    user["type"] = name.into();
    user
}
