//! Paths: each variation is refused, or judged and forwarded as the same bytes; none opens what is closed.

use super::wire::{Over, Stage, bytes};

/// Ways to write `/closed/x`, `/admin/x` or `/$data/x` past a rule. None may arrive at the application.
pub(super) const BYPASSES: &[&str] = &[
    "/closed/x",
    "/closed",
    "/closed/",
    "/admin",
    "/admin/x",
    "/$data/x",
    "/%24data/x",
    "/$data",
    "//closed/x",
    "///closed/x",
    "/./closed/x",
    "/.//closed/x",
    "/a/../closed/x",
    "/a/..//closed/x",
    "/a/./../closed/x",
    "/public/../closed/x",
    "/public/..%2fclosed/x",
    "/public%2f..%2fclosed/x",
    "/public/%2e%2e/closed/x",
    "/public/%2E%2E/closed/x",
    "/public/.%2e/closed/x",
    "/public/%2e./closed/x",
    "/public/%252e%252e/closed/x",
    "/public/..;/closed/x",
    "/public/..;a=b/closed/x",
    "/public;/../closed/x",
    "/closed;/x",
    "/closed;a=b/x",
    "/;/closed/x",
    "/closed%2fx",
    "/closed%2Fx",
    "/closed%5cx",
    "/closed\\x",
    "/public\\..\\closed\\x",
    "\\closed\\x",
    "/\\closed/x",
    "/%5cclosed/x",
    "/%2fclosed/x",
    "/%2Fclosed/x",
    "/%252fclosed/x",
    "/%63losed/x",
    "/c%6Cosed/x",
    "/%63%6c%6f%73%65%64/x",
    "/close%64",
    "/%61dmin/x",
    "/adm%69n/x",
    "/%2561dmin/x",
    "/closed%00/x",
    "/closed%00",
    "/%00/closed/x",
    "/closed%20/../x",
    "/closed%0a/x",
    "/closed%0d%0a/x",
    "/closed%09/../x",
    "/closed#/x",
    "/public#/../closed/x",
    "/closed%23/x",
    "/closed%3f/x",
    "/closed/%2e",
    "/closed/.",
    "/closed/..",
    "/closed/x/..",
    "/closed/./x",
    "/closed//x",
    "/closed/%2e%2e/closed/x",
    "/%c0%ae%c0%ae/closed/x",
    "/public/%c0%ae%c0%ae/closed/x",
    "/public/%e0%80%ae%e0%80%ae/closed/x",
    "/public/..%c0%afclosed/x",
    "/public/%uff0e%uff0e/closed/x",
    "/public/%ef%bc%8e%ef%bc%8e/closed/x",
    "/public/..%ef%bc%8fclosed/x",
    "/%u0063losed/x",
    "/%/closed/x",
    "/%c/closed/x",
    "closed/x",
    "./closed/x",
    "*",
    "*/closed/x",
    "http://app.test/closed/x",
    "http://app.test//closed/x",
    "http://app.test/public/../closed/x",
    "http://app.test\\closed/x",
    "http:/closed/x",
    "http:closed/x",
    "//app.test/closed/x",
    "https://app.test/closed/x",
    "?/../closed/x",
    "/?/../../closed/x#",
    "/public?/../#/closed/x",
    "/~/../closed/x",
    "/public/...%2f/closed/x",
    "/closed/%2f",
    "/CLOSED%2f/x",
    "/closed%3b/x",
    "/closed%3Ba/x",
    "/closed%25/x",
];

/// Paths that are fine: what is judged arrives byte for byte.
pub(super) const FORWARDED: &[&str] = &[
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/a.b",
    "/...",
    "/a../b",
    "/.a",
    "/.well-known/x",
    "/a/b.c/",
    "/a-b_c~d",
    "/a:b@c",
    "/a,b",
    "/a=b",
    "/a+b",
    "/a%20b",
    "/a%2Bb",
    "/a%2bb",
    "/a%40b",
    "/a%3Ab",
    "/a%2Cb",
    "/a%3D",
    "/a%26",
    "/%24other",
    "/$other",
    "/%C3%A4",
    "/%c3%a4",
    "/%E2%82%AC",
    "/%F0%9F%9A%AA",
    "/a'b",
    "/a(b)",
    "/a!b",
    "/a*b",
    "/a|b",
    "/[a]",
    "/a%5Bb%5D",
    "/a%7Bb%7D",
    "/a%22b",
    "/a%3Cb%3E",
    "/Closed/x",
    "/closedx",
    "/close",
    "/xclosed/x",
    "/administrator",
    "/a?b",
    "/a?",
    "/?",
    "/?a=b&c=d",
    "/a?b=/../closed",
    "/a?b=%2e%2e%2f",
    "/a?b=%00",
    "/a?b=//x",
    "/a?b?c",
    "/a?b=%zz",
    "/a?b;c",
    "/a?%",
    "/a?q=a+b",
    "/a?\\",
    "/a?{}",
    "/a/%E2%80%A6/b",
    "/very/deep/path/with/many/segments/in/it/and/more",
    "/a?url=http://evil.test/%23",
];

#[test]
fn p1_p2_no_way_of_writing_a_path_opens_what_is_closed() {
    assert!(BYPASSES.len() >= 60);
    let stage = Stage::set("");
    let mut wrong = Vec::new();
    for path in BYPASSES {
        for host in ["Host: app.test", "Host: app.test\r\nX-Original-URL: /public", "Host: app.test\r\nX-Forwarded-Uri: /public"]
        {
            let reply = stage.send(Over::Plain, &bytes(&format!("GET {path} HTTP/1.1\r\n{host}\r\n\r\n")));
            if !matches!(reply.status, 400 | 401 | 403) {
                wrong.push(format!("{path}: {reply:?}"));
            }
        }
    }
    let arrived = stage.arrived();
    // These two hold the word in a query, or not at all.
    let fine = |line: &&str| line.starts_with("GET /?") || line.starts_with("GET /public?");
    let opened: Vec<&str> = arrived.lines().filter(|line| line.starts_with("GET ")).filter(|line| !fine(line)).collect();
    assert!(opened.is_empty() && wrong.is_empty(), "{opened:?}\n{}", wrong.join("\n"));
}

#[test]
fn p1_the_path_that_was_judged_is_the_path_that_arrives() {
    assert!(FORWARDED.len() >= 60);
    let stage = Stage::set("");
    for over in [Over::Plain, Over::Tls] {
        for path in FORWARDED {
            stage.forget();
            let reply = stage.send(over, &bytes(&format!("GET {path} HTTP/1.1\r\nHost: app.test\r\n\r\n")));
            assert_eq!(reply.status, 200, "{path}: {reply:?}");
            let arrived = stage.arrived();
            assert_eq!(arrived.lines().next(), Some(format!("GET {path} HTTP/1.1").as_str()));
        }
    }
}

#[test]
fn f12_absolute_form_arrives_as_origin_form() {
    let stage = Stage::set("");
    let reply = stage.send(Over::Plain, b"GET http://app.test/a%20b?c HTTP/1.1\r\nHost: app.test\r\n\r\n");
    assert_eq!(reply.status, 200, "{reply:?}");
    let arrived = stage.arrived();
    assert!(arrived.starts_with("GET /a%20b?c HTTP/1.1\r\n"), "{arrived}");
    assert!(arrived.to_ascii_lowercase().contains("\r\nhost: app.test\r\n"), "{arrived}");
}

#[test]
fn p5_no_method_agent_or_upgrade_is_exempt() {
    let stage = Stage::set("");
    for method in ["GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH", "PROPFIND"] {
        for extra in [
            "",
            "User-Agent: kube-probe/1.33\r\n",
            "User-Agent: GoogleHC/1.0\r\n",
            "Origin: https://a.test\r\nAccess-Control-Request-Method: GET\r\n",
        ] {
            let reply = stage.send(
                Over::Plain,
                &bytes(&format!("{method} /closed/x HTTP/1.1\r\nHost: app.test\r\n{extra}Connection: close\r\n\r\n")),
            );
            assert!(matches!(reply.status, 401 | 403), "{method} {extra}: {reply:?}");
        }
    }
    let upgrade = "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    let reply = stage.send(Over::Plain, &bytes(&format!("GET /closed/x HTTP/1.1\r\nHost: app.test\r\n{upgrade}\r\n")));
    assert!(matches!(reply.status, 401 | 403), "{reply:?}");
    assert_eq!(stage.arrived(), "");
}
