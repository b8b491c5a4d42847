//! What API servers send, and what they might.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::{Injector, certificate_for, furnished, patched, pod, review, valid, wanted};
use crate::support::{curl, eventually};

const FILES: &str = "certificate: { cert: tls.crt, key: tls.key }\n";

#[test]
fn an_annotated_pod_comes_back_with_a_door_and_valid_and_a_second_time_unchanged() {
    let folder = furnished();
    let injector = Injector::start(folder.path(), "inject.yaml", FILES);
    injector.wait_until_ready();
    let ca = folder.path().join("ca.pem");
    let before = pod(&wanted());
    let response = injector.review(&ca, &review(&before));
    let after = patched(&before, &response);
    assert_eq!(after["spec"]["initContainers"][0]["image"], "registry.example/doorward:1.2.3");
    assert_eq!(after["spec"]["containers"][0]["readinessProbe"]["httpGet"]["port"], 3000);
    assert!(response["warnings"][0].as_str().unwrap().contains("127.0.0.1"), "{response}");
    valid::check(&[before.clone(), after.clone()]);
    let again = injector.review(&ca, &review(&after));
    assert_eq!(again, json!({ "uid": response["uid"], "allowed": true }), "an injected pod was changed again");
    let mut tried = review(&before);
    tried["request"]["dryRun"] = json!(true);
    assert_eq!(injector.review(&ca, &tried), response, "a dry run is answered like any other");
    let plain = pod(&json!({ "prometheus.io/scrape": "true" }));
    assert_eq!(injector.review(&ca, &review(&plain)), json!({ "uid": response["uid"], "allowed": true }));
    let metrics = injector.operations("/metrics").text();
    for line in [
        "doorward_inject_reviews_total{outcome=\"injected\"} 2",
        "doorward_inject_reviews_total{outcome=\"already_injected\"} 1",
        "doorward_inject_reviews_total{outcome=\"untouched\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

#[test]
fn a_pod_that_cannot_have_a_door_is_refused_with_the_reason_and_never_admitted_without() {
    let folder = furnished();
    let injector = Injector::start(folder.path(), "inject.yaml", FILES);
    injector.wait_until_ready();
    let mut pod = pod(&wanted());
    pod["spec"]["hostNetwork"] = json!(true);
    let response = injector.review(&folder.path().join("ca.pem"), &review(&pod));
    assert_eq!((&response["allowed"], &response["status"]["code"]), (&json!(false), &json!(422)), "{response}");
    assert!(response["status"]["message"].as_str().unwrap().contains("hostNetwork"));
    assert!(response["warnings"][0].as_str().unwrap().contains("hostNetwork"));
    assert!(response.get("patch").is_none());
    let said = eventually("it says so", || injector.process.said().contains("hostNetwork").then(|| injector.process.said()));
    assert!(said.contains("shop-5d4f8c7b9-"), "whose pod it was: {said}");
}

#[test]
fn what_is_no_creation_of_a_pod_passes_untouched() {
    let folder = furnished();
    let injector = Injector::start(folder.path(), "inject.yaml", FILES);
    injector.wait_until_ready();
    let changes: [fn(&mut Value); 4] = [
        |asked| asked["operation"] = json!("UPDATE"),
        |asked| asked["subResource"] = json!("ephemeralcontainers"),
        |asked| asked["kind"]["kind"] = json!("Secret"),
        |asked| (asked["operation"], asked["object"]) = (json!("DELETE"), Value::Null),
    ];
    for change in changes {
        let mut asked = review(&pod(&wanted()));
        change(&mut asked["request"]);
        let response = injector.review(&folder.path().join("ca.pem"), &asked);
        assert_eq!(response, json!({ "uid": asked["request"]["uid"], "allowed": true }));
    }
}

#[test]
fn bad_calls_get_a_clear_status_and_the_next_good_one_its_answer() {
    let folder = furnished();
    let injector = Injector::start(folder.path(), "inject.yaml", FILES);
    injector.wait_until_ready();
    let ca = folder.path().join("ca.pem");
    let good = review(&pod(&wanted()));
    let send = |kind: &str, body: &[u8]| {
        let file = folder.path().join("body");
        fs::write(&file, body).unwrap();
        let answer =
            injector.call(&ca, &["-H", &format!("content-type: {kind}"), "--data-binary", &format!("@{}", file.display())]);
        (answer.status, answer.text())
    };
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut review = good.clone();
        change(&mut review);
        review.to_string().into_bytes()
    };
    let deep = format!("{{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"x\":{}", "[".repeat(100_000));
    let large = changed(&|review| review["request"]["object"]["metadata"]["annotations"]["x"] = json!("y".repeat(5 << 20)));
    for (body, status, said) in [
        (b"{".to_vec(), 400, "no AdmissionReview"),
        (b"\xff\xfe\x00".to_vec(), 400, "no AdmissionReview"),
        (b"[]".to_vec(), 400, "no AdmissionReview"),
        (Vec::new(), 400, "no AdmissionReview"),
        (deep.into_bytes(), 400, "no AdmissionReview"),
        (
            changed(&|review| review["apiVersion"] = json!("admission.k8s.io/v1beta1")),
            400,
            "only AdmissionReview of admission.k8s.io/v1",
        ),
        (changed(&|review| review["kind"] = json!("Pod")), 400, "only AdmissionReview"),
        (changed(&|review| review["request"] = Value::Null), 400, "asks nothing"),
        (changed(&|review| review["request"]["uid"] = json!(7)), 400, "no AdmissionReview"),
        (large, 413, "larger than 4 MiB"),
    ] {
        let (found, text) = send("application/json", &body);
        assert!(found == status && text.contains(said), "{status} {said}: {found} {text}");
    }
    assert_eq!(send("text/plain", good.to_string().as_bytes()).0, 415);
    assert_eq!(send("application/vnd.kubernetes.protobuf", b"k8s\0").0, 415);
    assert_eq!(injector.call(&ca, &["-X", "GET"]).status, 405);
    let listen = injector.ready["listen"].as_str().unwrap();
    let to = format!("::{listen}");
    let elsewhere = format!("https://{}/admin", super::SERVICE);
    assert_eq!(curl(&["--cacert", ca.to_str().unwrap(), "--connect-to", &to, &elsewhere]).status, 404);
    assert_eq!(send("Application/JSON; charset=utf-8", good.to_string().as_bytes()).0, 200);
}

#[test]
fn who_trusts_another_authority_or_speaks_no_tls_is_not_served_and_harms_nobody() {
    let (folder, other) = (furnished(), furnished());
    let injector = Injector::start(folder.path(), "inject.yaml", FILES);
    injector.wait_until_ready();
    let refused = injector.call(&other.path().join("ca.pem"), &["-d", "{}"]);
    assert!(refused.status == 0 && refused.error.contains("certificate"), "{refused:?}");
    let mut plain = TcpStream::connect(injector.ready["listen"].as_str().unwrap()).unwrap();
    plain.write_all(b"POST /mutate HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/"), "plain text was answered: {}", String::from_utf8_lossy(&answer));
    let response = injector.review(&folder.path().join("ca.pem"), &review(&pod(&wanted())));
    assert_eq!(response["allowed"], true);
}

#[test]
fn a_renewed_certificate_in_the_files_is_taken_over_and_half_of_one_is_not() {
    let (folder, renewed) = (furnished(), furnished());
    let mut injector = Injector::start(folder.path(), "inject.yaml", FILES);
    injector.wait_until_ready();
    let (old, new) = (folder.path().join("ca.pem"), renewed.path().join("ca.pem"));
    fs::copy(renewed.path().join("tls.crt"), folder.path().join("tls.crt")).unwrap();
    eventually("it is said what is wrong", || injector.process.said().contains("could not be looked after").then_some(()));
    assert_eq!(injector.call(&old, &["-d", "{}"]).status, 415, "the former certificate goes on");
    let status = injector.operations("/readyz");
    assert!(status.status == 200 && status.json()["impaired"][0]["what"] == "certificate", "{}", status.text());
    fs::copy(renewed.path().join("tls.key"), folder.path().join("tls.key")).unwrap();
    eventually("the new one is served", || (injector.call(&new, &["-d", "{}"]).status == 415).then_some(()));
    injector.process.signal("TERM");
    assert_eq!(injector.process.wait(), Some(0));
}

#[test]
fn a_wrong_configuration_is_told_whole_and_the_status_says_so() {
    let folder = tempfile::TempDir::new().unwrap();
    certificate_for(folder.path());
    let file = folder.path().join("inject.yaml");
    fs::write(&file, "version: 1\nimage: ''\ncertificate: { cert: tls.crt }\n").unwrap();
    let output = crate::support::doorward(&["inject", "--config"]).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("inject.yaml:2") && said.contains("one certificate is needed"), "{said}");
}
