//! Whoever is erased is nowhere to be found, and what they did is still in the trail.

use serde_json::json;

use super::house::{House, Plan};
use crate::support::store::{change, look};
use crate::support::{curl, doorward};

const SETTINGS: &str = "admin_api: { roles: [editor] }\n";

/// Whether these bytes are anywhere in the files of the store.
fn is_kept(house: &House, text: &str) -> Option<String> {
    let files = std::fs::read_dir(house.door.folder()).unwrap().map(|file| file.unwrap().path());
    let held = |path: &std::path::PathBuf| {
        let bytes = std::fs::read(path).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text.as_bytes()))
    };
    let database =
        |path: &std::path::PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("doorward.db"));
    files.filter(database).find(held).map(|path| path.display().to_string())
}

#[test]
fn no_byte_of_an_erased_person_is_left_and_the_trail_tells_what_they_did_under_their_id() {
    nothing_is_left_by(|house, id| {
        let erased = house.door.command(&["user", "erase", "bob@acme.example"]);
        assert_eq!(erased, json!({ "erased": id }));
    });
}

#[test]
fn an_erasure_by_the_api_leaves_no_byte_either() {
    nothing_is_left_by(|house, id| {
        let key = house.door.command(&["key", "create", "--name", "administration", "--role", "editor"]);
        let key = format!("X-Api-Key: {}", key["secret"].as_str().unwrap());
        let url = house.url(&format!("/.doorward/api/v1/users/{id}/erase"));
        let resolve = format!("door.test:{}:127.0.0.1", house.port);
        let ask = || curl(&["-k", "--resolve", &resolve, "-X", "POST", "-H", &key, &url]);
        let erased = ask();
        assert_eq!(erased.status, 204, "{}", erased.text());
        let again = ask();
        assert_eq!((again.status, again.json()["code"].as_str()), (404, Some("not_found")), "{}", again.text());
    });
}

/// Erases bob, and looks for him everywhere.
#[track_caller]
fn nothing_is_left_by(erase: impl Fn(&House, &str)) {
    let house = House::with(Plan { settings: SETTINGS, ..Plan::default() });
    let agent = ["-A", "Bobs-Very-Own-Browser/1.0"];
    let (bob, _) = house.signed_in("bob", "/");
    bob.ask(&house.url("/.doorward/sessions"), &agent);
    bob.ask(&house.url("/admin/x"), &agent);
    let id = house.door.command(&["user", "show", "bob@acme.example"])["id"].as_str().unwrap().to_owned();
    let key = house.door.command(&["key", "create", "--name", "bob of Acme's laptop", "--owner", "bob@acme.example"]);
    let factor = house.door.command(&["user", "mfa", "code", "bob@acme.example"]);
    assert!(factor["code"].is_string());
    let session = bob.session().json()["session"].as_str().unwrap().to_owned();
    let before = house.door.command(&["audit", "list", "--actor", &id]);
    assert!(
        before.as_array().unwrap().iter().any(|event| event["kind"] == "sign_in" && event["source"] == "127.0.0.1"),
        "{before}"
    );
    for personal in ["bob@acme.example", "bob of Acme"] {
        assert!(is_kept(&house, personal).is_some(), "the search would be blind otherwise: {personal}");
    }

    erase(&house, &id);

    for personal in ["bob@acme.example", "bob of Acme", "Bobs-Very-Own-Browser"] {
        assert_eq!(is_kept(&house, personal), None, "{personal}");
    }
    crate::support::eventually("the session to be over", || (bob.session().status == 401).then_some(()));
    let sent = format!("X-Api-Key: {}", key["secret"].as_str().unwrap());
    let port = house.port;
    let asked = curl(&["-k", "--resolve", &format!("door.test:{port}:127.0.0.1"), "-H", &sent, &house.url("/.doorward/session")]);
    assert_eq!(asked.status, 401, "{}", asked.text());
    assert_eq!(look::<i64>(house.door.folder(), "SELECT count(*) FROM factors"), 0);
    let left = "SELECT count(*) FROM sessions WHERE provider_subject IS NOT NULL OR client_address IS NOT NULL OR user_agent IS NOT NULL";
    assert_eq!(look::<i64>(house.door.folder(), left), 0);
    assert_eq!(look::<i64>(house.door.folder(), "SELECT count(*) FROM sessions WHERE revoked_at IS NULL"), 0);
    // The events are all there, without what they told of the person.
    let after = house.door.command(&["audit", "list", "--actor", &id]);
    let kinds =
        |events: &serde_json::Value| events.as_array().unwrap().iter().map(|event| event["kind"].clone()).collect::<Vec<_>>();
    assert_eq!(kinds(&after)[..kinds(&before).len()], kinds(&before));
    let signed_in = after.as_array().unwrap().iter().find(|event| event["kind"] == "sign_in").unwrap();
    assert_eq!((&signed_in["actor"], &signed_in["session"]), (&id.as_str().into(), &session.as_str().into()));
    assert!(signed_in.get("source").is_none() && signed_in.get("user_agent").is_none(), "{signed_in}");
    assert_eq!(house.events("user_erased").len(), 1);
    let proofs = "SELECT count(*) FROM audit WHERE actor_digest IS NOT NULL OR target_digest IS NOT NULL";
    assert!(look::<i64>(house.door.folder(), proofs) > 2, "what was removed is still accounted for");
    let everything = house.door.command(&["audit", "list", "--limit", "1000"]).to_string();
    assert!(!everything.contains("bob@acme.example") && !everything.contains("bob of Acme"), "{everything}");
    // Nobody else is touched, and a second time there is nobody.
    assert_eq!(house.signed_in("ada", "/").0.session().status, 200);
    let again = doorward(&["user", "erase", &id, "--config"]).arg(house.door.config()).output().unwrap();
    assert!(!again.status.success());
    // Who comes back is somebody new.
    house.signed_in("bob", "/");
    assert_ne!(house.door.command(&["user", "show", "bob@acme.example"])["id"], id);
    whole_until_somebody_helps(&house);
}

/// The trail is whole after the erasure; not after parts were removed by hand.
fn whole_until_somebody_helps(house: &House) {
    let proved = house.door.command(&["audit", "verify"]);
    assert!(proved["events"].as_i64() > Some(5) && proved["older"] == 0 && proved.get("broken").is_none(), "{proved}");
    assert!(proved["statements"].as_i64() > Some(1), "the erasure is stated: {proved}");
    assert!(house.door.command(&["audit", "key"])["x"].is_string());
    change(house.door.folder(), "DELETE FROM audit_facts WHERE part = 'actor'");
    let broken = doorward(&["audit", "verify", "--config"]).arg(house.door.config()).output().unwrap();
    let said = String::from_utf8_lossy(&broken.stderr).into_owned();
    assert_eq!(broken.status.code(), Some(1));
    assert!(said.contains("is missing, and no erasure says so"), "{said}");
}
