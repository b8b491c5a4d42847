//! Metrics by OTLP: the same names and numbers as `/metrics`, in the form that OpenTelemetry's own exporter has.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use super::{Receiver, attribute, door, operations};
use crate::support::{curl, eventually, part};

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parts/.venv-otlp/bin/python");
const PART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parts/otlp.py");

/// The metrics of a request, by name.
fn metrics(request: &Value) -> BTreeMap<String, Value> {
    let all = request["metrics"]["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().unwrap();
    all.iter().map(|metric| (metric["name"].as_str().unwrap().to_owned(), metric.clone())).collect()
}

/// What the numbers are of, and their kind, as OpenMetrics says it.
fn scraped(text: &str) -> BTreeMap<String, String> {
    let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let mut all = BTreeMap::new();
    for (name, kind) in kinds.map(|line| line.split_once(' ').unwrap()) {
        let name = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
        // A name without a number is not pushed.
        if text.lines().any(|line| line.starts_with(&name) && !line.starts_with('#')) {
            all.insert(name, kind.to_owned());
        }
    }
    all
}

#[test]
fn what_is_pushed_is_what_is_scraped() {
    let (receiver, upstream) = (Receiver::start(&[]), part("echo", &[]));
    let header = "headers: { Authorization: 'Bearer a' }, interval: 1s, traces: false";
    let door = door(upstream.port(), &receiver.url(), header, "");
    for _ in 0..3 {
        assert_eq!(curl(&[&format!("http://{}/open/a", door.listener(0))]).status, 200);
    }
    let pushed = eventually("the numbers come", || {
        let full = |request: &Value| {
            request["path"] == "/v1/metrics"
                && metrics(request)["doorward_request_duration_seconds"].to_string().contains("\"count\":\"3\"")
        };
        receiver.requests().into_iter().find(full)
    });
    assert_eq!(pushed["headers"]["authorization"], "Bearer a");
    assert_eq!(pushed["headers"]["content-encoding"], "gzip");
    let pushed = metrics(&pushed);
    let scraped = scraped(&operations(&door, "/metrics").text());
    assert_eq!(pushed.keys().collect::<Vec<_>>(), scraped.keys().collect::<Vec<_>>());
    for (name, kind) in &scraped {
        let metric = &pushed[name];
        match kind.as_str() {
            "counter" => assert!(metric["sum"]["isMonotonic"] == true, "{metric}"),
            "gauge" => assert!(metric["gauge"]["dataPoints"].is_array(), "{metric}"),
            "histogram" => assert!(metric["histogram"]["dataPoints"].is_array(), "{metric}"),
            other => panic!("{name} is a {other}"),
        }
    }
    let requests = &pushed["doorward_requests_total"]["sum"]["dataPoints"][0];
    assert_eq!((attribute(requests, "route"), &requests["asInt"]), ("/open/**".into(), &"3".into()));
    let durations = &pushed["doorward_request_duration_seconds"]["histogram"]["dataPoints"][0];
    let counts: Vec<u64> =
        durations["bucketCounts"].as_array().unwrap().iter().map(|count| count.as_str().unwrap().parse().unwrap()).collect();
    let bounds = durations["explicitBounds"].as_array().unwrap();
    assert_eq!((counts.iter().sum::<u64>(), counts.len()), (3, bounds.len() + 1), "{durations}");
    assert_eq!(pushed["doorward_request_duration_seconds"]["unit"], "s");
}

#[test]
fn traces_and_metrics_have_the_form_of_opentelemetrys_own_exporter() {
    let (receiver, upstream) = (Receiver::start(&[]), part("echo", &[]));
    assert!(Command::new(PYTHON).args([PART, "--export-telemetry", &receiver.url()]).status().unwrap().success());
    let theirs = receiver.requests();
    let door = door(
        upstream.port(),
        &receiver.url(),
        "sample: 0, interval: 1s, headers: { Authorization: 'Bearer a' }",
        "trusted_proxies: [127.0.0.1/32]\n",
    );
    let parent = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    assert_eq!(curl(&["-H", parent, &format!("http://{}/open/status?code=500", door.listener(0))]).status, 500);
    let find = |requests: &[Value], path: &str| requests.iter().find(|request| request["path"] == path).cloned();
    let of = |path: &str| {
        let ours = eventually("it comes", || {
            let late =
                |request: &Value| path == "/v1/traces" || metrics(request).contains_key("doorward_request_duration_seconds");
            let ours = receiver.requests().into_iter().skip(theirs.len());
            find(&ours.filter(|request| request["path"] == path && late(request)).collect::<Vec<_>>(), path)
        });
        (find(&theirs, path).unwrap(), ours)
    };
    let keys = |of: &Value| of.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for path in ["/v1/traces", "/v1/metrics"] {
        let (their, our) = of(path);
        for header in ["content-type", "content-encoding", "authorization"] {
            assert_eq!(their["headers"][header], our["headers"][header], "{path}: {header}");
        }
    }
    let (their, our) = of("/v1/traces");
    let span = |of: &Value, which: &str| {
        let spans = of["traces"]["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone();
        spans.into_iter().find(|span| span["kind"] == which).unwrap()
    };
    let (their, our) = (span(&their, "SPAN_KIND_SERVER"), span(&our, "SPAN_KIND_SERVER"));
    assert_eq!(keys(&our), keys(&their));
    for field in ["traceId", "parentSpanId", "name", "kind", "status"] {
        assert_eq!(our[field], their[field], "{field}");
    }
    assert_eq!(attribute(&our, "http.response.status_code"), attribute(&their, "http.response.status_code"));
    let (their, our) = of("/v1/metrics");
    let (their, our) = (metrics(&their), metrics(&our));
    for (theirs, ours, kind) in [
        ("counter", "doorward_requests_total", "sum"),
        ("histogram_seconds", "doorward_request_duration_seconds", "histogram"),
        ("gauge", "doorward_audit_events_waiting", "gauge"),
    ] {
        let (theirs, ours) = (&their[theirs][kind], &our[ours][kind]);
        assert_eq!(keys(ours), keys(theirs), "{kind}");
        for field in ["aggregationTemporality", "isMonotonic"] {
            assert_eq!(ours[field], theirs[field], "{kind}: {field}");
        }
        // The smallest and the largest are optional, and not counted here.
        let of_point =
            |all: &Value| keys(&all["dataPoints"][0]).into_iter().filter(|key| key != "min" && key != "max").collect::<Vec<_>>();
        assert_eq!(of_point(ours), of_point(theirs), "{kind}");
    }
}
