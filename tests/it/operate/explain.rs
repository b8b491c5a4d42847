//! `doorward explain`.

use serde_json::{Value, json};

use crate::support::{Door, curl, doorward, eventually, free_port, part};

fn explain(door: &Door, arguments: &[&str]) -> Value {
    let mut all = vec!["explain"];
    all.extend(arguments);
    door.command(&all)
}

#[test]
fn explain_says_what_the_running_server_does() {
    let door = Door::demo(&[]);
    let key = door.text("api_key").to_owned();
    let header = format!("X-Api-Key: {key}");
    for (path, credential) in [
        ("/hello", true),
        ("/hello", false),
        ("/public/a", false),
        ("/public/a", true),
        ("/admin/a", true),
        ("/admin/a", false),
        ("/public/../admin", false),
        ("/%2e%2e/a", true),
        ("/a//b", true),
    ] {
        let with: &[&str] = if credential { &["-H", &header] } else { &[] };
        let answer = door.curl(path, with);
        let url = format!("{}{path}", door.text("url"));
        let mut arguments = vec!["--url", &url];
        if credential {
            arguments.extend(["--header", &header]);
        }
        let explained = explain(&door, &arguments);
        let expected = explained["status"].as_u64().unwrap_or(200);
        assert_eq!(u64::from(answer.status), expected, "{path} {credential}: {explained}");
        assert!(!explained.to_string().contains(&key), "the key is not shown: {explained}");
    }
}

#[test]
fn explain_takes_a_person_or_a_program_as_shown() {
    let door = Door::demo(&[]);
    let admin = format!("{}/admin/x", door.text("url"));
    let ada = explain(&door, &["--url", &admin, "--user", door.text("user")]);
    assert_eq!((&ada["decision"], &ada["credential"]), (&json!("allowed"), &json!("session")), "{ada}");
    assert_eq!(ada["identity"]["roles"], json!(["admin"]));
    let roles = ada["headers"].as_array().unwrap().iter().find(|pair| pair[0] == "x-forwarded-roles").unwrap();
    assert_eq!(roles[1], "admin");

    let viewer = explain(&door, &["--url", &admin, "--roles", "viewer"]);
    assert_eq!((&viewer["decision"], &viewer["reason"], &viewer["status"]), (&json!("denied"), &json!("role"), &json!(403)));
    assert_eq!(viewer["rule"]["roles"], json!(["admin"]));
    let client = explain(&door, &["--url", &admin, "--client", door.text("client_id")]);
    assert_eq!((&client["credential"], &client["reason"]), (&json!("client_secret"), &json!("role")));
    let nobody = explain(&door, &["--url", &admin]);
    assert_eq!((&nobody["decision"], &nobody["reason"]), (&json!("unidentified"), &json!("identity_needed")));
}

#[test]
fn explain_tells_a_person_in_lines() {
    let door = Door::demo(&[]);
    let url = format!("{}/admin/x", door.text("url"));
    let output = doorward(&["explain", "--url", &url, "--roles", "viewer", "--config"]).arg(door.config()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        said,
        "\
route       /admin/**
rule        required; roles admin
credential  session
identity    somebody (tenant default, roles viewer, groups -, scopes -)
roles by    viewer: assigned
decision    denied
why         none of the needed roles is held
status      403
goes to     -
",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let unknown = doorward(&["explain", "--url", &url, "--roles", "wizard", "--config"]).arg(door.config()).output().unwrap();
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("there is no role wizard"), "{unknown:?}");
}

#[test]
fn explain_knows_the_doors_own_tokens_whose_they_are_and_why_they_are_refused() {
    let (upstream, port) = (part("echo", &[]), free_port());
    let door = Door::serve(
        &format!(
            "version: 1\npublic_url: http://127.0.0.1:{port}\nlisteners: [{{ address: 127.0.0.1:{port} }}]\n\
             upstream: {{ url: http://127.0.0.1:{} }}\nstore: {{ url: sqlite:{{folder}}/doorward.db }}\ntoken_endpoint: {{}}\n\
             secret_key: 0123456789abcdef0123456789abcdef\n\
             roles: {{ ranked: [admin, viewer], scopes: {{ viewer: ['api:read'] }} }}\n\
             routes:\n  - {{ path: /write/**, scopes: ['api:write'] }}\n  - {{ path: /admin/**, roles: [admin] }}\n\
             \x20 - {{ path: /keys/**, accept: [api_key] }}\n",
            upstream.port()
        ),
        |_| {},
    );
    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    let client =
        door.command(&["client", "create", "--name", "robot", "--role", "viewer", "--role", "admin", "--scope", "api:write"]);
    let (id, secret) = (client["id"].as_str().unwrap(), client["secret"].as_str().unwrap());
    let token = |further: &str| {
        let form = format!("grant_type=client_credentials{further}");
        let given = curl(&["-u", &format!("{id}:{secret}"), "-d", &form, &url("/.doorward/token")]).json();
        given["access_token"].as_str().unwrap_or_else(|| panic!("{given}")).to_owned()
    };
    let with = |token: &str, path: &str| {
        let header = format!("Authorization: Bearer {token}");
        let explained = explain(&door, &["--url", &url(path), "--header", &header]);
        let answer = curl(&["-H", &header, &url(path)]);
        assert_eq!(u64::from(answer.status), explained["status"].as_u64().unwrap_or(200), "{path}: {explained}");
        assert!(!explained.to_string().contains(token), "the token is not shown: {explained}");
        explained
    };
    let whole = token("");
    let seen = with(&whole, "/admin/x");
    assert_eq!((&seen["decision"], &seen["credential"]), (&json!("allowed"), &json!("bearer")), "{seen}");
    assert_eq!((&seen["identity"]["subject"], &seen["identity"]["tenant"]), (&json!(id), &json!("default")));
    assert_eq!(seen["identity"]["scopes"], json!(["api:read", "api:write"]));
    let direct = |role: &str| json!({ "role": role, "from": "direct" });
    assert_eq!(seen["identity"]["roles_from"], json!([direct("admin"), direct("viewer")]), "{seen}");
    let narrow = token("&scope=api:read");
    let lacking = with(&narrow, "/write/x");
    assert_eq!((&lacking["reason"], &lacking["identity"]["scopes"]), (&json!("scope"), &json!(["api:read"])), "{lacking}");
    assert_eq!(lacking["identity"]["roles_from"], json!([]), "a role that does not count has no reason: {lacking}");
    assert_eq!(with(&narrow, "/admin/x")["reason"], "role");
    assert_eq!(with(&whole, "/keys/x")["reason"], "credential_not_taken");
    let (front, back) = whole.split_at(whole.len() - 9);
    let changed = format!("{front}{}{}", if back.starts_with('A') { "B" } else { "A" }, &back[1..]);
    assert_eq!(with(&changed, "/data")["reason"], "signature");
    door.command(&["client", "revoke", id]);
    eventually("the server to know", || {
        (curl(&["-H", &format!("Authorization: Bearer {whole}"), &url("/data")]).status == 401).then_some(())
    });
    let refused = with(&whole, "/data");
    let told = (&refused["decision"], &refused["credential"], &refused["reason"], &refused["why"]);
    assert_eq!(told, (&json!("refused"), &json!("bearer"), &json!("revoked"), &json!("the bearer was refused: revoked")));
}
