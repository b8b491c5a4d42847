//! The numbers as OpenMetrics text, made when somebody asks.
//!
//! Refuses to know any of them: what there is is said in `families`, because what is pushed must be the same.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, LabelSetEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::families::{Family, FamilyKind, Point, Value};

/// What the text is (OpenMetrics 1.0).
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The families as text.
///
/// # Errors
/// When a collector fails to write, which writing to memory does not.
pub(super) fn text(families: Vec<Family>) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("doorward");
    registry.register_collector(Box::new(Page(families)));
    let mut text = String::with_capacity(16 * 1024);
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Page(Vec<Family>);

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in &self.0 {
            let kind = match family.kind {
                FamilyKind::Counter => MetricType::Counter,
                FamilyKind::Gauge => MetricType::Gauge,
                FamilyKind::Histogram => MetricType::Histogram,
            };
            let mut metric = encoder.encode_descriptor(family.name, family.help, None, kind)?;
            for point in &family.points {
                if point.labels.is_empty() {
                    point.write(family.kind, &mut metric)?;
                } else {
                    point.write(family.kind, &mut metric.encode_family(&Labels(&point.labels))?)?;
                }
            }
        }
        Ok(())
    }
}

impl Point {
    fn write(&self, kind: FamilyKind, metric: &mut MetricEncoder<'_>) -> fmt::Result {
        match &self.value {
            Value::Count(count) => metric.encode_counter::<NoLabelSet, _, u64>(count, None),
            Value::Level(level) => metric.encode_gauge(level),
            Value::Number(number) if kind == FamilyKind::Counter => metric.encode_counter::<NoLabelSet, _, u64>(number, None),
            Value::Number(number) => metric.encode_gauge(number),
            Value::Distribution(read) => metric.encode_histogram::<NoLabelSet>(read.sum, read.count, &read.buckets, None),
        }
    }
}

#[derive(Debug)]
struct Labels<'a>(&'a [(&'static str, String)]);

impl prometheus_client::encoding::EncodeLabelSet for Labels<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        self.0.encode(encoder)
    }
}
