//! The store's commands, by the real binary, while the server runs.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use doorward::clock::SystemClock;
use doorward::db::Database;
use doorward::session::{SessionStore as _, SqlSessions};
use serde_json::Value;

use crate::memory::conformance::Outcome;
use crate::support::door::doorward;
use crate::support::session::just_begun;
use crate::support::{Door, Stopwatch, eventually};

/// "Within one second", and what a busy machine needs besides.
const AT_ONCE: Duration = Duration::from_secs(2);

fn fails(door: &Door, arguments: &[&str]) -> String {
    let output = doorward(arguments).arg("--config").arg(door.config()).output().unwrap();
    assert!(!output.status.success(), "{arguments:?} succeeded");
    assert!(output.stdout.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

fn says(door: &Door, arguments: &[&str]) -> String {
    let output = doorward(arguments).arg("--config").arg(door.config()).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// What the door answers to this key.
fn status(door: &Door, key: &str) -> u16 {
    door.curl("/hello", &["-H", &format!("X-Api-Key: {key}")]).status
}

#[track_caller]
fn refused_at_once(door: &Door, key: &str) {
    let begun = Stopwatch::start();
    eventually("the key is refused", || (status(door, key) == 401).then_some(()));
    begun.within(AT_ONCE);
}

#[test]
fn a_key_works_from_its_creation_to_its_revocation_while_the_server_runs() {
    let door = Door::demo(&[]);
    let key = door.command(&["key", "create", "--name", "nightly export", "--role", "viewer", "--scope", "api:read"]);
    let (id, secret) = (text(&key, "id"), text(&key, "secret"));
    assert_eq!(status(&door, secret), 200);

    let listed = door.command(&["key", "list"]);
    let found = listed.as_array().unwrap().iter().find(|one| one["id"] == key["id"]).unwrap();
    assert_eq!(found["name"], "nightly export");
    for kept in [listed.to_string(), door.command(&["key", "show", id]).to_string(), says(&door, &["key", "show", id])] {
        assert!(!kept.contains(&secret[20..]), "a secret is shown once only");
    }

    let revoked = door.command(&["key", "revoke", id]);
    assert!(revoked["revoked_at"].is_i64());
    refused_at_once(&door, secret);
    assert!(says(&door, &["key", "revoke", id]).contains("already revoked"));
    assert!(fails(&door, &["key", "rotate", id]).contains("create a new one"));

    let trail = door.command(&["audit", "list", "--kind", "key_created", "--kind", "key_revoked", "--since", "1h"]);
    let of_this: Vec<_> = trail.as_array().unwrap().iter().filter(|event| event["target"] == key["id"]).collect();
    assert_eq!(of_this.iter().map(|event| text(event, "kind")).collect::<Vec<_>>(), ["key_created", "key_revoked"]);
    assert!(of_this.iter().all(|event| text(event, "actor").starts_with("cli:")));
    assert!(!trail.to_string().contains(&secret[20..]));
}

#[test]
fn the_old_secret_works_during_the_overlap_and_no_third_is_alive() {
    let door = Door::demo(&[]);
    let client = door.command(&["client", "create", "--name", "partner", "--role", "viewer"]);
    let id = text(&client, "id");
    let answer = |secret: &str| door.curl("/hello", &["-u", &format!("{id}:{secret}")]).status;
    let first = text(&client, "secret").to_owned();
    assert_eq!(answer(&first), 200);
    let rotated = door.command(&["client", "rotate", id, "--overlap", "1h"]);
    let second = text(&rotated, "secret").to_owned();
    assert_ne!(first, second);
    assert_eq!((answer(&first), answer(&second)), (200, 200));
    let third = text(&door.command(&["client", "rotate", id, "--overlap", "0s"]), "secret").to_owned();
    eventually("older secrets are refused", || (answer(&first) == 401 && answer(&second) == 401).then_some(()));
    assert_eq!(answer(&third), 200);
}

#[test]
fn a_deactivated_persons_key_dies_with_them_and_comes_back_with_them() {
    let door = Door::demo(&[]);
    let user = door.command(&["user", "create", "--email", "Eve@acme.example", "--role", "viewer"]);
    assert!(text(&user, "password").len() >= 20);
    let key = door.command(&["key", "create", "--name", "eves", "--role", "viewer", "--owner", "eve@ACME.example"]);
    let secret = text(&key, "secret");
    assert_eq!(key["owner"], user["id"]);
    assert_eq!(status(&door, secret), 200);
    assert_eq!(door.command(&["user", "deactivate", "eve@acme.example"])["active"], false);
    refused_at_once(&door, secret);
    assert!(fails(&door, &["key", "create", "--name", "x", "--owner", "eve@acme.example"]).contains("deactivated"));
    assert_eq!(door.command(&["user", "activate", text(&user, "id")])["active"], true);
    eventually("the key works again", || (status(&door, secret) == 200).then_some(()));
}

#[test]
fn a_session_is_listed_and_ended_while_the_server_runs() -> Outcome {
    let door = Door::demo(&[]);
    let ada = door.command(&["user", "show", door.text("user")]);
    let cookie = "a-session-id-made-by-a-test-0123456789abcdef";
    // As the sign-in does it, in another process.
    let runtime = tokio::runtime::Runtime::new()?;
    let url = format!("sqlite:{}", door.config().with_file_name("doorward.db").display());
    runtime.block_on(async {
        let database = Database::open(&url, Arc::new(SystemClock)).await?;
        let kept = just_begun(text(&ada, "id").parse()?, "handle-adas", cookie);
        SqlSessions::new(database).create(&kept).await?;
        Outcome::Ok(())
    })?;
    let status = || door.curl("/admin/", &["-H", &format!("Cookie: __Host-doorward={cookie}")]).status;
    assert_eq!(status(), 200);

    let listed = door.command(&["session", "list", "--user", door.text("user")]);
    assert_eq!(listed[0]["handle"], "handle-adas");
    assert!(!listed.to_string().contains(cookie));
    assert_eq!(door.command(&["session", "revoke", "handle-adas"])["ended"], 1);
    let begun = Stopwatch::start();
    eventually("the session is refused", || (status() == 401).then_some(()));
    begun.within(AT_ONCE);
    assert_eq!(door.command(&["session", "list"]), serde_json::json!([]));
    assert!(fails(&door, &["session", "revoke", "handle-adas"]).contains("session list"));
    Ok(())
}

#[test]
fn the_last_use_of_a_key_is_written_down_a_little_later() {
    let door = Door::demo(&[]);
    assert_eq!(status(&door, door.text("api_key")), 200);
    eventually("the use is noted", || door.command(&["key", "list"])[0]["last_used_at"].as_i64());
}

#[test]
fn a_password_is_read_from_standard_input_and_not_shown() {
    let door = Door::demo(&[]);
    let create = |name: &str, password: &str| {
        let mut command = doorward(&["user", "create", "--password-stdin", "--json", "--name", name]);
        let mut child = run(command.arg("--config").arg(door.config()));
        child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let made = create("eve", "correct horse battery\n");
    assert!(made.status.success());
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    assert!(made["password"].is_null() && !made.to_string().contains("horse"));
    let short = create("mallory", "short\n");
    assert!(!short.status.success());
    assert!(String::from_utf8_lossy(&short.stderr).contains("12 to 1024"));
}

fn run(command: &mut Command) -> std::process::Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn somebody_without_a_password_waits_for_their_identity_provider() {
    let door = Door::demo(&[]);
    let made = door.command(&["user", "create", "--email", "eve@acme.example", "--no-password"]);
    assert!(made["password"].is_null());
    assert!(says(&door, &["user", "show", "eve@acme.example"]).contains("an identity provider, not yet"));
    let both = fails(&door, &["user", "create", "--name", "x", "--no-password", "--password-stdin"]);
    assert!(both.contains("cannot be used with"));
}

#[test]
fn errors_say_what_to_do_next() {
    let door = Door::demo(&[]);
    let said: Vec<String> = [
        &["key", "create", "--name", "x", "--role", "boss"][..],
        &["key", "create", "--name", "x", "--owner", "nobody"],
        &["key", "revoke", "nope"],
        &["client", "show", "nope"],
        &["user", "show", "nobody"],
        &["user", "create", "--name", "ADA@example.com"],
        &["user", "create", "--name", " "],
        &["session", "revoke", "nope"],
    ]
    .iter()
    .map(|arguments| fails(&door, arguments))
    .collect();
    insta::assert_snapshot!(said.concat(), @r"
    doorward: there is no role boss; the configuration's `roles` has: admin, editor, viewer
    doorward: there is nobody called nobody in tenant default; `doorward user list --tenant default` shows who is there
    doorward: there is no key nope in tenant default; `doorward key list --tenant default` shows those there are
    doorward: there is no client nope in tenant default; `doorward client list --tenant default` shows those there are
    doorward: there is nobody called nobody in tenant default; `doorward user list --tenant default` shows who is there
    doorward: the user name ADA@example.com is taken; choose another
    doorward: a user name has 1 to 254 bytes and no control characters
    doorward: there is no live session nope in tenant default; `doorward session list --tenant default` shows those there are
    ");
}

#[test]
fn a_store_that_cannot_be_opened_is_named_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("doorward.yaml");
    let configuration = "version: 1\npublic_url: http://localhost:1\nlisteners: [{ address: 127.0.0.1:0 }]\n\
        upstream: { url: http://127.0.0.1:1 }\nstore: { url: sqlite:/nowhere/at/all.db }\nsecret_key: 0123456789abcdef0123456789abcdef\n";
    std::fs::write(&file, configuration).unwrap();
    let output = doorward(&["key", "list", "--config"]).arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        said,
        "doorward: the store's folder /nowhere/at does not exist: make it, and let the user that runs Doorward write there\n"
    );
}
