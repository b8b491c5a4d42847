//! Letters on their way: encryption, passwords, servers that say no, not now, or nothing.

use serde_json::json;

use super::house::{House, PASSWORD, Plan};
use crate::login::doctor::Found;
use crate::support::{Stopwatch, eventually};

/// The verbs that the mail server heard, and whether each came encrypted.
fn heard(house: &House) -> Vec<(String, bool)> {
    let heard = house.mail.control("GET", "/heard");
    let of = |line: &serde_json::Value| (line["verb"].as_str().unwrap().to_owned(), line["tls"].as_bool().unwrap());
    heard.as_array().unwrap().iter().map(of).collect()
}

#[test]
fn letters_and_the_password_go_over_starttls() {
    let house = House::usual();
    house.ask_for(&house.person(), "ada@acme.example", "/");
    let letter = house.letter(1);
    assert_eq!((letter["tls"].as_bool(), letter["user"].as_str()), (Some(true), Some("door")));
    assert_eq!(letter["to"], json!(["ada@acme.example"]));
    let clear: Vec<String> = heard(&house).into_iter().filter(|(_, tls)| !tls).map(|(verb, _)| verb).collect();
    assert_eq!(clear, ["EHLO", "STARTTLS"]);
    assert_eq!(house.outcome("ada@acme.example", 1), None);
    let metrics = house.metrics();
    assert!(metrics.contains("doorward_letters_total{outcome=\"sent\"} 1"), "{metrics}");
    assert!(metrics.contains("doorward_mail_server_well{server=\"localhost:"), "{metrics}");
}

#[test]
fn letters_go_over_tls_from_the_first_byte() {
    let house = House::with(Plan { tls: "implicit", smtp: "smtps://localhost:{port}", ..Plan::default() });
    house.ask_for(&house.person(), "ada@acme.example", "/");
    assert_eq!(house.letter(1)["tls"], true);
    // The second letter goes over the same line.
    house.ask_for(&house.person(), "bob@acme.example", "/");
    house.letter(2);
    assert_eq!(heard(&house).iter().filter(|(verb, _)| verb == "EHLO").count(), 1);
}

#[test]
fn nothing_is_said_in_clear_to_a_server_that_offers_no_tls() {
    let house = House::with(Plan { tls: "none", ..Plan::default() });
    house.ask_for(&house.person(), "ada@acme.example", "/");
    assert_eq!(house.outcome("ada@acme.example", 1).as_deref(), Some("mail_server_without_tls"));
    assert!(heard(&house).iter().all(|(verb, _)| verb == "EHLO"), "{:?}", heard(&house));
    assert_eq!(house.letters().len(), 0);
}

#[test]
fn nothing_is_sent_to_a_server_that_is_not_proved_to_be_the_right_one() {
    for (tls, smtp) in [("starttls", "smtp://localhost:{port}?tls=required"), ("implicit", "smtps://localhost:{port}")] {
        let house = House::with(Plan { tls, smtp, trusted: false, ..Plan::default() });
        let waiting = house.ask_for(&house.person(), "ada@acme.example", "/");
        assert!(waiting.page.text().contains("Check your e-mail"), "the page does not tell");
        assert_eq!(house.outcome("ada@acme.example", 1).as_deref(), Some("mail_server_certificate"), "{tls}");
        assert!(heard(&house).iter().all(|(verb, _)| matches!(verb.as_str(), "EHLO" | "STARTTLS")), "{:?}", heard(&house));
        assert!(house.door.process.said().contains("not proved to be the right one"), "{}", house.door.process.said());
        assert!(house.metrics().lines().any(|line| line.starts_with("doorward_mail_server_well") && line.ends_with(" 0.0")));
    }
}

#[test]
fn a_wrong_mail_password_is_told_to_the_operator_and_not_repeated() {
    let house = House::with(Plan { password: "not-the-mail-password", ..Plan::default() });
    house.ask_for(&house.person(), "ada@acme.example", "/");
    assert_eq!(house.outcome("ada@acme.example", 1).as_deref(), Some("mail_server_credentials"));
    let said = house.door.process.said();
    assert!(said.contains("does not take our user name and password"), "{said}");
    assert!(!said.contains("not-the-mail-password") && !said.contains(PASSWORD), "{said}");
}

#[test]
fn a_greylisted_letter_is_sent_at_the_second_try() {
    let house = House::usual();
    house.knobs(&json!({ "greylist": 1 }));
    house.ask_for(&house.person(), "ada@acme.example", "/");
    assert_eq!(house.outcome("ada@acme.example", 1).as_deref(), Some("mail_not_now"));
    house.letter(1);
    assert_eq!(house.outcome("ada@acme.example", 2), None);
}

#[test]
fn a_refused_letter_is_recorded_and_not_tried_again() {
    let house = House::usual();
    house.knobs(&json!({ "reject": 550 }));
    house.ask_for(&house.person(), "ada@acme.example", "/");
    assert_eq!(house.outcome("ada@acme.example", 1).as_deref(), Some("mail_refused"));
    assert!(house.door.process.said().contains("not taken here"), "the server's words help the operator");
    assert_eq!(heard(&house).iter().filter(|(verb, _)| verb == "RCPT").count(), 1);
}

#[test]
fn a_mail_server_that_hangs_or_is_gone_keeps_nobody_waiting() {
    let mut house = House::usual();
    house.knobs(&json!({ "hang": true }));
    let begun = Stopwatch::start();
    for number in 0..8 {
        house.ask_for(&house.person(), &format!("a{number}@acme.example"), "/");
    }
    begun.within(std::time::Duration::from_secs(8));
    drop(house.mail.process.stdin.take());
    house.mail.process.wait();
    let waiting = house.ask_for(&house.person(), "late@acme.example", "/");
    assert!(waiting.page.text().contains("Check your e-mail"));
    // The lines that hang are given up first: as long as the configuration says.
    let reason = eventually("the letter is put off", || {
        let events = house.events("sign_in_link_sent");
        events.iter().find_map(|event| event["reason"].as_str().map(str::to_owned))
    });
    assert!(reason.starts_with("mail_server_"), "{reason}");
}

#[test]
fn the_doctor_says_whether_letters_would_be_taken_and_sends_none() {
    for (plan, verdict, said) in [
        (Plan::default(), "pass", "takes letters"),
        (Plan { password: "not-the-password", ..Plan::default() }, "fail", "user name and password"),
        (Plan { trusted: false, ..Plan::default() }, "fail", "right one"),
        (Plan { tls: "none", ..Plan::default() }, "fail", "no encryption"),
    ] {
        let house = House::with(plan);
        let found = Found::at(&house.door);
        let connection = found.all[0]["connection"].as_str().unwrap();
        assert_eq!(found.verdicts(connection), [("mail_server", verdict)], "{}", found.all);
        assert!(found.detail(connection, "mail_server").contains(said), "{}", found.all);
        assert_eq!((found.status == Some(0), house.letters().len()), (verdict == "pass", 0));
        assert!(!found.all.to_string().contains("not-the-password"));
    }
}
