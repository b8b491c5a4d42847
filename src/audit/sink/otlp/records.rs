//! Audit events as OpenTelemetry log records.
//!
//! Refuses names of its own where the semantic conventions have one; attributes are taken from what is sent, so that a field that is left
//! out by the sink's mapping comes by no other way.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};
use opentelemetry_proto::tonic::resource::v1::Resource;
use serde_json::Value;

use crate::audit::Severity;
use crate::audit::sink::transport::Outgoing;
use crate::clock::Timestamp;

/// Attributes by the semantic conventions, and where either form of an event has them.
const ATTRIBUTES: [(&str, &[&str]); 5] = [
    ("client.address", &["/src_endpoint/ip", "/source"]),
    ("user.id", &["/actor/user/uid", "/user/uid", "/actor"]),
    ("session.id", &["/session/uid", "/session"]),
    ("user_agent.original", &["/http_request/user_agent", "/user_agent"]),
    ("error.type", &["/status_detail", "/reason"]),
];

/// One request for all of `batch`, in its order: one resource for each run of events of the same replica.
pub(super) fn request(batch: &[Outgoing], service: &str, now: Timestamp) -> ExportLogsServiceRequest {
    let resource_logs = batch.chunk_by(|one, next| one.chain == next.chain).filter_map(|run| {
        Some(ResourceLogs {
            resource: Some(resource(service, &run.first()?.chain)),
            scope_logs: vec![ScopeLogs {
                scope: Some(InstrumentationScope {
                    name: "doorward.audit".to_owned(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    ..InstrumentationScope::default()
                }),
                log_records: run.iter().map(|event| record(event, now)).collect(),
                schema_url: String::new(),
            }],
            schema_url: String::new(),
        })
    });
    ExportLogsServiceRequest { resource_logs: resource_logs.collect() }
}

fn resource(service: &str, chain: &str) -> Resource {
    let attributes = [
        ("service.name", service),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("service.instance.id", chain),
        ("host.name", chain),
    ];
    Resource {
        attributes: attributes.map(|(key, text)| pair(key, Any::StringValue(text.to_owned()))).into(),
        ..Resource::default()
    }
}

fn record(event: &Outgoing, now: Timestamp) -> LogRecord {
    let mut attributes = vec![
        pair("log.record.uid", Any::StringValue(event.id.clone())),
        pair("doorward.chain", Any::StringValue(event.chain.clone())),
        pair("doorward.link", Any::IntValue(event.link)),
    ];
    attributes.extend(ATTRIBUTES.iter().filter_map(|(name, places)| {
        let text = places.iter().find_map(|place| at(event, place))?;
        Some(pair(name, Any::StringValue(text.to_owned())))
    }));
    LogRecord {
        time_unix_nano: nanos(event.at),
        observed_time_unix_nano: nanos(now),
        severity_number: severity(event.severity).into(),
        severity_text: event.severity.as_str().to_owned(),
        event_name: format!("doorward.{}", event.kind),
        body: any(Value::Object(event.body.clone())),
        attributes,
        ..LogRecord::default()
    }
}

/// The text at a place of the body: of a member, or of a member's member.
fn at<'e>(event: &'e Outgoing, place: &str) -> Option<&'e str> {
    let mut names = place.split('/').skip(1);
    let first = event.body.get(names.next()?)?;
    names.try_fold(first, |value, name| value.get(name))?.as_str()
}

/// As the specification puts syslog's severities, of which an alarm is "alert".
const fn severity(severity: Severity) -> SeverityNumber {
    match severity {
        Severity::Info => SeverityNumber::Info,
        Severity::Notice => SeverityNumber::Info2,
        Severity::Warning => SeverityNumber::Warn,
        Severity::Alarm => SeverityNumber::Error3,
    }
}

fn nanos(at: Timestamp) -> u64 {
    u64::try_from(at.millis()).unwrap_or(0).saturating_mul(1_000_000)
}

fn pair(key: &str, value: Any) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// `None` for null: a value without a value is refused by some receivers, so that whatever has none is left out.
fn any(value: Value) -> Option<AnyValue> {
    let value = match value {
        Value::Null => return None,
        Value::Bool(value) => Any::BoolValue(value),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Any::IntValue(whole),
            (None, Some(broken)) => Any::DoubleValue(broken),
            (None, None) => Any::StringValue(number.to_string()),
        },
        Value::String(text) => Any::StringValue(text),
        Value::Array(values) => Any::ArrayValue(ArrayValue { values: values.into_iter().filter_map(any).collect() }),
        Value::Object(members) => Any::KvlistValue(KeyValueList {
            values: members
                .into_iter()
                .filter_map(|(key, value)| Some(KeyValue { key, value: Some(any(value)?), ..KeyValue::default() }))
                .collect(),
        }),
    };
    Some(AnyValue { value: Some(value) })
}
