//! Splunk's HTTP Event Collector.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

const TOKEN: &str = "A94A8FE5-CCB1-9BA6-1C4C-0873D391E987";

#[track_caller]
fn splunk(arguments: &[&str], more: &str) -> Way {
    let receiver = part("splunk", arguments);
    let sink =
        format!("      splunk_hec: {{ url: '{}/', token: {TOKEN}, index: main{more} }}", receiver.ready["url"].as_str().unwrap());
    Way::to(receiver, folder().path(), &sink)
}

#[track_caller]
fn acknowledged(more: &str) -> Way {
    splunk(&["--ack"], &format!(", acknowledgement: true{more}"))
}

/// The links of what was taken for good, in order.
fn links(way: &Way) -> Vec<i64> {
    way.taken().iter().map(|event| event["fields"]["link"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn the_request_to_splunk_is_what_its_handler_sends() {
    let way = splunk(&[], "");
    let sent = event(7);
    way.send(std::slice::from_ref(&sent)).await.unwrap();
    let text = serde_json::to_string(&sent.body).unwrap();
    let time = format!("{:.3}", f64::from(u32::try_from((HAPPENED + 7) / 1000).unwrap()) + 0.130);
    client("splunk", &way.receiver, TOKEN, &text, &["--index", "main", "--hostname", "replica-1", "--time", &time]);

    let [ours, theirs] = &way.requests()[..] else { panic!("{}", way.requests_text()) };
    same(ours, theirs, &["authorization"]);
    assert!(ours["gzip"] == true && ours["headers"]["content-type"] == "application/json", "{ours:#}");
    let (mut ours, mut theirs) = (body(ours), body(theirs));
    // Their client logs texts, so their event is ours as a text; what is indexed besides is ours alone.
    let logged: Value = serde_json::from_str(theirs["event"].as_str().unwrap()).unwrap();
    assert_eq!(ours["event"], logged);
    for object in [&mut ours, &mut theirs] {
        object.as_object_mut().unwrap().remove("event");
    }
    let fields = ours.as_object_mut().unwrap().remove("fields").unwrap();
    assert_eq!(fields, json!({ "event_id": "event-7", "kind": "sign_in", "severity": "warning", "link": 7 }));
    assert_eq!((types(&ours), &ours), (types(&theirs), &theirs));
}

#[tokio::test]
async fn splunk_gets_a_batch_in_order() {
    let way = splunk(&[], "");
    let batch: Vec<_> = (1..=40).map(event).collect();
    way.send(&batch).await.unwrap();
    assert_eq!(links(&way), (1..=40).collect::<Vec<_>>());
    assert_eq!(way.requests().len(), 1);
}

#[tokio::test]
async fn an_event_that_splunk_refuses_is_named_and_those_before_it_are_taken() {
    for way in [splunk(&[], ""), acknowledged("")] {
        let batch = [event(1), event(2), blank(3), event(4), blank(5)];
        assert_eq!(way.refused(way.send(&batch).await), Some(2));
        let taken: BTreeSet<i64> = links(&way).into_iter().collect();
        assert_eq!(taken, BTreeSet::from([1, 2]));
        assert_eq!(way.refused(way.send(&batch[4..]).await), Some(0));
        way.send(&batch[3..4]).await.unwrap();
        assert_eq!(links(&way).last(), Some(&4));
    }
}

#[tokio::test]
async fn a_batch_is_delivered_when_splunk_has_indexed_it() {
    let way = acknowledged("");
    way.receiver.tell("/mode", &json!({ "polls": 2 }));
    way.send(&[event(1), event(2)]).await.unwrap();
    assert_eq!(links(&way), [1, 2]);
    let requests = way.requests();
    let asked: Vec<_> = requests.iter().filter(|request| request["path"] == "/services/collector/ack").collect();
    // The first only finds out whether the token has it.
    assert_eq!(
        asked.iter().map(|request| body(request)["acks"].clone()).collect::<Vec<_>>(),
        [json!([]), json!([0]), json!([0]), json!([0])]
    );
    let channels: BTreeSet<_> =
        requests.iter().map(|request| request["headers"]["x-splunk-request-channel"].to_string()).collect();
    assert_eq!(channels.len(), 1, "{channels:?}");
}

#[tokio::test]
async fn what_splunk_never_indexes_is_sent_again() {
    let way = acknowledged(", acknowledged_within: 300ms");
    way.receiver.tell("/mode", &json!({ "indexing": false }));
    let (why, _) = way.later(way.send(&[event(1)]).await);
    assert!(why.contains("not said that they are indexed"), "{why}");
    assert_eq!(links(&way), [0; 0]);
    way.receiver.tell("/mode", &json!({ "indexing": true }));
    way.send(&[event(1)]).await.unwrap();
    assert_eq!(links(&way), [1]);
}

#[tokio::test]
async fn an_acknowledgement_survives_answers_that_are_none() {
    let way = acknowledged("");
    way.send(&[event(1)]).await.unwrap();
    let ack = "/services/collector/ack";
    way.faults(
        json!([{ "path": ack, "status": 503 }, { "path": ack, "cut": true }, { "path": ack, "status": 200, "body": "?" }]),
    );
    way.send(&[event(2)]).await.unwrap();
    assert_eq!(links(&way), [1, 2]);
    assert_eq!(way.receiver.control("GET", "/faults"), json!([]));
}

#[tokio::test]
async fn what_passes_at_splunk_is_tried_again_and_nothing_is_lost() {
    let way = splunk(&[], "");
    let mut faults = passing();
    faults.push(json!({ "status": 503, "body": "{\"text\":\"Server is busy\",\"code\":9}" }));
    faults.push(json!({ "status": 400, "body": "{\"text\":\"Incorrect index\",\"code\":7,\"invalid-event-number\":0}" }));
    faults.push(json!({ "status": 400 }));
    faults.push(json!({ "status": 200, "body": "{\"text\":\"Success\"}" }));
    for fault in faults {
        way.faults(json!([fault]));
        way.later(way.send(&[event(1)]).await);
    }
    assert_eq!(links(&way), [0; 0]);
    way.faults(json!([{ "status": 429, "headers": { "retry-after": "7" } }]));
    assert_eq!(way.later(way.send(&[event(1)]).await).1, Some(7));
    way.send(&[event(1)]).await.unwrap();
    assert_eq!(links(&way), [1]);
}

#[tokio::test]
async fn a_batch_that_is_too_large_for_splunk_is_to_be_made_smaller() {
    let way = splunk(&[], "");
    way.faults(json!([{ "status": 413, "body": "{\"text\":\"request entity too large\",\"code\":27}" }]));
    assert_eq!(way.refused(way.send(&[event(1), event(2)]).await), None);
}

#[tokio::test]
async fn a_token_that_is_set_up_otherwise_is_told_and_loses_nothing() {
    let never = splunk(&[], ", acknowledgement: true");
    let (why, _) = never.later(never.send(&[event(1)]).await);
    assert!(why.contains("enable it, or write `acknowledgement: false`"), "{why}");
    assert!(never.requests().iter().all(|request| request["path"] == "/services/collector/ack"), "{}", never.requests_text());

    let always = splunk(&["--ack"], "");
    let (why, _) = always.later(always.send(&[event(1)]).await);
    assert!(why.contains("write `acknowledgement: true`"), "{why}");
}

#[tokio::test]
async fn a_token_that_splunk_says_back_is_not_repeated() {
    let way = splunk(&[], "");
    way.faults(json!([{ "status": 403, "body": format!("no such token: Splunk {TOKEN}") }, { "status": 400, "body": format!("{{\"code\":6,\"text\":\"{TOKEN}\"}}") }]));
    let (why, _) = way.later(way.send(&[event(1)]).await);
    assert!(why.contains("no such token") && !why.contains(TOKEN), "{why}");
    let Err(SendError::Refused { why, .. }) = way.send(&[event(1)]).await else { panic!("{}", way.requests_text()) };
    assert!(!why.contains(TOKEN) && !format!("{:?}", way.transport).contains(TOKEN), "{why}");
}
