//! Short-lived tokens for clients, got and used by an OAuth client that nobody here wrote, through the real binary.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::process::Part;
use crate::support::{Answer, Door, curl, eventually, free_port, part, shows_token};

struct House {
    door: Door,
    url: String,
    _upstream: Part,
}

/// A client as `doorward client create` makes it.
struct Client {
    id: String,
    secret: String,
}

impl House {
    fn new(further: &str) -> Self {
        let (upstream, port) = (part("echo", &[]), free_port());
        // A route takes no credential that nobody can have.
        let taken = if further.contains("token_endpoint") { "bearer" } else { "api_key" };
        let configuration = format!(
            "\
version: 1
public_url: http://127.0.0.1:{port}
listeners: [{{ address: 127.0.0.1:{port} }}]
upstream: {{ url: http://127.0.0.1:{} }}
store: {{ url: sqlite:{{folder}}/doorward.db }}
secret_key: 0123456789abcdef0123456789abcdef
roles: {{ ranked: [admin, viewer], scopes: {{ viewer: ['api:read'] }} }}
identity_headers: {{ presets: [doorward] }}
routes:
  - {{ path: /tokens/**, accept: [{taken}], scopes: ['api:read'] }}
  - {{ path: /write/**, scopes: ['api:write'] }}
  - {{ path: /admin/**, roles: [admin] }}
{further}
",
            upstream.port()
        );
        Self { door: Door::serve(&configuration, |_| {}), url: format!("http://127.0.0.1:{port}"), _upstream: upstream }
    }

    fn client(&self, arguments: &[&str]) -> Client {
        let made = self.door.command(&[&["client", "create", "--name", "partner"], arguments].concat());
        let text = |name: &str| made[name].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
        Client { id: text("id"), secret: text("secret") }
    }

    /// Asks for a token with a form, and further arguments.
    fn ask(&self, form: &str, arguments: &[&str]) -> Answer {
        curl(&[arguments, &["-d", form, &format!("{}/.doorward/token", self.url)]].concat())
    }

    #[track_caller]
    fn token(&self, client: &Client, further: &str) -> String {
        let (id, secret) = (&client.id, &client.secret);
        let answer = self.ask(&format!("grant_type=client_credentials&client_id={id}&client_secret={secret}{further}"), &[]);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    fn with(&self, token: &str, path: &str) -> Answer {
        curl(&["-H", &format!("Authorization: Bearer {token}"), &format!("{}{path}", self.url)])
    }

    /// What the foreign client says of its way from a refusal to a used token.
    fn oauth(&self, client: &Client, arguments: &[&str]) -> Value {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parts/oauth.mjs");
        let resource = format!("{}/tokens/x", self.url);
        let mut command = Command::new("node");
        command.arg(script).args(["--resource", &resource, "--client", &client.id, "--secret", &client.secret]);
        let output = command.args(arguments).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
    }
}

const ON: &str = "token_endpoint: { lifetime: 5m }";
const GRANT: &str = "grant_type=client_credentials";

#[test]
fn a_foreign_client_finds_its_way_from_a_refusal_to_a_token_that_is_taken() {
    let house = House::new(ON);
    let client = house.client(&["--role", "viewer", "--scope", "report:*"]);
    for auth in ["basic", "post"] {
        let said = house.oauth(&client, &["--auth", auth]);
        assert_eq!((&said["used"], &said["cache"]), (&json!(200), &json!("no-store")), "{said:#}");
        assert_eq!(
            said["challenge"]["resource_metadata"],
            json!(format!("{}/.well-known/oauth-protected-resource", house.url)),
            "{said:#}"
        );
        assert_eq!(said["challenge"]["error"], "invalid_token");
        assert_eq!(said["metadata"]["authorization_servers"], json!([house.url]));
        assert_eq!(said["pathMetadata"]["resource"], json!(format!("{}/tokens/x", house.url)));
        assert_eq!(said["pathMetadata"]["scopes_supported"], json!(["api:read"]));
        assert_eq!(said["metadata"]["scopes_supported"], json!(["api:read", "api:write"]));
        assert_eq!((&said["tokens"]["expires_in"], &said["tokens"]["scope"]), (&json!(300), &json!("api:read report:*")));
        assert_eq!((&said["claims"]["client_id"], &said["claims"]["sub"]), (&json!(client.id), &json!(client.id)));
        let seen = said["body"].as_str().unwrap().to_ascii_lowercase();
        assert!(
            seen.contains("\"x-doorward-roles\",\"viewer\"") && seen.contains("\"x-doorward-credential\",\"bearer\""),
            "{seen}"
        );
        assert!(!shows_token(&seen), "the token stays with the door: {seen}");
    }
    let event = house.door.command(&["audit", "list", "--kind", "token_issued"])[0].clone();
    assert_eq!((&event["outcome"], &event["actor"]), (&json!("success"), &json!(client.id)), "{event}");
    assert!(!event.to_string().contains(&client.secret) && !shows_token(&event.to_string()), "{event}");
}

#[test]
fn a_token_has_no_more_than_was_asked_for_nor_than_its_client_has() {
    let house = House::new(ON);
    let client = house.client(&["--role", "admin", "--scope", "api:*"]);
    let whole = house.token(&client, "");
    assert_eq!(["/write/x", "/admin/x"].map(|path| house.with(&whole, path).status), [200, 200]);
    let narrow = house.token(&client, "&scope=api:read");
    let lacking = house.with(&narrow, "/write/x");
    let challenge = lacking.header("www-authenticate").unwrap();
    assert_eq!(lacking.status, 403);
    for part in ["error=\"insufficient_scope\"", "scope=\"api:write\"", "resource_metadata=\""] {
        assert!(challenge.contains(part), "{challenge}");
    }
    assert_eq!(house.with(&narrow, "/admin/x").status, 403, "a narrowed token has no role");
    let resource = house.url.clone();
    for (further, code) in [
        ("&scope=billing:read".to_owned(), "invalid_scope"),
        ("&resource=https://elsewhere.example".to_owned(), "invalid_target"),
        (format!("&resource={resource}.evil.example/"), "invalid_target"),
    ] {
        let form = format!("{GRANT}&client_id={}&client_secret={}{further}", client.id, client.secret);
        let refused = house.ask(&form, &[]);
        assert_eq!((refused.status, &refused.json()["error"]), (400, &json!(code)), "{}", refused.text());
        assert_eq!(refused.header("cache-control"), Some("no-store"));
    }
    house.token(&client, &format!("&resource={resource}/tokens"));
}

#[test]
fn a_token_ends_with_its_client_and_with_the_secret_it_was_got_with() {
    let house = House::new(ON);
    let (revoked, rotated) = (house.client(&[]), house.client(&[]));
    let (of_revoked, of_rotated) = (house.token(&revoked, ""), house.token(&rotated, ""));
    assert_eq!([&of_revoked, &of_rotated].map(|token| house.with(token, "/data").status), [200, 200]);
    house.door.command(&["client", "rotate", &rotated.id, "--overlap", "1h"]);
    assert_eq!(house.with(&of_rotated, "/data").status, 200, "its secret works for an hour yet");
    house.door.command(&["client", "revoke", &revoked.id]);
    // Two other secrets live now, and neither is the one that the token was got with.
    house.door.command(&["client", "rotate", &rotated.id, "--overlap", "1h"]);
    for token in [&of_revoked, &of_rotated] {
        eventually("the token to be refused", || (house.with(token, "/data").status == 401).then_some(()));
    }
    let again = house.ask(&format!("{GRANT}&client_id={}&client_secret={}", revoked.id, revoked.secret), &[]);
    assert_eq!((again.status, &again.json()["error"]), (401, &json!("invalid_client")));
    let networked = house.client(&["--network", "192.0.2.0/24"]);
    let elsewhere = house.ask(&format!("{GRANT}&client_id={}&client_secret={}", networked.id, networked.secret), &[]);
    assert_eq!(elsewhere.status, 401, "from another network");
}

#[test]
fn a_token_that_was_changed_or_is_of_another_kind_is_refused() {
    let house = House::new(&format!("{ON}\nlimits: {{ failures_per_minute: 1000 }}"));
    let client = house.client(&["--role", "viewer"]);
    let token = house.token(&client, "");
    let parts: Vec<&str> = token.split('.').collect();
    let flipped = |text: &str| {
        let last = if text.ends_with('A') { "Q" } else { "A" };
        format!("{}{last}", &text[..text.len() - 1])
    };
    let mut middle = parts[1].to_owned();
    middle.replace_range(20..21, if &middle[20..21] == "A" { "B" } else { "A" });
    for forged in [
        format!("{}.{middle}.{}", parts[0], parts[2]),
        format!("{}.{}.{}", parts[0], parts[1], flipped(&parts[2][..parts[2].len() - 1])),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}", parts[0], parts[1]),
        format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{}.", parts[1]),
        format!("{}.{}.{}.{}", parts[0], parts[1], parts[2], parts[2]),
    ] {
        assert_eq!(house.with(&forged, "/data").status, 401, "{forged}");
    }
    assert_eq!(house.with(&token, "/data").status, 200);
}

#[test]
fn a_token_that_was_taken_is_no_other_kind_of_credential() {
    let house = House::new(&format!("  - {{ path: /programs/**, accept: [api_key, client_secret] }}\n{ON}"));
    let client = house.client(&["--role", "viewer"]);
    let token = house.token(&client, "");
    assert_eq!(house.with(&token, "/data").status, 200, "it is remembered now");
    let url = format!("{}/programs/x", house.url);
    let as_secret = format!("X-Client-Secret: {token}");
    for headers in [
        vec![format!("X-Api-Key: {token}")],
        vec!["X-Client-Id: token".to_owned(), as_secret.clone()],
        vec![format!("X-Client-Id: {}", client.id), as_secret],
    ] {
        let arguments: Vec<&str> = headers.iter().flat_map(|header| ["-H", header]).collect();
        let answer = curl(&[&arguments[..], &[&url]].concat());
        assert_eq!(answer.status, 401, "{headers:?}: {}", answer.text());
    }
}

#[test]
fn guesses_at_a_client_wait_and_nobody_learns_which_part_was_wrong() {
    let house = House::new(&format!("{ON}\nlimits: {{ failures_per_minute: 5 }}"));
    let client = house.client(&[]);
    let wrong = |id: &str| house.ask(&format!("{GRANT}&client_id={id}&client_secret=dws_wrong"), &[]);
    let (known, unknown) = (wrong(&client.id), wrong("0123456789abcdef"));
    assert_eq!((known.status, unknown.status), (401, 401));
    assert_eq!(known.text(), unknown.text());
    assert!(known.header("www-authenticate").unwrap().starts_with("Basic "));
    let locked = eventually("the client to wait", || Some(wrong(&client.id)).filter(|answer| answer.status == 429));
    let wait: u64 = locked.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    eventually("all three reasons", || {
        let events = house.door.command(&["audit", "list", "--kind", "token_issued"]);
        let reasons: Vec<&str> = events.as_array().unwrap().iter().filter_map(|event| event["reason"].as_str()).collect();
        ["wrong_secret", "unknown", "too_many_failures"].iter().all(|reason| reasons.contains(reason)).then_some(())
    });
}

#[test]
fn there_is_no_endpoint_unless_configured_and_its_answers_are_those_of_the_standard() {
    let house = House::new("");
    assert_eq!(house.ask(GRANT, &[]).status, 404);
    let seen = curl(&[&format!("{}/.well-known/oauth-authorization-server", house.url)]);
    assert_eq!(seen.status, 401, "the application's, which needs an identity");

    let house = House::new(ON);
    let client = house.client(&[]);
    let basic = format!("{}:{}", client.id, client.secret);
    let post = format!("{GRANT}&client_id={}&client_secret={}", client.id, client.secret);
    for (form, arguments, status, code) in [
        (GRANT.to_owned(), vec![], 401, "invalid_client"),
        ("grant_type=password".to_owned(), vec!["-u", &*basic], 400, "unsupported_grant_type"),
        ("scope=a".to_owned(), vec!["-u", &*basic], 400, "invalid_request"),
        (post.clone(), vec!["-u", &*basic], 400, "invalid_request"),
        (format!("{post}&scope=a&scope=b"), vec![], 400, "invalid_request"),
        (post.clone(), vec!["-H", "Content-Type: application/json"], 400, "invalid_request"),
    ] {
        let answer = house.ask(&form, &arguments);
        assert_eq!((answer.status, &answer.json()["error"]), (status, &json!(code)), "{form}: {}", answer.text());
        assert_eq!((answer.header("cache-control"), answer.header("pragma")), (Some("no-store"), Some("no-cache")));
    }
    let get = curl(&[&format!("{}/.doorward/token?{post}", house.url)]);
    assert_eq!((get.status, get.header("allow")), (405, Some("POST")));
    assert_eq!(house.ask(GRANT, &["-u", &basic]).status, 200);
}
