//! The host: what the rules were chosen by and what the application goes by are one, whoever named it.

use serde_json::Value;

use crate::support::{Answer, Door, curl, part};

fn door(upstream: u16, more: &str) -> Door {
    let configuration = format!(
        "\
version: 1
public_url: https://open.test
listeners:
  - {{ address: 127.0.0.1:0 }}
  - {{ address: 127.0.0.1:0, tls: {{ certificates: [{{ cert: cert.pem, key: key.pem }}] }} }}
upstream: {{ url: http://127.0.0.1:{upstream} }}
store: {{ url: sqlite:{{folder}}/doorward.db }}
secret_key: {{ file: secret }}
routes:
  - {{ host: closed.test, path: /**, access: deny }}
  - {{ path: /**, access: public }}
{more}"
    );
    Door::serve(&configuration, |folder| {
        let made = rcgen::generate_simple_self_signed(vec!["open.test".to_owned()]).unwrap();
        std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        std::fs::write(folder.join("secret"), "0123456789abcdef0123456789abcdef").unwrap();
    })
}

/// A request for `host`, with what a proxy says of it, over HTTP/1.1 and over HTTP/2.
fn ask(door: &Door, host: &str, said: &[&str]) -> [Answer; 2] {
    let host = format!("Host: {host}");
    let headers: Vec<&str> = [host.as_str()].iter().chain(said).flat_map(|header| ["-H", *header]).collect();
    let plain = format!("http://{}/", door.listener(0));
    let tls = format!("https://{}/", door.listener(1));
    [curl(&[headers.as_slice(), &[&plain]].concat()), curl(&[headers.as_slice(), &["--http2", "--insecure", &tls]].concat())]
}

/// The values of a header that the application saw.
fn values(answer: &Answer, name: &str) -> Vec<Value> {
    let seen = answer.json()["raw_headers"].as_array().unwrap().clone();
    seen.into_iter().filter(|pair| pair[0].as_str().unwrap().eq_ignore_ascii_case(name)).map(|pair| pair[1].clone()).collect()
}

#[test]
fn p4_the_host_that_a_trusted_proxy_names_is_the_one_the_application_goes_by() {
    let upstream = part("echo", &[]);
    let door = door(upstream.port(), "trusted_proxies: [127.0.0.0/8]\n");
    for said in [
        &["X-Forwarded-Host: open.test"][..],
        &["X-Forwarded-Host: open.test, open.test"],
        &["X-Forwarded-Host: open.test", "X-Forwarded-Host: open.test"],
        &["X-Forwarded-Host: open.test", "X_Forwarded_Host: closed.test", "Forwarded: for=127.0.0.1;host=closed.test"],
    ] {
        for answer in ask(&door, "closed.test", said) {
            assert_eq!(answer.status, 200, "judged by what the proxy says: {said:?} {}", answer.text());
            for name in ["host", "x-forwarded-host"] {
                assert_eq!(values(&answer, name), ["open.test"], "{name} {said:?}");
            }
        }
    }
    for answer in ask(&door, "open.test", &["X-Forwarded-Host: closed.test"]) {
        assert_eq!(answer.status, 403);
    }
    for answer in ask(&door, "open.test", &["X-Forwarded-Host: open.test", "X-Forwarded-Host: closed.test"]) {
        assert_eq!(answer.status, 400);
    }
}

#[test]
fn p4_what_a_stranger_says_of_the_host_is_neither_judged_nor_passed_on() {
    let upstream = part("echo", &[]);
    let door = door(upstream.port(), "");
    for answer in ask(&door, "open.test", &["X-Forwarded-Host: closed.test", "Forwarded: host=closed.test"]) {
        assert_eq!(answer.status, 200);
        assert_eq!(
            (values(&answer, "host"), values(&answer, "x-forwarded-host")),
            (vec!["open.test".into()], vec!["open.test".into()])
        );
        assert!(values(&answer, "forwarded").is_empty());
    }
    for answer in ask(&door, "closed.test", &["X-Forwarded-Host: open.test"]) {
        assert_eq!(answer.status, 403);
    }
}
