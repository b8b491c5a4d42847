//! Invitations: mailed, accepted, bound to an address, used once, taken back.

use serde_json::{Value, json};

use super::house::{House, Plan, link, session};
use crate::login::house::{Person, field};
use crate::support::{Answer, doorward};

fn invited() -> House {
    House::with(Plan { connection: "provision: invited", ..Plan::default() })
}

/// Opens an invitation and says yes.
fn accept(house: &House, person: &Person, url: &str) -> Answer {
    let page = person.ask(url, &[]);
    assert_eq!(page.status, 200, "{}", page.text());
    let text = page.text();
    let fields = [("token", &*field(&text, "token")), ("invitation", &*field(&text, "invitation"))];
    person.post(&house.url("/.doorward/invitation"), &fields, &[])
}

/// What the command says where it fails.
fn failing(house: &House, arguments: &[&str]) -> String {
    let output = doorward(arguments).arg("--config").arg(house.door.config()).output().unwrap();
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_invited_person_accepts_signs_in_and_has_the_role() {
    let house = invited();
    house.ask_for(&house.person(), "ada@acme.example", "/");
    assert_eq!(house.outcome("ada@acme.example", 1).as_deref(), Some("no_account"));
    let made = house.door.command(&["user", "invite", "Ada@acme.example", "--role", "editor"]);
    assert_eq!((&made["state"], &made["link"]), (&json!("sent"), &Value::Null));
    let letter = house.letter(1);
    assert_eq!(letter["to"], json!(["Ada@acme.example"]));
    let ada = house.person();
    // Being opened, even by a scanner, accepts nothing.
    house.person().ask(&link(&letter), &["--head"]);
    house.person().ask(&link(&letter), &[]);
    assert_eq!(house.door.command(&["user", "invitations"])[0]["state"], "sent");
    let accepted = accept(&house, &ada, &link(&letter));
    assert_eq!(accepted.status, 303, "{}", accepted.text());
    let next = accepted.header("location").unwrap().to_owned();
    assert!(ada.ask(&next, &[]).text().contains("value=\"ada@acme.example\""), "the address is filled in at {next}");
    house.ask_for(&ada, "ada@acme.example", "/");
    assert_eq!(house.click(&ada, &link(&house.letter(2))).status, 303);
    assert_eq!((&session(&ada)["role"], &session(&ada)["email"]), (&json!("editor"), &json!("ada@acme.example")));
    assert_eq!(house.door.command(&["user", "invitations"])[0]["state"], "used");
    assert_eq!(ada.ask(&link(&letter), &[]).status, 410, "once");
    let kinds = ["invitation_created", "invitation_accepted", "user_created"];
    assert!(kinds.iter().all(|kind| house.events(kind).len() == 1));
    assert_eq!(house.events("user_created")[0]["details"]["invitation"], made["id"]);
    assert!(failing(&house, &["user", "invite", "ada@acme.example"]).contains("has an account already"));
}

#[test]
fn an_invitation_taken_back_is_of_no_use_from_then_on() {
    let house = invited();
    house.door.command(&["user", "invite", "ada@acme.example", "--role", "editor"]);
    let letter = house.letter(1);
    let ada = house.person();
    assert_eq!(accept(&house, &ada, &link(&letter)).status, 303);
    house.ask_for(&ada, "ada@acme.example", "/");
    let sign_in = house.letter(2);
    house.door.command(&["user", "uninvite", "ADA@acme.example"]);
    assert_eq!(house.click(&ada, &link(&sign_in)).status, 403, "not even with a letter that is out already");
    assert!(session(&ada).is_null());
    assert_eq!(ada.ask(&link(&letter), &[]).status, 410);
    assert_eq!(house.events("invitation_revoked").len(), 1);
    assert!(failing(&house, &["user", "uninvite", "ada@acme.example"]).contains("no open invitation"));
}

#[test]
fn an_invitation_by_the_api_is_mailed_and_taken_up_or_taken_back() {
    let settings = "admin_api: { roles: [admin] }";
    let house = House::with(Plan { connection: "provision: invited", settings, ..Plan::default() });
    let key = house.door.command(&["key", "create", "--name", "administration", "--role", "admin"]);
    let key = format!("X-Api-Key: {}", key["secret"].as_str().unwrap());
    let ask = |method: &str, path: &str, body: &Value| {
        let (url, body) = (house.url(&format!("/.doorward/api/v1/invitations{path}")), body.to_string());
        house.person().ask(&url, &["-X", method, "-H", &key, "-H", "Content-Type: application/json", "--data-binary", &body])
    };
    let invite = |address: &str| {
        let made = ask("POST", "", &json!({ "address": address, "roles": ["editor"] }));
        assert_eq!((made.status, &made.json()["mailed"]), (201, &json!(true)), "{}", made.text());
        assert!(made.json().get("link").is_none(), "the link is for the invited person's eyes: {}", made.text());
        made.json()["id"].as_str().unwrap().to_owned()
    };
    invite("ada@acme.example");
    let letter = house.letter(1);
    assert_eq!(letter["to"], json!(["ada@acme.example"]));
    let ada = house.person();
    assert_eq!(accept(&house, &ada, &link(&letter)).status, 303);
    house.ask_for(&ada, "ada@acme.example", "/");
    assert_eq!(house.click(&ada, &link(&house.letter(2))).status, 303);
    assert_eq!(session(&ada)["role"], json!("editor"));

    let second = invite("eve@acme.example");
    let letter = house.letter(3);
    let again = ask("POST", &format!("/{second}/send"), &Value::Null);
    assert_eq!((again.status, &again.json()["mailed"]), (201, &json!(true)), "{}", again.text());
    let newer = house.letter(4);
    let eve = house.person();
    assert_eq!(eve.ask(&link(&letter), &[]).status, 410, "the letter before is of no use");
    assert_eq!(accept(&house, &eve, &link(&newer)).status, 303);
    assert_eq!(ask("DELETE", &format!("/{}", again.json()["id"].as_str().unwrap()), &Value::Null).status, 204);
    assert_eq!(eve.ask(&link(&newer), &[]).status, 410);
    house.ask_for(&eve, "eve@acme.example", "/");
    assert_eq!(house.outcome("eve@acme.example", 1).as_deref(), Some("no_account"), "taken back after it was accepted");
    assert!(session(&eve).is_null());

    house.knobs(&json!({ "reject": 550 }));
    let unsent = ask("POST", "", &json!({ "address": "carol@acme.example" })).json();
    assert_eq!(unsent["mailed"], json!(false), "{unsent}");
    assert!(unsent["mail_error"].is_string() && unsent["link"].is_string(), "what could not be sent is handed over: {unsent}");
}

#[test]
fn an_invitation_is_for_its_address_and_a_new_one_replaces_it() {
    let house = invited();
    house.door.command(&["user", "invite", "ada@acme.example", "--role", "admin"]);
    let first = house.letter(1);
    house.door.command(&["user", "invite", "ada@acme.example", "--role", "viewer"]);
    let second = house.letter(2);
    let eve = house.person();
    assert_eq!(eve.ask(&link(&first), &[]).status, 410, "replaced");
    // Whoever gets hold of the letter may accept it, and is nobody all the same.
    assert_eq!(accept(&house, &eve, &link(&second)).status, 303);
    house.ask_for(&eve, "eve@acme.example", "/");
    assert_eq!(house.outcome("eve@acme.example", 1).as_deref(), Some("no_account"));
    let states: Vec<Value> =
        house.door.command(&["user", "invitations"]).as_array().unwrap().iter().map(|one| one["state"].clone()).collect();
    assert_eq!(states, [json!("accepted"), json!("revoked")]);
}

#[test]
fn an_old_invitation_is_of_no_use() {
    let house = invited();
    let made = house.door.command(&["user", "invite", "ada@acme.example", "--expires", "1ms", "--no-mail"]);
    let url = made["link"].as_str().unwrap();
    assert_eq!(house.person().ask(url, &[]).status, 410);
    house.ask_for(&house.person(), "ada@acme.example", "/");
    assert_eq!(house.outcome("ada@acme.example", 1).as_deref(), Some("no_account"));
    assert_eq!(house.door.command(&["user", "invitations"])[0]["state"], "expired");
}

#[test]
fn an_invitation_that_cannot_be_mailed_or_kept_says_what_to_do() {
    let house = invited();
    house.knobs(&json!({ "reject": 550 }));
    let said = failing(&house, &["user", "invite", "ada@acme.example"]);
    assert!(said.contains("refused") && said.contains("/.doorward/invitation?token="), "{said}");
    assert!(failing(&house, &["user", "invite", "ada@acme.example", "--role", "king"]).contains("there is no role king"));
    let said = failing(&house, &["user", "invite", "ada@acme.example", "--connection", "other"]);
    assert!(said.contains("there is: email"), "{said}");
}
