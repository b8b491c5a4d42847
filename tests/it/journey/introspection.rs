//! Opaque tokens, as their issuer answers for them: a provider that nobody here wrote, and what it cannot be made to answer.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::process::Part;
use crate::support::{Answer, Door, curl, eventually, part};

const AUDIENCE: &str = "api://app";
const ENDPOINT: &str = "/token/introspection";
/// Of the form that credentials have everywhere, and nothing that anybody gave.
const NOBODYS: &str = "2YotnFZFEjr1zCsicMWpAA";

/// A door that asks a provider about opaque tokens.
struct House {
    door: Door,
    idp: Part,
    upstream: Part,
}

impl House {
    fn new(introspection: &str, settings: &str) -> Self {
        Self::with(&json!([]), introspection, settings)
    }

    /// `clients`: further ones. `introspection`: lines of that section instead of the usual.
    fn with(clients: &Value, introspection: &str, settings: &str) -> Self {
        let client = |id: &str, auth: &str| json!({ "client_id": id, "client_secret": "s3cret-s3cret-s3cret", "redirect_uris": [], "token_endpoint_auth_method": auth });
        let mut all = vec![
            client("robot", "client_secret_basic"),
            client("door", "client_secret_basic"),
            client("poster", "client_secret_post"),
        ];
        all.extend(clients.as_array().unwrap().clone());
        let idp = part("oidc", &["--clients", &json!(all).to_string(), "--scopes", "api:read", "--access-tokens", "opaque"]);
        let upstream = part("echo", &[]);
        let issuer = idp.ready["issuer"].as_str().unwrap();
        let introspection =
            if introspection.is_empty() { "client_id: door, client_secret: s3cret-s3cret-s3cret" } else { introspection };
        let configuration = format!(
            "\
version: 1
public_url: http://localhost:1
listeners: [{{ address: 127.0.0.1:0 }}]
operations: {{ address: 127.0.0.1:0 }}
upstream: {{ url: http://127.0.0.1:{} }}
store: {{ url: sqlite:{{folder}}/doorward.db }}
secret_key: 0123456789abcdef0123456789abcdef
roles: {{ ranked: [admin, viewer], groups: {{ Staff: viewer }}, scopes: {{ viewer: ['docs:read'] }} }}
identity_headers: {{ presets: [doorward] }}
bearer: [{{ issuer: '{issuer}', audiences: ['{AUDIENCE}'], introspection: {{ {introspection} }} }}]
{settings}
routes:
  - {{ path: /scoped/**, scopes: ['api:read'] }}
",
            upstream.port()
        );
        let door = Door::serve(&configuration, |_| {});
        Self { door, idp, upstream }
    }

    /// An opaque token of the provider's, for `audience`.
    fn token_for(&self, audience: &str) -> String {
        let issuer = self.idp.ready["issuer"].as_str().unwrap();
        let grant = format!("grant_type=client_credentials&scope=api:read&resource={audience}");
        let answer = curl(&["-u", "robot:s3cret-s3cret-s3cret", "-d", &grant, &format!("{issuer}/token")]);
        let token = answer.json()["access_token"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned();
        assert!(!token.contains('.'), "opaque: {token}");
        token
    }

    fn with_token(&self, path: &str, token: &str) -> Answer {
        curl(&["-H", &format!("Authorization: Bearer {token}"), &format!("http://{}{path}", self.door.listener(0))])
    }

    /// What the provider is made to do instead of answering.
    fn fault(&self, fault: &Value) {
        self.idp.tell("/faults", &json!({ ENDPOINT: fault }));
    }

    /// The provider answers about every token with these claims beside what a good answer has.
    fn answers(&self, further: &Value) {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let mut claims = json!({ "active": true, "aud": AUDIENCE, "sub": "ada", "exp": now + 300 });
        claims.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.fault(&json!({ "status": 200, "body": claims }));
    }

    /// How often the provider was asked about a token.
    fn asked(&self) -> usize {
        let requests = self.idp.control("GET", "/requests");
        requests.as_array().unwrap().iter().filter(|request| request["url"] == ENDPOINT).count()
    }
}

/// A token that was never sent before.
fn fresh() -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    format!("opaque-{:020}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

#[test]
fn an_opaque_token_is_what_its_issuer_says_of_it() {
    let house = House::new("", "");
    let token = house.token_for(AUDIENCE);
    let seen = house.with_token("/scoped/a", &token);
    assert_eq!(seen.status, 200, "{}", seen.text());
    let raw = seen.text().to_ascii_lowercase();
    assert!(raw.contains("\"x-doorward-user\",\"robot\"") && raw.contains("\"x-doorward-scopes\",\"api:read\""), "{raw}");
    assert!(!raw.contains(&token.to_ascii_lowercase()), "the token stays with the door: {raw}");
    assert_eq!((house.with_token("/again", &token).status, house.asked()), (200, 1), "the answer is remembered");
    assert_eq!(house.with_token("/a", NOBODYS).status, 401);
    assert_eq!(house.with_token("/a", &house.token_for("api://other")).status, 401, "a token for somebody else");
    assert_eq!(house.with_token("/a", &house.token_for("")).status, 401, "a token for nobody in particular");
    assert_eq!(house.upstream.control("GET", "/requests").as_array().unwrap().len(), 2);
    let written = format!("{}{}", house.door.process.said(), house.door.command(&["audit", "list"]));
    assert!(written.contains("unknown") && !written.contains(&token) && !written.contains(NOBODYS), "{written}");
}

#[test]
fn the_door_proves_itself_in_each_way_that_a_provider_may_want() {
    let script = "const { publicKey, privateKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
        console.log(JSON.stringify({ jwk: { ...publicKey.export({ format: 'jwk' }), kid: 'mine', use: 'sig', alg: 'ES256' }, pem: privateKey.export({ type: 'pkcs8', format: 'pem' }) }))";
    let made = Command::new("node").args(["-e", script]).output().unwrap();
    let made: Value =
        serde_json::from_slice(&made.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&made.stderr)));
    let keyed = json!([{ "client_id": "keyed", "redirect_uris": [], "token_endpoint_auth_method": "private_key_jwt", "jwks": { "keys": [made["jwk"]] } }]);
    let key = format!("client_id: keyed, client_auth: private_key_jwt, client_key: {{ id: mine, pem: {} }}", made["pem"]);
    for (clients, introspection, right) in [
        (json!([]), "client_id: poster, client_auth: client_secret_post, client_secret: s3cret-s3cret-s3cret", true),
        (keyed, key.as_str(), true),
        (json!([]), "client_id: door, client_secret: another-secret-of-that-length", false),
    ] {
        let house = House::with(&clients, introspection, "");
        let status = house.with_token("/a", &house.token_for(AUDIENCE)).status;
        assert_eq!(status, if right { 200 } else { 503 }, "{introspection}");
        assert_eq!(house.asked(), 1);
    }
}

#[test]
fn an_answer_needs_what_a_jwt_needs() {
    let house = House::new("", "limits: { failures_per_minute: 1000 }");
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    for (further, status) in [
        (json!({ "roles": ["admin"] }), 200),
        (json!({ "active": false }), 401),
        (json!({ "active": "true" }), 503),
        (json!({ "active": null }), 503),
        (json!({ "aud": "api://other" }), 401),
        (json!({ "aud": null }), 401),
        (json!({ "exp": null }), 401),
        (json!({ "exp": now - 100 }), 401),
        (json!({ "nbf": now + 1000 }), 401),
        (json!({ "iss": "https://evil.example" }), 401),
        (json!({ "iss": house.idp.ready["issuer"] }), 200),
        (json!({ "sub": null }), 401),
        (json!({ "sub": null, "client_id": "robot" }), 200),
        (json!({ "sub": null, "client_id": "robot", "username": "ada" }), 401),
        (json!({ "sub": 7 }), 401),
        (json!({ "token_type": "DPoP" }), 401),
        (json!({ "token_type": "Bearer" }), 200),
        (json!({ "token_use": "refresh_token" }), 401),
        (json!({ "cnf": { "x5t#S256": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" } }), 401),
        (json!({ "cnf": { "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" } }), 401),
    ] {
        house.answers(&further);
        let answer = house.with_token("/a", &fresh());
        assert_eq!(answer.status, status, "{further}: {}", answer.text());
    }
    house.answers(&json!({ "groups": ["Staff"], "email": "ada@acme.example", "email_verified": true }));
    let raw = house.with_token("/a", &fresh()).text().to_ascii_lowercase();
    for header in [
        "\"x-doorward-user\",\"ada\"",
        "\"x-doorward-roles\",\"viewer\"",
        "\"x-doorward-email\",\"ada@acme.example\"",
        "\"x-doorward-scopes\",\"docs:read\"",
    ] {
        assert!(raw.contains(header), "{header}: {raw}");
    }
}

#[test]
fn a_provider_that_is_down_lies_or_hangs_is_a_503_and_never_anonymous() {
    let house = House::new("", "");
    for fault in [
        json!(503),
        json!(404),
        json!({ "status": 200, "body": [true] }),
        json!({ "status": 200, "body": "active" }),
        json!("hang"),
    ] {
        house.fault(&fault);
        let (begun, answer) = (Instant::now(), house.with_token("/a", NOBODYS));
        assert_eq!((answer.status, answer.header("retry-after").is_some()), (503, true), "{fault}: {}", answer.text());
        assert!(begun.elapsed().as_secs() < 8, "{fault}");
    }
    house.fault(&Value::Null);
    assert_eq!(house.with_token("/a", NOBODYS).status, 401, "no failure is remembered");
    assert_eq!(house.upstream.control("GET", "/requests").as_array().unwrap().len(), 0);
    let metrics = curl(&[&format!("http://{}/metrics", house.door.text("operations"))]).text();
    for line in ["doorward_introspections_total{answer=\"failed\"} 5", "doorward_introspections_total{answer=\"inactive\"} 1"] {
        assert!(metrics.contains(line), "{metrics}");
    }
}

#[test]
fn many_who_send_one_token_ask_once_and_a_revoked_one_ends_when_the_answer_does() {
    let house = House::new("client_id: door, client_secret: s3cret-s3cret-s3cret, remember: 2s", "");
    house.answers(&json!({}));
    let slow = json!({ "status": 200, "delay": 700, "body": { "active": true, "aud": AUDIENCE, "sub": "ada", "exp": 4_000_000_000_u64 } });
    house.fault(&slow);
    let token = fresh();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..20).map(|_| scope.spawn(|| house.with_token("/a", &token).status)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!((statuses, house.asked()), (vec![200; 20], 1));
    house.fault(&json!({ "status": 200, "body": { "active": false } }));
    eventually("the end of the remembered answer", || (house.with_token("/a", &token).status == 401).then_some(()));
    assert_eq!(house.asked(), 2);
}

#[test]
fn whoever_guesses_tokens_waits_and_the_provider_is_left_alone() {
    let house = House::new("", "limits: { failures_per_minute: 5 }");
    let token = house.token_for(AUDIENCE);
    assert_eq!(house.with_token("/a", &token).status, 200);
    let before = house.asked();
    let statuses: Vec<u16> = (0..12).map(|_| house.with_token("/a", &fresh()).status).collect();
    assert_eq!(statuses, [[401; 5].as_slice(), &[429; 7]].concat());
    assert_eq!(house.asked() - before, 6, "the sixth was one too many, and the others are not asked about");
    assert_eq!(house.with_token("/a", &token).status, 200, "who has a token is let in from the same address");
}

#[test]
fn an_issuer_may_want_to_be_asked_about_its_jwts_too() {
    let usual = "client_id: door, client_secret: s3cret-s3cret-s3cret";
    for (tokens, asked) in [("opaque", 0), ("jwts", 1), ("all", 1)] {
        let house = House::new(&format!("{usual}, tokens: {tokens}"), "");
        let claims = json!({ "iss": house.idp.ready["issuer"], "aud": AUDIENCE, "sub": "ada", "exp": 4_000_000_000_u64 });
        let signed = house.idp.tell("/sign", &json!({ "header": { "typ": "at+jwt" }, "claims": claims })).json();
        let jwt = signed["token"].as_str().unwrap();
        house.answers(&json!({ "roles": ["admin"] }));
        let seen = house.with_token("/a", jwt);
        assert_eq!((seen.status, house.asked()), (200, asked), "{tokens}: {}", seen.text());
        assert_eq!(seen.text().to_ascii_lowercase().contains("\"x-doorward-roles\",\"admin\""), asked == 1, "{tokens}");
        let opaque = house.with_token("/a", &fresh()).status;
        assert_eq!(opaque, if tokens == "jwts" { 401 } else { 200 }, "{tokens}");
    }
}
