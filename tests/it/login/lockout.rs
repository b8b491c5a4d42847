//! Tries that failed are counted by all replicas together, and no restart forgets them.

use serde_json::Value;

use super::house::{House, Person, Plan, field};
use super::mfa;
use super::replicas::{Engine, Replicas, Setting};
use crate::support::doorward;

const LOCAL: &str = "  - id: local\n    password: { lock_after: 4, lock_for: 10m, self_enrolment: true }";

/// Somebody new tries at the door with this number.
#[track_caller]
fn submit(doors: &Replicas, number: usize, password: &str) -> u16 {
    let person = Person::new(&doors.at(0, ""));
    let page = person.ask(&doors.at(number, "/.doorward/sign-in?return_to=%2Fkept"), &[]).text();
    let (token, back) = (field(&page, "token"), field(&page, "return_to"));
    let fields = [("token", token.as_str()), ("return_to", &back), ("user", "dora"), ("password", password)];
    person.post(&doors.at(number, "/.doorward/sign-in/local"), &fields, &[]).status
}

#[test]
fn replicas_count_wrong_passwords_together() {
    let doors = Replicas::start(2, &Setting { on: Engine::Postgres, oidc: LOCAL, ..Setting::default() });
    let made =
        doorward(&["user", "create", "--name", "dora", "--json", "--config"]).arg(doors.folder.path().join("0.yaml")).output();
    let made: Value = serde_json::from_slice(&made.unwrap().stdout).unwrap();
    let password = made["password"].as_str().unwrap();
    assert_eq!([0, 1].map(|number| submit(&doors, number, password)), [303, 303]);
    assert_eq!([0, 1, 0, 1].map(|number| submit(&doors, number, "wrong password")), [401; 4]);
    assert_eq!([0, 1].map(|number| submit(&doors, number, password)), [429, 429], "the right one has to wait at both");
    assert_eq!(doors.rows("SELECT count(*) FROM audit WHERE kind = 'account_locked'"), 1);
}

#[test]
fn a_restart_forgets_no_wrong_password_and_no_wrong_code() {
    let mut house = House::with(Plan { connections: LOCAL, ..Plan::default() });
    let secrets = ["dora", "nora"].map(|name| mfa::account(&house, name));
    let person = house.person();
    mfa::password(&house, &person, "dora", &secrets[0]);
    let mut app = mfa::enrol(&house, &person);
    let thief = house.person();
    mfa::password(&house, &thief, "dora", &secrets[0]);
    for guess in ["000000", "111111", "222222"] {
        assert_eq!(mfa::code(&house, &thief, guess).status, 401);
        assert_eq!(mfa::password(&house, &house.person(), "nora", guess).status, 401);
    }
    house.door.restart();
    assert_eq!(mfa::code(&house, &thief, "333333").status, 401);
    assert_eq!(mfa::password(&house, &house.person(), "nora", "333333").status, 401);
    assert_eq!(mfa::code(&house, &thief, &app.code()).status, 429, "even the right one");
    assert_eq!(mfa::password(&house, &house.person(), "nora", &secrets[1]).status, 429);
}
