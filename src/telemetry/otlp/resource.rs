//! Who it is that sends telemetry, in the words of the semantic conventions.
//!
//! Refuses to let two processes share a name by accident: their counters would be added up into nonsense.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;

use crate::config::Audit;
use crate::config::telemetry::OtlpReceiver;
use crate::trace::Attribute;

pub(super) fn of(typed: &OtlpReceiver, audit: &Audit) -> Resource {
    // A name that was given belongs to one replica; a host may have several.
    let instance = audit.source.clone().unwrap_or_else(|| format!("{}-{}", audit.source(), std::process::id()));
    let own = [
        ("service.name", typed.service.clone()),
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("service.instance.id", instance),
        ("host.name", audit.source()),
        ("telemetry.sdk.language", "rust".to_owned()),
        ("telemetry.sdk.name", "doorward".to_owned()),
        ("telemetry.sdk.version", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    let own = own.into_iter().filter(|(key, _)| !typed.attributes.contains_key(*key));
    let given = typed.attributes.iter().map(|(key, value)| pair(key, &Attribute::Text(value.clone().into())));
    let attributes = own.map(|(key, value)| pair(key, &Attribute::Text(value.into()))).chain(given).collect();
    Resource { attributes, ..Resource::default() }
}

/// Whose instrumentation it is.
pub(super) fn scope() -> InstrumentationScope {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    InstrumentationScope { name: "doorward".to_owned(), version, ..InstrumentationScope::default() }
}

pub(super) fn pair(key: &str, value: &Attribute) -> KeyValue {
    let value = match value {
        Attribute::Text(text) => Any::StringValue(text.clone().into_owned()),
        Attribute::Number(number) => Any::IntValue(*number),
    };
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
