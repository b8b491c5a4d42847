//! What each class of OCSF wants to know of an event beyond what all want.
//!
//! Refuses to leave a required attribute out: where nothing is known, it says so.

use serde_json::{Map, Value, json};

use super::super::Entry;
use super::class::{Class, detail};
use super::people;

/// Adds the attributes of `class` to `event`.
pub(super) fn describe(class: Class, entry: &Entry, event: &mut Map<String, Value>) {
    let more = match class {
        Class::Base => json!({}),
        Class::Authentication => authentication(entry),
        Class::AccountChange => account_change(entry),
        Class::EntityManagement => json!({ "actor": people::actor(entry), "entity": entity(entry) }),
        Class::GroupManagement => group_management(entry),
        Class::ApiActivity => api_activity(entry),
    };
    if let Value::Object(more) = more {
        event.extend(more);
    }
}

fn authentication(entry: &Entry) -> Value {
    // Whose sign-in it is: where somebody ends another's session, the target.
    let of_another = ["session_ended", "session_expired", "break_glass_used"].contains(&entry.kind.as_str());
    let whose = if of_another { &entry.target } else { &entry.actor };
    let user = whose.as_deref().map_or_else(|| people::target(None), |who| people::user(entry, who));
    let mut event = json!({
        "actor": people::actor(entry),
        "user": user,
        "service": { "name": "Doorward", "uid": entry.tenant },
        "is_remote": true,
    });
    if let Some(methods) = entry.details.get("amr").and_then(Value::as_array) {
        event["is_mfa"] = methods.iter().any(|method| method == "mfa").into();
    }
    let session = entry.session.as_deref().or_else(|| detail(entry, "session"));
    if let Some(session) = session {
        event["session"] = json!({ "uid": session });
    }
    if let Some(protocol) = detail(entry, "protocol") {
        let (id, name) = match protocol {
            "oidc" => (4, "OpenID"),
            "saml" => (5, "SAML"),
            "oauth2" => (6, "OAUTH 2.0"),
            other => (99, other),
        };
        event["auth_protocol_id"] = id.into();
        event["auth_protocol"] = name.into();
    }
    event
}

fn account_change(entry: &Entry) -> Value {
    let mut event = json!({ "actor": people::actor(entry), "user": people::target(entry.target.as_deref()) });
    if let Some(role) = detail(entry, "role") {
        event["policy"] = json!({ "name": role });
    }
    event
}

fn entity(entry: &Entry) -> Value {
    let (kind, _) = entry.kind.rsplit_once('_').unwrap_or((&entry.kind, ""));
    let mut entity = json!({ "uid": entry.target.as_deref().unwrap_or(kind), "type_id": 99, "type": kind });
    if let Some(name) = detail(entry, "name") {
        entity["name"] = name.into();
    }
    entity
}

fn group_management(entry: &Entry) -> Value {
    let mut group = json!({ "uid": entry.target.as_deref().unwrap_or("unknown") });
    if let Some(name) = detail(entry, "name") {
        group["name"] = name.into();
    }
    let mut event = json!({ "actor": people::actor(entry), "group": group });
    let moved = |name: &str| entry.details.get(name)?.as_array()?.first()?.as_str();
    match moved("joined").or_else(|| moved("left")) {
        Some(who) => event["user"] = people::target(Some(who)),
        // What a group gives is the configuration's; OCSF wants one of the two.
        None => event["privileges"] = json!([]),
    }
    event
}

fn api_activity(entry: &Entry) -> Value {
    let operation = match (detail(entry, "method"), entry.target.as_deref().or_else(|| detail(entry, "path"))) {
        (Some(method), Some(what)) => format!("{method} {what}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => entry.kind.clone(),
    };
    let mut event = json!({
        "actor": people::actor(entry),
        "api": { "operation": operation, "service": { "name": "Doorward", "uid": entry.tenant } },
    });
    if let Some(route) = &entry.target {
        event["resources"] = json!([{ "name": route, "type": "route" }]);
    }
    if let Some(status) = entry.details.get("status").and_then(Value::as_u64) {
        event["api"]["response"] = json!({ "code": status });
    }
    event
}
