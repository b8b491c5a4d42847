//! Local accounts: passwords, waiting, forms of strangers.

use super::house::{House, Person, Plan, field, received};
use crate::support::{Answer, eventually};

const LOCAL: &str = "  - id: local
    password: { lock_after: 4, lock_for: 10m }";

fn house() -> House {
    House::with(Plan { connections: LOCAL, settings: "limits: { failures_per_minute: 12 }", ..Plan::default() })
}

/// A local account's password.
fn account(house: &House, arguments: &[&str]) -> String {
    let mut all = vec!["user", "create"];
    all.extend(arguments);
    house.door.command(&all)["password"].as_str().unwrap().to_owned()
}

/// Fills in the form as the page has it.
#[track_caller]
fn submit(house: &House, person: &Person, user: &str, password: &str) -> Answer {
    let page = person.ask(&house.url("/.doorward/sign-in?return_to=%2Fkept%3Fx%3D1"), &[]);
    assert_eq!(page.status, 200);
    let (token, back) = (field(&page.text(), "token"), field(&page.text(), "return_to"));
    let fields = [("token", token.as_str()), ("return_to", &back), ("user", user), ("password", password)];
    person.post(&house.url("/.doorward/sign-in/local"), &fields, &[])
}

#[test]
fn a_local_account_signs_in_and_goes_where_it_wanted() {
    let house = house();
    let password = account(&house, &["--name", "Dora", "--email", "dora@acme.example", "--role", "editor"]);
    let person = house.person();
    let answer = submit(&house, &person, " dora ", &password);
    assert_eq!((answer.status, answer.header("location")), (303, Some(house.url("/kept?x=1").as_str())), "{}", answer.text());
    // How often the browser was sent round is counted in a cookie too.
    let (_, cookie) = answer.headers.iter().find(|(_, value)| value.starts_with("__Host-doorward=")).unwrap();
    assert!(cookie.contains("; Path=/; Secure; HttpOnly; SameSite=Lax"), "{cookie}");
    assert!(!cookie.to_ascii_lowercase().contains("domain"), "{cookie}");
    let echo = person.walk(&house.url("/kept?x=1")).answer.json();
    assert_eq!(received(&echo, "x-doorward-role"), Some("editor"));
    assert_eq!(person.session().json()["amr"], serde_json::json!(["pwd"]));
}

#[test]
fn a_wrong_password_and_an_unknown_name_get_the_same_answer() {
    let house = house();
    account(&house, &["--name", "dora"]);
    let answers: Vec<String> = ["dora", "nora"]
        .map(|user| {
            let answer = submit(&house, &house.person(), user, "wrong password");
            assert_eq!(answer.status, 401);
            let token = field(&answer.text(), "token");
            answer.text().replace(&token, "TOKEN").replace(user, "NAME")
        })
        .into();
    assert_eq!(answers[0], answers[1]);
    assert!(answers[0].contains("aria-describedby=\"problem\"") && answers[0].contains("role=\"alert\""));
    let events = eventually("both are recorded", || Some(house.events("sign_in")).filter(|events| events.len() == 2));
    assert!(events.iter().all(|event| event["reason"] == "wrong_password"), "{events:#?}");
    assert!(!format!("{events:?}").contains("wrong password"), "no password in the trail");
}

#[test]
fn an_account_waits_after_wrong_passwords_whoever_tries_and_so_does_a_name_that_nobody_has() {
    let house = house();
    let password = account(&house, &["--name", "dora", "--email", "dora@acme.example"]);
    for (tries, spellings) in [(4, ["dora", "DORA", "dora@acme.example", " Dora"]), (4, ["nora", "NORA", "nora", " Nora"])] {
        for spelling in spellings {
            assert_eq!(submit(&house, &house.person(), spelling, "wrong password").status, 401, "{spelling}");
        }
        let locked = submit(&house, &house.person(), spellings[0], &password);
        assert_eq!(locked.status, 429, "the {tries} tries share a counter, and the right password has to wait too");
        assert!(locked.header("retry-after").is_some() && locked.text().contains("Wait 10 minutes"), "{}", locked.text());
    }
    assert_eq!(house.events("account_locked").len(), 2);
}

#[test]
fn a_source_that_tries_many_accounts_waits() {
    let house = house();
    let statuses: Vec<u16> =
        (0..16).map(|name| submit(&house, &house.person(), &format!("name-{name}"), "wrong password").status).collect();
    assert!(statuses[..12].iter().all(|status| *status == 401), "{statuses:?}");
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
}

#[test]
fn a_form_that_is_not_ours_does_nothing() {
    let house = house();
    let password = account(&house, &["--name", "dora"]);
    let person = house.person();
    let page = person.ask(&house.url("/.doorward/sign-in"), &[]).text();
    let (token, url) = (field(&page, "token"), house.url("/.doorward/sign-in/local"));
    let fields = |token| [("token", token), ("user", "dora"), ("password", password.as_str())];
    for (what, token, headers) in [
        ("another origin", token.as_str(), vec!["Origin: https://evil.example"]),
        ("a hidden origin", &token, vec!["Origin: null"]),
        ("another site", &token, vec!["Sec-Fetch-Site: cross-site"]),
        ("a sibling", &token, vec!["Sec-Fetch-Site: same-site"]),
        ("no token", "", vec![]),
        ("another token", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", vec![]),
    ] {
        let answer = person.post(&url, &fields(token), &headers);
        assert_eq!((answer.status, answer.header("set-cookie")), (403, None), "{what}: {}", answer.text());
    }
    let stranger = house.person();
    stranger.ask(&house.url("/.doorward/sign-in"), &[]);
    assert_eq!(stranger.post(&url, &fields(&token), &[]).status, 403, "the token of another browser");
    assert_eq!(person.post(&url, &fields(&token), &[]).status, 303, "and the right one works");
}
