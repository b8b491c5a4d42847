//! What the application is told, through the real binary and read by real parsers.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Door, curl, part};

/// Runs `tests/parts/mint.mjs`; its one line of JSON, also where it ends with a failure.
#[track_caller]
fn mint(arguments: &[&str]) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parts/mint.mjs");
    let output = Command::new("node").arg(script).args(arguments).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

const ISSUER: &str = "https://issuer.example";

/// A door whose guests come with tokens of an issuer of our own.
struct Guests {
    door: Door,
    token: String,
}

impl Guests {
    /// `claims` are the guest's; `more` is appended to the configuration.
    fn of(upstream: u16, claims: &Value, more: &str) -> Self {
        let set = mint(&["set", "--algs", "EdDSA"]);
        let folder = tempfile::TempDir::new().unwrap();
        let keys = folder.path().join("private.json");
        std::fs::write(&keys, set["private"].to_string()).unwrap();
        let keys = format!("@{}", keys.display());
        let claims = claims.to_string();
        let signed = ["sign", "--keys", &keys, "--issuer", ISSUER, "--audience", "api://app", "--claims", &claims];
        let token = mint(&signed)["token"].as_str().unwrap().to_owned();
        let configuration = format!(
            "\
version: 1
public_url: https://app.example.com
listeners: [{{ address: 127.0.0.1:0 }}]
upstream: {{ url: http://127.0.0.1:{upstream} }}
store: {{ url: sqlite:{{folder}}/doorward.db }}
secret_key: 0123456789abcdef0123456789abcdef
bearer: [{{ issuer: {ISSUER}, audiences: [api://app], jwks: {{ path: '{{folder}}/jwks.json' }} }}]
routes: [{{ path: /public/**, access: public }}]
{more}
"
        );
        let door =
            Door::serve(&configuration, |folder| std::fs::write(folder.join("jwks.json"), set["jwks"].to_string()).unwrap());
        Self { door, token }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.door.listener(0))
    }

    /// What the application saw of a request by the guest: raw header pairs.
    #[track_caller]
    fn seen(&self, path: &str, arguments: &[&str]) -> Vec<(String, String)> {
        let (url, bearer) = (self.url(path), format!("Authorization: Bearer {}", self.token));
        let mut all = vec!["-H", bearer.as_str()];
        all.extend(arguments);
        all.push(&url);
        let answer = curl(&all);
        assert_eq!(answer.status, 200, "{} {}", answer.text(), self.door.process.said());
        pairs(&answer.json())
    }
}

fn pairs(seen: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let pairs = seen["raw_headers"].as_array().unwrap().iter();
    pairs.map(|pair| (text(&pair[0]).to_ascii_lowercase(), text(&pair[1]))).collect()
}

#[track_caller]
fn only<'a>(seen: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut found = seen.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str());
    let value = found.next();
    assert!(found.next().is_none(), "several {name}: {seen:?}");
    value
}

fn ada() -> Value {
    json!({
        "sub": "00u|1", "email": "ada@acme.example", "email_verified": true, "name": "Zoë “Z” O'Brien",
        "preferred_username": "ada", "groups": ["a,admin", "Größe"],
    })
}

#[test]
fn an_application_reads_the_identity_that_was_checked_and_nothing_else() {
    let upstream = part("echo", &[]);
    let guests = Guests::of(upstream.port(), &ada(), "identity_headers: { presets: [oauth2-proxy, authentik, doorward] }");
    let spoofed = ["-H", "X-Forwarded-Email: root@acme.example", "-H", "x_forwarded_email: root", "-H", "Remote-User: root"];
    let seen = guests.seen("/", &spoofed);
    assert_eq!(only(&seen, "x-forwarded-email"), Some("ada@acme.example"));
    assert_eq!(only(&seen, "x-forwarded-user"), Some("00u|1"));
    assert_eq!(only(&seen, "x-forwarded-groups"), Some("a%2Cadmin,Gr%C3%B6%C3%9Fe"));
    assert_eq!(only(&seen, "x-authentik-groups"), Some("a,admin|Gr%C3%B6%C3%9Fe"));
    assert_eq!(only(&seen, "x-authentik-name"), Some("Zo%C3%AB %E2%80%9CZ%E2%80%9D O'Brien"));
    assert_eq!(only(&seen, "x-doorward-credential"), Some("bearer"));
    for absent in ["authorization", "x_forwarded_email", "remote-user", "x-doorward-roles", "x-doorward-assertion"] {
        assert_eq!(only(&seen, absent), None, "{absent}");
    }
    assert_eq!(only(&seen, "x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(only(&seen, "x-forwarded-proto"), Some("http"));
    assert_eq!(only(&seen, "host"), only(&seen, "x-forwarded-host"));
    assert_eq!(only(&seen, "x-request-id").map(str::len), Some(32));
    assert!(only(&seen, "traceparent").is_some());
}

#[test]
fn connection_options_take_away_nothing_that_the_door_sets() {
    let upstream = part("echo", &[]);
    let guests = Guests::of(upstream.port(), &ada(), "");
    for nominated in ["X-Forwarded-Email", "x-forwarded-user, keep-alive", "X-Forwarded-Groups"] {
        let connection = format!("Connection: {nominated}");
        let seen = guests.seen("/", &["--http1.1", "-H", &connection, "-H", "X-Forwarded-Email: root"]);
        assert_eq!(only(&seen, "x-forwarded-email"), Some("ada@acme.example"), "{nominated}");
        assert_eq!(only(&seen, "x-forwarded-user"), Some("00u|1"), "{nominated}");
    }
}

#[test]
fn an_independent_library_verifies_the_assertion_with_the_published_keys() {
    for algorithm in ["EdDSA", "ES256"] {
        let upstream = part("echo", &[]);
        let more =
            format!("identity_headers: {{ presets: [pomerium], assertion: {{ audience: the-app, algorithm: {algorithm} }} }}");
        let guests = Guests::of(upstream.port(), &ada(), &more);
        let seen = guests.seen("/", &["-H", "X-Pomerium-Jwt-Assertion: forged"]);
        let token = only(&seen, "x-pomerium-jwt-assertion").unwrap();
        assert_eq!(only(&seen, "x-doorward-assertion"), Some(token));
        let jwks = guests.url("/.doorward/jwks.json");
        let published = curl(&[&jwks]);
        assert_eq!(published.header("cache-control"), Some("public, max-age=3600"), "{}", published.text());
        assert_eq!(published.json()["keys"].as_array().map(Vec::len), Some(3));
        assert!(!published.text().contains("\"d\""), "no private part");
        let asked = ["verify", "--token", token, "--jwks", &jwks, "--issuer", "https://app.example.com", "--audience", "the-app"];
        let verdict = mint(&asked);
        assert_eq!(verdict["ok"], true, "{algorithm}: {verdict}");
        assert_eq!(verdict["header"]["alg"], algorithm);
        let claims = &verdict["payload"];
        assert_eq!((&claims["sub"], &claims["email"]), (&json!("00u|1"), &json!("ada@acme.example")));
        assert_eq!(claims["name"], "Zoë “Z” O'Brien", "a claim is JSON and needs no encoding");
        assert_eq!(claims["groups"], json!(["a,admin", "Größe"]));
        let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
        assert!((1..=300).contains(&life), "{life}");
        let elsewhere =
            ["verify", "--token", token, "--jwks", &jwks, "--issuer", "https://app.example.com", "--audience", "other"];
        assert_eq!(mint(&elsewhere)["ok"], false);
        let again = guests.seen("/", &[]);
        assert_eq!(only(&again, "x-doorward-assertion"), Some(token), "made once, not for each request");
    }
}

#[test]
fn the_application_cannot_set_the_doors_cookie() {
    let upstream = part("echo", &[]);
    let guests = Guests::of(upstream.port(), &ada(), "");
    let answer = curl(&[&guests.url("/public/headers?set-cookie=__Host-doorward%3Devil%3BSecure&set-cookie=app%3D1&server=app")]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!((answer.header("set-cookie"), answer.header("server")), (Some("app=1"), Some("app")));
}

#[test]
fn nginx_reads_one_identity_whatever_the_spelling() {
    let upstream = part("nginx", &["--headers", r#"["X-Forwarded-Email","X_Forwarded_Email","Remote-User"]"#]);
    let guests = Guests::of(upstream.port(), &ada(), "");
    let url = guests.url("/public/");
    let answer = curl(&["-H", "x_forwarded_email: root", "-H", "X-Forwarded_Email: root", "-H", "Remote_User: root", &url]);
    assert_eq!(answer.status, 200, "{}", answer.error);
    assert!(!answer.text().contains("root"), "{}", answer.text());
}

#[test]
fn a_trailer_cannot_say_who_somebody_is() {
    let (upstream, newer) = (part("echo", &[]), part("echo", &["--h2c"]));
    let route = format!("upstream: {{ url: h2c://127.0.0.1:{} }}", newer.port());
    let configuration = format!(
        "\
version: 1
public_url: https://localhost:1
listeners: [{{ address: 127.0.0.1:0, tls: {{ certificates: [{{ cert: '{{folder}}/cert.pem', key: '{{folder}}/key.pem' }}] }} }}]
upstream: {{ url: http://127.0.0.1:{} }}
store: {{ url: sqlite:{{folder}}/doorward.db }}
secret_key: 0123456789abcdef0123456789abcdef
routes: [{{ path: /h2c, access: public, {route} }}, {{ path: /**, access: public }}]
",
        upstream.port()
    );
    let door = Door::serve(&configuration, |folder| {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    });
    let script = "
const http2 = require('node:http2');
const client = http2.connect(process.argv[1], { rejectUnauthorized: false });
const request = client.request({ ':method': 'POST', ':path': process.argv[2] }, { waitForTrailers: true });
request.on('wantTrailers', () => request.sendTrailers({ 'x-forwarded-user': 'root' }));
request.on('response', () => {}).on('error', () => {}).setEncoding('utf8');
let text = '';
request.on('data', (chunk) => (text += chunk));
request.on('close', () => { process.stdout.write(text); client.destroy(); });
request.end('body');
";
    for path in ["/", "/h2c"] {
        let address = format!("https://{}", door.listener(0));
        let output = Command::new("node").args(["-e", script, &address, path]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!text.contains("root"), "{path}: {text}");
    }
    for part in [&upstream, &newer] {
        let seen = part.control("GET", "/requests").to_string();
        assert!(!seen.contains("root"), "{seen}");
    }
}
