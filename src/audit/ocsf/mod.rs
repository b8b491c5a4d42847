//! Events in the words of the Open Cybersecurity Schema Framework (OCSF), which a SIEM knows without being taught ours.
//!
//! Refuses to leave anything out: what OCSF has no place for is in `unmapped`, under our own name.

mod class;
mod people;
mod subject;

use serde_json::{Map, Value, json};

use self::class::{Class, classify, detail};
use super::event::SCHEMA_VERSION;
use super::{Entry, Kind, Outcome, Severity};

/// The version whose classes these are.
pub const VERSION: &str = "1.3.0";
/// The methods that OCSF names.
const METHODS: [&str; 8] = ["OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "CONNECT"];

/// `entry` as an OCSF event.
#[must_use]
pub fn render(entry: &Entry) -> Map<String, Value> {
    let (class, (activity, activity_name)) = classify(entry);
    let mut event = Map::new();
    let mut put = |name: &str, value: Value| {
        event.insert(name.to_owned(), value);
    };
    let (category, category_name) = class.category();
    put("class_uid", class.uid().into());
    put("class_name", class.name().into());
    put("category_uid", category.into());
    put("category_name", category_name.into());
    put("activity_id", activity.into());
    put("activity_name", activity_name.into());
    put("type_uid", (class.uid() * 100 + activity).into());
    put("type_name", format!("{}: {activity_name}", class.name()).into());
    put("time", entry.at.millis().into());
    put("message", entry.kind.replace('_', " ").into());
    let (severity, severity_name) = severity(entry.severity());
    put("severity_id", severity.into());
    put("severity", severity_name.into());
    let failed = entry.outcome == Outcome::Failure.as_str();
    put("status_id", if failed { 2 } else { 1 }.into());
    put("status", if failed { "Failure" } else { "Success" }.into());
    if let Some(reason) = &entry.reason {
        put("status_code", reason.as_str().into());
        put("status_detail", reason.replace('_', " ").into());
    }
    put("metadata", metadata(class, entry));
    match &entry.source {
        _ if class == Class::Base => {}
        Some(source) => put("src_endpoint", json!({ "ip": source })),
        None if class == Class::ApiActivity => put("src_endpoint", json!({ "name": "unknown" })),
        None => {}
    }
    if let Some(request) = http_request(entry).filter(|_| class != Class::Base) {
        put("http_request", request);
    }
    subject::describe(class, entry, &mut event);
    let unmapped = unmapped(class, entry);
    if !unmapped.is_empty() {
        event.insert("unmapped".to_owned(), unmapped.into());
    }
    event
}

/// The class that events of this kind are: its name and uid.
#[must_use]
pub const fn class_of(kind: Kind) -> (&'static str, u32) {
    let class = class::class(kind);
    (class.name(), class.uid())
}

const fn severity(severity: Severity) -> (u32, &'static str) {
    match severity {
        Severity::Info => (1, "Informational"),
        Severity::Notice => (2, "Low"),
        Severity::Warning => (3, "Medium"),
        Severity::Alarm => (5, "Critical"),
    }
}

fn metadata(class: Class, entry: &Entry) -> Value {
    let mut metadata = json!({
        "version": VERSION,
        "product": { "name": "Doorward", "vendor_name": "Doorward", "version": env!("CARGO_PKG_VERSION") },
        "uid": entry.id,
        "sequence": entry.link,
        "tenant_uid": entry.tenant,
        "event_code": entry.kind,
        "log_name": "audit",
        "log_provider": entry.chain,
        "log_version": SCHEMA_VERSION.to_string(),
    });
    if let Some(logged_at) = entry.logged_at {
        metadata["logged_time"] = logged_at.millis().into();
    }
    if matches!(class, Class::EntityManagement | Class::GroupManagement) {
        // These two have an actor by a profile.
        metadata["profiles"] = json!(["host"]);
    }
    if let Some(request) = &entry.request_id {
        metadata["correlation_uid"] = request.as_str().into();
    }
    metadata
}

fn http_request(entry: &Entry) -> Option<Value> {
    let mut request = Map::new();
    let mut put = |name: &str, value: &str| {
        request.insert(name.to_owned(), value.into());
    };
    if let Some(agent) = &entry.user_agent {
        put("user_agent", agent);
    }
    if let Some(method) = detail(entry, "method").filter(|method| METHODS.contains(method)) {
        put("http_method", method);
    }
    if let Some(id) = &entry.request_id {
        put("uid", id);
    }
    if let Some(path) = detail(entry, "path") {
        request.insert("url".to_owned(), json!({ "path": path }));
    }
    (!request.is_empty()).then(|| request.into())
}

/// What has no place in OCSF, or only a part of which has one.
fn unmapped(class: Class, entry: &Entry) -> Map<String, Value> {
    let mut rest = entry.details.clone();
    let mut put = |name: &str, text: &Option<String>| {
        rest.extend(text.as_ref().map(|text| (name.to_owned(), text.as_str().into())));
    };
    put("credential", &entry.credential);
    put("target", &entry.target);
    if class == Class::Base {
        put("actor", &entry.actor);
        put("session", &entry.session);
        put("source", &entry.source);
        put("user_agent", &entry.user_agent);
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn entry(kind: &str) -> Entry {
        Entry {
            seq: 7,
            id: String::new(),
            chain: "door".to_owned(),
            link: 7,
            at: Timestamp::from_millis(1_800_000_000_123),
            logged_at: Some(Timestamp::from_millis(1_800_000_000_456)),
            kind: kind.to_owned(),
            outcome: "failure".to_owned(),
            reason: Some("wrong_password".to_owned()),
            tenant: "acme".to_owned(),
            actor: Some("ada@acme.example".to_owned()),
            target: Some("staff".to_owned()),
            credential: Some("session".to_owned()),
            session: None,
            source: Some("192.0.2.1".to_owned()),
            user_agent: Some("browser".to_owned()),
            request_id: Some("r1".to_owned()),
            details: Map::from_iter([("left_out".to_owned(), json!(3))]),
        }
    }

    #[test]
    fn a_failed_sign_in_is_a_logon_that_failed() {
        let event = render(&entry("sign_in"));
        assert_eq!((&event["class_uid"], &event["type_uid"], &event["status_id"]), (&3002.into(), &300_201.into(), &2.into()));
        assert_eq!((&event["time"], &event["severity_id"]), (&1_800_000_000_123_i64.into(), &3.into()));
        assert_eq!(event["metadata"]["logged_time"], 1_800_000_000_456_i64);
        assert_eq!((&event["user"]["name"], &event["src_endpoint"]["ip"]), (&"ada@acme.example".into(), &"192.0.2.1".into()));
        assert_eq!((&event["status_code"], &event["unmapped"]["left_out"]), (&"wrong_password".into(), &3.into()));
    }

    #[test]
    fn every_kind_has_a_class_and_an_unknown_one_says_that_it_is_unknown() {
        for kind in Kind::ALL {
            assert_ne!(render(&entry(kind.as_str()))["class_uid"], 0, "{kind:?}");
        }
        let unknown = render(&entry("of_another_version"));
        assert_eq!((&unknown["class_uid"], &unknown["type_uid"]), (&0.into(), &99.into()));
        assert_eq!(unknown["metadata"]["event_code"], "of_another_version");
    }
}
