//! Doors whose sessions are on a Valkey or Redis server: the same for those who sign in, and one truth for all doors.

use std::time::Duration;

use super::house::{Person, field};
use super::replicas::{Engine, Replicas, Setting};
use crate::support::valkey::ValkeyServer;
use crate::support::{Stopwatch, curl, eventually, shows_token, store};

/// What the product promises.
const WITHIN: Duration = Duration::from_secs(1);

fn doors(server: &ValkeyServer) -> Replicas {
    Replicas::start(2, &Setting { store: format!(", sessions: {{ url: {} }}", server.url()), ..Setting::default() })
}

#[track_caller]
fn statuses(doors: &Replicas, who: &Person) -> (u16, u16) {
    (doors.session(0, who).status, doors.session(1, who).status)
}

#[track_caller]
fn sign_out(doors: &Replicas, who: &Person) {
    let url = doors.at(0, "/.doorward/sign-out");
    let token = field(&who.ask(&url, &[]).text(), "token");
    assert_eq!(who.post(&url, &[("token", &token)], &[]).status, 303);
}

#[test]
fn who_signs_out_at_one_door_is_refused_at_the_other_within_a_second() {
    let server = ValkeyServer::start();
    let doors = doors(&server);
    for _ in 0..5 {
        let (who, other) = (doors.signed_in(), doors.signed_in());
        assert_eq!((statuses(&doors, &who), statuses(&doors, &other)), ((200, 200), (200, 200)));
        let stolen = format!("Cookie: __Host-doorward={}", who.cookie("__Host-doorward").unwrap());
        sign_out(&doors, &who);
        let begun = Stopwatch::start();
        let asked = || curl(&["-H", &stolen, &doors.at(1, "/.doorward/session")]).status;
        eventually("the other door refuses it", || (asked() == 401).then_some(()));
        begun.within(WITHIN);
        assert_eq!(statuses(&doors, &other), (200, 200), "nobody else is signed out");
    }
    assert_eq!(store::look::<i64>(doors.folder.path(), "SELECT count(*) FROM sessions"), 0, "no session is in the store");
    assert_eq!(store::look::<i64>(doors.folder.path(), "SELECT count(*) FROM once"), 0);
}

#[test]
fn tokens_of_a_session_on_a_server_are_refreshed_once_however_many_doors_ask() {
    let server = ValkeyServer::start();
    let mut doors = doors(&server);
    let who = doors.signed_in();
    assert_eq!(statuses(&doors, &who), (200, 200));
    let cookie = format!("Cookie: __Host-doorward={}", who.cookie("__Host-doorward").unwrap());
    let version = "for _, key in ipairs(redis.call('KEYS', 'doorward:session:*')) do \
                   return redis.call('HGET', key, 'tokens_version') end";
    for round in 2..5 {
        doors.pass(11);
        std::thread::scope(|scope| {
            for number in 0..40 {
                let (url, cookie) = (doors.at(number % 2, "/.doorward/session"), cookie.as_str());
                scope.spawn(move || assert_eq!(curl(&["-H", cookie, &url]).status, 200, "others are served meanwhile"));
            }
        });
        eventually("the provider is asked for tokens", || {
            assert_eq!(statuses(&doors, &who), (200, 200));
            (doors.asked_for_tokens() >= round).then_some(())
        });
        assert_eq!(doors.asked_for_tokens(), round);
        let written = format!("bulk-string('\"{}\"')", round - 1);
        eventually("the new tokens are written down", || (server.say(&["EVAL", version, "0"]) == written).then_some(()));
    }
    let kept = server.say(&["EVAL", "return redis.call('HGETALL', redis.call('KEYS', 'doorward:session:*')[1])", "0"]);
    assert!(kept.contains("sealed_tokens") && !shows_token(&kept), "no token lies open on the server: {kept}");
    assert!(!kept.contains(cookie.split_once('=').unwrap().1), "nor what the cookie holds");
}

#[test]
fn while_the_server_is_away_nobody_is_signed_out_and_nobody_is_anybody_else() {
    let mut server = ValkeyServer::start();
    let doors = doors(&server);
    let who = doors.signed_in();
    assert_eq!(doors.session(0, &who).status, 200);
    server.kill();
    // The second door has not seen them yet.
    let begun = Stopwatch::start();
    let answer = doors.session(1, &who);
    assert_eq!((answer.status, answer.header("retry-after").is_some()), (503, true), "{}", answer.text());
    begun.within(Duration::from_secs(4));
    assert_eq!(doors.session(0, &who).status, 200, "who is known is served");
    server.begin();
    eventually("they are known again", || (statuses(&doors, &who) == (200, 200)).then_some(()));
    sign_out(&doors, &who);
    eventually("and can sign out", || (statuses(&doors, &who) == (401, 401)).then_some(()));
}

#[test]
fn sealed_sessions_are_listed_and_ended_by_a_server_that_all_doors_ask() {
    let server = ValkeyServer::start();
    let store = format!(", sessions: {{ url: {} }}", server.url());
    let doors = Replicas::start(2, &Setting { store, sessions: ", mode: sealed", ..Setting::default() });
    let (who, other) = (doors.signed_in(), doors.signed_in());
    assert!(who.cookie("__Host-doorward").unwrap().starts_with("s."), "the cookie itself holds the session");
    assert_eq!((statuses(&doors, &who), statuses(&doors, &other)), ((200, 200), (200, 200)));
    assert_eq!(server.say(&["ZCARD", "doorward:sessions"]), "int(2)", "and the server knows of it");
    let stolen = format!("Cookie: __Host-doorward={}", who.cookie("__Host-doorward").unwrap());
    sign_out(&doors, &who);
    let asked =
        |door: usize| curl(&["-H", &stolen, "-H", "Accept: application/json", &doors.at(door, "/.doorward/session")]).status;
    assert_eq!(asked(0), 401, "a copy is refused at once where it was ended");
    eventually("and at the other door", || (asked(1) == 401).then_some(()));
    assert_eq!(statuses(&doors, &other), (200, 200));
    assert_eq!(store::look::<i64>(doors.folder.path(), "SELECT count(*) FROM sessions"), 0, "no session is in the store");
}

#[test]
fn sessions_on_a_server_beside_postgresql_are_ended_with_their_person() {
    let server = ValkeyServer::start();
    let store = format!(", sessions: {{ url: {} }}", server.url());
    let doors = Replicas::start(2, &Setting { store, on: Engine::Postgres, ..Setting::default() });
    let (who, other) = (doors.signed_in(), doors.signed_in());
    assert_eq!((statuses(&doors, &who), statuses(&doors, &other)), ((200, 200), (200, 200)));
    assert_eq!(doors.rows("SELECT count(*) FROM sessions"), 0, "no session is in the store");
    assert_eq!(doors.rows("SELECT count(*) FROM users"), 1, "and nobody on the server");
    let stolen = format!("Cookie: __Host-doorward={}", who.cookie("__Host-doorward").unwrap());
    sign_out(&doors, &who);
    let asked = |door: usize| curl(&["-H", &stolen, &doors.at(door, "/.doorward/session")]).status;
    assert_eq!(asked(0), 401, "a copy is refused at once where it was ended");
    eventually("and at the other door", || (asked(1) == 401).then_some(()));
    assert_eq!(statuses(&doors, &other), (200, 200));
    // What another program does to the directory, and tells.
    doors.tell_of("UPDATE users SET active = FALSE");
    eventually("who is inactive is refused everywhere", || (statuses(&doors, &other) == (401, 401)).then_some(()));
}
