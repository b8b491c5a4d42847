//! Administration at the terminal: groups, and what programs may do. The same operations as the API's, each recorded once.

use serde_json::{Value, json};

use crate::support::{Door, doorward, eventually};

const CONFIGURATION: &str = "\
version: 1
public_url: http://localhost:1
listeners: [{ address: 127.0.0.1:0 }]
upstream: { url: http://127.0.0.1:9 }
store: { url: 'sqlite:{folder}/doorward.db' }
secret_key: 0123456789abcdef0123456789abcdef
tenants: [{ id: acme }]
connections:
  - { id: okta, oidc: { issuer: 'https://okta.invalid', client_id: door } }
roles: { ranked: [admin, editor, viewer], groups: { Engineering: editor } }
";

fn door() -> Door {
    Door::serve(CONFIGURATION, |_| {})
}

#[track_caller]
fn fails(door: &Door, arguments: &[&str]) -> String {
    let output = doorward(arguments).arg("--config").arg(door.config()).output().unwrap();
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[track_caller]
fn says(door: &Door, arguments: &[&str]) -> String {
    let output = doorward(arguments).arg("--config").arg(door.config()).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The events of these kinds, oldest first: their kinds.
fn kinds(door: &Door, wanted: &[&str]) -> Vec<String> {
    let all = door.command(&["audit", "list"]);
    let kinds = all.as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap().to_owned());
    kinds.filter(|kind| wanted.contains(&kind.as_str())).collect()
}

#[test]
fn groups_are_made_filled_renamed_and_removed_at_the_terminal() {
    let door = door();
    for name in ["ada", "bob"] {
        door.command(&["user", "create", "--name", name, "--no-password"]);
    }
    let made = door.command(&["group", "create", "Engineering", "--member", "ada"]);
    assert_eq!((&made["display_name"], &made["connection"]), (&json!("Engineering"), &Value::Null));
    assert_eq!(door.command(&["user", "show", "ada"])["effective_roles"], json!(["editor"]));
    assert!(says(&door, &["user", "show", "ada"]).contains("editor"));
    door.command(&["group", "add-member", "engineering", "--user", "bob", "--user", "ada"]);
    let members = |group: &str| {
        let shown = door.command(&["group", "show", group]);
        let mut names: Vec<String> =
            shown["members"].as_array().unwrap().iter().map(|user| user["user_name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(members("Engineering"), ["ada", "bob"]);
    assert!(says(&door, &["group", "show", "Engineering"]).contains("administrators"));
    door.command(&["group", "remove-member", made["id"].as_str().unwrap(), "--user", "ada"]);
    assert_eq!(members("Engineering"), ["bob"]);
    assert_eq!(door.command(&["user", "show", "ada"])["active"], json!(true));
    door.command(&["group", "rename", "Engineering", "--name", "Builders"]);
    assert_eq!(members("builders"), ["bob"]);
    assert!(says(&door, &["group", "list"]).contains("Builders"));
    assert!(fails(&door, &["group", "show", "Engineering"]).contains("there is no group Engineering in tenant default"));
    assert!(fails(&door, &["group", "show", "Builders", "--tenant", "acme"]).contains("there is no group Builders"));
    assert!(fails(&door, &["group", "show", made["id"].as_str().unwrap(), "--tenant", "acme"]).contains("no such group"));
    assert!(fails(&door, &["group", "create", "BUILDERS"]).contains("taken"));
    assert!(fails(&door, &["group", "add-member", "Builders", "--user", "nobody"]).contains("nobody called nobody"));
    door.command(&["group", "delete", "Builders"]);
    assert_eq!(door.command(&["group", "list"]), json!([]));
    let wanted = ["group_created", "group_changed", "group_removed"];
    let told = kinds(&door, &wanted);
    assert_eq!(told, ["group_created", "group_changed", "group_changed", "group_changed", "group_removed"]);
}

#[test]
fn what_a_program_may_do_is_changed_at_the_terminal_and_counts_at_once() {
    let door = door();
    door.command(&["user", "create", "--name", "ada", "--no-password"]);
    let key = door.command(&["key", "create", "--name", "deploy", "--role", "viewer", "--scope", "api:read"]);
    let (id, secret) = (key["id"].as_str().unwrap(), key["secret"].as_str().unwrap());
    let status = || {
        let url = format!("http://{}/.doorward/session", door.listener(0));
        crate::support::curl(&["-H", &format!("X-Api-Key: {secret}"), &url]).status
    };
    assert_eq!(status(), 200);
    let changed =
        door.command(&["key", "update", id, "--name", "release", "--role", "editor", "--owner", "ada", "--expires", "30d"]);
    assert_eq!(
        (&changed["name"], &changed["roles"], &changed["scopes"], changed["owner"].is_string(), changed["expires_at"].is_i64()),
        (&json!("release"), &json!(["editor"]), &json!(["api:read"]), true, true)
    );
    let bare = door.command(&["key", "update", id, "--no-scopes", "--no-roles", "--no-owner", "--no-expiry"]);
    let told = ["scopes", "roles", "owner", "expires_at"].map(|name| bare[name].clone());
    assert_eq!(told, [json!([]), json!([]), Value::Null, Value::Null]);
    door.command(&["key", "update", id, "--network", "192.0.2.0/24"]);
    eventually("it is refused from here", || (status() == 401).then_some(()));
    door.command(&["key", "update", id, "--no-networks"]);
    eventually("it is taken from here again", || (status() == 200).then_some(()));
    assert!(fails(&door, &["key", "update", id]).contains("say what is to be different"));
    assert!(fails(&door, &["key", "update", id, "--role", "boss"]).contains("there is no role boss"));
    assert!(fails(&door, &["key", "update", id, "--name", "x", "--tenant", "acme"]).contains("there is no key"));
    door.command(&["key", "update", id, "--name", "deploy"]);
    door.command(&["key", "update", id, "--name", "deploy"]);
    let client = door.command(&["client", "create", "--name", "partner"]);
    let client = client["id"].as_str().unwrap();
    assert_eq!(door.command(&["client", "update", client, "--scope", "api:*"])["scopes"], json!(["api:*"]));
    door.command(&["client", "revoke", client]);
    assert!(fails(&door, &["client", "update", client, "--name", "back"]).contains("create a new one"));
    assert_eq!(kinds(&door, &["key_changed", "client_changed"]), [vec!["key_changed"; 5], vec!["client_changed"]].concat());
}
