//! syslog-ng: by UDP, by its `syslog()` with octet counting, by its `network()` with line feeds, and by TLS.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Authority, Way, event, events};
use crate::support::{eventually, free_port, part};

#[test]
fn syslog_ng_reads_every_field_by_udp_tcp_lines_and_tls() {
    let folder = TempDir::new().unwrap();
    Authority::found(folder.path()).issue(folder.path(), "server", 2100);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let ports = [(); 4].map(|()| free_port().to_string());
    let (cert, key) = (path("server.pem"), path("server.key"));
    let server = part(
        "syslog-ng",
        &["--udp", &ports[0], "--tcp", &ports[1], "--lines", &ports[2], "--tls", &ports[3], "--cert", &cert, "--key", &key],
    );
    let mut expected = Vec::new();
    for (number, name) in ["udp", "tcp", "lines", "tls"].into_iter().enumerate() {
        let (scheme, framing) = if name == "lines" { ("tcp", "newline") } else { (name, "octet_counting") };
        let host = if name == "udp" { "127.0.0.2" } else { "localhost" };
        let mut typed =
            json!({ "id": "siem", "syslog": { "url": format!("{scheme}://{host}:{}", ports[number]), "framing": framing } });
        if name == "tls" {
            typed["ca"] = path("ca.pem").into();
        }
        let way = Way::open(typed);
        way.deliver(&events(1..=3));
        expected.extend((1..=3).map(|link| (name, link)));
        let messages = eventually("the messages are there", || {
            let messages = server.control("GET", "/messages").as_array().unwrap().clone();
            (messages.len() >= expected.len()).then_some(messages)
        });
        assert_eq!(messages.len(), expected.len(), "{messages:#?}");
        for (read, (name, link)) in messages.iter().zip(&expected) {
            let fields = json!({
                "came_by": name, "facility": "authpriv", "severity": "warning", "timestamp": format!("2026-11-22T04:00:00.00{link}+00:00"),
                "hostname": "replica-1", "app_name": "doorward", "msgid": "sign_in",
                "_SDATA": {
                    "origin": { "software": "Doorward", "swVersion": env!("CARGO_PKG_VERSION") },
                    "doorward@32473": {
                        "id": format!("event-{link}"), "chain": "replica-1", "link": link.to_string(), "kind": "sign_in", "severity": "warning"
                    },
                },
            });
            for (key, value) in fields.as_object().unwrap() {
                assert_eq!(&read[key], value, "{key} by {name}");
            }
            let body: Value = serde_json::from_str(read["message"].as_str().unwrap()).unwrap();
            assert_eq!(body, Value::Object(event(*link).body), "by {name}");
        }
    }
}
