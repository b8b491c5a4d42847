//! The numbers of `/metrics` as OTLP has them, under the same names.
//!
//! Refuses to send differences: each number counts from the start of the process, so that one that is lost on the way is made good by the next.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::resource::{pair, scope};
use crate::clock::Timestamp;
use crate::telemetry::families::{Family, FamilyKind, Point, Value};
use crate::telemetry::tally::Distribution;
use crate::trace::Attribute;

/// From when until when was counted, in nanoseconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Period {
    pub(super) since: u64,
    pub(super) until: u64,
}

impl Period {
    pub(super) fn of(since: Timestamp, until: Timestamp) -> Self {
        let nanos = |at: Timestamp| u64::try_from(at.millis()).unwrap_or(0).saturating_mul(1_000_000);
        Self { since: nanos(since), until: nanos(until) }
    }
}

/// One request for all of `families`.
pub(super) fn request(families: Vec<Family>, period: Period, resource: &Resource) -> ExportMetricsServiceRequest {
    let metrics = families.into_iter().filter(|family| !family.points.is_empty()).map(|family| metric(family, period));
    let scope_metrics = ScopeMetrics { scope: Some(scope()), metrics: metrics.collect(), ..ScopeMetrics::default() };
    let of_us =
        ResourceMetrics { resource: Some(resource.clone()), scope_metrics: vec![scope_metrics], ..ResourceMetrics::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![of_us] }
}

fn metric(family: Family, period: Period) -> Metric {
    let cumulative = AggregationTemporality::Cumulative.into();
    let (ending, data) = match family.kind {
        FamilyKind::Counter => {
            let data_points = numbers(&family.points, period);
            ("_total", Data::Sum(Sum { data_points, aggregation_temporality: cumulative, is_monotonic: true }))
        }
        // A level has no beginning.
        FamilyKind::Gauge => ("", Data::Gauge(Gauge { data_points: numbers(&family.points, Period { since: 0, ..period }) })),
        FamilyKind::Histogram => {
            let data_points = family.points.iter().filter_map(|point| histogram(point, period)).collect();
            ("", Data::Histogram(Histogram { data_points, aggregation_temporality: cumulative }))
        }
    };
    Metric {
        name: format!("doorward_{}{ending}", family.name),
        description: family.help.to_owned(),
        unit: unit(family.name).to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

/// By UCUM. What only is a number has none here: `1` would have some receivers add `_ratio` to the name.
fn unit(name: &str) -> &'static str {
    match name {
        name if name.ends_with("_seconds") => "s",
        name if name.ends_with("_bytes") => "By",
        _ => "",
    }
}

fn numbers(points: &[Point], period: Period) -> Vec<NumberDataPoint> {
    let points = points.iter().filter_map(|point| {
        let value = match &point.value {
            Value::Count(count) => Number::AsInt(i64::try_from(*count).unwrap_or(i64::MAX)),
            Value::Level(level) => Number::AsInt(*level),
            Value::Number(number) => Number::AsDouble(*number),
            Value::Distribution(_) => return None,
        };
        Some(NumberDataPoint {
            attributes: attributes(point),
            start_time_unix_nano: period.since,
            time_unix_nano: period.until,
            value: Some(value),
            ..NumberDataPoint::default()
        })
    });
    points.collect()
}

fn histogram(point: &Point, period: Period) -> Option<HistogramDataPoint> {
    let Value::Distribution(Distribution { sum, count, buckets }) = &point.value else { return None };
    Some(HistogramDataPoint {
        attributes: attributes(point),
        start_time_unix_nano: period.since,
        time_unix_nano: period.until,
        count: *count,
        sum: Some(*sum),
        bucket_counts: buckets.iter().map(|(_, count)| *count).collect(),
        // What is above the last bound needs none of its own.
        explicit_bounds: buckets.iter().map(|(bound, _)| *bound).filter(|bound| bound.is_finite()).collect(),
        ..HistogramDataPoint::default()
    })
}

fn attributes(point: &Point) -> Vec<KeyValue> {
    point.labels.iter().map(|(key, value)| pair(key, &Attribute::Text(value.clone().into()))).collect()
}
