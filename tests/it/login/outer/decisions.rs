//! `/.doorward/auth` itself: who may ask, what has to be said, and what is told.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::support::{Answer, Door, curl, eventually};

const TRUSTED: &str = "trusted_proxies: [127.0.0.1/32]\nforward_auth: {}\n";

fn door(more: &str) -> Door {
    door_at("{ address: 127.0.0.1:0 }, { address: 127.0.0.1:0, h2c: true }", more, |_| {})
}

fn door_at(listeners: &str, more: &str, prepare: impl FnOnce(&std::path::Path)) -> Door {
    let configuration = format!(
        "\
version: 1
public_url: https://app.test
listeners: [{listeners}]
operations: {{ address: 127.0.0.1:0 }}
upstream: {{ url: http://127.0.0.1:9, headers: {{ X-Legacy-Key: of-the-application }} }}
store: {{ url: sqlite:{{folder}}/doorward.db }}
secret_key: {{ file: secret }}
roles: {{ ranked: [admin, viewer], default: viewer }}
routes:
  - {{ name: open, path: /public/**, access: public }}
  - {{ host: other.test, path: /hosted, access: public }}
  - {{ path: /inside, access: public, networks: [127.0.0.0/8, 10.0.0.0/8] }}
  - {{ name: watched, path: /watched, roles: [admin], mode: report }}
  - {{ path: /maybe/**, access: optional }}
  - {{ name: post, path: /posted, methods: [POST], access: public }}
  - {{ name: admins, path: /admin/**, roles: [admin] }}
identity_headers: {{ presets: [doorward, oauth2-proxy] }}
scim: {{ alias: /scim/v2 }}
{more}"
    );
    Door::serve(&configuration, |folder| {
        std::fs::write(folder.join("secret"), "0123456789abcdef0123456789abcdef").unwrap();
        prepare(folder);
    })
}

fn key(door: &Door) -> String {
    let made = door.command(&["key", "create", "--name", "program", "--role", "viewer"]);
    format!("X-Api-Key: {}", made["secret"].as_str().unwrap())
}

const ORIGIN: [&str; 3] = ["X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: app.test"];

/// A question as Traefik and Caddy ask it.
fn ask(door: &Door, method: &str, target: &str, more: &[&str]) -> Answer {
    let (method, target) = (format!("X-Forwarded-Method: {method}"), format!("X-Forwarded-Uri: {target}"));
    let named = [ORIGIN.as_slice(), &[&method, &target], more].concat();
    question(door, "/.doorward/auth", &named)
}

fn question(door: &Door, path: &str, headers: &[&str]) -> Answer {
    let url = format!("http://{}{path}", door.listener(0));
    let mut all: Vec<&str> = headers.iter().flat_map(|header| ["-H", *header]).collect();
    all.extend(["--path-as-is", &url]);
    curl(&all)
}

#[test]
fn nobody_is_given_decisions_unless_it_is_configured() {
    let door = door("trusted_proxies: [127.0.0.1/32]\n");
    let answer = ask(&door, "GET", "/public/a", &[]);
    assert_eq!(answer.status, 404, "{answer:?}");
    assert_eq!(ask(&door, "GET", "/reports", &[&key(&door)]).status, 401, "Doorward's own pages take no keys");
    let call = format!("http://{}/envoy.service.auth.v3.Authorization/Check", door.listener(1));
    let answer = curl(&["--http2-prior-knowledge", "-X", "POST", "-H", "content-type: application/grpc", &call]);
    assert_eq!(answer.status, 401, "an address of the application's like any other: {answer:?}");
}

#[test]
fn p4_a_stranger_who_asks_is_refused_whatever_it_says() {
    let door = door("trusted_proxies: [192.0.2.0/24]\nforward_auth: { grpc: true }\n");
    let key = key(&door);
    for target in ["/reports", "/public/a", "/admin/"] {
        let answer = ask(&door, "GET", target, &[&key]);
        assert_eq!((answer.status, &answer.json()["code"]), (403, &"untrusted_peer".into()), "{target}: {answer:?}");
        assert_eq!((answer.header("x-doorward-user"), answer.header("x-api-key")), (None, None));
    }
    let call = format!("http://{}/envoy.service.auth.v3.Authorization/Check", door.listener(1));
    let answer = curl(&["--http2-prior-knowledge", "-X", "POST", "-H", "content-type: application/grpc", &call]);
    assert!(answer.text().contains("untrusted_peer"), "{answer:?} {}", answer.text());
}

#[test]
fn the_answer_holds_who_it_is_and_what_is_left_of_the_request() {
    let door = door(TRUSTED);
    let key = key(&door);
    let answer =
        ask(&door, "POST", "/reports?a=%2F", &[&key, "Cookie: theme=dark", "Authorization: Digest x", "X-Doorward-Role: admin"]);
    assert_eq!((answer.status, answer.body.len()), (200, 0), "{answer:?}");
    assert_eq!(answer.header("x-doorward-role"), Some("viewer"));
    assert_eq!(answer.header("x-forwarded-user"), answer.header("x-doorward-user"));
    assert_eq!(answer.header("x-auth-request-user"), answer.header("x-doorward-user"), "as oauth2-proxy calls it");
    assert_eq!((answer.header("cookie"), answer.header("authorization")), (Some("theme=dark"), Some("Digest x")));
    assert_eq!((answer.header("x-api-key"), answer.header("x-legacy-key")), (None, None), "secrets stay here: {answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let nobody = ask(&door, "GET", "/public/a", &[&key, "Cookie: __Host-doorward=x; theme=dark", "Remote-User: root"]);
    assert_eq!((nobody.status, nobody.header("x-doorward-user"), nobody.header("remote-user")), (200, None, None));
    assert_eq!(
        (nobody.header("cookie"), nobody.header("x-api-key")),
        (Some("theme=dark"), None),
        "also where nobody looked at them"
    );
}

#[test]
fn the_request_that_is_meant_is_judged_and_not_the_one_that_asks() {
    let door = door(TRUSTED);
    let key = key(&door);
    assert_eq!(ask(&door, "POST", "/posted", &[]).status, 200);
    assert_eq!(ask(&door, "GET", "/posted", &[]).status, 401);
    assert_eq!(ask(&door, "GET", "/admin/", &[&key]).status, 403);
    assert_eq!(ask(&door, "GET", "/watched", &[]).status, 200, "what only reports lets through");
    assert_eq!(ask(&door, "GET", "/hosted", &[]).status, 401);
    let hosted = ["X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: other.test"];
    let named = ["X-Forwarded-Method: GET", "X-Forwarded-Uri: /hosted"];
    assert_eq!(question(&door, "/.doorward/auth", &[&hosted[..], &named].concat()).status, 200);
    // The network is the client's; the proxy's own would be let in.
    assert_eq!(ask(&door, "GET", "/inside", &[]).status, 403);
    let envoy = ["Host: app.test", "X-Forwarded-For: 192.0.2.1"];
    assert_eq!(question(&door, "/.doorward/auth/public/a?b", &envoy).status, 200);
    assert_eq!(question(&door, "/.doorward/auth/reports", &envoy).status, 401);
    assert_eq!(question(&door, "/.doorward/auth/public/../admin/", &envoy).status, 400);
}

#[test]
fn p4_a_question_that_leaves_something_open_or_says_it_twice_is_refused() {
    let door = door(TRUSTED);
    let named = ["X-Forwarded-Method: GET", "X-Forwarded-Uri: /public/a"];
    let complete = [ORIGIN.as_slice(), &named].concat();
    assert_eq!(question(&door, "/.doorward/auth", &complete).status, 200);
    for (left_out, what) in ["client", "scheme", "host", "method", "address"].into_iter().enumerate() {
        let mut rest = complete.clone();
        let name = rest.remove(left_out);
        let answer = question(&door, "/.doorward/auth", &rest);
        let (told, code) = (answer.json(), format!("original_{what}_missing"));
        assert_eq!((answer.status, told["code"].as_str()), (400, Some(code.as_str())), "without {name}");
        let name = name.split(':').next().unwrap();
        assert!(told["detail"].as_str().unwrap().contains(name), "the problem names {name}: {told}");
        // nginx' operator sees nothing else of it.
        eventually("its line is written", || door.process.said().contains(&format!("reason={code}")).then_some(()));
    }
    for other in [
        "X-Forwarded-Uri: /reports",
        "X-Original-URI: /reports",
        "X-Original-URL: https://app.test/reports",
        "X-Forwarded-Method: POST",
        "X-Original-Method: POST",
        "X-Forwarded-Host: other.test",
    ] {
        let answer = question(&door, "/.doorward/auth", &[&complete[..], &[other]].concat());
        assert_eq!((answer.status, &answer.json()["code"]), (400, &"original_request_contradictory".into()), "{other}");
    }
    for other in ["X-Rewrite-Url: /public/a", "X-HTTP-Method-Override: GET", "X_Forwarded_User: root", "remote.user: root"] {
        assert_eq!(question(&door, "/.doorward/auth", &[&complete[..], &[other]].concat()).status, 400, "{other}");
    }
    for forwarded_for in ["X-Forwarded-For: nonsense", "X-Forwarded-For;"] {
        let changed = [&[forwarded_for], &complete[1..]].concat();
        assert_eq!(question(&door, "/.doorward/auth", &changed).status, 400, "{forwarded_for}");
    }
}

#[test]
fn p1_an_original_address_with_two_readings_is_refused() {
    let door = door(TRUSTED);
    for target in [
        "/public/../admin/",
        "/public/%2e%2e/admin/",
        "/public/..%2fadmin/",
        "/public/..%5cadmin/",
        "/public//admin/",
        "/public/..;/admin/",
        "/public/%252e%252e/admin/",
        "/public/a#b",
        "/public/a%00",
        "/public/a b",
        "https://app.test/public/a",
        "//app.test/public/a",
        "*",
        "public/a",
    ] {
        let (forwarded, original) = (format!("X-Forwarded-Uri: {target}"), format!("X-Original-URI: {target}"));
        for named in [["X-Forwarded-Method: GET", &forwarded], ["X-Original-Method: GET", &original]] {
            let answer = question(&door, "/.doorward/auth", &[&ORIGIN[..], &named].concat());
            assert_eq!(answer.status, 400, "{target}: {answer:?}");
        }
    }
    for method in ["TRACE", "CONNECT", "NONSENSE", "get"] {
        let answer = ask(&door, method, "/public/a", &[]);
        assert!(matches!(answer.status, 400 | 405 | 501), "{method}: {answer:?}");
    }
}

#[test]
fn what_a_question_asks_for_is_met_by_nobody_who_is_nobody() {
    let door = door("trusted_proxies: [127.0.0.1/32]\ncompatibility: { oauth2_proxy: {} }\n");
    let key = key(&door);
    for wanted in ["allowed_groups=admins", "allowed_emails=ada@acme.example", "allowed_email_domains=acme.example"] {
        for (target, known) in [("/public/a", 401), ("/maybe/a", 403), ("/watched", 403), ("/reports", 403)] {
            let ask = |query: &str, more: &[&str]| {
                let target = format!("X-Original-URI: {target}");
                let named = [ORIGIN.as_slice(), &["X-Original-Method: GET", &target], more].concat();
                question(&door, &format!("/oauth2/auth?{query}"), &named).status
            };
            assert_eq!(ask(wanted, &[]), 401, "{target} {wanted}");
            assert_eq!(ask(wanted, &[&key]), known, "{target} {wanted}");
            assert_eq!(ask("allowed_groups=", &[&key]), 202, "{target}: nothing is asked for");
        }
    }
}

#[test]
fn doorwards_own_pages_are_not_the_applications_to_answer() {
    let door = door(TRUSTED);
    for target in ["/.doorward/sign-in", "/.doorward/auth", "/.doorward/scim/v2/Users", "/scim/v2/Users"] {
        let answer = ask(&door, "GET", target, &[]);
        assert_eq!((answer.status, &answer.json()["code"]), (403, &"own_page".into()), "{target}: {answer:?}");
    }
}

#[test]
fn each_proxy_is_refused_in_words_that_it_understands() {
    let door = door(TRUSTED);
    let browser = ["Accept: text/html", "Sec-Fetch-Mode: navigate"];
    let sign_in = "https://app.test/.doorward/sign-in?return_to=%2Freports%3Fa";
    let answer = ask(&door, "GET", "/reports?a", &browser);
    assert_eq!((answer.status, answer.header("location")), (303, Some(sign_in)));
    // nginx takes a redirect for a failure.
    let nginx = ["X-Original-Method: GET", "X-Original-URI: /reports?a"];
    let answer = question(&door, "/.doorward/auth", &[&ORIGIN[..], &nginx, &browser].concat());
    assert_eq!((answer.status, answer.header("location")), (401, Some(sign_in)));
    let answer = ask(&door, "POST", "/reports?a", &[]);
    assert_eq!((answer.status, answer.header("content-type")), (401, Some("application/problem+json")));
    // Whoever asked with GET about a HEAD waits for as many bytes as it is told.
    let answer = ask(&door, "HEAD", "/reports", &browser);
    assert_eq!((answer.status, answer.header("content-length"), answer.error.as_str()), (401, Some("0"), ""), "{answer:?}");
    let answer = ask(&door, "HEAD", "/admin/", &[&key(&door)]);
    assert_eq!((answer.status, answer.header("content-length"), answer.error.as_str()), (403, Some("0"), ""), "{answer:?}");
}

#[test]
fn a_decision_is_recorded_as_what_was_asked_about() {
    let door = door(TRUSTED);
    let key = key(&door);
    assert_eq!(ask(&door, "DELETE", "/admin/users?x=1", &[&key]).status, 403);
    let event = &door.events("access_denied")[0];
    assert_eq!((&event["details"]["method"], &event["details"]["path"]), (&"DELETE".into(), &"/admin/users".into()), "{event}");
    assert_eq!(event["source"], "192.0.2.1", "{event}");
    assert_eq!((&event["target"], &event["reason"]), (&"admins".into(), &"role".into()));
    let line = eventually("its line is written", || {
        door.process.said().lines().find(|line| line.contains("/admin/users")).map(str::to_owned)
    });
    for part in ["method=DELETE", "host=app.test", "route=admins", "decision=denied", "status=403", "client=192.0.2.1"] {
        assert!(line.contains(part), "{part} in {line}");
    }
    let address = door.text("operations");
    let metrics = curl(&[&format!("http://{}/metrics", address.trim_start_matches("http://"))]).text();
    let counted = metrics.lines().find(|line| line.contains("route=\"admins\"") && line.contains("denied"));
    assert!(counted.is_some_and(|line| line.ends_with(" 1")), "{metrics}");
}

/// The fields that ingress-nginx' template sets, in its order; it has no `X-Forwarded-Proto` and passes on what the client sent.
#[test]
fn p4_a_question_as_ingress_nginx_asks_it_is_answered_and_the_client_adds_nothing_to_it() {
    let door = door(TRUSTED);
    let key = key(&door);
    let ask = |target: &str, more: &[&str]| {
        let url = format!("X-Original-URL: https://app.test{target}");
        let redirect = format!("X-Auth-Request-Redirect: {target}");
        let named =
            ["Host: doorward.door.svc.cluster.local", &url, "X-Original-Method: GET", "X-Sent-From: nginx-ingress-controller"];
        let origin = ["X-Real-IP: 192.0.2.1", "X-Forwarded-For: 192.0.2.1", &redirect];
        question(&door, "/.doorward/auth", &[&named[..], &origin, more].concat())
    };
    let known = ask("/reports?a", &[&key, "X-Forwarded-User: root"]);
    assert_eq!((known.status, known.header("x-doorward-role")), (200, Some("viewer")), "{known:?}");
    assert_ne!(known.header("x-forwarded-user"), Some("root"));
    let nobody = ask("/reports?a", &["Accept: text/html", "Sec-Fetch-Mode: navigate"]);
    assert_eq!(nobody.status, 401, "nginx takes a redirect for a failure: {nobody:?}");
    assert_eq!(ask("/public/a", &[]).status, 200);
    for forged in [
        "X-Forwarded-Uri: /public/a",
        "X-Original-URI: /public/a",
        "X-Forwarded-Method: POST",
        "X-Forwarded-Host: other.test",
        "X-Forwarded-Proto: http",
        "X-Rewrite-Url: /public/a",
    ] {
        assert_eq!(ask("/reports", &[&key, forged]).status, 400, "{forged}");
    }
}

/// A field of a protocol buffer that holds bytes.
fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
    let mut whole = vec![(number << 3) | 2];
    let mut length = content.len();
    while length > 127 {
        whole.push(u8::try_from(length % 128).unwrap() | 128);
        length /= 128;
    }
    whole.push(u8::try_from(length).unwrap());
    [whole, content.to_vec()].concat()
}

/// A question as Envoy asks it by gRPC, with its prefix.
fn call(source: &str, target: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let source = bytes(1, &bytes(1, &bytes(1, &bytes(2, source.as_bytes()))));
    let mut http = bytes(2, b"GET");
    for (name, value) in headers {
        http.extend(bytes(3, &[bytes(1, name.as_bytes()), bytes(2, value.as_bytes())].concat()));
    }
    for (number, text) in [(4, target), (5, "app.test"), (6, "https")] {
        http.extend(bytes(number, text.as_bytes()));
    }
    let message = bytes(1, &[source, bytes(4, &bytes(2, &http))].concat());
    [&[0][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), &message].concat()
}

#[test]
fn p4_a_call_that_is_no_whole_question_is_refused_and_its_fields_say_nothing_of_its_origin() {
    let door = door("trusted_proxies: [127.0.0.1/32]\nforward_auth: { grpc: true }\n");
    let url = format!("http://{}/envoy.service.auth.v3.Authorization/Check", door.listener(1));
    let file = door.folder().join("question");
    let ask = |question: &[u8]| {
        std::fs::write(&file, question).unwrap();
        let data = format!("@{}", file.display());
        let named = ["--http2-prior-knowledge", "-H", "content-type: application/grpc", "--data-binary", &data, &url];
        let answer = curl(&named);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/grpc")), "{answer:?}");
        answer.text()
    };
    let passed = |text: &str| !text.contains("\"code\"");
    let good = call("192.0.2.1", "/public/a?b", &[("accept", "*/*")]);
    assert!(passed(&ask(&good)), "{}", ask(&good));
    assert!(ask(&call("192.0.2.1", "/reports", &[])).contains("identity_needed"));
    // Where it comes from is what Envoy says beside the fields.
    assert!(!passed(&ask(&call("192.0.2.1", "/inside", &[("x-forwarded-for", "10.0.0.1")]))));
    assert!(passed(&ask(&call("127.0.0.1", "/inside", &[("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.1")]))));
    for target in ["/public/a#b", "public/a", "/public/a b", "*", "http://app.test/public/a", ""] {
        assert!(ask(&call("192.0.2.1", target, &[])).contains("original_request"), "{target}");
    }
    let compressed = [&[1], &good[1..]].concat();
    let longer = [&good[..], b"x"].concat();
    let nowhere = call("nowhere", "/public/a", &[]);
    for broken in [&compressed, &longer, &good[..good.len() - 1], &good[..3], &[], &nowhere] {
        assert!(ask(broken).contains("check_request"), "{broken:?}");
    }
    let large = call("192.0.2.1", "/public/a", &[("x-large", &"x".repeat(1024 * 1024))]);
    assert!(ask(&large).contains("check_request_too_large"));
}

#[test]
fn of_doorwards_own_pages_no_query_is_logged_wherever_they_are() {
    let door = door("compatibility: { oauth2_proxy: {} }\n");
    let hidden = "ada@acme.example";
    for path in
        ["/.doorward/sign-in", "/oauth2/start", "/oauth2/sign_out", "/oauth2/auth", "/ping", "/scim/v2/Users", "/oauth2//start"]
    {
        question(&door, &format!("{path}?rd={hidden}"), &[]);
    }
    question(&door, "/reports?kept=words", &[]);
    let said = eventually("the last line is written", || Some(door.process.said()).filter(|said| said.contains("kept=words")));
    assert!(said.contains("rd=***") && !said.contains(hidden), "{said}");
}

#[test]
fn the_certificate_of_the_proxy_is_nobodys_credential() {
    let listener = "{ address: 127.0.0.1:0, tls: { certificates: [{ cert: tls.crt, key: tls.key }], client_ca: ca.crt, client_certificate: required } }";
    let more = format!("{TRUSTED}client_certificates: {{ subject: common_name, roles: [admin] }}\n");
    let door = door_at(listener, &more, |folder| {
        let authority = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        std::fs::write(folder.join("ca.crt"), params.self_signed(&authority).unwrap().pem()).unwrap();
        let issuer = Issuer::new(params, authority);
        for (name, file) in [("app.test", "tls"), ("proxy", "proxy")] {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new([name.to_owned()]).unwrap();
            params.distinguished_name.push(DnType::CommonName, name);
            std::fs::write(folder.join(file).with_extension("crt"), params.signed_by(&key, &issuer).unwrap().pem()).unwrap();
            std::fs::write(folder.join(file).with_extension("key"), key.serialize_pem()).unwrap();
        }
    });
    let file = |name: &str| door.folder().join(name).display().to_string();
    let (certificate, private) = (file("proxy.crt"), file("proxy.key"));
    let (host, port) = door.listener(0).rsplit_once(':').unwrap();
    let connect = format!("app.test:443:{host}:{port}");
    let shown = ["--insecure", "--cert", &certificate, "--key", &private, "--connect-to", &connect];
    let direct = curl(&[&shown[..], &["https://app.test/admin/"]].concat());
    assert_eq!(direct.status, 502, "who comes by itself is let in by it: {direct:?}");
    let named = ["X-Forwarded-Method: GET", "X-Forwarded-Uri: /admin/"];
    let headers: Vec<&str> = ORIGIN.iter().chain(&named).flat_map(|header| ["-H", *header]).collect();
    for version in ["--http1.1", "--http2"] {
        let asked = curl(&[&shown[..], &headers, &[version, "https://app.test/.doorward/auth"]].concat());
        assert_eq!(asked.status, 401, "what is asked about has shown none: {asked:?}");
    }
}
