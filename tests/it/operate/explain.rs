//! `doorward explain`.

use serde_json::{Value, json};

use crate::support::{Door, doorward};

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
identity    somebody (tenant default, roles viewer, groups -)
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
