//! All three vendors through the running door, while their receivers fail in every way that they know.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::support::{Door, eventually};

const TOKEN: &str = "A94A8FE5-CCB1-9BA6-1C4C-0873D391E987";
const SECRET: &str = "a~secret.of-some-length";
const KEY: &str = "0123456789abcdef0123456789abcdef";

struct Town {
    splunk: Part,
    sentinel: Part,
    datadog: Part,
    door: Door,
}

impl Town {
    fn new() -> Self {
        let folder = folder();
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let (cert, key) = (folder.path().join("receiver.crt"), folder.path().join("receiver.key"));
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let splunk = part("splunk", &["--ack"]);
        let datadog = part("datadog", &[]);
        let sentinel = part("sentinel", &["--cert", cert.to_str().unwrap(), "--key", key.to_str().unwrap()]);
        let door = Door::serve(&sinks(&splunk, &sentinel, &datadog), |home| {
            crate::operate::secret(home);
            for (name, text) in [("splunk-token", TOKEN), ("sentinel-secret", SECRET), ("datadog-key", KEY)] {
                std::fs::write(home.join(name), text).unwrap();
            }
            std::fs::copy(&cert, home.join("receiver.crt")).unwrap();
        });
        Self { splunk, sentinel, datadog, door }
    }

    /// Does something that is recorded, so many times.
    fn happen(&self, times: usize) {
        for _ in 0..times {
            self.door.command(&["client", "create", "--name", "partner", "--role", "viewer"]);
        }
    }

    /// The ids of what each receiver has taken, in order.
    fn taken(&self) -> [Vec<String>; 3] {
        let taken = |part: &Part| part.control("GET", "/taken").as_array().unwrap().clone();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let message = |entry: &Value| -> Value { serde_json::from_str(entry["message"].as_str().unwrap()).unwrap() };
        [
            taken(&self.splunk).iter().map(|event| text(&event["fields"]["event_id"])).collect(),
            taken(&self.sentinel).iter().map(|row| text(&row["EventId"])).collect(),
            taken(&self.datadog).iter().map(|entry| text(&message(entry)["metadata"]["uid"])).collect(),
        ]
    }

    /// Waits until every receiver has every event that the door has recorded.
    #[track_caller]
    fn settle(&self) -> Vec<String> {
        let mut recorded: Vec<Value> = self.door.command(&["audit", "list", "--limit", "1000"]).as_array().unwrap().clone();
        recorded.sort_by_key(|entry| entry["link"].as_i64().unwrap());
        let ids: Vec<String> = recorded.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect();
        let all: BTreeSet<_> = ids.iter().cloned().collect();
        eventually("every receiver has every event", || {
            self.taken().iter().all(|taken| all.is_subset(&taken.iter().cloned().collect())).then_some(())
        });
        ids
    }
}

fn sinks(splunk: &Part, sentinel: &Part, datadog: &Part) -> String {
    let ready = |part: &Part, name: &str| part.ready[name].as_str().unwrap().to_owned();
    let common = "from: beginning, batch: { wait: 50ms }, timeout: 5s";
    let sinks = format!(
        "\
roles: {{ ranked: [viewer] }}
audit:
  sinks:
    - {{ id: splunk, {common}, splunk_hec: {{ url: '{}', token: {{ file: splunk-token }}, acknowledgement: true, acknowledged_within: 1s }} }}
    - {{ id: datadog, {common}, datadog: {{ url: '{}', api_key: {{ file: datadog-key }} }} }}
    - {{ id: sentinel, {common}, ca: receiver.crt, sentinel: {{ endpoint: '{url}', authority: '{url}', rule: {}, stream: {}, tenant: {}, client_id: {}, client_secret: {{ file: sentinel-secret }} }} }}
",
        ready(splunk, "url"),
        ready(datadog, "url"),
        ready(sentinel, "rule"),
        ready(sentinel, "stream"),
        ready(sentinel, "tenant"),
        ready(sentinel, "client"),
        url = ready(sentinel, "url"),
    );
    crate::operate::configuration(1, &sinks)
}

/// What each receiver suffers, as much as is over within seconds: it is busy, and the answer of a batch that it took is lost; it talks
/// nonsense, takes no credential, and is slower than anybody waits; it hangs up.
fn troubles(path: &str) -> [Value; 3] {
    [
        json!([
            { "path": path, "status": 503, "body": "{\"text\":\"Server is busy\",\"code\":9}" },
            { "path": path, "status": 429, "headers": { "retry-after": "1" } },
            { "path": path, "cut": true, "after": true },
        ]),
        json!([
            { "path": path, "status": 200, "body": "<html>Please sign in to the network</html>" },
            { "path": path, "status": 401 },
            { "path": path, "slow_ms": 7000 },
        ]),
        json!([{ "path": path, "cut": true }]),
    ]
}

#[test]
fn every_vendor_gets_every_event_in_order_whatever_its_receiver_does() {
    let town = Town::new();
    town.happen(2);
    town.settle();
    let receivers =
        [(&town.splunk, "/services/collector/event"), (&town.datadog, "/api/v2/logs"), (&town.sentinel, "/dataCollectionRules")];
    for round in 0..3 {
        for (receiver, path) in receivers {
            receiver.tell("/faults", &troubles(path)[round]);
        }
        town.happen(2);
        eventually("the trouble is over", || {
            receivers.iter().all(|(receiver, _)| receiver.control("GET", "/faults") == json!([])).then_some(())
        });
        town.settle();
    }

    // Splunk takes what it never indexes, and Azure no token, of which there is no other to be had for a while.
    town.splunk.tell("/mode", &json!({ "indexing": false }));
    let tenant = format!("/{}", town.sentinel.ready["tenant"].as_str().unwrap());
    town.sentinel.tell("/faults", &json!([{ "path": tenant, "status": 503 }, { "path": tenant, "cut": true }]));
    town.sentinel.tell("/forget-tokens", &Value::Null);
    let before = requests(&town.splunk).len();
    town.happen(1);
    eventually("Splunk has said that it has not indexed", || (requests(&town.splunk).len() > before + 2).then_some(()));
    town.splunk.tell("/mode", &json!({ "indexing": true }));
    let ids = town.settle();

    for taken in town.taken() {
        let mut seen = BTreeSet::new();
        let first: Vec<&String> = taken.iter().filter(|id| seen.insert(id.as_str())).collect();
        assert_eq!(first, ids.iter().collect::<Vec<_>>(), "out of order");
    }
    let said = town.door.process.said();
    for secret in [TOKEN, SECRET, KEY, "eyJ0eXAiOiJKV1QifQ"] {
        assert!(!said.contains(secret), "{secret}");
    }
}
