//! Traces: what is recorded, for whom, and that no request waits for it.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Receiver, attribute, door, metric};
use crate::support::{Answer, Door, Stopwatch, curl, eventually, free_port, part, python_part_of};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const TRUSTED: &str = "trusted_proxies: [127.0.0.1/32]\n";

fn traceparent(flag: &str) -> String {
    format!("traceparent: 00-{TRACE}-{PARENT}-{flag}")
}

/// The `traceparent` that the application saw.
#[track_caller]
fn passed_on(answer: &Answer) -> String {
    let headers = answer.json()["raw_headers"].as_array().unwrap().clone();
    let named: Vec<_> = headers.iter().filter(|pair| pair[0] == "traceparent").collect();
    assert_eq!(named.len(), 1, "{headers:?}");
    named[0][1].as_str().unwrap().to_owned()
}

fn named<'s>(spans: &'s [Value], name: &str) -> &'s Value {
    spans.iter().find(|span| span["name"] == name).unwrap_or_else(|| panic!("no `{name}` in {spans:?}"))
}

fn ask(door: &Door, path: &str, headers: &[&str]) -> Answer {
    let url = format!("http://{}{path}", door.listener(0));
    let mut all: Vec<&str> = headers.iter().flat_map(|header| ["-H", *header]).collect();
    all.push(&url);
    curl(&all)
}

#[test]
fn the_application_and_the_store_stand_below_the_request_and_no_secret_does() {
    let (receiver, upstream) = (Receiver::start(&[]), part("echo", &[]));
    let door = door(upstream.port(), &receiver.url(), "sample: 0", TRUSTED);
    let key = door.command(&["key", "create", "--name", "ci", "--tenant", "default"]);
    let key = key["secret"].as_str().unwrap();
    let header = format!("X-Api-Key: {key}");
    let answer = ask(&door, "/closed/hunter1?token=hunter2", &[&header, &traceparent("01"), "Cookie: a=hunter3"]);
    assert_eq!(answer.status, 200);

    let spans = receiver.trace(TRACE, 3);
    let [server, client, store] = ["GET /**", "GET", "SELECT programs"].map(|name| named(&spans, name));
    assert_eq!((&server["kind"], &server["parentSpanId"]), (&json!("SPAN_KIND_SERVER"), &json!(PARENT)));
    assert_eq!(server["flags"], 0x301, "it is sampled, and its parent is another process");
    let port: u16 = door.listener(0).rsplit(':').next().unwrap().parse().unwrap();
    for (key, expected) in [
        ("http.request.method", json!("GET")),
        ("http.response.status_code", json!(200)),
        ("http.route", json!("/**")),
        ("url.scheme", json!("http")),
        ("server.address", json!("127.0.0.1")),
        ("server.port", json!(port)),
        ("client.address", json!("127.0.0.1")),
        ("network.protocol.version", json!("1.1")),
        ("doorward.decision", json!("allowed")),
        ("doorward.credential", json!("api_key")),
        ("doorward.route", json!("otherwise")),
        ("doorward.request_id", json!(answer.header("x-request-id").unwrap())),
        ("url.path", Value::Null),
        ("url.query", Value::Null),
    ] {
        assert_eq!(attribute(server, key), expected, "{key}");
    }
    for below in [client, store] {
        assert_eq!((&below["kind"], &below["parentSpanId"]), (&json!("SPAN_KIND_CLIENT"), &server["spanId"]), "{below}");
        let nanos = |span: &Value, field: &str| -> u64 { span[field].as_str().unwrap().parse().unwrap() };
        assert!(nanos(below, "startTimeUnixNano") >= nanos(server, "startTimeUnixNano"), "{below}");
        assert!(nanos(below, "endTimeUnixNano") <= nanos(server, "endTimeUnixNano"), "{below}");
        assert!(below.get("status").is_none() || below["status"] == json!({}), "{below}");
    }
    assert_eq!(attribute(client, "server.port"), json!(upstream.port()));
    assert_eq!(attribute(client, "http.response.status_code"), json!(200));
    assert_eq!((attribute(store, "db.system.name"), attribute(store, "db.operation.name")), (json!("sqlite"), json!("SELECT")));
    assert_eq!(passed_on(&answer), format!("00-{TRACE}-{}-01", client["spanId"].as_str().unwrap()));

    let conventions = receiver.0.control("GET", "/conventions");
    for key in spans.iter().flat_map(|span| span["attributes"].as_array().unwrap()).map(|one| &one["key"]) {
        let own = key.as_str().unwrap().starts_with("doorward.");
        assert!(own || conventions.as_array().unwrap().contains(key), "{key} is no name of the conventions");
    }
    let sent = json!(receiver.requests().iter().map(|request| &request["traces"]).collect::<Vec<_>>()).to_string();
    for secret in ["hunter1", "hunter2", "hunter3", key, key.split('_').nth(2).unwrap()] {
        assert!(!sent.contains(secret), "{secret}: {sent}");
    }
}

#[test]
fn only_a_trusted_peer_says_what_is_recorded() {
    let (receiver, upstream) = (Receiver::start(&[]), part("echo", &[]));
    let none = door(upstream.port(), &receiver.url(), "sample: 0", "");
    let answer = ask(&none, "/open/a", &[&traceparent("01")]);
    let onward = passed_on(&answer);
    assert!(onward.starts_with(&format!("00-{TRACE}-")) && onward.ends_with("-00"), "a stranger's trace goes on: {onward}");
    let all = door(upstream.port(), &receiver.url(), "sample: 1", TRUSTED);
    assert!(passed_on(&ask(&all, "/open/b", &[&traceparent("00")])).ends_with("-00"));
    let begun = passed_on(&ask(&all, "/open/c", &[]));
    assert!(begun.ends_with("-01"), "{begun}");
    let spans = receiver.trace(&begun[3..35], 2);
    assert_eq!(named(&spans, "GET /open/**")["parentSpanId"], "");
    assert_eq!(receiver.spans().len(), 2, "{:?}", receiver.spans());
}

#[test]
fn what_fails_is_marked_and_paths_are_told_where_that_is_wanted() {
    let receiver = Receiver::start(&[]);
    let door = door(free_port(), &receiver.url(), "sample: 1, paths: true, gzip: false", "");
    let answer = ask(&door, "/open/some/path?token=hunter2", &[]);
    assert_eq!(answer.status, 502);
    let spans = eventually("the spans come", || Some(receiver.spans()).filter(|spans| spans.len() >= 2));
    let server = named(&spans, "GET /open/**");
    assert_eq!(
        (attribute(server, "url.path"), &server["status"]["code"]),
        (json!("/open/some/path"), &json!("STATUS_CODE_ERROR"))
    );
    let refused = ask(&door, "/closed", &[]);
    assert_eq!(refused.status, 401);
    let spans = eventually("the refused one comes", || {
        Some(receiver.spans()).filter(|spans| spans.iter().any(|span| span["name"] == "GET /**"))
    });
    let refused = named(&spans, "GET /**");
    assert_eq!((attribute(refused, "doorward.decision"), attribute(refused, "error.type")), (json!("unidentified"), Value::Null));
    assert!(
        spans.iter().any(|span| attribute(span, "error.type") == "connect" && span["kind"] == "SPAN_KIND_CLIENT"),
        "{spans:?}"
    );
}

#[test]
fn a_provider_that_is_asked_stands_below_the_request() {
    let receiver = Receiver::start(&[]);
    let clients =
        json!([{ "client_id": "door", "client_secret": "s", "redirect_uris": ["http://localhost:1/.doorward/callback"] }]);
    let provider = part("oidc", &["--clients", &clients.to_string()]);
    let connection = format!(
        "connections: [{{ id: idp, oidc: {{ issuer: '{}', client_id: door, client_secret: s }} }}]\n",
        provider.ready["issuer"].as_str().unwrap()
    );
    let door = door(free_port(), &receiver.url(), "sample: 1", &connection);
    let answer = ask(&door, "/.doorward/sign-in/idp", &["Host: localhost:1"]);
    assert!((302..=303).contains(&answer.status), "{}", answer.text());
    let spans = eventually("the spans come", || {
        Some(receiver.spans()).filter(|spans| spans.iter().any(|span| span["name"] == "GET /.doorward/**"))
    });
    let server = named(&spans, "GET /.doorward/**");
    let of_provider = |span: &&Value| attribute(span, "server.port") == json!(provider.port()) && span["name"] == "GET";
    let asked = spans.iter().find(of_provider).unwrap_or_else(|| panic!("{spans:?}"));
    assert_eq!((&asked["traceId"], &asked["parentSpanId"]), (&server["traceId"], &server["spanId"]));
    assert!(!spans.iter().any(|span| span["attributes"].to_string().contains("url.full")), "{spans:?}");
}

#[test]
fn no_request_waits_for_a_receiver_and_what_it_refuses_is_counted() {
    let (receiver, upstream) = (Receiver::start(&[]), part("echo", &[]));
    let door = door(upstream.port(), &receiver.url(), "sample: 1, timeout: 60s", "");
    receiver.turn(json!({ "status": 400 }));
    assert_eq!(ask(&door, "/open/a", &[]).status, 200);
    let dropped = |reason: &str| metric(&door, &format!("doorward_otlp_spans_dropped_total{{reason=\"{reason}\"}}"));
    eventually("they are counted as refused", || (dropped("refused") == Some(2.0)).then_some(()));
    assert_eq!(metric(&door, "doorward_otlp_exports_total{signal=\"traces\",outcome=\"failed\"}"), Some(1.0));
    eventually("it is said once", || door.process.said().contains("does not take what it is sent").then_some(()));
    receiver.turn(json!({ "reject": ["/open/"] }));
    assert_eq!(ask(&door, "/open/b", &[]).status, 200);
    eventually("one of two is refused", || (dropped("refused") == Some(3.0)).then_some(()));
    assert_eq!(metric(&door, "doorward_otlp_spans_sent_total"), Some(1.0));
    receiver.turn(json!({ "hang": true }));
    eventually("spans wait for it", || {
        let begun = Stopwatch::start();
        assert_eq!(ask(&door, "/open/c", &[]).status, 200);
        begun.within(Duration::from_secs(5));
        // Those that it was sent before it hung are under way; those behind them wait.
        (metric(&door, "doorward_otlp_spans_waiting") > Some(2.0)).then_some(())
    });
}

#[test]
fn the_end_of_the_process_waits_for_the_last_spans_and_not_for_a_receiver_that_hangs() {
    let (receiver, upstream) = (Receiver::start(&[]), part("echo", &[]));
    let mut door = door(upstream.port(), &receiver.url(), "sample: 1", "");
    assert_eq!(ask(&door, "/open/last", &[]).status, 200);
    door.process.signal("TERM");
    assert_eq!(door.process.wait(), Some(0));
    assert_eq!(receiver.spans().len(), 2);
    let last = receiver.requests().into_iter().rfind(|request| request["path"] == "/v1/metrics").expect("the last numbers");
    assert!(last["metrics"].to_string().contains("doorward_requests_total"));
    door.begin_again();
    receiver.turn(json!({ "hang": true }));
    assert_eq!(ask(&door, "/open/last", &[]).status, 200);
    let begun = Stopwatch::start();
    door.process.signal("TERM");
    assert_eq!(door.process.wait(), Some(0));
    begun.within(Duration::from_secs(20));
}

#[test]
fn a_reload_begins_and_ends_recording() {
    let (receiver, upstream) = (Receiver::start(&[]), part("echo", &[]));
    let door = door(upstream.port(), &receiver.url(), "sample: 0", "");
    let off = std::fs::read_to_string(door.config()).unwrap();
    std::fs::write(door.config(), off.replace("sample: 0", "sample: 1")).unwrap();
    door.process.signal("HUP");
    eventually("it is recorded", || {
        assert_eq!(ask(&door, "/open/a", &[]).status, 200);
        (!receiver.spans().is_empty()).then_some(())
    });
    std::fs::write(door.config(), off.lines().filter(|line| !line.starts_with("telemetry")).collect::<Vec<_>>().join("\n"))
        .unwrap();
    door.process.signal("HUP");
    eventually("it is not recorded any more", || passed_on(&ask(&door, "/open/b", &[])).ends_with("-01").then_some(()));
}

#[test]
fn a_real_collector_takes_traces_and_metrics_and_passes_them_on() {
    let (receiver, upstream) = (Receiver::start(&[]), part("echo", &[]));
    let collector = python_part_of(".venv-otlp", "collector", &["--to", &receiver.url()]);
    // Another name of this machine, which is not known to be one.
    let url = format!("http://0.0.0.0:{}", collector.port());
    let door = door(
        upstream.port(),
        &url,
        "plain_http: true, sample: 0, interval: 1s, attributes: { deployment.environment.name: test }",
        TRUSTED,
    );
    let answer = ask(&door, "/open/a", &[&traceparent("01")]);
    let spans = receiver.trace(TRACE, 2);
    let client = named(&spans, "GET");
    assert_eq!(named(&spans, "GET /open/**")["parentSpanId"], PARENT);
    assert_eq!(passed_on(&answer), format!("00-{TRACE}-{}-01", client["spanId"].as_str().unwrap()));
    let metrics = eventually("the numbers come", || {
        let named = |request: &Value| request["metrics"].to_string().contains("doorward_request_duration_seconds");
        receiver.requests().into_iter().find(named)
    });
    let resource = &metrics["metrics"]["resourceMetrics"][0]["resource"];
    assert_eq!(attribute(resource, "deployment.environment.name"), "test");
    assert_eq!(attribute(resource, "service.name"), "doorward");
    assert_eq!(metric(&door, "doorward_otlp_spans_dropped_total{reason=\"refused\"}"), Some(0.0));
}
