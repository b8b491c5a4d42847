//! Spans as OTLP has them.
//!
//! Refuses nothing; what may be told was decided where it was done.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as Sent, SpanFlags, Status};

use super::resource::{pair, scope};
use crate::trace::{Attribute, Kind, Span};

/// W3C Trace Context §3.2.2.5: it was recorded.
const SAMPLED: u32 = 1;

/// One request for all of `spans`.
pub(super) fn request(spans: &[Span], resource: &Resource) -> ExportTraceServiceRequest {
    let scope_spans = ScopeSpans { scope: Some(scope()), spans: spans.iter().map(span).collect(), ..ScopeSpans::default() };
    let of_us = ResourceSpans { resource: Some(resource.clone()), scope_spans: vec![scope_spans], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![of_us] }
}

fn span(span: &Span) -> Sent {
    let kind = match span.kind {
        Kind::Server => SpanKind::Server,
        Kind::Client => SpanKind::Client,
    };
    let mut attributes: Vec<_> = span.attributes.iter().map(|(key, value)| pair(key, value)).collect();
    if let Some(why) = &span.failed {
        attributes.push(pair("error.type", &Attribute::Text(why.clone())));
    }
    let remote = span.parent.is_some_and(|parent| parent.remote);
    let remote = if remote { SpanFlags::ContextIsRemoteMask as u32 } else { 0 };
    Sent {
        trace_id: span.trace.to_vec(),
        span_id: span.id.to_vec(),
        parent_span_id: span.parent.map(|parent| parent.id.to_vec()).unwrap_or_default(),
        flags: SAMPLED | SpanFlags::ContextHasIsRemoteMask as u32 | remote,
        name: span.name.clone().into_owned(),
        kind: kind.into(),
        start_time_unix_nano: span.from,
        end_time_unix_nano: span.until,
        attributes,
        // What went well is left unset: that it is fine is for the application to say (OpenTelemetry, "Set Status").
        status: span.failed.as_ref().map(|_| Status { code: StatusCode::Error.into(), ..Status::default() }),
        ..Sent::default()
    }
}
