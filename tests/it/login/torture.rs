//! Sign-ins that go wrong on the way: no dead end, no 500, each with the page that says what happened.

use std::time::Duration;

use doorward::clock::{Clock as _, SystemClock};
use serde_json::json;

use super::house::{HOST, House, Person, Walk};
use crate::support::{Answer, Process, Stopwatch, doorward, eventually};

/// Begins at the door, and says the state and the cookies' owner.
#[track_caller]
fn begin(house: &House, path: &str) -> (Person, String) {
    let person = house.person();
    let back: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
    let answer = person.ask(&house.url(&format!("/.doorward/sign-in/idp?return_to={back}")), &[]);
    let address = url::Url::parse(answer.header("location").unwrap()).unwrap();
    let state = address.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    (person, state)
}

/// That a page is no dead end: it leads back to the beginning, and from there to where the person wanted to go.
#[track_caller]
fn leads_on(house: &House, page: &Answer, who: &Person, wanted: &str) {
    let text = page.text();
    let link = text.split("class=\"button\" href=\"").nth(1).unwrap_or_else(|| panic!("a dead end: {text}"));
    let link = link.split('"').next().unwrap().replace("&amp;", "&");
    let walk = who.walk(&link);
    let walk = if walk.url.contains("/interaction/") { who.log_in(&walk, "ada") } else { walk };
    assert_eq!((walk.answer.status, walk.url), (200, house.url(wanted)), "{:#?}", walk.hops);
}

#[test]
fn a_door_that_was_killed_between_leaving_and_coming_back_takes_the_answer() {
    let mut house = House::usual();
    let person = house.person();
    let callback = person.to_callback(&house.url("/kept?x=1"), "ada");
    house.door.process.signal("KILL");
    assert_eq!(house.door.process.wait(), None);
    let config = house.door.config();
    house.door.process = Process::start(doorward(&["serve", "--json", "--config"]).arg(config));
    house.door.process.json_line();
    let walk = person.walk(&callback);
    assert_eq!((walk.answer.status, walk.url), (200, house.url("/kept?x=1")), "{:#?}", walk.hops);
}

#[test]
fn an_answer_comes_to_another_process_on_the_same_store_and_counts_once() {
    let house = House::usual();
    let other = crate::support::free_port();
    let config = std::fs::read_to_string(house.door.config()).unwrap();
    let file = house.door.folder().join("second.yaml");
    std::fs::write(&file, config.replace(&format!("127.0.0.1:{}", house.port), &format!("127.0.0.1:{other}"))).unwrap();
    let second = Process::start(doorward(&["serve", "--json", "--config"]).arg(&file));
    second.json_line();
    let there = format!("{HOST}:{}:127.0.0.1:{other}", house.port);
    let person = house.person();
    let callback = person.to_callback(&house.url("/kept"), "ada");
    let jar = std::fs::read(person.jar()).unwrap();
    let answer = person.ask(&callback, &["--connect-to", &there]);
    assert_eq!((answer.status, answer.header("location")), (303, Some(house.url("/kept").as_str())), "{}", answer.text());
    assert_eq!(person.session().status, 200, "the session counts at the first one too");
    // The same answer at the first one, by a browser whose answer got lost: it begins anew, and nobody is asked again.
    std::fs::write(person.jar(), jar).unwrap();
    let again = person.walk(&callback);
    assert_eq!((again.answer.status, again.url), (200, house.url("/kept")));
    assert!(again.hops.iter().any(|hop| hop.contains("/auth?")), "{:#?}", again.hops);
}

#[test]
fn a_browser_that_keeps_no_cookies_is_told_so() {
    let house = House::usual();
    let callback = house.person().to_callback(&house.url("/"), "ada");
    let without = house.person();
    let page = without.ask(&callback, &[]);
    assert_eq!(page.status, 400);
    assert!(page.text().contains("Signing in needs cookies"), "{}", page.text());
    leads_on(&house, &page, &without, "/");
}

#[test]
fn whatever_error_the_provider_answers_the_page_says_it_and_leads_on() {
    let house = House::usual();
    let issuer = house.idp.ready["issuer"].as_str().unwrap();
    for (code, status) in [
        ("access_denied", 403),
        ("login_required", 403),
        ("interaction_required", 403),
        ("consent_required", 403),
        ("account_selection_required", 403),
        ("unmet_authentication_requirements", 403),
        ("invalid_request", 403),
        ("unauthorized_client", 403),
        ("invalid_scope", 403),
        ("unsupported_response_type", 403),
        ("something_nobody_has_heard_of", 403),
        ("server_error", 503),
        ("temporarily_unavailable", 503),
    ] {
        let (person, state) = begin(&house, "/kept?x=1");
        let words = "%3Cscript%3Ealert(1)%3C/script%3E%20said%20no";
        let query = format!("error={code}&error_description={words}&state={state}&iss={issuer}");
        let page = person.ask(&house.url(&format!("/.doorward/callback/idp?{query}")), &[]);
        assert_eq!(page.status, status, "{code}: {}", page.text());
        if status == 403 {
            assert!(page.text().contains(code) && page.text().contains("&lt;script&gt;"), "{code}: {}", page.text());
        }
        assert!(!page.text().contains("<script>"), "{code}");
        assert_eq!(person.session().status, 401, "{code}");
        leads_on(&house, &page, &person, "/kept?x=1");
    }
    // Both at once, and neither.
    for query in ["error=access_denied&code=x", "", "code="] {
        let (person, state) = begin(&house, "/kept");
        let page = person.ask(&house.url(&format!("/.doorward/callback/idp?{query}&state={state}&iss={issuer}")), &[]);
        assert!((400..=503).contains(&page.status) && page.status != 500, "{query}: {}", page.status);
        assert_eq!(person.session().status, 401, "{query}");
        leads_on(&house, &page, &person, "/kept");
    }
}

#[test]
fn a_provider_that_is_down_at_any_step_is_named_and_the_same_tab_goes_on_later() {
    let house = House::usual();
    for (path, when_back) in [("/token", "/a"), ("/jwks", "/b")] {
        let person = house.person();
        let callback = person.to_callback(&house.url(when_back), "ada");
        house.faults(&json!({ path: 503 }));
        if path == "/jwks" {
            house.idp.tell("/rotate-keys", &json!({}));
        }
        let page = person.ask(&callback, &[]);
        // Somebody else a moment later hears the same, not that the answer was forged.
        let other = house.person().sign_in(&house.url("/"), "bob");
        house.faults(&json!({ path: null }));
        for page in [&page, &other.answer] {
            assert_eq!(page.status, 503, "{path}: {}", page.text());
            assert!(page.text().contains("cannot be reached") && page.header("retry-after").is_some(), "{path}");
        }
        let went_on = eventually("the provider is back", || {
            let walk = person.walk(&house.url(when_back));
            let walk = if walk.url.contains("/interaction/") { person.log_in(&walk, "ada") } else { walk };
            (walk.answer.status == 200).then_some(walk)
        });
        assert_eq!(went_on.url, house.url(when_back));
    }
}

#[test]
fn clocks_ten_minutes_apart_are_measured_and_named_or_do_no_harm() {
    let house = House::usual();
    let sign_in = || -> Walk { house.person().sign_in(&house.url("/kept"), "ada") };
    house.idp.tell("/clock", &json!({ "skew_seconds": 600 }));
    let ahead = sign_in();
    assert_eq!(ahead.answer.status, 502);
    let text = ahead.answer.text();
    let named = (580..=605).any(|seconds| text.contains(&format!("clock is {seconds} seconds ahead")));
    assert!(named && text.contains("id_token_times"), "{text}");

    // A clock that is behind makes tokens that are still good for most of an hour.
    house.idp.tell("/clock", &json!({ "skew_seconds": -600 }));
    let behind = sign_in();
    assert_eq!((behind.answer.status, behind.url), (200, house.url("/kept")));
    // Unless they live shorter than that.
    let now = SystemClock.now().seconds();
    house.tamper(&json!({ "claims": { "iat": now - 600, "exp": now - 300 } }));
    let short = sign_in();
    assert_eq!(short.answer.status, 502);
    let text = short.answer.text();
    let named = (595..=620).any(|seconds| text.contains(&format!("clock is {seconds} seconds behind")));
    assert!(named, "{text}");
    house.tamper(&json!({}));
    house.idp.tell("/clock", &json!({ "skew_seconds": 0 }));
    leads_on(&house, &short.answer, &house.person(), "/kept");
}

#[test]
fn ten_tabs_whose_answers_arrive_at_the_same_moment_all_arrive() {
    let house = House::usual();
    let people: Vec<(Person, String)> = (0..10)
        .map(|tab| {
            let person = house.person();
            let callback = person.to_callback(&house.url(&format!("/tab/{tab}")), "ada");
            (person, callback)
        })
        .collect();
    let begun = Stopwatch::start();
    std::thread::scope(|scope| {
        for (tab, (person, callback)) in people.iter().enumerate() {
            let wanted = house.url(&format!("/tab/{tab}"));
            scope.spawn(move || {
                let answer = person.ask(callback, &[]);
                assert_eq!((answer.status, answer.header("location")), (303, Some(wanted.as_str())), "{}", answer.text());
            });
        }
    });
    begun.within(Duration::from_secs(20));
    assert_eq!(house.door.command(&["user", "list"]).as_array().unwrap().len(), 1);
}
