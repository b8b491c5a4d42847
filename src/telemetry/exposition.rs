//! The meters as OpenMetrics text, made when somebody asks.
//!
//! Refuses to keep a second copy of any number: each is read from where it is counted, or sampled from where it is known.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, LabelSetEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::Metrics;
use super::process;
use super::tally::Durations;

/// What the text is (OpenMetrics 1.0).
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A number that is known elsewhere and asked for at each scrape.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Without the `doorward_` in front.
    pub name: &'static str,
    pub help: &'static str,
    pub kind: SampleKind,
    pub labels: Vec<(&'static str, String)>,
    pub value: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleKind {
    Counter,
    Gauge,
}

/// All meters and samples as text. Samples of one name stand next to each other.
///
/// # Errors
/// When a collector fails to write, which writing to memory does not.
pub(super) fn text(metrics: &Arc<Metrics>, samples: Vec<Sample>) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("doorward");
    registry.register_collector(Box::new(Arc::clone(metrics)));
    registry.register_collector(Box::new(Samples(samples)));
    let mut text = String::with_capacity(16 * 1024);
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

impl Collector for Metrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        page.requests(self)?;
        page.upstreams(self)?;
        page.authn(self)?;
        page.process(self)
    }
}

struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn requests(&mut self, metrics: &Metrics) -> fmt::Result {
        let routes = metrics.routes();
        let outcomes = routes.iter().flat_map(|(name, meter)| {
            meter
                .outcomes()
                .map(move |(decision, status, count)| ([("route", &**name), ("decision", decision), ("status", status)], count))
        });
        self.counters("requests", "Requests by route, how they were judged and class of the answer's status", outcomes)?;
        let durations = routes.iter().map(|(name, meter)| ([("route", &**name)], &meter.durations));
        self.durations("request_duration_seconds", "From a request's head to the end of its answer", durations)?;
        self.gauge("requests_in_flight", "Requests being served", metrics.in_flight.read())
    }

    fn upstreams(&mut self, metrics: &Metrics) -> fmt::Result {
        let upstreams = metrics.upstreams();
        let answers = upstreams.iter().flat_map(|(name, meter)| {
            meter.statuses().map(move |(status, count)| ([("upstream", &**name), ("status", status)], count))
        });
        self.counters("upstream_requests", "Requests sent to an upstream, by class of its answer's status", answers)?;
        let first_bytes = upstreams.iter().map(|(name, meter)| ([("upstream", &**name)], &meter.first_byte));
        self.durations("upstream_first_byte_seconds", "From choosing a server to the head of its answer", first_bytes)?;
        let errors = upstreams.iter().map(|(name, meter)| ([("upstream", &**name)], meter.connect_errors.read()));
        self.counters("upstream_connect_errors", "Connections to an upstream that could not be made", errors)?;
        let reused = upstreams.iter().map(|(name, meter)| ([("upstream", &**name)], meter.reused.read()));
        self.counters("upstream_reused_connections", "Requests sent over a connection that was open already", reused)
    }

    fn authn(&mut self, metrics: &Metrics) -> fmt::Result {
        let outcomes = metrics.authn.read();
        let outcomes = outcomes.iter().map(|(kind, reason, count)| ([("credential", *kind), ("reason", *reason)], *count));
        self.counters("authentications", "Credentials checked, by kind and `ok` or why not", outcomes)?;
        let caches = [("session", &metrics.session_cache), ("program", &metrics.program_cache), ("jwt", &metrics.jwt_cache)];
        let hits = caches.iter().map(|(name, meter)| ([("cache", *name)], meter.hits.read()));
        self.counters("cache_hits", "Credentials answered from memory", hits)?;
        let misses = caches.iter().map(|(name, meter)| ([("cache", *name)], meter.misses.read()));
        self.counters("cache_misses", "Credentials that had to be looked up or verified", misses)
    }

    fn process(&mut self, metrics: &Metrics) -> fmt::Result {
        let connections = &metrics.connections;
        self.counter("connections", "Connections accepted", connections.accepted.read())?;
        self.gauge("connections_open", "Connections that are open", connections.open.read())?;
        self.counter(
            "handshake_failures",
            "Connections that ended before a first request",
            connections.failed_handshakes.read(),
        )?;
        let reloads = metrics.reloads.read().into_iter().map(|(outcome, count)| ([("outcome", outcome)], count));
        self.counters("reloads", "Reloads of the configuration", reloads)?;
        self.gauge(
            "reload_last_success_timestamp_seconds",
            "When the last one succeeded; 0: never",
            metrics.reloads.last_success(),
        )?;
        self.counter(
            "access_lines_lost",
            "Access lines dropped because they were not taken fast enough",
            metrics.lost_access_lines.read(),
        )?;
        self.gauge("process_resident_memory_bytes", "Memory in use", process::resident_bytes().unwrap_or(-1))?;
        self.gauge("process_open_fds", "Open file descriptors", process::open_descriptors().unwrap_or(-1))?;
        let build = [([("version", env!("CARGO_PKG_VERSION"))], 1)];
        self.gauges("build_info", "Which Doorward this is", build)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.descriptor(name, help, MetricType::Counter)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    fn gauge(&mut self, name: &str, help: &str, value: i64) -> fmt::Result {
        self.descriptor(name, help, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn counters<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([(&'static str, &'l str); N], u64)>,
    ) -> fmt::Result {
        let mut metric = self.descriptor(name, help, MetricType::Counter)?;
        for (labels, value) in values {
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    fn gauges<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([(&'static str, &'l str); N], i64)>,
    ) -> fmt::Result {
        let mut metric = self.descriptor(name, help, MetricType::Gauge)?;
        for (labels, value) in values {
            ConstGauge::new(value).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn durations<'l>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([(&'static str, &'l str); 1], &'l Durations)>,
    ) -> fmt::Result {
        let mut metric = self.descriptor(name, help, MetricType::Histogram)?;
        for (labels, durations) in values {
            let read = durations.read();
            metric.encode_family(&labels)?.encode_histogram::<NoLabelSet>(read.sum, read.count, &read.buckets, None)?;
        }
        Ok(())
    }

    fn descriptor<'s>(&'s mut self, name: &'s str, help: &str, kind: MetricType) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.0.encode_descriptor(name, help, None, kind)
    }
}

#[derive(Debug)]
struct Samples(Vec<Sample>);

impl Collector for Samples {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in self.0.chunk_by(|one, next| one.name == next.name) {
            let Some(first) = family.first() else { continue };
            let kind = match first.kind {
                SampleKind::Counter => MetricType::Counter,
                SampleKind::Gauge => MetricType::Gauge,
            };
            let mut metric = encoder.encode_descriptor(first.name, first.help, None, kind)?;
            for sample in family {
                if sample.labels.is_empty() {
                    sample.write(&mut metric)?;
                } else {
                    sample.write(&mut metric.encode_family(&Labels(&sample.labels))?)?;
                }
            }
        }
        Ok(())
    }
}

impl Sample {
    fn write(&self, metric: &mut MetricEncoder<'_>) -> fmt::Result {
        match self.kind {
            SampleKind::Counter => metric.encode_counter::<NoLabelSet, _, u64>(&self.value, None),
            SampleKind::Gauge => metric.encode_gauge(&self.value),
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
