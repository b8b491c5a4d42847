//! The access line, request ids and trace context.

use serde_json::{Value, json};

use super::{access_lines, configuration, metric, secret};
use crate::support::{Answer, Door, curl, eventually, part};

const JSON: &str = "logging: { format: json }\n";
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

#[track_caller]
fn one_line(door: &Door, needle: &str) -> Value {
    let lines = eventually("the line is written", || Some(access_lines(door, needle)).filter(|lines| !lines.is_empty()));
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines[0].clone()
}

#[track_caller]
fn seen(answer: &Answer, name: &str) -> Vec<String> {
    let headers = answer.json()["raw_headers"].as_array().unwrap().clone();
    let named = headers.iter().filter(|pair| pair[0].as_str().unwrap().eq_ignore_ascii_case(name));
    named.map(|pair| pair[1].as_str().unwrap().to_owned()).collect()
}

#[test]
fn one_line_says_all_there_is_about_a_request() {
    let upstream = part("echo", &[]);
    let door = Door::serve(&configuration(upstream.port(), JSON), secret);
    let answer = curl(&["-d", "12345", &format!("http://{}/open/said?page=2&access_token=hunter2", door.listener(0))]);
    assert_eq!(answer.status, 200);
    let line = one_line(&door, "/open/said");
    assert_eq!(line["method"], "POST");
    assert_eq!(line["host"], door.listener(0));
    assert_eq!(line["path"], "/open/said");
    assert_eq!(line["query"], "page=2&access_token=***");
    assert_eq!(line["route"], "/open/**");
    assert_eq!(line["decision"], "allowed");
    assert_eq!(line["status"], 200);
    assert_eq!(line["client"], "127.0.0.1");
    assert_eq!(line["upstream"], format!("127.0.0.1:{}", upstream.port()));
    assert_eq!(line["bytes_in"], 5);
    assert_eq!(line["bytes_out"], answer.body.len());
    assert_eq!(line["http"], "1.1");
    assert_eq!(line["request_id"], answer.header("x-request-id").unwrap());
    assert!(line["duration_us"].as_u64().unwrap() >= line["first_byte_us"].as_u64().unwrap());
    assert!(line.get("tls").is_none() && line.get("subject").is_none(), "{line}");
}

#[test]
fn the_line_names_who_called_and_no_secret_is_in_any_log() {
    let door = Door::demo(&[]);
    let (key, client, secret) = (door.text("api_key"), door.text("client_id"), door.text("client_secret"));
    let key_header = format!("X-Api-Key: {key}");
    assert_eq!(door.curl(&format!("/hello?key={key}"), &["-H", &key_header]).status, 200);
    assert_eq!(door.curl(&format!("/{key}/{secret}"), &["-H", &key_header]).status, 200);
    assert_eq!(door.curl("/basic", &["-u", &format!("{client}:{secret}")]).status, 200);
    assert_eq!(door.curl("/cookie", &["-H", "Cookie: __Host-doorward=SECRETCOOKIE0123456789"]).status, 401);
    assert_eq!(door.curl("/bearer", &["-H", "Authorization: Bearer eyJSECRETTOKEN.eyJSECRET.x"]).status, 401);
    let wrong = format!("{client}:SECRETPASSWORD");
    assert_eq!(door.curl("/wrong", &["-u", &wrong]).status, 401);
    let said = eventually("the last line is written", || {
        let said = door.process.said();
        said.contains("/wrong").then_some(said)
    });
    assert!(said.contains("credential=api_key") && said.contains(&format!("subject={client}")), "{said}");
    for hidden in [key, secret, door.text("password"), "SECRETCOOKIE", "SECRETTOKEN", "SECRETPASSWORD"] {
        assert!(!said.contains(hidden), "`{hidden}` was logged: {said}");
    }
}

#[test]
fn what_a_client_sends_cannot_begin_a_line_of_its_own() {
    let upstream = part("echo", &[]);
    let door = Door::serve(&configuration(upstream.port(), ""), secret);
    let answer = curl(&["-H", "Host: a\u{1b}[31m\u{7f}b", &format!("http://{}/open/esc", door.listener(0))]);
    assert_eq!(answer.status, 400);
    curl(&[&format!("http://{}/open/last", door.listener(0))]);
    let said = eventually("the last line is written", || {
        let said = door.process.said();
        said.contains("/open/last").then_some(said)
    });
    assert!(!said.contains('\u{1b}') && !said.contains('\u{7f}'), "{said:?}");
}

#[test]
fn a_strangers_request_id_is_replaced_and_a_trusted_proxys_is_kept() {
    let upstream = part("echo", &[]);
    let stranger = Door::serve(&configuration(upstream.port(), ""), secret);
    let answer = curl(&["-H", "X-Request-Id: mine-1", &format!("http://{}/open/a", stranger.listener(0))]);
    let id = answer.header("x-request-id").unwrap().to_owned();
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    assert_eq!(seen(&answer, "x-request-id"), [id]);

    let trusted = Door::serve(&configuration(upstream.port(), "trusted_proxies: [127.0.0.0/8]\n"), secret);
    let url = format!("http://{}/open/a", trusted.listener(0));
    let answer = curl(&["-H", "X-Request-Id: theirs-1", &url]);
    assert_eq!((answer.header("x-request-id"), seen(&answer, "x-request-id")), (Some("theirs-1"), vec!["theirs-1".to_owned()]));
    let odd = curl(&["-H", "X-Request-Id: a b", &url]);
    assert_ne!(odd.header("x-request-id"), Some("a b"), "an id that could break a line is nobody's");
}

#[test]
fn a_refused_caller_behind_a_trusted_proxy_is_recorded_by_its_own_address() {
    let upstream = part("echo", &[]);
    let door = Door::serve(&configuration(upstream.port(), &format!("trusted_proxies: [127.0.0.0/8]\n{JSON}")), secret);
    let url = format!("http://{}/closed/behind", door.listener(0));
    let refused = curl(&["-H", "X-Forwarded-For: 203.0.113.9", "-H", "X-Api-Key: dw_wrong", &url]);
    assert_eq!(refused.status, 401);
    assert_eq!(one_line(&door, "/closed/behind")["client"], "203.0.113.9");
    let event = eventually("the refusal is written", || {
        let trail = door.command(&["audit", "list"]);
        trail.as_array().unwrap().iter().find(|event| event["kind"] == "credential_refused").cloned()
    });
    assert_eq!(event["source"], "203.0.113.9");
}

#[test]
fn what_a_route_in_report_mode_lets_through_is_recorded_by_its_cause() {
    let upstream = part("echo", &[]);
    let watched = "  - { path: /watched/**, access: optional, mode: report }\n  - { path: /told/**, mode: report }\n";
    let door = Door::serve(&configuration(upstream.port(), &format!("{watched}{JSON}")), secret);
    let wrong = ["-H", "X-Api-Key: dw_wrong"];
    let twice = ["-H", "X-Api-Key: dw_wrong", "-H", "X-License-Key: y"];
    for (path, sent, reason) in [
        ("/watched/wrong", &wrong[..], "malformed"),
        ("/watched/twice", &twice[..], "several_credentials"),
        ("/told/wrong", &wrong[..], "malformed"),
        ("/told/nobody", &[][..], "identity_needed"),
    ] {
        let url = format!("http://{}{path}", door.listener(0));
        let answer = curl(&[sent, &[url.as_str()]].concat());
        assert_eq!(answer.status, 200, "{path}");
        assert!(seen(&answer, "x-api-key").is_empty(), "{}", answer.text());
        let line = one_line(&door, path);
        assert_eq!((&line["decision"], &line["reason"]), (&json!("reported"), &json!(reason)), "{path}");
        let event = eventually("it is recorded", || {
            let trail = door.command(&["audit", "list"]);
            trail.as_array().unwrap().iter().find(|event| event["details"]["path"] == path).cloned()
        });
        let kind = if reason == "identity_needed" { "access_denied" } else { "credential_refused" };
        assert_eq!((&event["kind"], &event["reason"]), (&json!(kind), &json!(reason)), "{event}");
        assert_eq!(event["details"]["mode"], "report", "{event}");
    }
    let refused = |kind: &str, reason: &str| {
        metric(&door, &format!("doorward_authentications_total{{credential=\"{kind}\",reason=\"{reason}\"}}"))
    };
    assert_eq!(refused("api_key", "malformed"), Some(2.0));
    assert_eq!(refused("none", "several_credentials"), Some(1.0));
}

#[test]
fn a_refusal_names_the_request_too() {
    let upstream = part("echo", &[]);
    let door = Door::serve(&configuration(upstream.port(), ""), secret);
    let answer = curl(&[&format!("http://{}/closed", door.listener(0))]);
    assert_eq!(answer.json()["request_id"], answer.header("x-request-id").unwrap());
    let page = curl(&["-H", "Accept: text/html", "-d", "x=1", &format!("http://{}/closed", door.listener(0))]);
    assert!(page.text().contains(page.header("x-request-id").unwrap()), "{}", page.text());
}

#[test]
fn a_trace_goes_on_under_a_new_parent_or_begins() {
    let upstream = part("echo", &[]);
    let door = Door::serve(&configuration(upstream.port(), JSON), secret);
    let url = format!("http://{}/open/traced", door.listener(0));
    let answer = curl(&["-H", &format!("traceparent: {TRACE}"), "-H", "tracestate: rojo=1", &url]);
    let sent = seen(&answer, "traceparent");
    assert_eq!(sent.len(), 1);
    assert_eq!((&sent[0][..36], &sent[0][52..]), (&TRACE[..36], "-00"));
    assert_ne!(sent[0][36..52], TRACE[36..52]);
    assert_eq!(seen(&answer, "tracestate"), ["rojo=1"]);
    assert_eq!(one_line(&door, "/open/traced")["trace_id"], TRACE[3..35]);

    let begun = curl(&["-H", "traceparent: 00-nonsense", "-H", "tracestate: rojo=1", &url]);
    let sent = seen(&begun, "traceparent");
    assert_eq!((sent.len(), sent[0].len()), (1, 55));
    assert_ne!(sent[0][3..35], TRACE[3..35]);
    assert!(seen(&begun, "tracestate").is_empty(), "state without its trace means nothing");
}

#[test]
fn no_line_is_written_where_none_is_wanted() {
    let upstream = part("echo", &[]);
    let door = Door::serve(&configuration(upstream.port(), "logging: { access: false }\n"), secret);
    assert_eq!(curl(&[&format!("http://{}/open/quiet", door.listener(0))]).status, 200);
    door.process.signal("TERM");
    let mut door = door;
    assert_eq!(door.process.wait(), Some(0));
    assert!(!door.process.said().contains("/open/quiet"), "{}", door.process.said());
}
