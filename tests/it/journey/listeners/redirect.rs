//! The listener that only says where the encrypted one is.

use serde_json::{Value, json};

use super::Stage;
use crate::support::{curl, eventually};

#[test]
fn a_redirecting_listener_sends_everybody_to_the_public_address_and_nobody_further() {
    let stage =
        Stage::set("{ address: 127.0.0.1:0, redirect: true }, { address: 127.0.0.1:0 }", "logging: { format: json }", |_| {});
    let url = |path: &str| format!("http://{}{path}", stage.door.listener(0));
    for (path, expected) in [
        ("/", "https://app.test/"),
        ("/a/b?c=d&e=%20f", "https://app.test/a/b?c=d&e=%20f"),
        ("/a?https://evil.test", "https://app.test/a?https://evil.test"),
    ] {
        for host in ["app.test", "evil.test", "evil.test:8080"] {
            let host = format!("Host: {host}");
            let answer = curl(&["--path-as-is", "-H", &host, &url(path)]);
            assert_eq!((answer.status, answer.header("location")), (301, Some(expected)), "{path}, {host}: {}", answer.error);
        }
    }
    let posted = curl(&["-H", "Host: evil.test", "-d", "password=secret", &url("/form?x=1")]);
    assert_eq!((posted.status, posted.header("location")), (308, Some("https://app.test/form?x=1")), "{}", posted.error);
    let believed = curl(&["-H", "X-Forwarded-Host: evil.test", "-H", "X-Forwarded-Proto: https", &url("/a")]);
    assert_eq!((believed.status, believed.header("location")), (301, Some("https://app.test/a")));
    for odd in ["//evil.test/a", "/a/../b", "/a%2fb", "/a%0d%0aSet-Cookie:x"] {
        let refused = curl(&["--path-as-is", &url(odd)]);
        assert_eq!((refused.status, refused.header("location")), (400, None), "{odd}");
    }
    let named = curl(&["--path-as-is", &url("/a%2fb?key=dw_secret")]);
    let id = named.header("x-request-id").unwrap();
    let line = eventually("the refusal has a line", || {
        let said = stage.door.process.said();
        said.lines().find(|line| line.contains(id)).and_then(|line| serde_json::from_str::<Value>(line).ok())
    });
    assert_eq!(
        (&line["decision"], &line["status"], &line["path"]),
        (&json!("malformed"), &json!(400), &json!("/a%2fb")),
        "{line}"
    );
    assert!(!stage.door.process.said().contains("dw_secret"));
    let kept = eventually("its event is written", || {
        let trail = stage.door.command(&["audit", "list", "--limit", "500"]);
        trail.as_array().unwrap().iter().find(|event| event["request_id"] == id).cloned()
    });
    assert_eq!((&kept["kind"], &kept["reason"]), (&json!("request_refused"), &line["reason"]), "{kept}");
    assert_eq!(stage.arrived(), 0, "no application is behind it");
    assert_eq!(curl(&[&format!("http://{}/", stage.door.listener(1))]).status, 200, "the other listener serves");
}
