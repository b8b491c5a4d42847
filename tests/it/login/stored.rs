//! Connections that the store keeps: added and removed under a running server, with the file's having the last word.

use super::house::{House, Plan};
use crate::support::door::doorward;
use crate::support::eventually;

const LOCAL: &str = "  - id: local\n    password: {}";

/// What would stand under `connections`.
fn acme(house: &House, more: &str) -> String {
    let issuer = house.idp.ready["issuer"].as_str().unwrap();
    format!(
        "id: second\ndisplay_name: Second SSO\n{more}\noidc:\n  issuer: {issuer}\n  client_id: doorward\n  client_secret: {{ file: idp-secret }}\n  scopes: [profile, email, groups]\n"
    )
}

/// `doorward connection add`, with what it said.
fn add(house: &House, name: &str, text: &str, arguments: &[&str]) -> (bool, String) {
    let file = house.door.config().with_file_name(name);
    std::fs::write(&file, text).unwrap();
    std::fs::write(file.with_file_name("idp-secret"), "a-secret-of-some-length\n").unwrap();
    let config = house.door.config();
    let mut all = vec!["--config", config.to_str().unwrap(), "connection", "add", "--file", file.to_str().unwrap()];
    all.extend(arguments);
    let output = doorward(&all).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn a_connection_of_the_store_is_there_within_seconds_and_gone_as_fast() {
    let house = House::with(Plan { connections: LOCAL, ..Plan::default() });
    let page = || house.person().ask(&house.url("/.doorward/sign-in"), &[]).text();
    assert!(!page().contains("Second SSO"));
    let (done, said) = add(&house, "second.yaml", &acme(&house, ""), &[]);
    assert!(done, "{said}");
    eventually("it is on the page", || page().contains("Second SSO").then_some(()));
    let person = house.person();
    let walk = person.sign_in(&house.url("/.doorward/sign-in/second?return_to=%2Fx"), "ada");
    assert_eq!((walk.answer.status, walk.url.as_str()), (200, house.url("/x").as_str()), "{}", walk.answer.text());
    let shown = house.door.command(&["connection", "show", "second"]).to_string();
    assert!(shown.contains("Second SSO") && !shown.contains("a-secret-of-some-length"), "{shown}");
    let kept = std::fs::read(house.door.config().with_file_name("doorward.db")).unwrap();
    let secret = b"a-secret-of-some-length";
    assert!(!kept.windows(secret.len()).any(|part| part == secret), "the store holds no secret in the open");

    let config = house.door.config();
    let removed = doorward(&["--config", config.to_str().unwrap(), "connection", "remove", "second"]).output().unwrap();
    assert!(removed.status.success(), "{removed:?}");
    eventually("it is gone from the page", || (!page().contains("Second SSO")).then_some(()));
    assert_eq!(house.person().ask(&house.url("/.doorward/sign-in/second"), &[]).status, 404);
    assert_eq!((house.events("connection_created").len(), house.events("connection_removed").len()), (1, 1));
}

#[test]
fn a_connection_that_cannot_be_used_is_not_kept_and_the_files_wins() {
    let house = House::with(Plan { connection: "    domains: [acme.example]", connections: LOCAL, ..Plan::default() });
    let text = acme(&house, "domains: [acme.example]");
    let (done, said) = add(&house, "second.yaml", &text, &[]);
    assert!(!done && said.contains("second.yaml:3:11: `acme.example` belongs to two connections"), "{said}");
    let (done, said) = add(&house, "second.yaml", &text.replace("id: second", "id: idp"), &[]);
    assert!(!done && said.contains("the configuration file has a connection idp"), "{said}");
    let (done, said) = add(&house, "second.yaml", &text.replace("client_id", "clientid"), &[]);
    assert!(!done && said.contains("second.yaml:6:3: unknown key `clientid`"), "{said}");
    let fine = text.replace("acme.example", "other.example");
    assert!(add(&house, "second.yaml", &fine, &[]).0);
    let (done, said) = add(&house, "second.yaml", &fine, &[]);
    assert!(!done && said.contains("is taken"), "{said}");
    assert!(add(&house, "second.yaml", &fine, &["--replace"]).0);
    let listed = house.door.command(&["connection", "list"]);
    let kept: Vec<_> =
        listed.as_array().unwrap().iter().map(|one| (one["id"].as_str().unwrap(), one["kept"].as_str().unwrap())).collect();
    assert_eq!(kept, [("idp", "file"), ("local", "file"), ("second", "store")]);
}

#[test]
fn connections_of_the_store_outlive_a_reload() {
    let house = House::with(Plan { connections: LOCAL, ..Plan::default() });
    assert!(add(&house, "second.yaml", &acme(&house, ""), &[]).0);
    let page = || house.person().ask(&house.url("/.doorward/sign-in"), &[]).text();
    eventually("it is on the page", || page().contains("Second SSO").then_some(()));
    let config = house.door.config();
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}\nsign_in: {{ title: Renamed }}\n")).unwrap();
    let renamed = eventually("the file is taken over", || Some(page()).filter(|page| page.contains("Renamed")));
    assert!(renamed.contains("Second SSO"), "{renamed}");
}
