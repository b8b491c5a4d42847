//! Tokens, keys and certificates from software that nobody here wrote, through the real binary.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use doorward::audit::{AuditFilter, AuditStore as _, SqlAudit};
use doorward::clock::SystemClock;
use doorward::db::Database;
use serde_json::{Value, json};

use crate::memory::conformance::source;
use crate::support::{Answer, Door, curl, eventually, part, shows_token};

const AUDIENCE: &str = "api://app";

/// What every configuration here begins with; `rest` follows.
fn configuration(upstream: u16, rest: &str) -> String {
    format!(
        "\
version: 1
public_url: http://localhost:1
listeners: [{{ address: 127.0.0.1:0 }}]
upstream: {{ url: http://127.0.0.1:{upstream} }}
store: {{ url: sqlite:{{folder}}/doorward.db }}
secret_key: 0123456789abcdef0123456789abcdef
roles: {{ ranked: [admin, viewer], groups: {{ Staff: viewer }} }}
{rest}
routes:
  - {{ path: /open/**, access: public }}
  - {{ path: /scoped/**, scopes: [api:write] }}
"
    )
}

/// The line that `mint.mjs` prints.
fn mint(arguments: &[&str]) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parts/mint.mjs");
    let output = Command::new("node").arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn bearer(door: &Door, path: &str, token: &str) -> Answer {
    let authorization = format!("Authorization: Bearer {token}");
    curl(&["-H", &authorization, &format!("http://{}{path}", door.listener(0))])
}

/// The events of one kind, oldest first, as the trail in the store has them.
fn events(door: &Door, kind: &str) -> Vec<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = format!("sqlite:{}", door.folder().join("doorward.db").display());
    let listed = runtime.block_on(async {
        let database = Database::open(&url, Arc::new(SystemClock)).await.unwrap();
        SqlAudit::new(database, source()).list(&AuditFilter { limit: 1000, ..AuditFilter::default() }).await.unwrap()
    });
    let events = listed.iter().rev().map(|entry| serde_json::to_value(entry).unwrap());
    events.filter(|event| event["kind"] == kind).collect()
}

#[test]
fn good_tokens_of_every_algorithm_are_let_in_and_every_forgery_is_a_401() {
    let minted = mint(&["set", "--claims", &json!({ "groups": ["Staff"], "scope": "api:read" }).to_string()]);
    let upstream = part("echo", &[]);
    let issuers = format!(
        "bearer: [{{ issuer: 'https://issuer.test', audiences: ['{AUDIENCE}'], jwks: {{ path: jwks.json }} }}]\n\
         limits: {{ failures_per_minute: 1000 }}"
    );
    let door = Door::serve(&configuration(upstream.port(), &issuers), |folder| {
        std::fs::write(folder.join("jwks.json"), minted["jwks"].to_string()).unwrap();
    });
    for (algorithm, token) in minted["good"].as_object().unwrap() {
        let seen = bearer(&door, "/a", token.as_str().unwrap());
        assert_eq!(seen.status, 200, "{algorithm}: {}", seen.text());
        let raw = seen.text().to_ascii_lowercase();
        assert!(raw.contains("user-1") && raw.contains("viewer"), "{raw}");
        assert!(!shows_token(&raw), "the token stays with the door: {raw}");
    }
    let forgeries = minted["bad"].as_object().unwrap();
    assert!(forgeries.len() >= 30);
    for (name, token) in forgeries {
        let refused = bearer(&door, "/a", token.as_str().unwrap());
        assert_eq!(refused.status, 401, "{name}: {}", refused.text());
        assert_eq!(refused.header("content-type"), Some("application/problem+json"), "{name}");
        let problem = refused.json();
        assert!(matches!(problem["code"].as_str(), Some("invalid_credential" | "malformed_credential")), "{name}: {problem}");
        assert_eq!(problem["request_id"].as_str().unwrap().len(), 32);
        let challenges = challenges(&refused);
        assert!(challenges.iter().any(|one| one.starts_with("Bearer ") && one.contains("error=\"inv")), "{name}: {challenges:?}");
        assert!(!refused.text().contains(token.as_str().unwrap()), "{name}: the answer repeats the token");
    }
    let arrived = upstream.control("GET", "/requests").as_array().unwrap().len();
    assert_eq!(arrived, minted["good"].as_object().unwrap().len(), "a forgery reached the application");
}

fn challenges(answer: &Answer) -> Vec<&str> {
    answer.all("www-authenticate")
}

#[test]
fn a_lack_of_scope_is_named_and_the_way_to_a_token_too() {
    let minted = mint(&["set", "--algs", "ES256", "--claims", &json!({ "scope": "api:read" }).to_string()]);
    let upstream = part("echo", &[]);
    let issuers =
        format!("bearer: [{{ issuer: 'https://issuer.test', audiences: ['{AUDIENCE}'], jwks: {{ path: jwks.json }} }}]");
    let door = Door::serve(&configuration(upstream.port(), &issuers), |folder| {
        std::fs::write(folder.join("jwks.json"), minted["jwks"].to_string()).unwrap();
    });
    let token = minted["good"]["ES256"].as_str().unwrap();
    let denied = bearer(&door, "/scoped/a", token);
    assert_eq!((denied.status, denied.json()["code"].as_str().map(str::to_owned)), (403, Some("scope".to_owned())));
    let metadata = "resource_metadata=\"http://localhost:1/.well-known/oauth-protected-resource\"";
    let expected = format!("Bearer realm=\"doorward\", error=\"insufficient_scope\", scope=\"api:write\", {metadata}");
    assert_eq!(denied.header("www-authenticate"), Some(expected.as_str()));
    let nobody = curl(&[&format!("http://{}/scoped/a", door.listener(0))]);
    let basic = "Basic realm=\"doorward\", charset=\"UTF-8\"";
    assert_eq!(challenges(&nobody), [format!("Bearer realm=\"doorward\", scope=\"api:write\", {metadata}").as_str(), basic]);
    let browser = curl(&["-H", "Sec-Fetch-Mode: cors", &format!("http://{}/a", door.listener(0))]);
    assert_eq!(challenges(&browser), [format!("Bearer realm=\"doorward\", {metadata}").as_str()], "Basic is not for browsers");
    let document = curl(&[&format!("http://{}/.well-known/oauth-protected-resource", door.listener(0))]).json();
    let resource = json!({
        "resource": "http://localhost:1",
        "authorization_servers": ["https://issuer.test"],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["api:write"],
    });
    assert_eq!(document, resource);
}

#[test]
fn a_provider_is_discovered_rotates_its_keys_without_an_error_and_may_go_away() {
    let clients = json!([{ "client_id": "robot", "client_secret": "s3cret-s3cret-s3cret", "redirect_uris": [] }]);
    let mut provider = part("oidc", &["--clients", &clients.to_string(), "--scopes", "api:read"]);
    let upstream = part("echo", &[]);
    let issuer = provider.ready["issuer"].as_str().unwrap().to_owned();
    let issuers = format!("bearer: [{{ issuer: '{issuer}', audiences: ['{AUDIENCE}'] }}]");
    let door = Door::serve(&configuration(upstream.port(), &issuers), |_| {});
    let token = || {
        let grant = format!("grant_type=client_credentials&scope=api:read&resource={AUDIENCE}");
        let answer = curl(&["-u", "robot:s3cret-s3cret-s3cret", "-d", &grant, &format!("{issuer}/token")]);
        answer.json()["access_token"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
    };
    let first = token();
    assert_eq!(bearer(&door, "/a", &first).status, 200, "{}", bearer(&door, "/a", &first).text());
    provider.tell("/rotate-keys", &json!({ "retain": false }));
    let second = token();
    assert_eq!(bearer(&door, "/a", &second).status, 200, "a token of the new key");
    drop(provider.process.stdin.take());
    let _ = provider.process.wait();
    assert_eq!(bearer(&door, "/a?again", &second).status, 200, "the keys at hand outlive the provider");
}

#[test]
fn a_role_that_needs_a_second_factor_needs_it_of_peoples_tokens_and_not_of_programs() {
    let provider = part("oidc", &[]);
    let issuer = provider.ready["issuer"].as_str().unwrap().to_owned();
    let upstream = part("echo", &[]);
    let issuers = format!("bearer: [{{ issuer: '{issuer}', audiences: ['{AUDIENCE}'] }}]");
    let configuration =
        configuration(upstream.port(), &issuers).replace("ranked: [admin, viewer],", "ranked: [admin, viewer], mfa: [admin],");
    let door = Door::serve(&configuration, |_| {});
    let token = |further: Value| {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let mut claims = json!({ "iss": issuer, "aud": AUDIENCE, "sub": "ada", "exp": now + 300 });
        claims.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        let signed = provider.tell("/sign", &json!({ "header": { "typ": "at+jwt" }, "claims": claims })).json();
        signed["token"].as_str().unwrap().to_owned()
    };
    let weak = bearer(&door, "/a", &token(json!({ "roles": ["admin"], "amr": ["pwd"] })));
    assert_eq!((weak.status, &weak.json()["code"]), (403, &json!("second_factor")), "{}", weak.text());
    assert!(weak.header("www-authenticate").unwrap().contains("error=\"insufficient_user_authentication\""), "{weak:?}");
    for further in [
        json!({ "roles": ["admin"], "amr": ["pwd", "mfa"] }),
        json!({ "roles": ["viewer"], "amr": ["pwd"] }),
        json!({ "roles": ["admin"], "client_id": "ada" }),
    ] {
        assert_eq!(bearer(&door, "/a", &token(further.clone())).status, 200, "{further}");
    }
    let key = door.command(&["key", "create", "--name", "robot", "--role", "admin"]);
    let key = format!("X-Api-Key: {}", key["secret"].as_str().or(key["key"].as_str()).unwrap());
    assert_eq!(curl(&["-H", &key, &format!("http://{}/a", door.listener(0))]).status, 200, "a program has no second factor");
}

/// Nothing but the signature tells that there is a new key.
#[test]
fn an_issuer_whose_only_key_has_no_name_may_replace_it() {
    let issuer = "https://unnamed.example";
    let minted = || mint(&["set", "--algs", "ES256", "--issuer", issuer]);
    let (first, second) = (minted(), minted());
    let publish = |folder: &Path, set: &Value| {
        let mut keys = set["jwks"].clone();
        keys["keys"].as_array_mut().unwrap().iter_mut().for_each(|key| drop(key.as_object_mut().unwrap().remove("kid")));
        std::fs::write(folder.join("keys.new"), keys.to_string()).unwrap();
        std::fs::rename(folder.join("keys.new"), folder.join("keys.json")).unwrap();
    };
    let token = |set: &Value| {
        let keys = set["private"].to_string();
        let header = json!({ "kid": null }).to_string();
        let arguments =
            ["sign", "--keys", &keys, "--alg", "ES256", "--issuer", issuer, "--audience", AUDIENCE, "--header", &header];
        mint(&arguments)["token"].as_str().unwrap().to_owned()
    };
    let upstream = part("echo", &[]);
    let issuers =
        format!("bearer: [{{ issuer: '{issuer}', audiences: ['{AUDIENCE}'], jwks: {{ path: '{{folder}}/keys.json' }} }}]");
    let door = Door::serve(&configuration(upstream.port(), &issuers), |folder| publish(folder, &first));
    assert_eq!(bearer(&door, "/a", &token(&first)).status, 200);
    publish(door.folder(), &second);
    assert_eq!(bearer(&door, "/a", &token(&second)).status, 200, "a token of the new key, at once");
    assert_eq!(bearer(&door, "/a?again", &token(&first)).status, 401, "and none of the old one");
}

#[test]
fn an_issuer_that_cannot_be_reached_is_a_503_and_never_an_invitation() {
    let minted = mint(&["set", "--algs", "ES256", "--issuer", "http://127.0.0.1:9"]);
    let upstream = part("echo", &[]);
    let issuers = format!("bearer: [{{ issuer: 'http://127.0.0.1:9', audiences: ['{AUDIENCE}'] }}]");
    let door = Door::serve(&configuration(upstream.port(), &issuers), |_| {});
    let answer = bearer(&door, "/a", minted["good"]["ES256"].as_str().unwrap());
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{}", answer.text());
    assert_eq!(answer.json()["code"], "unavailable");
    assert_eq!(upstream.control("GET", "/requests"), json!([]));
}

/// Keys and certificates by openssl.
fn openssl(folder: &Path, arguments: &[&str]) {
    let output = Command::new("openssl").current_dir(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_license_key_is_checked_offline_and_its_features_are_scopes() {
    let claims = json!({ "tenant": "acme", "tier": "gold", "features": ["export"] }).to_string();
    let arguments = ["set", "--algs", "EdDSA", "--audience", "app", "--claims", &claims];
    let (minted, stranger) = (mint(&arguments), mint(&arguments));
    let upstream = part("echo", &[]);
    let key = minted["pem"]["EdDSA"].as_str().unwrap().replace('\n', "\\n");
    let license = format!(
        "license: {{ public_keys: [\"{key}\"], audience: app, roles: {{ gold: [viewer] }} }}\n\
         identity_headers: {{ presets: [doorward] }}\n\
         limits: {{ failures_per_minute: 1000 }}"
    );
    let door = Door::serve(&configuration(upstream.port(), &license), |_| {});
    let present = |license: &str| curl(&["-H", &format!("X-License-Key: {license}"), &format!("http://{}/a", door.listener(0))]);
    let seen = present(minted["good"]["EdDSA"].as_str().unwrap());
    assert_eq!(seen.status, 200, "{}", seen.text());
    let header = |name: &str| {
        let headers = seen.json()["raw_headers"].as_array().unwrap().clone();
        let found = headers.iter().find(|pair| pair[0].as_str().is_some_and(|found| found.eq_ignore_ascii_case(name)));
        found.map(|pair| pair[1].as_str().unwrap().to_owned())
    };
    assert_eq!(header("X-Doorward-Tenant").as_deref(), Some("acme"));
    assert_eq!(header("X-Doorward-Roles").as_deref(), Some("viewer"));
    assert_eq!(header("X-Doorward-Scopes").as_deref(), Some("feature:export"));
    assert_eq!(header("X-License-Key"), None);
    assert_eq!(present(stranger["good"]["EdDSA"].as_str().unwrap()).status, 401, "signed by somebody else");
    for (name, forged) in minted["bad"].as_object().unwrap() {
        // A license has no issuer to be of, and with one key no key id is needed.
        if !name.contains("issuer") && name != "unknown_kid" {
            assert_eq!(present(forged.as_str().unwrap()).status, 401, "{name}");
        }
    }
}

#[test]
fn a_client_certificate_names_its_holder() {
    let upstream = part("echo", &[]);
    let mut folder = PathBuf::new();
    let certificates = "\
client_certificates: { subject: common_name, roles: [admin] }
identity_headers: { presets: [doorward] }
";
    let configuration = configuration(upstream.port(), certificates).replace(
        "listeners: [{ address: 127.0.0.1:0 }]",
        "listeners: [{ address: 127.0.0.1:0, tls: { certificates: [{ cert: ca.pem, key: ca.key }], client_ca: ca.pem } }]",
    );
    let door = Door::serve(&configuration, |state| {
        folder = state.to_path_buf();
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        let authority = ["req", "-x509", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
        openssl(state, &[&authority[..], &key, &["-keyout", "ca.key", "-out", "ca.pem"]].concat());
        openssl(
            state,
            &[
                &["req", "-subj", "/CN=robot-7", "-addext", "subjectAltName=DNS:robot"],
                &key[..],
                &["-keyout", "robot.key", "-out", "robot.csr"],
            ]
            .concat(),
        );
        // A certificate without extensions would be one of version 1, which nobody takes any more.
        let sign = ["x509", "-req", "-days", "2", "-copy_extensions", "copy", "-in", "robot.csr"];
        openssl(state, &[&sign[..], &["-CA", "ca.pem", "-CAkey", "ca.key", "-out", "robot.pem"]].concat());
    });
    let url = format!("https://localhost:{}/a", door.listener(0).rsplit_once(':').unwrap().1);
    let file = |name: &str| folder.join(name).display().to_string();
    let (authority, certificate, key) = (file("ca.pem"), file("robot.pem"), file("robot.key"));
    let seen = curl(&["--cacert", &authority, "--cert", &certificate, "--key", &key, &url]);
    assert_eq!(seen.status, 200, "{} {} {}", seen.error, seen.text(), door.process.said());
    assert!(seen.text().contains("robot-7") && seen.text().contains("client_certificate"), "{}", seen.text());
    assert_eq!(curl(&["--cacert", &authority, &url]).status, 401, "no certificate, no identity");
}

#[test]
fn credentials_under_other_names_are_taken_and_never_sent_on() {
    let upstream = part("echo", &[]);
    let names = ["X-Acme-Key", "X-Acme-Id", "X-Acme-Secret"];
    let [key, id, secret] = names;
    let configured = format!(
        "\
credentials: {{ api_key_header: {key}, client_id_header: {id}, client_secret_header: {secret} }}
identity_headers: {{ presets: [doorward] }}"
    );
    let door = Door::serve(&configuration(upstream.port(), &configured), |_| ());
    let api_key = door.command(&["key", "create", "--name", "program"])["secret"].as_str().unwrap().to_owned();
    let api_key = format!("{key}: {api_key}");
    let client = door.command(&["client", "create", "--name", "program"]);
    let client = [(id, "id"), (secret, "secret")].map(|(name, field)| format!("{name}: {}", client[field].as_str().unwrap()));
    let lower = api_key.replace(key, "x-ACME-key");
    let ask = |path: &str, headers: &[&str], more: &[&str]| {
        let url = format!("http://{}{path}", door.listener(0));
        let headers: Vec<&str> = headers.iter().flat_map(|header| ["-H", *header]).collect();
        curl(&[&headers[..], more, &[&*url]].concat())
    };
    // By a name in any case; then where no credential is taken, and several do no harm. With a body and without.
    for (path, headers, kind) in [
        ("/a", vec![&*api_key], Some("api_key")),
        ("/a", vec![&*lower], Some("api_key")),
        ("/a", vec![&*client[0], &*client[1]], Some("client_secret")),
        ("/open/a", vec![&*api_key, &*client[0], &*client[1]], None),
    ] {
        for more in [&[][..], &["-d", "body"]] {
            let answer = ask(path, &headers, more);
            assert_eq!(answer.status, 200, "{path} {headers:?}: {}", answer.text());
            let seen = answer.json();
            let pairs = seen["raw_headers"].as_array().unwrap();
            let named = |wanted: &str| {
                pairs.iter().find(|pair| pair[0].as_str().unwrap().eq_ignore_ascii_case(wanted)).and_then(|pair| pair[1].as_str())
            };
            assert_eq!(named("x-doorward-credential"), kind, "{path} {headers:?}");
            assert_eq!(names.map(named), [None; 3], "{path} {headers:?}");
        }
    }
    // The usual names are nobody's now.
    assert_eq!(ask("/a", &[&api_key.replace(key, "X-Api-Key")], &[]).status, 401);
}

#[test]
fn guesses_have_to_wait_and_somebody_elses_good_key_does_not() {
    let door = Door::demo(&[]);
    let (id, good) = (door.text("client_id").to_owned(), door.text("client_secret").to_owned());
    let key = format!("X-Api-Key: {}", door.text("api_key"));
    let guess = |secret: &str| door.curl("/hello", &["-u", &format!("{id}:{secret}")]);
    let statuses: Vec<u16> = (0..40).map(|number| guess(&format!("guess{number}")).status).collect();
    assert_eq!(statuses[0], 401);
    assert_eq!(statuses[39], 429, "{statuses:?}");
    let waiting = guess("another");
    assert_eq!((waiting.status, waiting.json()["code"].as_str()), (429, Some("too_many_failures")));
    let seconds: u64 = waiting.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds));
    assert_eq!(guess(&good).status, 429, "nobody learns by guessing on which try they were right");
    assert_eq!(door.curl("/hello", &["-H", &key]).status, 200, "another credential from the same address");
}

#[test]
fn every_refusal_and_denial_is_one_audit_event_without_the_secret() {
    let minted = mint(&["set", "--algs", "ES256", "--claims", &json!({ "scope": "api:read" }).to_string()]);
    let upstream = part("echo", &[]);
    let issuers =
        format!("bearer: [{{ issuer: 'https://issuer.test', audiences: ['{AUDIENCE}'], jwks: {{ path: jwks.json }} }}]");
    let door = Door::serve(&configuration(upstream.port(), &issuers), |folder| {
        std::fs::write(folder.join("jwks.json"), minted["jwks"].to_string()).unwrap();
    });
    let expired = minted["bad"]["expired"].as_str().unwrap();
    assert_eq!(bearer(&door, "/a?secret=x", expired).status, 401);
    assert_eq!(bearer(&door, "/scoped/b", minted["good"]["ES256"].as_str().unwrap()).status, 403);
    assert_eq!(curl(&[&format!("http://{}/a", door.listener(0))]).status, 401, "a stranger, who is not recorded");
    let url = format!("http://{}/a", door.listener(0));
    assert_eq!(curl(&["-H", "X-Api-Key: dw_x", "-H", "X-License-Key: y", &url]).status, 401);
    let refused =
        eventually("two refusals are written", || Some(events(&door, "credential_refused")).filter(|all| all.len() == 2));
    assert_eq!((&refused[0]["reason"], &refused[0]["credential"]), (&json!("expired"), &json!("bearer")));
    assert_eq!((&refused[0]["details"]["path"], &refused[0]["source"]), (&json!("/a"), &json!("127.0.0.1")));
    assert_eq!(refused[1]["reason"], "several_credentials");
    let denied = eventually("the denial is written", || Some(events(&door, "access_denied")).filter(|all| all.len() == 1));
    assert_eq!((&denied[0]["reason"], &denied[0]["actor"]), (&json!("scope"), &json!("user-1")));
    let trail = format!("{refused:?}{denied:?}");
    assert!(!trail.contains(expired) && !trail.contains("secret=x"), "{trail}");
}

#[test]
fn the_same_subject_of_two_issuers_is_not_the_same_to_the_application() {
    let issuers = ["https://one.test", "https://two.test"];
    let minted = issuers.map(|issuer| mint(&["set", "--algs", "ES256", "--issuer", issuer]));
    let upstream = part("echo", &[]);
    let configured = "\
bearer:
  - { issuer: 'https://one.test', audiences: ['api://app'], jwks: { path: one.json } }
  - { issuer: 'https://two.test', audiences: ['api://app'], jwks: { path: two.json } }
identity_headers: { presets: [doorward], assertion: { audience: app }, custom: { X-Who: '{issuer}|{user}' } }";
    let door = Door::serve(&configuration(upstream.port(), configured), |folder| {
        for (minted, file) in minted.iter().zip(["one.json", "two.json"]) {
            std::fs::write(folder.join(file), minted["jwks"].to_string()).unwrap();
        }
    });
    for (minted, issuer) in minted.iter().zip(issuers) {
        let seen = bearer(&door, "/a", minted["good"]["ES256"].as_str().unwrap()).json();
        let headers = seen["raw_headers"].as_array().unwrap();
        let header = |name: &str| {
            headers.iter().find(|pair| pair[0].as_str().unwrap().eq_ignore_ascii_case(name)).and_then(|pair| pair[1].as_str())
        };
        assert_eq!(header("x-doorward-user"), Some("user-1"));
        assert_eq!(header("x-doorward-issuer"), Some(issuer));
        assert_eq!(header("x-who"), Some(format!("{issuer}|user-1").as_str()));
        let assertion = header("x-doorward-assertion").unwrap().split('.').nth(1).unwrap().to_owned();
        let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, assertion).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!((&claims["sub"], &claims["sub_iss"]), (&"user-1".into(), &issuer.into()));
    }
}
