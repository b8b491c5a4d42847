//! Whether an address has an account: nothing that comes back says so, nor how long it takes (threats M5).

use std::collections::BTreeMap;

use super::house::{House, Plan, Waiting, another};
use crate::login::house::{Person, field};
use crate::support::Answer;

/// Rounds of the comparison of times; each asks once for somebody known and once for somebody unknown, in turns.
const ROUNDS: usize = 60;
/// Standard deviations that chance does not reach: one in some hundred thousand runs.
const CHANCE: f64 = 4.5;
/// Seconds that nobody can make out over a network, whatever their statistics.
const NOTHING: f64 = 0.0015;

fn house() -> House {
    let house = House::with(Plan {
        connection: "provision: scim",
        connections: "  - id: local\n    password: { lock_after: 1000 }",
        settings: "limits: { failures_per_minute: 100000 }",
        ..Plan::default()
    });
    for number in 0..6 {
        house.account(&format!("known{number}@acme.example"));
    }
    house.door.command(&["user", "create", "--email", "local0@acme.example"]);
    house.door.command(&["user", "create", "--email", "offed0@acme.example", "--no-password"]);
    house.door.command(&["user", "deactivate", "offed0@acme.example"]);
    house
}

/// What somebody who compares two answers has left after they took out what is never the same.
pub(super) fn comparable(answer: &Answer, address: &str) -> (u16, BTreeMap<String, usize>, String) {
    let lengths = ["set-cookie", "location", "refresh", "x-request-id", "date"];
    let mut headers = BTreeMap::new();
    for (name, value) in &answer.headers {
        // A cookie's length and attributes, the rest as it is.
        let value = if lengths.contains(&name.as_str()) { value.len().to_string() } else { value.clone() };
        *headers.entry(format!("{name}: {value}")).or_default() += 1;
    }
    let mut body = answer.text().replace(address, "ADDRESS");
    if let Some(onward) = answer.header("refresh").and_then(|refresh| refresh.strip_prefix("0; url=")) {
        body = body.replace(&onward.replace('&', "&amp;"), "ONWARD");
    }
    for name in ["token", "attempt"] {
        if body.contains(&format!("name=\"{name}\"")) {
            body = body.replace(&field(&body, name), name);
        }
    }
    let body = match body.find("<p class=\"request\">") {
        Some(at) => format!("{}{}", &body[..at], &body[at..].split_once("</p>").unwrap().1),
        None => body,
    };
    (answer.status, headers, body)
}

/// Everything that is seen on the way by mail for this address.
fn by_mail(house: &House, address: &str) -> Vec<(u16, BTreeMap<String, usize>, String)> {
    let person = house.person();
    let sent = house.send(&person, address, "/");
    let waiting = Waiting { page: person.ask(sent.header("location").unwrap(), &[]) };
    let mut seen = vec![comparable(&sent, address), comparable(&waiting.page, address)];
    for _ in 0..5 {
        seen.push(comparable(&house.enter(&person, &waiting, &another("000000")), address));
    }
    seen
}

#[test]
fn every_address_gets_the_same_answers_by_mail() {
    let house = house();
    let unknown = by_mail(&house, "nobod0@acme.example");
    assert_eq!(unknown.iter().map(|(status, ..)| *status).collect::<Vec<_>>(), [303, 200, 400, 400, 400, 400, 410]);
    for (address, what) in [
        ("known0@acme.example", "known"),
        ("local0@acme.example", "with a password"),
        ("offed0@acme.example", "switched off"),
        ("nobod0@eels.example", "of another domain"),
    ] {
        assert_eq!(by_mail(&house, address), unknown, "{what}");
    }
    for _ in 0..6 {
        house.send(&house.person(), "known1@acme.example", "/");
    }
    assert_eq!(by_mail(&house, "known1@acme.example"), unknown, "out of limits");
    house.knobs(&serde_json::json!({ "reject": 550 }));
    assert_eq!(by_mail(&house, "known3@acme.example"), unknown, "a mail server that refuses");
}

#[test]
fn every_name_gets_the_same_answer_to_a_wrong_password() {
    let house = house();
    let ask = |user: &str| {
        let person = house.person();
        let token = field(&person.ask(&house.url("/.doorward/sign-in/local"), &[]).text(), "token");
        let fields = [("token", &*token), ("user", user), ("password", "wrong password")];
        comparable(&person.post(&house.url("/.doorward/sign-in/local"), &fields, &[]), user)
    };
    let unknown = ask("nobod0@acme.example");
    assert_eq!(unknown.0, 401);
    for user in ["local0@acme.example", "known0@acme.example"] {
        assert_eq!(ask(user), unknown, "{user}");
    }
}

/// How long the server took, as curl saw it on a connection that was open: from the request to the end of its short answer. Not to
/// `time_starttransfer`, which over HTTP/2 is the moment when a form has been sent.
#[track_caller]
pub(super) fn timed(person: &Person, url: &str, fields: &[(&str, &str)], expected: u16) -> f64 {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let origin = format!("Origin: {}", url::Url::parse(url).unwrap().origin().ascii_serialization());
    let arguments = ["--data-raw", &body, "-H", &origin, "-w", "%{stderr}%{time_pretransfer} %{time_total}"];
    let answer = person.ask(url, &arguments);
    assert_eq!(answer.status, expected, "{}", answer.text());
    let times: Vec<f64> = answer.error.split_whitespace().map(|time| time.parse().unwrap()).collect();
    times[1] - times[0]
}

/// The Mann-Whitney test: how many standard deviations the ranks of `one` lie from where chance puts them.
fn deviation(one: &[f64], other: &[f64]) -> f64 {
    let wins: f64 = one
        .iter()
        .flat_map(|a| {
            other.iter().map(move |b| {
                if a > b {
                    1.0
                } else if (a - b).abs() < f64::EPSILON {
                    0.5
                } else {
                    0.0
                }
            })
        })
        .sum();
    #[expect(clippy::cast_precision_loss, reason = "a few dozens")]
    let (n, m) = (one.len() as f64, other.len() as f64);
    (wins - n * m / 2.0) / (n * m * (n + m + 1.0) / 12.0).sqrt()
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Fails only where chance does not explain the difference and a stranger could make use of it. What is there is there again when one
/// looks a second time; what a busy machine did in one of two is not.
#[track_caller]
pub(super) fn assert_alike(road: &str, mut sample: impl FnMut(bool, usize) -> f64) {
    if let Err(first) = compared(&mut sample) {
        assert_eq!(compared(&mut sample), Ok(()), "{road}, for the second time; at first {first}");
    }
}

/// What tells the known from the unknown, if something does.
fn compared(sample: &mut impl FnMut(bool, usize) -> f64) -> Result<(), String> {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // Who goes first changes, so that what the first leaves behind falls on both.
        let first = round % 2 == 0;
        for who in [first, !first] {
            let time = sample(who, round);
            if who { known.push(time) } else { unknown.push(time) }
        }
    }
    let (z, gap) = (deviation(&known, &unknown), (median(&known) - median(&unknown)).abs());
    let told = z.abs() > CHANCE && gap > NOTHING.max(median(&unknown) * 0.1);
    let what = || format!("z = {z:.1}, medians {:.4} s and {:.4} s", median(&known), median(&unknown));
    if told { Err(what()) } else { Ok(()) }
}

#[test]
fn the_time_of_an_answer_does_not_tell_who_is_known() {
    let house = house();
    // A mail server that takes its time, as they do.
    house.knobs(&serde_json::json!({ "slow_ms": 300 }));
    let page = |person: &Person, path: &str| field(&person.ask(&house.url(path), &[]).text(), "token");
    assert_alike("mail", |known, round| {
        // Somebody new each time: a browser's attempts would grow.
        let person = house.person();
        let token = page(&person, "/.doorward/sign-in/email");
        let address = if known { format!("known{}@acme.example", round % 6) } else { format!("nobod{}@acme.example", round % 6) };
        let fields = [("token", token.as_str()), ("return_to", "/"), ("email", &address)];
        timed(&person, &house.url("/.doorward/magic-link/email"), &fields, 303)
    });
    let person = house.person();
    let token = page(&person, "/.doorward/sign-in/local");
    assert_alike("password", |known, round| {
        let user = if known { "local0@acme.example".to_owned() } else { format!("nobod{round}@acme.example") };
        let fields = [("token", token.as_str()), ("user", &user), ("password", "wrong password")];
        timed(&person, &house.url("/.doorward/sign-in/local"), &fields, 401)
    });
}

#[test]
fn the_test_of_times_finds_a_difference_that_is_there() {
    let even: Vec<f64> = (0..60).map(|n| f64::from(n % 17) / 1000.0).collect();
    let late: Vec<f64> = even.iter().map(|time| time + 0.010).collect();
    assert!(deviation(&even, &even).abs() < 0.1);
    assert!(deviation(&late, &even) > CHANCE, "{}", deviation(&late, &even));
}
