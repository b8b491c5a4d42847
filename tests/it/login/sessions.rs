//! One's own sessions: seeing them, ending them, and nobody else's.

use std::sync::Arc;

use doorward::app::memory::Memory;
use doorward::clock::{SharedClock, SystemClock};
use doorward::crypto::Digest;
use doorward::model::{Session, SessionHandle};
use doorward::session::SessionFilter;

use super::house::{House, Person, field};
use crate::support::eventually;

fn own(house: &House, person: &Person) -> Vec<serde_json::Value> {
    let answer = person.ask(&house.url("/.doorward/sessions"), &["-H", "Accept: application/json"]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["sessions"].as_array().unwrap().clone()
}

fn token(house: &House, person: &Person) -> String {
    field(&person.ask(&house.url("/.doorward/sessions"), &[]).text(), "token")
}

fn is_out(person: &Person) {
    eventually("the session to be over", || (person.session().status == 401).then_some(()));
}

#[test]
fn people_see_their_own_sessions_and_end_them() {
    let house = House::usual();
    let ((laptop, _), (phone, _)) = (house.signed_in("ada", "/"), house.signed_in("ada", "/"));
    let (bob, _) = house.signed_in("bob", "/");
    let listed = own(&house, &laptop);
    assert_eq!(listed.len(), 2, "{listed:#?}");
    assert_eq!(listed.iter().filter(|session| session["this"] == true).count(), 1);
    assert_eq!((&listed[0]["address"], &listed[0]["connection"]), (&"127.0.0.1".into(), &"idp".into()));
    assert!(listed[0]["agent"].as_str().unwrap().contains("curl"), "{listed:#?}");
    let page = laptop.ask(&house.url("/.doorward/sessions"), &[]).text();
    assert!(
        page.contains("this browser") && page.contains("127.0.0.1") && page.contains("Idp SSO") && page.contains("just now"),
        "{page}"
    );
    let handle = listed.iter().find(|session| session["this"] == false).unwrap()["session"].as_str().unwrap();
    let ended = laptop.post(&house.url("/.doorward/sessions"), &[("token", &token(&house, &laptop)), ("session", handle)], &[]);
    assert_eq!(
        (ended.status, ended.header("location")),
        (303, Some(house.url("/.doorward/sessions").as_str())),
        "{}",
        ended.text()
    );
    is_out(&phone);
    assert_eq!((laptop.session().status, bob.session().status), (200, 200));
    let event = house.events("sign_out").into_iter().next().unwrap();
    assert_eq!(event["session"], handle);
}

#[test]
fn all_others_end_at_once_and_ending_this_one_is_signing_out() {
    let house = House::usual();
    let people: Vec<Person> = (0..3).map(|_| house.signed_in("ada", "/").0).collect();
    let (bob, _) = house.signed_in("bob", "/");
    let sent = people[0].post(&house.url("/.doorward/sessions"), &[("token", &token(&house, &people[0]))], &[]);
    assert_eq!(sent.status, 303, "{}", sent.text());
    people[1..].iter().for_each(is_out);
    assert_eq!((people[0].session().status, bob.session().status), (200, 200));
    let this = own(&house, &people[0])[0]["session"].as_str().unwrap().to_owned();
    let fields = [("token", token(&house, &people[0])), ("session", this)];
    let sent =
        people[0].post(&house.url("/.doorward/sessions"), &fields.each_ref().map(|(name, value)| (*name, value.as_str())), &[]);
    assert_eq!(sent.header("location"), Some(house.url("/.doorward/signed-out").as_str()), "{}", sent.text());
    assert_eq!(people[0].cookie("__Host-doorward"), None);
    is_out(&people[0]);
}

#[test]
fn all_others_are_all_others_however_many_there_are() {
    let house = House::usual();
    let (old, (new, _)) = (house.signed_in("ada", "/").0, house.signed_in("ada", "/"));
    let clock: SharedClock = Arc::new(SystemClock);
    let config = doorward::config::load(&house.door.config()).unwrap().config;
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let memory = Memory::open(&config, &clock).await.unwrap();
        let known =
            memory.sessions.list(&SessionFilter { limit: 1, ..SessionFilter::default() }, clock.now()).await.unwrap().remove(0);
        for number in 0..120_u32 {
            let (handle, digest) = (SessionHandle(format!("copy{number}")), Digest::of(&number.to_be_bytes()));
            let copy = Session { handle, digest, created_at: clock.now(), last_seen_at: clock.now(), ..known.clone() };
            memory.sessions.create(&copy).await.unwrap();
        }
    });
    let sent = new.post(&house.url("/.doorward/sessions"), &[("token", &token(&house, &new))], &[]);
    assert_eq!(sent.status, 303, "{}", sent.text());
    is_out(&old);
    assert_eq!((own(&house, &new).len(), new.session().status), (1, 200));
}

#[test]
fn nobody_ends_a_session_of_somebody_else_nor_by_a_strangers_form() {
    let house = House::usual();
    let ((ada, _), (bob, _)) = (house.signed_in("ada", "/"), house.signed_in("bob", "/"));
    let handle = own(&house, &bob)[0]["session"].as_str().unwrap().to_owned();
    let sent = ada.post(&house.url("/.doorward/sessions"), &[("token", &token(&house, &ada)), ("session", &handle)], &[]);
    assert_eq!(sent.status, 303);
    let foreign = ["Origin: https://evil.example", "Sec-Fetch-Site: cross-site"];
    let sent = bob.post(&house.url("/.doorward/sessions"), &[("token", &token(&house, &bob)), ("session", &handle)], &foreign);
    assert_eq!(sent.status, 403, "{}", sent.text());
    let sent = bob.post(&house.url("/.doorward/sessions"), &[("token", "x"), ("session", &handle)], &[]);
    assert_eq!(sent.status, 403, "{}", sent.text());
    assert_eq!(bob.session().status, 200);
    let stranger = house.person();
    let page = stranger.ask(&house.url("/.doorward/sessions"), &[]);
    assert!(page.header("location").unwrap().contains("/sign-in?return_to="), "{page:?}");
    assert_eq!(stranger.ask(&house.url("/.doorward/sessions"), &["-H", "Accept: application/json"]).status, 401);
}
