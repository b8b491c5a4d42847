//! Who gets letters, and how many.

use super::house::{House, Plan, link, session};

#[test]
fn somebody_unknown_gets_the_page_and_no_letter() {
    let house = House::with(Plan { connection: "provision: scim", ..Plan::default() });
    house.account("ada@acme.example");
    house.account("gone@acme.example");
    house.door.command(&["user", "deactivate", "gone@acme.example"]);
    for (address, reason) in
        [("nobody@acme.example", Some("no_account")), ("gone@acme.example", Some("inactive")), ("ada@acme.example", None)]
    {
        house.ask_for(&house.person(), address, "/");
        assert_eq!(house.outcome(address, 1).as_deref(), reason, "{address}");
    }
    let ada = house.person();
    house.ask_for(&ada, "ADA@acme.example", "/");
    house.letter(2);
    assert_eq!(house.letters().len(), 2, "both for ada");
    assert_eq!(house.click(&ada, &link(&house.letter(2))).status, 303);
    // Somebody who is switched off after the letter went out does not get in either.
    let late = house.person();
    house.ask_for(&late, "ada@acme.example", "/");
    let letter = house.letter(3);
    house.door.command(&["user", "deactivate", "ada@acme.example"]);
    assert_eq!(house.click(&late, &link(&letter)).status, 403);
    assert!(session(&late).is_null());
}

#[test]
fn an_address_of_another_domain_or_with_single_sign_on_gets_no_letter() {
    let house = House::with(Plan {
        connection: "domains: [acme.example, strict.example]",
        settings: "",
        connections: "",
        ..Plan::default()
    });
    for (address, reason) in [("ada@other.example", Some("foreign_address")), ("ada@acme.example", None)] {
        house.ask_for(&house.person(), address, "/");
        assert_eq!(house.outcome(address, 1).as_deref(), reason, "{address}");
    }
}

#[test]
fn the_sixth_letter_in_a_quarter_of_an_hour_is_not_sent_and_the_page_does_not_tell() {
    let mut house = House::usual();
    for number in 1..=5 {
        let person = house.person().from(&format!("127.0.1.{number}"));
        house.ask_for(&person, "ada@acme.example", "/");
        house.letter(number);
    }
    // Counted in the store: a restart forgets nothing.
    house.power_cut();
    let waiting = house.ask_for(&house.person(), "Ada@ACME.example", "/");
    assert!(waiting.page.text().contains("Check your e-mail"));
    assert_eq!(house.outcome("ada@acme.example", 6).as_deref(), Some("too_many_letters"));
    house.ask_for(&house.person(), "bob@acme.example", "/");
    assert_eq!(house.letter(6)["to"], serde_json::json!(["bob@acme.example"]));
}

#[test]
fn a_stranger_cannot_use_up_the_letters_of_somebody_elses_mailbox() {
    let house = House::usual();
    let stranger = || house.person().from("127.0.1.1");
    for number in 1..=3 {
        house.ask_for(&stranger(), "ada@acme.example", "/");
        house.letter(number);
    }
    for number in 4..=12 {
        let waiting = house.ask_for(&stranger(), "ADA@acme.example", "/");
        assert!(waiting.page.text().contains("Check your e-mail"), "the page does not tell");
        assert_eq!(house.outcome("ada@acme.example", number).as_deref(), Some("too_many_letters"));
    }
    let ada = house.person().from("127.0.1.2");
    house.ask_for(&ada, "ada@acme.example", "/");
    assert_eq!(house.click(&ada, &link(&house.letter(4))).status, 303, "there is one left for the owner");
}

#[test]
fn a_source_that_asks_for_many_letters_waits() {
    let house = House::with(Plan { settings: "limits: { failures_per_minute: 3 }", ..Plan::default() });
    for number in 0..3 {
        house.ask_for(&house.person(), &format!("a{number}@acme.example"), "/");
    }
    let refused = house.send(&house.person(), "a4@acme.example", "/");
    assert_eq!(refused.status, 429);
    assert!(refused.header("retry-after").is_some());
}

#[test]
fn what_is_no_address_is_said_at_once() {
    let house = House::usual();
    for typed in [
        "",
        "ada",
        "ada@",
        "@acme.example",
        "ada@acme",
        "a b@acme.example",
        "ada@acme.example\r\nBcc: eve@evil.example",
        "ädä@acme.example",
        "ada@acme.example,eve@evil.example",
    ] {
        let answer = house.send(&house.person(), typed, "/");
        assert_eq!(answer.status, 400, "{typed:?}");
        assert!(answer.text().contains("not an e-mail address"), "{typed:?}");
    }
    assert_eq!(house.letters().len(), 0);
}
