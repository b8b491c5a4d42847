//! OpenTelemetry's own classes read what is sent, and its own exporter shows how it is sent.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use doorward::audit::sink::transport::SendError;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Authority, Way, event, events};
use crate::support::{Part, python_part_of};

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parts/.venv-otlp/bin/python");
const PART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parts/otlp.py");

pub(super) struct Receiver(pub(super) Part);

impl Receiver {
    #[track_caller]
    pub(super) fn start(arguments: &[&str]) -> Self {
        Self(python_part_of(".venv-otlp", "otlp", arguments))
    }

    #[track_caller]
    fn way(&self, more: Value) -> Way {
        let mut typed = json!({ "id": "otel", "otlp": { "url": format!("http://127.0.0.1:{}", self.0.port()) } });
        typed["otlp"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Way::open(typed)
    }

    fn requests(&self) -> Vec<Value> {
        self.0.control("GET", "/requests").as_array().unwrap().clone()
    }

    /// The links of what it has taken.
    pub(super) fn links(&self) -> Vec<i64> {
        let records = self.0.control("GET", "/records");
        let link = |one: &Value| attribute(&one["record"], "doorward.link")["intValue"].as_str().unwrap().parse().unwrap();
        records.as_array().unwrap().iter().map(link).collect()
    }

    fn turn(&self, knobs: Value) {
        self.0.tell("/knobs", &knobs);
    }
}

fn attribute(of: &Value, key: &str) -> Value {
    let found = of["attributes"].as_array().into_iter().flatten().find(|one| one["key"] == key);
    found.map(|one| one["value"].clone()).unwrap_or_default()
}

/// The one record of a request, with its scope and resource.
fn parts(request: &Value) -> (&Value, &Value, &Value) {
    let resource = &request["logs"]["resourceLogs"][0];
    let scope = &resource["scopeLogs"][0];
    (&resource["resource"], &scope["scope"], &scope["logRecords"][0])
}

#[test]
fn a_record_is_sent_as_opentelemetrys_own_exporter_sends_it() {
    let receiver = Receiver::start(&[]);
    let url = format!("http://127.0.0.1:{}/v1/logs", receiver.0.port());
    assert!(Command::new(PYTHON).args([PART, "--export", &url]).status().unwrap().success());
    let mut same = event(7);
    (same.id, same.chain) = ("1".to_owned(), "here".to_owned());
    same.at = doorward::clock::Timestamp::from_millis(1_795_320_000_123);
    let body = json!({ "text": "a", "number": 7, "broken": 0.5, "yes": true, "list": [1, "b"], "map": { "c": "d" } });
    same.body = body.as_object().unwrap().clone();
    receiver.way(json!({ "headers": { "Authorization": "Bearer a" } })).send(&[same]).unwrap();

    let requests = receiver.requests();
    let (theirs, ours) = (&requests[0], &requests[1]);
    assert_eq!(theirs["path"], ours["path"]);
    for header in ["content-type", "content-encoding", "authorization"] {
        assert_eq!(theirs["headers"][header], ours["headers"][header], "{header}");
    }
    let ((resource, scope, record), (our_resource, our_scope, our_record)) = (parts(theirs), parts(ours));
    assert_eq!((&scope["name"], env!("CARGO_PKG_VERSION").into()), (&our_scope["name"], our_scope["version"].clone()));
    assert_eq!(
        our_record.as_object().unwrap().keys().collect::<Vec<_>>(),
        record.as_object().unwrap().keys().collect::<Vec<_>>()
    );
    for field in ["timeUnixNano", "severityNumber", "severityText", "eventName"] {
        assert_eq!(our_record[field], record[field], "{field}");
    }
    let members = |of: &Value| {
        let mut all = of["body"]["kvlistValue"]["values"].as_array().unwrap().clone();
        all.sort_by_key(|one| one["key"].to_string());
        all
    };
    assert_eq!(members(our_record), members(record));
    for key in ["log.record.uid", "doorward.link"] {
        assert_eq!(attribute(our_record, key), attribute(record, key), "{key}");
    }
    for key in ["service.name", "host.name"] {
        assert_eq!(attribute(our_resource, key), attribute(resource, key), "{key}");
    }
    assert_eq!(attribute(our_resource, "service.version")["stringValue"], env!("CARGO_PKG_VERSION"));
    let observed: i64 = our_record["observedTimeUnixNano"].as_str().unwrap().parse().unwrap();
    assert!(observed > 1_795_000_000_000_000_000, "{observed}");
}

#[test]
fn attributes_have_the_names_of_the_semantic_conventions_whichever_form_is_sent() {
    let receiver = Receiver::start(&[]);
    let way = receiver.way(json!({ "gzip": false }));
    let forms = [
        json!({ "actor": "u1", "source": "192.0.2.1", "user_agent": "b", "session": "s1", "reason": "wrong_code" }),
        json!({
            "actor": { "user": { "uid": "u1" } }, "src_endpoint": { "ip": "192.0.2.1" }, "http_request": { "user_agent": "b" },
            "session": { "uid": "s1" }, "status_detail": "wrong_code"
        }),
    ];
    for (number, form) in forms.into_iter().enumerate() {
        let mut one = event(1);
        one.body = form.as_object().unwrap().clone();
        way.send(&[one]).unwrap();
        let requests = receiver.requests();
        let (_, _, record) = parts(&requests[number]);
        let expected = [
            ("client.address", "192.0.2.1"),
            ("user.id", "u1"),
            ("session.id", "s1"),
            ("user_agent.original", "b"),
            ("error.type", "wrong_code"),
        ];
        for (key, text) in expected {
            assert_eq!(attribute(record, key)["stringValue"], text, "{key}");
        }
    }
}

#[test]
fn partial_success_is_no_success() {
    let receiver = Receiver::start(&[]);
    let way = receiver.way(json!({}));
    receiver.turn(json!({ "reject": ["event-3"] }));
    for json in [false, true] {
        receiver.turn(json!({ "reject": ["event-3"], "json": json }));
        let refused = way.send(&events(1..=4));
        let why = "1 rejected: there was a forbidden word".to_owned();
        assert_eq!(refused, Err(SendError::Refused { at: None, why }), "in JSON: {json}");
    }
    receiver.turn(json!({ "advice": "fewer, please" }));
    assert_eq!(way.send(&events(5..=6)), Ok(()), "all of it was taken");
    assert!(receiver.links().ends_with(&[5, 6]));
}

#[test]
fn any_success_that_says_nothing_or_the_right_thing_is_one() {
    let receiver = Receiver::start(&[]);
    let way = receiver.way(json!({}));
    // 201: fluent-bit; 204: Grafana Cloud.
    let answers = [200, 201, 202, 204].into_iter().flat_map(|success| [false, true].map(|json| (success, json)));
    for (number, (success, json)) in (1..).zip(answers) {
        receiver.turn(json!({ "success": success, "silent": true, "json": json }));
        assert_eq!(way.send(&[event(number)]), Ok(()), "{success}, as JSON: {json}");
    }
    receiver.turn(json!({ "success": 202, "advice": "fewer, please" }));
    assert_eq!(way.send(&[event(9)]), Ok(()));
    assert_eq!(receiver.links(), (1..=9).collect::<Vec<_>>());
    receiver.turn(json!({ "success": 202, "reject": ["event-10"] }));
    assert!(matches!(way.send(&[event(10)]), Err(SendError::Refused { .. })));
    receiver.turn(json!({ "status": 201, "text": "<html>created, whatever it was</html>" }));
    assert!(way.waits(&[event(10)]).contains("not one of OTLP"));
}

#[test]
fn no_value_is_sent_without_a_value() {
    let receiver = Receiver::start(&[]);
    let mut hollow = event(1);
    let details = json!({ "from": null, "to": "x", "within": { "nothing": null }, "list": [null, 1] });
    hollow.body = json!({ "details": details, "nothing": null }).as_object().unwrap().clone();
    receiver.way(json!({})).send(&[hollow]).unwrap();
    let requests = receiver.requests();
    let (_, _, record) = parts(&requests[0]);
    let list = json!({ "arrayValue": { "values": [{ "intValue": "1" }] } });
    let members = json!([
        { "key": "list", "value": list }, { "key": "to", "value": { "stringValue": "x" } }, { "key": "within", "value": { "kvlistValue": {} } }
    ]);
    let mut details = record["body"]["kvlistValue"]["values"].as_array().unwrap().clone();
    assert_eq!(details.len(), 1, "{record:#}");
    let details = details[0]["value"]["kvlistValue"]["values"].as_array_mut().unwrap();
    details.sort_by_key(|one| one["key"].to_string());
    assert_eq!(Value::Array(details.clone()), members);
}

#[test]
fn the_path_of_logs_is_added_to_the_address_of_a_receiver() {
    let receiver = Receiver::start(&[]);
    let paths = [
        ("", "/v1/logs"),
        ("/", "/v1/logs"),
        ("/v1/logs", "/v1/logs"),
        ("/otlp/", "/otlp/v1/logs"),
        ("/otlp/v1/logs", "/otlp/v1/logs"),
    ];
    for (number, (typed, expected)) in paths.into_iter().enumerate() {
        let url = format!("http://127.0.0.1:{}{typed}", receiver.0.port());
        let _ = receiver.way(json!({ "url": url })).send(&[event(1)]);
        assert_eq!(receiver.requests()[number]["path"], expected, "{typed}");
    }
}

#[test]
fn a_collector_that_is_not_this_machine_is_sent_plain_http_only_where_that_is_meant() {
    let receiver = Receiver::start(&[]);
    // Another name of this machine, which is not known to be one.
    let url = format!("http://0.0.0.0:{}", receiver.0.port());
    receiver.way(json!({ "url": url, "plain_http": true })).send(&[event(1)]).unwrap();
    assert_eq!(receiver.links(), [1]);
    let kinds = json!({
        "otlp": {}, "webhook": { "secret": "0123456789abcdef0123456789abcdef", "private_addresses": true },
        "splunk_hec": { "token": "a" }, "datadog": { "api_key": "a" },
    });
    for (kind, typed) in kinds.as_object().unwrap() {
        let planned = |plain_http: bool| {
            let mut typed = typed.clone();
            typed["url"] = url.clone().into();
            typed["plain_http"] = plain_http.into();
            Way::planned(json!({ "id": "plain", kind: typed }))
        };
        assert!(planned(true).is_some() && planned(false).is_none(), "{kind}");
    }
}

#[test]
fn what_can_be_mended_is_waited_for_and_what_is_wrong_with_the_event_is_refused() {
    let receiver = Receiver::start(&[]);
    let way = receiver.way(json!({}));
    for status in [401, 403, 404, 408, 429, 500, 502, 503, 504] {
        receiver.turn(json!({ "status": status, "headers": { "retry-after": "3" } }));
        let Err(SendError::Later { after, .. }) = way.send(&[event(1)]) else { panic!("{status}") };
        assert_eq!(after, Some(Duration::from_secs(3)), "{status}");
    }
    for status in [400, 413, 422] {
        receiver.turn(json!({ "status": status }));
        assert!(matches!(way.send(&[event(1)]), Err(SendError::Refused { at: None, .. })), "{status}");
    }
    // Somebody else answers in its place.
    receiver.turn(json!({ "status": 200, "text": "<html>sign in, please</html>" }));
    assert!(way.waits(&[event(1)]).contains("not one of OTLP"));
    receiver.turn(json!({}));
    way.deliver(&events(1..=3));
    assert_eq!(receiver.links(), [1, 2, 3], "none of those before was taken");
}

#[test]
fn a_receiver_that_never_answers_is_given_up() {
    let receiver = Receiver::start(&[]);
    receiver.turn(json!({ "hang": true }));
    let way = Way::open(json!({
        "id": "otel", "otlp": { "url": format!("http://127.0.0.1:{}", receiver.0.port()) }, "timeout": "1s"
    }));
    let why = way.waits(&[event(1)]);
    assert!(why.contains("too long"), "{why}");
}

#[test]
fn an_expired_certificate_of_a_receiver_of_records_is_no_receiver() {
    let folder = TempDir::new().unwrap();
    let authority = Authority::found(folder.path());
    let way = |year: i32| {
        authority.issue(folder.path(), "server", year);
        let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let receiver = Receiver::start(&["--cert", &file("server.pem"), "--key", &file("server.key")]);
        let url = format!("https://localhost:{}", receiver.0.port());
        (Way::open(json!({ "id": "otel", "otlp": { "url": url }, "ca": Path::new(&file("ca.pem")) })), receiver)
    };
    let (expired, _receiver) = way(2020);
    let why = expired.waits(&[event(1)]);
    assert!(why.contains("xpired"), "{why}");
    let (renewed, receiver) = way(2100);
    renewed.send(&[event(1)]).unwrap();
    assert_eq!(receiver.links(), [1]);
}
