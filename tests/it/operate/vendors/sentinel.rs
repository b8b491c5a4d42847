//! Microsoft Sentinel: the Logs Ingestion API, and tokens of Entra ID.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use url::form_urlencoded;

use super::*;

const SECRET: &str = "a~secret.of-some-length";
const COLUMNS: &str = r#"["TimeGenerated","EventId","Kind","Severity","Chain","Link","Event"]"#;

/// The receiver with a certificate of its own, and the folder that holds it.
#[track_caller]
fn sentinel(arguments: &[&str], proof: &str) -> (Way, TempDir) {
    let folder = folder();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (cert, key) = (folder.path().join("receiver.crt"), folder.path().join("receiver.key"));
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = ["--cert", cert.to_str().unwrap(), "--key", key.to_str().unwrap(), "--columns", COLUMNS];
    let receiver = part("sentinel", &[&tls, arguments].concat());
    let ready = |name: &str| receiver.ready[name].as_str().unwrap().to_owned();
    let sink = format!(
        "      ca: receiver.crt
      sentinel:
        endpoint: {url}
        authority: {url}
        rule: {}
        stream: {}
        tenant: {}
        client_id: {}
        {proof}",
        ready("rule"),
        ready("stream"),
        ready("tenant"),
        ready("client"),
        url = ready("url"),
    );
    (Way::to(receiver, folder.path(), &sink), folder)
}

fn with_secret(arguments: &[&str]) -> (Way, TempDir) {
    sentinel(arguments, &format!("client_secret: {SECRET}"))
}

/// The ids of what was taken, in order.
fn ids(way: &Way) -> Vec<String> {
    way.taken().iter().map(|row| row["EventId"].as_str().unwrap().to_owned()).collect()
}

/// How often a token was given out.
fn tokens(way: &Way) -> Value {
    way.receiver.control("GET", "/counts")["tokens"].clone()
}

fn form(request: &Value) -> BTreeMap<String, String> {
    form_urlencoded::parse(request["body"].as_str().unwrap().as_bytes()).into_owned().collect()
}

#[tokio::test]
async fn the_requests_to_sentinel_are_what_azures_client_sends() {
    let (way, folder) = with_secret(&[]);
    let sent = event(7);
    way.send(std::slice::from_ref(&sent)).await.unwrap();
    let rows = json!([{
        "TimeGenerated": "2026-11-22T10:00:00.130Z", "EventId": "event-7", "Kind": "sign_in", "Severity": "warning", "Chain": "replica-1",
        "Link": 7, "Event": sent.body,
    }]);
    let ready = |name: &str| way.receiver.ready[name].as_str().unwrap();
    let ca = folder.path().join("receiver.crt");
    let more = ["--tenant", ready("tenant"), "--client", ready("client"), "--rule", ready("rule"), "--stream", ready("stream")];
    client("sentinel", &way.receiver, SECRET, &rows.to_string(), &[&more, ["--ca", ca.to_str().unwrap()].as_slice()].concat());

    let requests = way.requests();
    let requests: Vec<_> = requests.iter().filter(|request| request["method"] == "POST").collect();
    let [our_token, ours, their_token, theirs] = requests[..] else { panic!("{}", way.requests_text()) };
    same(our_token, their_token, &["content-type", "accept"]);
    let mut expected = form(their_token);
    // What this library asks of every answer besides, for the sake of people who sign in.
    expected.remove("client_info");
    assert_eq!(form(our_token), expected);
    same(ours, theirs, &["content-type", "content-encoding", "accept"]);
    assert!(ours["gzip"] == true && theirs["gzip"] == true, "{ours:#} {theirs:#}");
    assert!(ours["headers"]["authorization"].as_str().unwrap().starts_with("Bearer eyJ"), "{ours:#}");
    assert_eq!((body(ours), body(theirs)), (rows.clone(), rows));
}

#[tokio::test]
async fn sentinel_gets_a_batch_in_order_and_a_token_is_asked_for_once() {
    let (way, _folder) = with_secret(&[]);
    for first in [1, 11, 21] {
        let batch: Vec<_> = (first..first + 10).map(event).collect();
        way.send(&batch).await.unwrap();
    }
    assert_eq!(ids(&way), (1..=30).map(|link| format!("event-{link}")).collect::<Vec<_>>());
    assert_eq!(tokens(&way), 1);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    let (way, _folder) = with_secret(&[]);
    way.send(&[event(1)]).await.unwrap();
    way.clock.advance(Duration::from_secs(3599 - 301));
    way.send(&[event(2)]).await.unwrap();
    assert_eq!(tokens(&way), 1);
    way.clock.advance(Duration::from_secs(2));
    way.send(&[event(3)]).await.unwrap();
    assert_eq!(tokens(&way), 2);
}

#[tokio::test]
async fn a_token_that_ends_before_its_time_costs_no_event() {
    let (way, _folder) = with_secret(&[]);
    way.send(&[event(1)]).await.unwrap();
    way.receiver.tell("/forget-tokens", &Value::Null);
    way.send(&[event(2)]).await.unwrap();
    assert_eq!((ids(&way), tokens(&way)), (vec!["event-1".to_owned(), "event-2".to_owned()], json!(2)));
    let statuses: Vec<_> = way.requests().iter().map(|request| request["status"].clone()).collect();
    assert_eq!(statuses, [200, 204, 401, 200, 204]);
}

#[tokio::test]
async fn a_new_token_that_is_not_taken_either_is_no_endless_loop() {
    let (way, _folder) = with_secret(&[]);
    way.faults(json!([{ "path": "/dataCollectionRules", "times": 2, "status": 401 }]));
    way.later(way.send(&[event(1)]).await);
    assert_eq!(tokens(&way), 2);
    way.send(&[event(1)]).await.unwrap();
    assert_eq!(ids(&way), ["event-1"]);
}

#[tokio::test]
async fn while_no_token_is_to_be_had_nothing_is_lost() {
    let (way, _folder) = with_secret(&[]);
    let at = format!("/{}", way.receiver.ready["tenant"].as_str().unwrap());
    for mut fault in passing() {
        fault["path"] = json!(at);
        way.faults(json!([fault]));
        way.later(way.send(&[event(1)]).await);
    }
    way.faults(json!([{ "path": at, "status": 429, "headers": { "retry-after": "5" } }]));
    assert_eq!(way.later(way.send(&[event(1)]).await).1, Some(5));
    assert_eq!(way.taken(), [Value::Null; 0]);
    way.send(&[event(1)]).await.unwrap();
    assert_eq!(ids(&way), ["event-1"]);
}

#[tokio::test]
async fn a_wrong_secret_is_told_without_it_and_loses_nothing() {
    let (way, _folder) = sentinel(&[], "client_secret: another~secret.of-some-length");
    way.faults(json!([{ "status": 401, "body": "{\"error\":\"invalid_client\",\"error_description\":\"another~secret.of-some-length is none\"}" }]));
    for _ in 0..2 {
        let (why, _) = way.later(way.send(&[event(1)]).await);
        assert!(why.contains("invalid_client") && !why.contains("another~secret"), "{why}");
    }
    assert!(!format!("{:?}", way.transport).contains("another~secret"));
}

#[tokio::test]
async fn a_federated_token_is_read_whenever_it_is_needed() {
    let home = folder();
    let file = home.path().join("token");
    fs::write(&file, "first\n").unwrap();
    let (way, _folder) = sentinel(&["--assertion", "second"], &format!("federated_token_file: {}", file.display()));
    let (why, _) = way.later(way.send(&[event(1)]).await);
    assert!(why.contains("invalid_client") && !why.contains("first"), "{why}");
    fs::write(&file, "second\n").unwrap();
    way.send(&[event(1)]).await.unwrap();
    fs::remove_file(&file).unwrap();
    way.send(&[event(2)]).await.unwrap();
    assert_eq!(ids(&way), ["event-1", "event-2"]);
    way.receiver.tell("/forget-tokens", &Value::Null);
    let (why, _) = way.later(way.send(&[event(3)]).await);
    assert!(why.contains(file.to_str().unwrap()), "{why}");
}

#[tokio::test]
async fn what_passes_at_sentinel_is_tried_again_and_nothing_is_lost() {
    let (way, _folder) = with_secret(&[]);
    let at = "/dataCollectionRules";
    // 204 is what Azure says when it has taken the rows.
    let mut faults: Vec<_> = passing().into_iter().filter(|fault| fault["status"] != 204).collect();
    let error = |code: &str| json!({ "error": { "code": code, "message": "no" } }).to_string();
    faults.push(json!({ "status": 400, "body": error("InvalidStream") }));
    faults.push(json!({ "status": 400, "body": error("UnsupportedApiVersion") }));
    faults.push(json!({ "status": 400 }));
    faults.push(json!({ "status": 200, "body": "{}" }));
    for mut fault in faults {
        fault["path"] = json!(at);
        // A token that is not taken is renewed, so 401 is heard twice.
        fault["times"] = json!(if fault["status"] == 401 { 2 } else { 1 });
        way.faults(json!([fault]));
        way.later(way.send(&[event(1)]).await);
    }
    for fault in [json!({ "path": at, "status": 413 }), json!({ "path": at, "status": 400, "body": error("InvalidPayload") })] {
        way.faults(json!([fault]));
        assert_eq!(way.refused(way.send(&[event(1), event(2)]).await), None);
    }
    assert_eq!(way.taken(), [Value::Null; 0]);
    way.send(&[event(1)]).await.unwrap();
    assert_eq!(ids(&way), ["event-1"]);
}

#[tokio::test]
async fn a_row_that_is_too_large_for_azure_is_refused_and_those_before_it_are_taken() {
    let (way, _folder) = with_secret(&[]);
    assert_eq!(way.refused(way.send(&[event(1), large(2, 1_100_000), event(3)]).await), Some(1));
    assert_eq!(ids(&way), ["event-1"]);
}

#[tokio::test]
async fn the_largest_batch_is_one_that_azure_takes() {
    let (way, _folder) = with_secret(&[]);
    let most = way.transport.most();
    let chain = "a".repeat(253);
    let long = |link: i64| Outgoing { chain: chain.clone(), ..large(link, most.bytes / most.events - 150) };
    let batch: Vec<_> = (1..=i64::try_from(most.events).unwrap()).map(long).collect();
    let bytes: usize = batch.iter().map(|event| serde_json::to_vec(&event.body).unwrap().len() + 1).sum();
    assert!(bytes <= most.bytes && bytes > most.bytes * 9 / 10, "{bytes}");
    way.send(&batch).await.unwrap();
    assert_eq!(ids(&way).len(), most.events);
}
