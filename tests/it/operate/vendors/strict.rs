//! The receivers themselves: what violates a vendor's documentation is refused as it says, so that what they take means something.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::*;
use crate::support::Answer;
use crate::support::curl;

const SPLUNK: &str = "authorization: Splunk A94A8FE5-CCB1-9BA6-1C4C-0873D391E987";
const CHANNEL: &str = "x-splunk-request-channel: 0aeeac95-ac74-4aa9-b30d-6c4c0ac581ba";
const DATADOG: &str = "dd-api-key: 0123456789abcdef0123456789abcdef";
const JSON: &str = "content-type: application/json";

/// POSTs to a receiver.
#[track_caller]
fn post(receiver: &Part, path: &str, headers: &[&str], body: &str) -> Answer {
    let url = format!("{}{path}", receiver.ready["url"].as_str().unwrap());
    let mut arguments = vec!["--insecure", "-X", "POST", "--data-binary", body];
    for header in headers {
        arguments.extend(["-H", header]);
    }
    arguments.push(&url);
    curl(&arguments)
}

/// The same text as gzip writes it, put through a file because a command line holds no zeros.
fn gzipped(receiver: &Part, path: &str, headers: &[&str], body: &str) -> Answer {
    let folder = folder();
    let file = folder.path().join("body.gz");
    let mut gzip = Command::new("gzip").stdin(Stdio::piped()).stdout(std::fs::File::create(&file).unwrap()).spawn().unwrap();
    gzip.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    assert!(gzip.wait().unwrap().success());
    post(receiver, path, &[headers, &["content-encoding: gzip"]].concat(), &format!("@{}", file.display()))
}

#[test]
fn the_splunk_of_the_tests_refuses_what_splunk_refuses() {
    let receiver = part("splunk", &[]);
    let at = "/services/collector/event";
    let event = r#"{"event":{"a":1},"time":1795341600.123,"index":"main","fields":{"link":1}}"#;
    for (headers, body, status, code, place) in [
        ([].as_slice(), event, 401, 2, None),
        (&["authorization: Bearer A94A8FE5-CCB1-9BA6-1C4C-0873D391E987"], event, 401, 3, None),
        (&["authorization: Splunk 00000000-CCB1-9BA6-1C4C-0873D391E987"], event, 403, 4, None),
        (&[SPLUNK], "", 400, 5, None),
        (&[SPLUNK], "[]", 400, 6, Some(0)),
        (&[SPLUNK], r#"{"event":"a"}{"event":"b""#, 400, 6, Some(1)),
        (&[SPLUNK], r#"{"event":"a","colour":"red"}"#, 400, 6, Some(0)),
        (&[SPLUNK], r#"{"event":"a","time":"yesterday"}"#, 400, 6, Some(0)),
        (&[SPLUNK], r#"{"event":"a","host":7}"#, 400, 6, Some(0)),
        (&[SPLUNK], r#"{"event":"a"}{"event":"b","index":"secret"}"#, 400, 7, Some(1)),
        (&[SPLUNK], r#"{"event":"a"}{"time":1}"#, 400, 12, Some(1)),
        (&[SPLUNK], r#"{"event":""}"#, 400, 13, Some(0)),
        (&[SPLUNK], r#"{"event":"a","fields":{"a":{"b":1}}}"#, 400, 15, Some(0)),
        (&[SPLUNK, "content-encoding: gzip"], event, 400, 6, Some(0)),
    ] {
        let answer = post(&receiver, at, headers, body);
        let said = answer.json();
        assert_eq!((answer.status, &said["code"]), (status, &json!(code)), "{headers:?} {body}");
        assert_eq!(said.get("invalid-event-number").and_then(Value::as_u64), place, "{body}");
    }
    assert_eq!(post(&receiver, "/services/collector/ack", &[SPLUNK], r#"{"acks":[0]}"#).json()["code"], 14);
    // Those before a bad one were taken.
    assert_eq!(receiver.control("GET", "/taken").as_array().unwrap().len(), 3);
    assert_eq!(
        post(&receiver, at, &[SPLUNK], &format!("{event}\n{event}{event}")).json(),
        json!({ "text": "Success", "code": 0 })
    );
    assert_eq!(gzipped(&receiver, at, &[SPLUNK], event).status, 200);
    assert_eq!(receiver.control("GET", "/taken").as_array().unwrap().len(), 7);
}

#[test]
fn the_splunk_of_the_tests_acknowledges_by_channel_and_once() {
    let receiver = part("splunk", &["--ack"]);
    let (at, ack, event) = ("/services/collector/event", "/services/collector/ack", r#"{"event":"a"}"#);
    assert_eq!(post(&receiver, at, &[SPLUNK], event).json()["code"], 10);
    assert_eq!(post(&receiver, at, &[SPLUNK, "x-splunk-request-channel: mine"], event).json()["code"], 11);
    assert_eq!(post(&receiver, ack, &[SPLUNK], r#"{"acks":[0]}"#).json()["code"], 10);
    for id in 0..2 {
        assert_eq!(post(&receiver, at, &[SPLUNK, CHANNEL], event).json(), json!({ "text": "Success", "code": 0, "ackId": id }));
    }
    assert_eq!(receiver.control("GET", "/taken"), json!([]));
    let other = "x-splunk-request-channel: 1aeeac95-ac74-4aa9-b30d-6c4c0ac581ba";
    for (channel, answer) in [
        (other, json!({ "0": false, "1": false, "2": false })),
        (CHANNEL, json!({ "0": true, "1": true, "2": false })),
        (CHANNEL, json!({ "0": false, "1": false, "2": false })),
    ] {
        assert_eq!(post(&receiver, ack, &[SPLUNK, channel], r#"{"acks":[0,1,2]}"#).json()["acks"], answer);
    }
    assert_eq!(receiver.control("GET", "/taken").as_array().unwrap().len(), 2);
}

#[test]
fn the_datadog_of_the_tests_refuses_what_datadog_refuses() {
    let receiver = part("datadog", &[]);
    let at = "/api/v2/logs";
    let many = serde_json::to_string(&vec![json!({ "message": "a" }); 1001]).unwrap();
    for (headers, body, status) in [
        ([JSON].as_slice(), r#"[{"message":"a"}]"#, 401),
        (&[JSON, "dd-api-key: 1123456789abcdef0123456789abcdef"], r#"[{"message":"a"}]"#, 403),
        (&[DATADOG, "content-type: application/x-www-form-urlencoded"], r#"[{"message":"a"}]"#, 400),
        (&[DATADOG, JSON], r#"[{"message":"a"}"#, 400),
        (&[DATADOG, JSON], r#"[{"message":{"a":1}}]"#, 400),
        (&[DATADOG, JSON], r#"[{"msg":"a"}]"#, 400),
        (&[DATADOG, JSON], r#"[{"message":"a","ddtags":["a:b"]}]"#, 400),
        (&[DATADOG, JSON], r#"[{"message":"a","ddtags":"a b:c"}]"#, 400),
        (&[DATADOG, JSON], r#"[{"message":"a","timestamp":"2026-11-22T10:00:00Z"}]"#, 400),
        (&[DATADOG, JSON], r#"[{"message":"a","status":"grave"}]"#, 400),
        (&[DATADOG, JSON, "content-encoding: gzip"], r#"[{"message":"a"}]"#, 400),
        (&[DATADOG, JSON], &many, 413),
    ] {
        let answer = post(&receiver, at, headers, body);
        assert_eq!(
            (answer.status, &answer.json()["errors"][0]["status"]),
            (status, &json!(status.to_string())),
            "{headers:?} {body}"
        );
    }
    assert_eq!(post(&receiver, "/v1/input", &[DATADOG, JSON], "[]").status, 404);
    assert_eq!(receiver.control("GET", "/taken"), json!([]));
    assert_eq!(gzipped(&receiver, at, &[DATADOG, JSON], r#"[{"message":"a"}]"#).status, 202);
    let large = serde_json::to_string(&vec![json!({ "message": "a".repeat(900_000) }); 6]).unwrap();
    assert_eq!(gzipped(&receiver, at, &[DATADOG, JSON], &large).status, 413);
}

#[test]
fn the_azure_of_the_tests_refuses_what_azure_refuses() {
    let receiver = part("sentinel", &[]);
    let ready = |name: &str| receiver.ready[name].as_str().unwrap().to_owned();
    let (tenant, client, secret) = (ready("tenant"), ready("client"), ready("secret"));
    let form = "content-type: application/x-www-form-urlencoded";
    let asked = |grant: &str, client: &str, secret: &str, scope: &str| {
        format!("grant_type={grant}&client_id={client}&client_secret={secret}&scope={scope}")
    };
    let (grant, scope) = ("client_credentials", "https%3A%2F%2Fmonitor.azure.com%2F.default");
    let good = asked(grant, &client, &secret, scope);
    let at = format!("/{tenant}/oauth2/v2.0/token");
    for (path, headers, body, status, error) in [
        ("/another/oauth2/v2.0/token", form, good.clone(), 400, "invalid_request"),
        (&at, JSON, good.clone(), 400, "invalid_request"),
        (&at, form, asked("password", &client, &secret, scope), 400, "unsupported_grant_type"),
        (&at, form, asked(grant, "another", &secret, scope), 400, "unauthorized_client"),
        (&at, form, asked(grant, &client, "another", scope), 401, "invalid_client"),
        (&at, form, asked(grant, &client, &secret, "https%3A%2F%2Fgraph.microsoft.com%2F.default"), 400, "invalid_scope"),
    ] {
        let answer = post(&receiver, path, &[headers], &body);
        assert_eq!((answer.status, &answer.json()["error"]), (status, &json!(error)), "{path} {body}");
    }
    let token = post(&receiver, &at, &[form], &good).json()["access_token"].as_str().unwrap().to_owned();
    let bearer = format!("authorization: Bearer {token}");
    let to =
        |rule: &str, stream: &str, version: &str| format!("/dataCollectionRules/{rule}/streams/{stream}?api-version={version}");
    let (rule, stream, version) = (ready("rule"), ready("stream"), "2023-01-01");
    let (there, row) = (to(&rule, &stream, version), r#"[{"TimeGenerated":"2026-11-22T10:00:00Z"}]"#);
    for (path, headers, body, status, code) in [
        (there.clone(), [JSON].as_slice(), row, 401, "AuthenticationFailed"),
        (there.clone(), &[JSON, "authorization: Bearer another"], row, 401, "AuthenticationFailed"),
        (to("dcr-another", &stream, version), &[JSON, &bearer], row, 404, "NotFound"),
        (to(&rule, "Custom-Another_CL", version), &[JSON, &bearer], row, 400, "InvalidStream"),
        (to(&rule, &stream, "2021-11-01"), &[JSON, &bearer], row, 400, "UnsupportedApiVersion"),
        (there.replace("?api-version=2023-01-01", ""), &[JSON, &bearer], row, 400, "UnsupportedApiVersion"),
        (there.clone(), &["content-type: text/plain", &bearer], row, 415, "UnsupportedMediaType"),
        (there.clone(), &[JSON, &bearer, "content-encoding: gzip"], row, 400, "InvalidPayload"),
        (there.clone(), &[JSON, &bearer], r#"{"TimeGenerated":"2026-11-22T10:00:00Z"}"#, 400, "InvalidPayload"),
        (there.clone(), &[JSON, &bearer], r#"[{"Event":{}}]"#, 400, "InvalidPayload"),
        (there.clone(), &[JSON, &bearer], r#"[{"TimeGenerated":1795341600}]"#, 400, "InvalidPayload"),
        (there.clone(), &[JSON, &bearer], "[", 400, "InvalidPayload"),
    ] {
        let answer = post(&receiver, &path, headers, body);
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (status, &json!(code)), "{path} {headers:?} {body}");
    }
    let large = json!([{ "TimeGenerated": "2026-11-22T10:00:00Z", "Event": "a".repeat(1_100_000) }]).to_string();
    assert_eq!(gzipped(&receiver, &there, &[JSON, &bearer], &large).status, 413);
    assert_eq!(receiver.control("GET", "/taken"), json!([]));
    assert_eq!(gzipped(&receiver, &there, &[JSON, &bearer], row).status, 204);
    let short = part("sentinel", &["--token-ttl", "0"]);
    let token = post(&short, &at, &[form], &good).json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(post(&short, &there, &[JSON, &format!("authorization: Bearer {token}")], row).status, 401);
}
