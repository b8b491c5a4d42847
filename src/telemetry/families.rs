//! All numbers as they stand, by name: what is scraped and what is pushed are both made of this.
//!
//! Refuses to keep a second copy of any number: each is read from where it is counted, or sampled from where it is known.

use super::metrics::Metrics;
use super::process;
use super::tally::{Distribution, Durations};

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

/// The numbers of one name.
#[derive(Debug)]
pub(super) struct Family {
    /// Without the `doorward_` in front, and without what a counter's ends in.
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: FamilyKind,
    pub(super) points: Vec<Point>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FamilyKind {
    Counter,
    Gauge,
    Histogram,
}

#[derive(Debug)]
pub(super) struct Point {
    pub(super) labels: Vec<(&'static str, String)>,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Count(u64),
    Level(i64),
    Number(f64),
    Distribution(Distribution),
}

/// All meters and samples. Samples of one name stand next to each other.
pub(super) fn read(metrics: &Metrics, samples: Vec<Sample>) -> Vec<Family> {
    let mut families = Families(Vec::with_capacity(64));
    families.requests(metrics);
    families.upstreams(metrics);
    families.authn(metrics);
    families.process(metrics);
    families.otlp(metrics);
    families.samples(samples);
    families.0
}

struct Families(Vec<Family>);

impl Families {
    fn requests(&mut self, metrics: &Metrics) {
        let routes = metrics.routes();
        let outcomes = routes.iter().flat_map(|(name, meter)| {
            meter
                .outcomes()
                .map(move |(decision, status, count)| ([("route", &**name), ("decision", decision), ("status", status)], count))
        });
        self.counters("requests", "Requests by route, how they were judged and class of the answer's status", outcomes);
        let durations = routes.iter().map(|(name, meter)| ([("route", &**name)], &meter.durations));
        self.durations("request_duration_seconds", "From a request's head to the end of its answer", durations);
        self.gauge("requests_in_flight", "Requests being served", metrics.in_flight.read());
    }

    fn upstreams(&mut self, metrics: &Metrics) {
        let upstreams = metrics.upstreams();
        let answers = upstreams.iter().flat_map(|(name, meter)| {
            meter.statuses().map(move |(status, count)| ([("upstream", &**name), ("status", status)], count))
        });
        self.counters("upstream_requests", "Requests sent to an upstream, by class of its answer's status", answers);
        let first_bytes = upstreams.iter().map(|(name, meter)| ([("upstream", &**name)], &meter.first_byte));
        self.durations("upstream_first_byte_seconds", "From choosing a server to the head of its answer", first_bytes);
        let errors = upstreams.iter().map(|(name, meter)| ([("upstream", &**name)], meter.connect_errors.read()));
        self.counters("upstream_connect_errors", "Connections to an upstream that could not be made", errors);
        let reused = upstreams.iter().map(|(name, meter)| ([("upstream", &**name)], meter.reused.read()));
        self.counters("upstream_reused_connections", "Requests sent over a connection that was open already", reused);
    }

    fn authn(&mut self, metrics: &Metrics) {
        let outcomes = metrics.authn.read();
        let outcomes = outcomes.iter().map(|(kind, reason, count)| ([("credential", *kind), ("reason", *reason)], *count));
        self.counters("authentications", "Credentials checked, by kind and `ok` or why not", outcomes);
        let caches = [("session", &metrics.session_cache), ("program", &metrics.program_cache), ("jwt", &metrics.jwt_cache)];
        let hits = caches.iter().map(|(name, meter)| ([("cache", *name)], meter.hits.read()));
        self.counters("cache_hits", "Credentials answered from memory", hits);
        let misses = caches.iter().map(|(name, meter)| ([("cache", *name)], meter.misses.read()));
        self.counters("cache_misses", "Credentials that had to be looked up or verified", misses);
        let asked = &metrics.introspections;
        let answers = [("active", &asked.active), ("inactive", &asked.inactive), ("failed", &asked.failed)];
        let answers = answers.iter().map(|(answer, tally)| ([("answer", *answer)], tally.read()));
        self.counters("introspections", "Questions to issuers about tokens, by the answer", answers);
    }

    fn process(&mut self, metrics: &Metrics) {
        let connections = &metrics.connections;
        self.counter("connections", "Connections accepted", connections.accepted.read());
        self.gauge("connections_open", "Connections that are open", connections.open.read());
        self.counter("handshake_failures", "Connections that ended before a first request", connections.failed_handshakes.read());
        let reloads = metrics.reloads.read().into_iter().map(|(outcome, count)| ([("outcome", outcome)], count));
        self.counters("reloads", "Reloads of the configuration", reloads);
        let last = metrics.reloads.last_success();
        self.gauge("reload_last_success_timestamp_seconds", "When the last one succeeded; 0: never", last);
        let lost = metrics.lost_access_lines.read();
        self.counter("access_lines_lost", "Access lines dropped because they were not taken fast enough", lost);
        self.gauge("process_resident_memory_bytes", "Memory in use", process::resident_bytes().unwrap_or(-1));
        self.gauge("process_open_fds", "Open file descriptors", process::open_descriptors().unwrap_or(-1));
        let build = point([("version", env!("CARGO_PKG_VERSION"))], Value::Level(1));
        self.add("build_info", "Which Doorward this is", FamilyKind::Gauge, vec![build]);
    }

    fn otlp(&mut self, metrics: &Metrics) {
        let otlp = &metrics.otlp;
        let exports = otlp.exports().map(|(signal, outcome, count)| ([("signal", signal), ("outcome", outcome)], count));
        self.counters("otlp_exports", "Requests to the OTLP receiver, by whether it took them", exports);
        self.counter("otlp_spans_sent", "Spans that the OTLP receiver took", otlp.sent.read());
        let dropped = otlp.dropped().map(|(reason, count)| ([("reason", reason)], count));
        self.counters("otlp_spans_dropped", "Spans that are in no trace, by why", dropped);
        self.gauge("otlp_spans_waiting", "Spans that wait to be sent", otlp.waiting());
    }

    fn samples(&mut self, samples: Vec<Sample>) {
        for Sample { name, help, kind, labels, value } in samples {
            let point = Point { labels, value: Value::Number(value) };
            match self.0.last_mut().filter(|last| last.name == name) {
                Some(last) => last.points.push(point),
                None => self.add(name, help, kind.into(), vec![point]),
            }
        }
    }

    fn counter(&mut self, name: &'static str, help: &'static str, value: u64) {
        self.add(name, help, FamilyKind::Counter, vec![point([], Value::Count(value))]);
    }

    fn gauge(&mut self, name: &'static str, help: &'static str, value: i64) {
        self.add(name, help, FamilyKind::Gauge, vec![point([], Value::Level(value))]);
    }

    fn counters<'l, const N: usize>(
        &mut self,
        name: &'static str,
        help: &'static str,
        values: impl IntoIterator<Item = ([(&'static str, &'l str); N], u64)>,
    ) {
        let points = values.into_iter().map(|(labels, value)| point(labels, Value::Count(value))).collect();
        self.add(name, help, FamilyKind::Counter, points);
    }

    fn durations<'l>(
        &mut self,
        name: &'static str,
        help: &'static str,
        values: impl IntoIterator<Item = ([(&'static str, &'l str); 1], &'l Durations)>,
    ) {
        let points = values.into_iter().map(|(labels, durations)| point(labels, Value::Distribution(durations.read()))).collect();
        self.add(name, help, FamilyKind::Histogram, points);
    }

    fn add(&mut self, name: &'static str, help: &'static str, kind: FamilyKind, points: Vec<Point>) {
        self.0.push(Family { name, help, kind, points });
    }
}

fn point<const N: usize>(labels: [(&'static str, &str); N], value: Value) -> Point {
    Point { labels: labels.into_iter().map(|(name, text)| (name, text.to_owned())).collect(), value }
}

impl From<SampleKind> for FamilyKind {
    fn from(kind: SampleKind) -> Self {
        match kind {
            SampleKind::Counter => Self::Counter,
            SampleKind::Gauge => Self::Gauge,
        }
    }
}
