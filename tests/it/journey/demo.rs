//! `doorward demo`: the main job, as a newcomer tries it.

use crate::support::door::doorward;
use crate::support::{Door, Process, curl};

#[test]
fn the_demo_lets_its_key_and_client_in_and_nobody_else() {
    let door = Door::demo(&[]);
    let key = format!("X-Api-Key: {}", door.text("api_key"));
    let seen = door.curl("/hello?a=1", &["-H", &key]);
    assert_eq!(seen.status, 200, "{}", seen.text());
    assert_eq!(seen.json()["path"], "/hello");
    assert_eq!(seen.json()["query"], "a=1");
    assert_eq!(seen.json()["headers"]["x-forwarded-roles"][0], "viewer");
    assert!(seen.json()["headers"]["x-api-key"].is_null(), "the key stays with the door");

    let pair = format!("{}:{}", door.text("client_id"), door.text("client_secret"));
    assert_eq!(door.curl("/hello", &["-u", &pair]).status, 200);
    assert_eq!(door.curl("/hello", &["--http1.1", "-H", &key]).status, 200);

    assert_eq!(door.curl("/hello", &[]).status, 401);
    assert_eq!(door.curl("/hello", &["-H", "X-Api-Key: dw_wrong"]).status, 401);
    assert_eq!(door.curl("/admin/", &["-H", &key]).status, 403);
    assert_eq!(door.curl("/public/hello", &[]).status, 200);
    let plain = format!("{}/hello", door.text("plain_url"));
    assert_eq!(curl(&["-H", &key, &plain]).status, 200);
    assert_eq!(curl(&[&format!("{}/livez", door.text("operations"))]).status, 200);
}

#[test]
fn whom_the_demo_lets_in_is_in_the_trail_like_anybody_else() {
    let door = Door::demo(&[]);
    let of = |kind: &str| door.events(kind).iter().map(|event| event["target"].clone()).collect::<Vec<_>>();
    assert_eq!(of("user_created").len(), 1);
    assert_eq!(of("client_created"), [door.text("client_id")]);
    let key = of("key_created")[0].as_str().unwrap().to_owned();
    assert!(door.text("api_key").starts_with(&format!("dw_{key}")), "{key}");
}

#[test]
fn what_the_demo_wrote_is_a_configuration_to_serve_with() {
    let mut demo = Door::demo(&[]);
    assert_eq!(demo.command(&["check"])["ok"], true);
    demo.process.signal("TERM");
    assert_eq!(demo.process.wait(), Some(0));
    let config = demo.config();
    let served = Process::start(doorward(&["serve", "--json", "--config"]).arg(&config));
    assert!(served.json_line()["listeners"][0].is_string());
    let key = format!("X-Api-Key: {}", demo.text("api_key"));
    let answer = demo.curl("/hello", &["-H", &key]);
    assert_eq!(answer.status, 502, "the key is known; the sample ended with the demo: {}", answer.text());
}

#[test]
fn a_folder_that_was_not_named_goes_with_the_demo() {
    let mut demo = Process::start(&mut doorward(&["demo", "--json", "--listen", "127.0.0.1:0"]));
    let config = demo.json_line()["config"].as_str().map(std::path::PathBuf::from).unwrap();
    assert!(config.exists());
    demo.signal("INT");
    assert_eq!(demo.wait(), Some(0), "{}", demo.said());
    assert!(!config.parent().unwrap().exists());
}

#[test]
fn ctrl_c_ends_the_demo_and_its_folder_can_be_used_again() {
    let mut door = Door::demo(&[]);
    let before = door.text("api_key").to_owned();
    door.process.signal("INT");
    assert_eq!(door.process.wait(), Some(0), "{}", door.process.said());
    assert!(door.folder().join("demo/doorward.yaml").exists());
    let remembered = std::fs::read_to_string(door.folder().join("demo/guests.json")).unwrap();
    assert!(remembered.contains(&before));
}
