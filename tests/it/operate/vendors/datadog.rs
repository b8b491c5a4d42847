//! Datadog's log intake.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;

const KEY: &str = "0123456789abcdef0123456789abcdef";

#[track_caller]
fn datadog(more: &str) -> Way {
    let receiver = part("datadog", &[]);
    let sink = format!("      datadog: {{ url: '{}', api_key: {KEY}{more} }}", receiver.ready["url"].as_str().unwrap());
    Way::to(receiver, folder().path(), &sink)
}

/// The ids of what was taken, in order.
fn ids(way: &Way) -> Vec<String> {
    let id = |entry: &Value| -> Value { serde_json::from_str(entry["message"].as_str().unwrap()).unwrap() };
    way.taken().iter().map(|entry| id(entry)["metadata"]["uid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_request_to_datadog_is_what_its_client_sends() {
    let way = datadog(", tags: { env: production, team: door/security }");
    let sent = event(7);
    way.send(std::slice::from_ref(&sent)).await.unwrap();
    let entry = json!([{
        "message": serde_json::to_string(&sent.body).unwrap(), "status": "warning", "timestamp": HAPPENED + 7, "hostname": "replica-1",
        "service": "doorward", "ddsource": "doorward", "ddtags": "env:production,team:door/security",
    }]);
    client("datadog", &way.receiver, KEY, &entry.to_string(), &[]);

    let [ours, theirs] = &way.requests()[..] else { panic!("{}", way.requests_text()) };
    same(ours, theirs, &["dd-api-key", "content-type", "content-encoding"]);
    assert!(ours["gzip"] == true && theirs["gzip"] == true, "{ours:#} {theirs:#}");
    assert_eq!(body(ours), body(theirs));
    assert_eq!(body(ours), entry);
}

#[tokio::test]
async fn datadog_gets_a_batch_in_order() {
    let way = datadog("");
    let batch: Vec<_> = (1..=40).map(event).collect();
    way.send(&batch).await.unwrap();
    assert_eq!(ids(&way), (1..=40).map(|link| format!("event-{link}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_event_that_waited_for_a_day_is_not_too_old_for_datadog() {
    let way = datadog("");
    way.clock.advance(Duration::from_secs(86_400));
    way.send(&[event(1)]).await.unwrap();
    let oldest = HAPPENED + (86_400 - 18 * 3600) * 1000;
    assert!(way.taken()[0]["timestamp"].as_i64().unwrap() > oldest, "{:?}", way.taken());
}

#[tokio::test]
async fn a_log_that_datadog_would_cut_is_refused_and_those_before_it_are_taken() {
    let way = datadog("");
    assert_eq!(way.refused(way.send(&[event(1), large(2, 1_100_000), event(3)]).await), Some(1));
    assert_eq!(ids(&way), ["event-1"]);
}

#[tokio::test]
async fn the_largest_batch_is_one_that_datadog_takes() {
    let way = datadog("");
    let most = way.transport.most();
    // Nothing grows as much as quotation marks do, when a text is written within a text.
    let quotes = |link: i64| {
        let mut event = event(link);
        event.body.insert("large".to_owned(), Value::String("\"".repeat(most.bytes / most.events / 2 - 100)));
        event
    };
    let batch: Vec<_> = (1..=i64::try_from(most.events).unwrap()).map(quotes).collect();
    let bytes: usize = batch.iter().map(|event| serde_json::to_vec(&event.body).unwrap().len() + 1).sum();
    assert!(bytes <= most.bytes && bytes > most.bytes * 9 / 10, "{bytes}");
    way.send(&batch).await.unwrap();
    assert_eq!(ids(&way).len(), most.events);
}

#[tokio::test]
async fn what_passes_at_datadog_is_tried_again_and_nothing_is_lost() {
    let way = datadog("");
    for fault in passing() {
        way.faults(json!([fault]));
        way.later(way.send(&[event(1)]).await);
    }
    way.faults(json!([{ "status": 429, "headers": { "x-ratelimit-reset": "9" } }]));
    assert_eq!(way.later(way.send(&[event(1)]).await).1, Some(9));
    for fault in [json!({ "status": 400 }), json!({ "status": 413 })] {
        way.faults(json!([fault]));
        assert_eq!(way.refused(way.send(&[event(1), event(2)]).await), None);
    }
    assert_eq!(ids(&way), [""; 0]);
    way.send(&[event(1)]).await.unwrap();
    assert_eq!(ids(&way), ["event-1"]);
}

#[tokio::test]
async fn a_key_that_datadog_says_back_is_not_repeated() {
    let way = datadog("");
    way.faults(json!([{ "status": 403, "body": format!("unknown key {KEY}") }]));
    let (why, _) = way.later(way.send(&[event(1)]).await);
    assert!(why.contains("unknown key") && !why.contains(KEY), "{why}");
    assert!(!format!("{:?}", way.transport).contains(KEY));
}
