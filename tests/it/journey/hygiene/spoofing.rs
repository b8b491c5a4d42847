//! Headers that only the door may set, sent by strangers in every spelling: none reaches the application.

use super::wire::{Over, Stage, bytes};

/// Every name that a preset sets, and those that frameworks believe about address, scheme, path or person.
pub(super) const NAMES: &[&str] = &[
    "X-Doorward-User",
    "X-Doorward-Email",
    "X-Doorward-Name",
    "X-Doorward-Groups",
    "X-Doorward-Roles",
    "X-Doorward-Role",
    "X-Doorward-Tenant",
    "X-Doorward-Scopes",
    "X-Doorward-Credential",
    "X-Doorward-Session",
    "X-Doorward-Assertion",
    "X-Doorward-Anything-Else",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Preferred-Username",
    "X-Forwarded-Roles",
    "X-Forwarded-Access-Token",
    "X-Auth-Request-User",
    "X-Auth-Request-Email",
    "X-Auth-Request-Groups",
    "Remote-User",
    "Remote-Email",
    "Remote-Name",
    "Remote-Groups",
    "X-Remote-User",
    "X-authentik-username",
    "X-authentik-email",
    "X-authentik-name",
    "X-authentik-uid",
    "X-authentik-groups",
    "X-Pomerium-Jwt-Assertion",
    "X-Pomerium-Claim-Email",
    "X-Pomerium-Claim-Groups",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Original-URI",
    "X-Forwarded-Uri",
    "X-Forwarded-Method",
    "X-Forwarded-Prefix",
    "X-HTTP-Method-Override",
    "X-Real-IP",
    "Forwarded",
];

/// What a stranger says; it must not be found at the application.
pub(super) const LIE: &str = "spoofed-admin";

/// Ways to write a name or a line of it. `{}` is the name.
fn spellings(name: &str) -> Vec<(&'static str, String)> {
    vec![
        ("as_it_is", format!("{name}: {LIE}")),
        ("lower_case", format!("{}: {LIE}", name.to_ascii_lowercase())),
        ("upper_case", format!("{}: {LIE}", name.to_ascii_uppercase())),
        ("underscores", format!("{}: {LIE}", name.replace('-', "_"))),
        ("one_underscore", format!("{}: {LIE}", name.replacen('-', "_", 1))),
        ("underscores_in_upper_case", format!("{}: {LIE}", name.replace('-', "_").to_ascii_uppercase())),
        ("twice", format!("{name}: {LIE}\r\n{name}: {LIE}")),
        ("twice_in_two_spellings", format!("{name}: {LIE}\r\n{}: {LIE}", name.replace('-', "_"))),
        ("without_space", format!("{name}:{LIE}")),
        ("spaces_around", format!("{name}:  \t {LIE} \t ")),
        ("nominated", format!("{name}: {LIE}\r\nConnection: {name}")),
        ("nominated_before", format!("Connection: close, {name}\r\n{name}: {LIE}")),
        ("nominated_with_underscores", format!("Connection: {}\r\n{name}: {LIE}", name.replace('-', "_"))),
        ("empty_then_lie", format!("{name}:\r\n{name}: {LIE}")),
    ]
}

/// Ways to ask. `{}` is the header's place.
const REQUESTS: &[(&str, &str)] = &[
    ("public", "GET /public/a HTTP/1.1\r\nHost: app.test\r\n{}\r\n\r\n"),
    ("optional", "GET /optional/a HTTP/1.1\r\nHost: app.test\r\n{}\r\n\r\n"),
    ("old_version", "GET /public/a HTTP/1.0\r\nHost: app.test\r\n{}\r\n\r\n"),
    ("before_host", "GET /public/a HTTP/1.1\r\n{}\r\nHost: app.test\r\n\r\n"),
    (
        "preflight",
        "OPTIONS /public/a HTTP/1.1\r\nHost: app.test\r\nOrigin: https://evil.test\r\nAccess-Control-Request-Method: PUT\r\n{}\r\n\r\n",
    ),
    ("options_of_the_server", "OPTIONS * HTTP/1.1\r\nHost: app.test\r\n{}\r\n\r\n"),
    ("with_body", "POST /public/a HTTP/1.1\r\nHost: app.test\r\nContent-Length: 2\r\n{}\r\n\r\nok"),
    ("trailer", "POST /public/a HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n{}\r\n\r\n"),
    (
        "announced_trailer",
        "POST /public/a HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\nTrailer: x-forwarded-user\r\nTE: trailers\r\n\r\n2\r\nok\r\n0\r\n{}\r\n\r\n",
    ),
    (
        "websocket",
        "GET /public/a HTTP/1.1\r\nHost: app.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{}\r\n\r\n",
    ),
    ("refused", "GET /closed/a HTTP/1.1\r\nHost: app.test\r\n{}\r\n\r\n"),
    ("without_identity", "GET /admin/a HTTP/1.1\r\nHost: app.test\r\n{}\r\n\r\n"),
    ("wrong_key", "GET /optional/a HTTP/1.1\r\nHost: app.test\r\nX-Api-Key: dw_wrong\r\n{}\r\n\r\n"),
];

/// What arrived of a lie, if anything did.
pub(super) fn heard(stage: &Stage) -> Option<String> {
    let arrived = stage.arrived();
    arrived.lines().find(|line| line.contains(LIE)).map(str::to_owned)
}

#[test]
fn h1_h2_h3_h5_a_strangers_identity_never_arrives_in_any_spelling() {
    let stage = Stage::set("");
    let mut sent = 0;
    let mut taken = 0;
    for name in NAMES {
        for (spelling, line) in spellings(name) {
            let reply = stage.send(Over::Plain, &bytes(&REQUESTS[0].1.replace("{}", &line)));
            sent += 1;
            taken += usize::from(reply.status == 200);
            assert!(matches!(reply.status, 200 | 400), "{name} {spelling}: {reply:?}");
        }
        assert_eq!(heard(&stage), None, "{name}");
    }
    assert!(sent >= 60, "{sent}");
    assert!(taken * 2 > sent, "most are taken and stripped, not refused: {taken} of {sent}");
}

#[test]
fn h1_a_strangers_identity_arrives_on_no_kind_of_request() {
    let stage = Stage::set("");
    for name in NAMES {
        for (kind, request) in REQUESTS {
            for line in [format!("{name}: {LIE}"), format!("{}: {LIE}", name.replace('-', "_"))] {
                let reply = stage.send(Over::Plain, &bytes(&request.replace("{}", &line)));
                assert_ne!(reply.status, 0, "{name} {kind}: {reply:?}");
            }
        }
        assert_eq!(heard(&stage), None, "{name}");
    }
}

#[test]
fn h6_what_the_door_consumed_does_not_arrive() {
    let stage = Stage::set("");
    let cookie = "Cookie: a=1; __Host-doorward=spoofed-admin; b=2";
    let reply = stage.send(Over::Tls, &bytes(&REQUESTS[0].1.replace("{}", cookie)));
    assert_eq!(reply.status, 200, "{reply:?}");
    let arrived = stage.arrived();
    assert!(arrived.contains("a=1; b=2") && !arrived.contains("__Host-doorward"), "{arrived}");
}

#[test]
fn p4_nobodys_word_on_the_client_is_believed() {
    let stage = Stage::set("");
    let claims = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.test\r\nForwarded: for=6.6.6.6";
    assert_eq!(stage.send(Over::Plain, &bytes(&REQUESTS[0].1.replace("{}", claims))).status, 200);
    let arrived = stage.arrived().to_ascii_lowercase();
    assert!(!arrived.contains("6.6.6.6") && !arrived.contains("evil.test"), "{arrived}");
    assert!(arrived.contains("x-forwarded-for: 127.0.0.1\r\n") && arrived.contains("x-forwarded-proto: http\r\n"), "{arrived}");
}

#[test]
fn p4_a_trusted_proxys_word_on_the_client_is_believed_and_must_be_whole() {
    let stage = Stage::set("trusted_proxies: [127.0.0.0/8]\n");
    let claims = "X-Forwarded-For: 6.6.6.6, 203.0.113.7\r\nX-Forwarded-Proto: https";
    assert_eq!(stage.send(Over::Plain, &bytes(&REQUESTS[0].1.replace("{}", claims))).status, 200);
    let arrived = stage.arrived().to_ascii_lowercase();
    assert!(arrived.contains("203.0.113.7") && arrived.contains("x-forwarded-proto: https\r\n"), "{arrived}");
    stage.forget();
    for claims in [
        "X-Forwarded-For: nobody",
        "X-Forwarded-Proto: gopher",
        "X-Forwarded-Host: a@b",
        "Forwarded: for=\"",
        "X-Forwarded-For: 1.1.1.1\r\nForwarded: for=2.2.2.2",
    ] {
        let reply = stage.send(Over::Plain, &bytes(&REQUESTS[0].1.replace("{}", claims)));
        assert_eq!((reply.status, reply.closed), (400, true), "{claims}: {reply:?}");
    }
    assert_eq!(stage.arrived(), "");
}
