//! `config/outer/`: each of the proxies lets in whom Doorward lets in, and nobody else.

use std::process::Command;

use serde_json::Value;

use super::estate::{Estate, Kind};
use crate::login::house::{field, received};
use crate::support::{Answer, HOST, part};

/// The values of a header that the application got under any spelling of the name; what is empty says nothing.
fn values(echo: &Value, name: &str) -> Vec<String> {
    let fold = |name: &str| name.to_ascii_lowercase().replace('_', "-");
    let pairs = echo["raw_headers"].as_array().unwrap_or_else(|| panic!("{echo}")).iter();
    let of_name = pairs.filter(|pair| fold(pair[0].as_str().unwrap()) == name);
    of_name.map(|pair| pair[1].as_str().unwrap().to_owned()).filter(|value| !value.is_empty()).collect()
}

/// What no client may say.
const SPOOFED: [&str; 13] = [
    "X-Forwarded-User: root",
    "X-Forwarded-Email: root@acme.example",
    "X-Forwarded-Preferred-Username: root",
    "X-Forwarded-Groups: Platform",
    "X-Forwarded-Roles: admin",
    "X-Forwarded-Access-Token: stolen",
    "X-Doorward-User: root",
    "X-Doorward-Assertion: forged",
    "X-Auth-Request-User: root",
    "Remote-User: root",
    "X-authentik-username: root",
    "X-Pomerium-Jwt-Assertion: forged",
    "X-Forwarded-Uri: /public/x",
];

fn spoofed() -> Vec<&'static str> {
    SPOOFED.iter().flat_map(|header| ["-H", header]).collect()
}

#[track_caller]
fn nobody_spoke(echo: &Value, but: &[(&str, &str)]) {
    for header in SPOOFED {
        let name = header.split(':').next().unwrap().to_ascii_lowercase();
        let said = but.iter().filter(|(said, _)| *said == name).map(|(_, value)| (*value).to_owned());
        assert_eq!(values(echo, &name), said.collect::<Vec<_>>(), "{name}: {echo}");
    }
}

#[track_caller]
fn everything_holds(kind: Kind) {
    let estate = Estate::of(kind);
    the_public_is_let_in_and_says_nothing_of_itself(&estate);
    a_person_signs_in(&estate);
    a_program_has_a_key_or_is_told_what_it_lacks(&estate);
    no_address_with_two_readings_passes(&estate);
    nobody_asks_for_decisions_from_outside(&estate);
    a_websocket_opens_for_a_key_only(&estate);
    without_doorward_nobody_is_let_in(estate);
}

#[track_caller]
fn the_public_is_let_in_and_says_nothing_of_itself(estate: &Estate) {
    let answer = estate.ask("/public/a?b=%2Fc&d", &spoofed());
    assert_eq!(answer.status, 200, "{answer:?} {}", answer.text());
    assert_eq!(answer.json()["url"], "/public/a?b=%2Fc&d", "the address is the one that was judged");
    nobody_spoke(&answer.json(), &[]);
    // Another spelling of such a name is taken away, or the request refused.
    for alias in ["X_Forwarded_User: root", "X-Forwarded_User: root", "x.forwarded.user: root", "Remote_User: root"] {
        let answer = estate.ask("/public/a", &["-H", alias]);
        if answer.status == 200 {
            let name = alias.split(':').next().unwrap();
            let pairs = answer.json()["raw_headers"].as_array().unwrap().clone();
            assert!(!pairs.iter().any(|pair| pair[0].as_str().unwrap().eq_ignore_ascii_case(name)), "{alias}: {}", answer.text());
        } else {
            // Envoy ends the stream instead.
            assert!(matches!(answer.status, 0 | 400), "{alias}: {answer:?}");
        }
    }
    for header in ["X-Rewrite-Url: /admin/", "X-Original-Url: /admin/", "X-HTTP-Method-Override: DELETE"] {
        let answer = estate.ask("/public/a", &["-H", header]);
        let name = header.split(':').next().unwrap().to_ascii_lowercase();
        assert!(answer.status == 400 || values(&answer.json(), &name).is_empty(), "{header}: {}", answer.text());
    }
    estate.arrived();
}

#[track_caller]
fn a_person_signs_in(estate: &Estate) {
    let asked = estate.person().ask(&estate.url("/reports?from=1"), &[]);
    assert_eq!(asked.status, 303, "a browser is sent to sign in: {asked:?}");
    assert!(asked.header("location").unwrap().starts_with(&estate.url("/.doorward/sign-in")), "{asked:?}");
    assert_eq!(estate.arrived(), [Value::Null; 0]);

    let person = estate.person();
    let walk = person.sign_in(&estate.url("/reports?from=1&to=%2F2"), "bob");
    assert_eq!((walk.answer.status, walk.url.as_str()), (200, estate.url("/reports?from=1&to=%2F2").as_str()), "{walk:#?}");
    assert!(estate.asked_provider() > 0);
    let mut sent = spoofed();
    sent.extend(["--cookie", "theme=dark", "-H", "Authorization: Digest of-the-application"]);
    let echo = person.ask(&estate.url("/reports"), &sent).json();
    let subject = received(&echo, "x-forwarded-user").unwrap().to_owned();
    let mut said = vec![
        ("x-forwarded-user", subject.as_str()),
        ("x-forwarded-email", "bob@acme.example"),
        ("x-forwarded-preferred-username", "bob@acme.example"),
        ("x-forwarded-groups", "Chess"),
        ("x-forwarded-roles", "viewer"),
    ];
    assert_ne!(subject, "root");
    if estate.kind == Kind::Traefik {
        // It passes on all that Doorward answers under such a name.
        said.push(("x-auth-request-user", subject.as_str()));
    }
    nobody_spoke(&echo, &said);
    assert_eq!(values(&echo, "cookie"), ["theme=dark"], "the application's cookies arrive, Doorward's do not: {echo}");
    assert_eq!(values(&echo, "authorization"), ["Digest of-the-application"], "{echo}");

    let denied = person.ask(&estate.url("/admin/"), &[]);
    assert_eq!(denied.status, 403, "{denied:?}");
    assert!(denied.text().contains("bob@acme.example"), "the page says who one is: {}", denied.text());
    assert_eq!(estate.arrived().iter().filter(|request| request["url"] == "/admin/").count(), 0);
    let admin = estate.person();
    assert_eq!(admin.sign_in(&estate.url("/admin/"), "ada").answer.status, 200);
    assert_eq!(person.session().json()["email"], "bob@acme.example", "Doorward's own pages are there");
    let token = field(&person.ask(&estate.url("/.doorward/sign-out"), &[]).text(), "token");
    assert_eq!(person.post(&estate.url("/.doorward/sign-out"), &[("token", &token)], &[]).status, 303);
    assert_eq!(person.ask(&estate.url("/reports"), &[]).status, 303, "signed out");
    estate.arrived();
}

#[track_caller]
fn a_program_has_a_key_or_is_told_what_it_lacks(estate: &Estate) {
    // Without a body: HAProxy answers before it has come, and may then end the stream in a way that curl takes for an error.
    let nobody = estate.ask("/reports", &["-X", "POST", "-d", ""]);
    assert_eq!((nobody.status, nobody.header("content-type")), (401, Some("application/problem+json")), "{nobody:?}");
    assert!(nobody.all("www-authenticate").iter().any(|challenge| challenge.starts_with("Bearer")), "{nobody:?}");
    assert_eq!(nobody.json()["code"], "identity_needed");
    assert_eq!(estate.ask("/reports", &["-H", "X-Api-Key: dw_wrong"]).status, 401);
    assert_eq!(estate.arrived(), [Value::Null; 0]);

    let key = format!("X-Api-Key: {}", estate.key());
    let large = "x".repeat(300_000);
    let file = estate.door.folder().join("large");
    std::fs::write(&file, &large).unwrap();
    let body = format!("@{}", file.display());
    let mut sent = vec!["-H", key.as_str(), "-X", "POST", "--data-binary", body.as_str()];
    sent.extend(spoofed());
    let answer = estate.ask("/reports?a=1", &sent);
    assert_eq!(answer.status, 200, "{answer:?} {}", answer.text());
    let echo = answer.json();
    assert_eq!((&echo["method"], &echo["body"]["length"]), (&"POST".into(), &large.len().into()));
    assert_eq!((values(&echo, "x-api-key"), values(&echo, "x-forwarded-roles")), (vec![], vec!["viewer".to_owned()]));
    assert_ne!(values(&echo, "x-forwarded-user"), ["root"]);
    let denied = estate.ask("/admin/", &["-H", &key]);
    assert_eq!((denied.status, &denied.json()["code"]), (403, &"role".into()), "{denied:?}");
    let head = estate.ask("/reports", &["--head"]);
    assert_eq!((head.status, head.body.len()), (401, 0), "{head:?}");
    estate.arrived();
}

#[track_caller]
fn no_address_with_two_readings_passes(estate: &Estate) {
    for path in [
        "/public/../admin/",
        "/public/%2e%2e/admin/",
        "/public/..%2fadmin/",
        "/public//admin/",
        "/public/%252e%252e/admin/",
        "/public/..;/admin/",
        "/public/..%5cadmin/",
        "/.doorward/../admin/",
        "/.doorward/%2e%2e/admin/",
    ] {
        let answer = estate.ask(path, &[]);
        // A proxy that makes another address of it has to ask about that one, as Traefik does.
        let changed = estate.kind == Kind::Traefik && matches!(answer.status, 200 | 401);
        assert!(changed || matches!(answer.status, 400 | 404), "{path}: {answer:?}");
    }
    let arrived = estate.arrived();
    let public = |request: &Value| estate.kind == Kind::Traefik && request["url"].as_str().unwrap().starts_with("/public/");
    assert!(arrived.iter().all(public), "{arrived:?}");
}

#[track_caller]
fn nobody_asks_for_decisions_from_outside(estate: &Estate) {
    let told =
        |answer: &Answer| answer.headers.iter().any(|(name, _)| name.starts_with("x-forwarded-") || name == "authorization");
    let key = format!("X-Api-Key: {}", estate.key());
    for path in ["/.doorward/auth", "/.doorward/auth/reports", "/.doorward/auth?x", "/.doorward//auth", "/.doorward/%61uth"] {
        let named = ["-H", "X-Original-URI: /reports", "-H", "X-Original-Method: GET", "-H", key.as_str()];
        let answer = estate.ask(path, &named);
        assert!(answer.status >= 400 && !told(&answer), "{path}: {answer:?}");
    }
}

#[track_caller]
fn a_websocket_opens_for_a_key_only(estate: &Estate) {
    let app = part("ws-server", &[]);
    let (_proxy, port) = estate.beside(app.port());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parts/ws-client.mjs");
    let host = format!("Host: {HOST}:{port}");
    let open = |headers: &[&str]| {
        let address = format!("wss://127.0.0.1:{port}/live?x=1");
        let mut client = Command::new("node");
        client.args([script, &address, "--send", "hello", "--frames", "2", "--header", &host]).args(headers);
        let output = client.env("NODE_TLS_REJECT_UNAUTHORIZED", "0").output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let told = open(&["--header", &format!("X-Api-Key: {}", estate.key())]);
    assert!(told.contains("\"open\"") && told.contains("/live?x=1") && told.contains("hello"), "{told}");
    let refused = open(&[]);
    assert!(!refused.contains("\"open\"") && refused.contains("401"), "{refused}");
}

#[track_caller]
fn without_doorward_nobody_is_let_in(mut estate: Estate) {
    let key = format!("X-Api-Key: {}", estate.key());
    assert_eq!(estate.ask("/reports", &["-H", &key]).status, 200);
    estate.arrived();
    estate.door.process.signal("KILL");
    estate.door.process.wait();
    for path in ["/reports", "/public/a"] {
        let answer = estate.ask(path, &["-H", &key]);
        assert!(answer.status >= 500, "{path}: {answer:?}");
    }
    assert_eq!(estate.arrived(), [Value::Null; 0]);
}

#[test]
fn nginx_does_as_it_is_told() {
    everything_holds(Kind::Nginx);
}

#[test]
fn caddy_does_as_it_is_told() {
    everything_holds(Kind::Caddy);
}

#[test]
fn haproxy_does_as_it_is_told() {
    everything_holds(Kind::HaProxy);
}

#[test]
fn traefik_does_as_it_is_told() {
    everything_holds(Kind::Traefik);
}

#[test]
fn envoy_that_asks_over_http_does_as_it_is_told() {
    everything_holds(Kind::Envoy);
}

#[test]
fn envoy_that_asks_by_grpc_does_as_it_is_told() {
    everything_holds(Kind::EnvoyGrpc);
}
