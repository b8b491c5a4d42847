//! Probes and metrics.

use std::net::TcpStream;

use serde_json::Value;

use super::{configuration, metric, operations, secret};
use crate::support::{Door, curl, doorward, eventually, free_port, part};

#[test]
fn requests_are_counted_by_route_decision_and_status() {
    let upstream = part("echo", &[]);
    let door = Door::serve(&configuration(upstream.port(), ""), secret);
    let address = door.listener(0);
    for _ in 0..3 {
        assert_eq!(curl(&[&format!("http://{address}/open/a")]).status, 200);
    }
    assert_eq!(curl(&[&format!("http://{address}/open/status?code=404")]).status, 404);
    assert_eq!(curl(&[&format!("http://{address}/closed")]).status, 401);
    assert_eq!(curl(&["-H", "X-Api-Key: dw_nonsense", &format!("http://{address}/closed")]).status, 401);

    let open = |decision: &str, status: &str| {
        metric(&door, &format!("doorward_requests_total{{route=\"/open/**\",decision=\"{decision}\",status=\"{status}\"}}"))
    };
    eventually("all are counted", || ([open("allowed", "4xx"), open("allowed", "2xx")] == [Some(1.0), Some(3.0)]).then_some(()));
    let otherwise = |decision: &str| {
        metric(&door, &format!("doorward_requests_total{{route=\"otherwise\",decision=\"{decision}\",status=\"4xx\"}}"))
    };
    eventually("the refused ones are counted", || {
        ([otherwise("refused"), otherwise("unidentified")] == [Some(1.0), Some(1.0)]).then_some(())
    });
    assert_eq!(metric(&door, "doorward_request_duration_seconds_count{route=\"/open/**\"}"), Some(4.0));
    assert_eq!(metric(&door, "doorward_upstream_requests_total{upstream=\"default\",status=\"2xx\"}"), Some(3.0));
    assert_eq!(metric(&door, "doorward_upstream_requests_total{upstream=\"default\",status=\"4xx\"}"), Some(1.0));
    eventually("none is being served", || (metric(&door, "doorward_requests_in_flight") == Some(0.0)).then_some(()));
    assert_eq!(metric(&door, "doorward_connections_total"), Some(6.0));
    eventually("all are closed", || (metric(&door, "doorward_connections_open") == Some(0.0)).then_some(()));
    let text = operations(&door, "/metrics").text();
    assert!(text.contains("doorward_authentications_total{credential=\"api_key\",reason="), "{text}");
    assert!(text.contains("doorward_build_info{version=\"") && text.contains("doorward_sessions_live 0.0"), "{text}");
}

#[test]
fn caches_and_certificates_are_told_of() {
    let door = Door::demo(&[]);
    let key = format!("X-Api-Key: {}", door.text("api_key"));
    for _ in 0..3 {
        assert_eq!(door.curl("/hello", &["-H", &key]).status, 200);
    }
    assert_eq!(metric(&door, "doorward_cache_hits_total{cache=\"program\"}"), Some(2.0));
    assert_eq!(metric(&door, "doorward_cache_misses_total{cache=\"program\"}"), Some(1.0));
    assert_eq!(metric(&door, "doorward_authentications_total{credential=\"api_key\",reason=\"ok\"}"), Some(3.0));
    let text = operations(&door, "/metrics").text();
    let expiry = text.lines().find(|line| line.starts_with("doorward_certificate_expiry_seconds{name=\"localhost\"}")).unwrap();
    assert!(expiry.rsplit(' ').next().unwrap().parse::<f64>().unwrap() > 3600.0, "{expiry}");
}

#[test]
fn readiness_names_the_issuer_whose_keys_are_missing() {
    let upstream = part("echo", &[]);
    let free = free_port();
    let bearer = format!("bearer: [{{ issuer: 'http://127.0.0.1:{free}', audiences: [app] }}]\n");
    let door = Door::serve(&configuration(upstream.port(), &bearer), secret);
    let ready = operations(&door, "/readyz");
    assert_eq!((ready.status, &ready.json()["missing"][0]["what"]), (503, &serde_json::json!("keys")), "{}", ready.text());
}

#[test]
fn an_application_that_is_down_is_counted_and_said_to_be() {
    let free = free_port();
    let door = Door::serve(&configuration(free, ""), secret);
    let answer = curl(&[&format!("http://{}/open/a", door.listener(0))]);
    assert_eq!(answer.status, 502);
    let failed = "doorward_requests_total{route=\"/open/**\",decision=\"failed\",status=\"5xx\"}";
    eventually("it is counted", || (metric(&door, failed) == Some(1.0)).then_some(()));
    assert!(metric(&door, "doorward_upstream_connect_errors_total{upstream=\"default\"}") >= Some(1.0));
}

#[test]
fn reloads_are_counted() {
    let upstream = part("echo", &[]);
    let door = Door::serve(&configuration(upstream.port(), ""), secret);
    let count = |outcome: &str| metric(&door, &format!("doorward_reloads_total{{outcome=\"{outcome}\"}}"));
    assert_eq!((count("success"), count("failure")), (Some(0.0), Some(0.0)));
    door.process.signal("HUP");
    eventually("the good one is counted", || (count("success") == Some(1.0)).then_some(()));
    assert!(metric(&door, "doorward_reload_last_success_timestamp_seconds") > Some(1e9));
    let good = std::fs::read_to_string(door.config()).unwrap();
    std::fs::write(door.config(), "version: 1\nnonsense: true\n").unwrap();
    // The changed file is noticed without a signal; with one it may count twice.
    eventually("the bad one is counted", || (count("failure") >= Some(1.0)).then_some(()));
    std::fs::write(door.config(), good).unwrap();
    eventually("both are in the trail", || {
        let events = door.command(&["audit", "list", "--kind", "configuration_reloaded"]);
        let told = |outcome: &str, reason: Value| {
            events.as_array().unwrap().iter().any(|event| event["outcome"] == outcome && event["reason"] == reason)
        };
        (told("success", Value::Null) && told("failure", "invalid".into())).then_some(())
    });
}

#[test]
fn probes_say_alive_and_ready_and_health_asks_for_them() {
    let upstream = part("echo", &[]);
    let door = Door::serve(&configuration(upstream.port(), ""), secret);
    assert_eq!(operations(&door, "/livez").json()["status"], "alive");
    let ready = operations(&door, "/readyz");
    assert_eq!((ready.status, ready.json()["status"].as_str()), (200, Some("ready")));
    let url = format!("http://{}/readyz", door.text("operations"));
    let well = doorward(&["health", "--url", &url]).output().unwrap();
    assert_eq!(well.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&well.stdout).trim(), r#"{"status":"ready"}"#);
    drop(door);
    let gone = doorward(&["health", "--url", &url]).output().unwrap();
    assert_eq!(gone.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&gone.stderr).contains("no answer"), "{gone:?}");
}

#[test]
fn operations_pages_are_not_on_the_front_door() {
    let upstream = part("echo", &[]);
    let door = Door::serve(&configuration(upstream.port(), ""), secret);
    for path in ["/metrics", "/readyz", "/livez"] {
        assert_eq!(curl(&[&format!("http://{}{path}", door.listener(0))]).status, 401, "{path}");
    }
}

#[test]
fn idle_connections_take_neither_the_places_of_others_probes_nor_the_descriptors_of_the_door() {
    let upstream = part("echo", &[]);
    let door = Door::serve(&configuration(upstream.port(), ""), secret);
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", door.process.id())).unwrap().count();
    let address = door.text("operations");
    let before = descriptors();
    let idle: Vec<TcpStream> = (0..300).map(|_| TcpStream::connect(address).unwrap()).collect();
    let url = format!("http://{address}/readyz");
    let probe = || curl(&["--interface", "127.0.0.2", "--max-time", "5", &url]).status;
    assert_eq!(probe(), 200, "somebody else is answered");
    assert!(descriptors() < before + 50, "{} at first, {} now", before, descriptors());
    eventually("who says nothing is not waited for", || (descriptors() <= before + 5).then_some(()));
    drop(idle);
}
