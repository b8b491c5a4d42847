//! `doorward serve` with a configuration of one's own.

use serde_json::json;

use crate::support::{Door, curl, eventually, part};

fn configuration(upstream: u16) -> String {
    format!(
        "\
version: 1
public_url: http://localhost:1
listeners: [{{ address: 127.0.0.1:0 }}]
operations: {{ address: 127.0.0.1:0 }}
upstream: {{ url: http://127.0.0.1:{upstream} }}
store: {{ url: sqlite:{{folder}}/doorward.db }}
secret_key: {{ file: secret }}
routes:
  - {{ path: /open/**, access: public }}
"
    )
}

fn secret(folder: &std::path::Path) {
    std::fs::write(folder.join("secret"), "0123456789abcdef0123456789abcdef").unwrap();
}

#[test]
fn a_public_route_reaches_the_application_and_the_rest_needs_somebody() {
    let upstream = part("echo", &["--name", "app"]);
    let door = Door::serve(&configuration(upstream.port()), secret);
    let address = door.listener(0);
    let seen = curl(&["-H", "X-Forwarded-User: admin", &format!("http://{address}/open/a?b=c")]);
    assert_eq!(seen.status, 200, "{}", seen.text());
    assert_eq!(seen.json()["url"], "/open/a?b=c");
    assert!(!seen.text().to_ascii_lowercase().contains("x-forwarded-user"), "{}", seen.text());
    let refused = curl(&[&format!("http://{address}/closed")]);
    assert_eq!((refused.status, refused.header("content-type")), (401, Some("application/problem+json")), "{}", refused.error);
    assert_eq!(upstream.control("GET", "/requests").as_array().unwrap().len(), 1, "the refused request never arrived");
    assert_eq!(door.command(&["check"])["ok"], json!(true));
}

#[test]
fn a_reload_takes_over_a_good_file_and_keeps_the_old_one_before_a_bad_one() {
    let upstream = part("echo", &[]);
    let door = Door::serve(&configuration(upstream.port()), secret);
    let url = format!("http://{}/later/x", door.listener(0));
    assert_eq!(curl(&[&url]).status, 401);
    let text = std::fs::read_to_string(door.config()).unwrap();

    std::fs::write(door.config(), text.replace("/open/**", "/later/**")).unwrap();
    door.process.signal("HUP");
    eventually("the new route is in force", || (curl(&[&url]).status == 200).then_some(()));

    std::fs::write(door.config(), "version: 1\nnonsense: true\n").unwrap();
    door.process.signal("HUP");
    eventually("the bad file is told of", || door.process.said().contains("nonsense").then_some(()));
    assert_eq!(curl(&[&url]).status, 200, "the old configuration stays in force");
}

#[test]
fn a_changed_file_is_taken_over_without_being_told() {
    let upstream = part("echo", &[]);
    let door = Door::serve(&configuration(upstream.port()), secret);
    let url = format!("http://{}/later/x", door.listener(0));
    assert_eq!(curl(&[&url]).status, 401);
    let text = std::fs::read_to_string(door.config()).unwrap();

    // As an editor does: a new file, renamed over the old one; here naming a secret that is not there yet.
    let draft = door.folder().join("draft");
    std::fs::write(&draft, text.replace("/open/**", "/later/**").replace("file: secret", "file: other")).unwrap();
    std::fs::rename(&draft, door.config()).unwrap();
    eventually("the missing secret is told of", || door.process.said().contains("/other` cannot be read").then_some(()));
    assert_eq!(curl(&[&url]).status, 401, "the old configuration stays in force");

    std::fs::write(door.folder().join("other"), "fedcba9876543210fedcba9876543210").unwrap();
    eventually("the new route is in force", || (curl(&[&url]).status == 200).then_some(()));
}
