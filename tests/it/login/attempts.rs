//! Attempts: many tabs, back buttons, answers twice, answers that are somebody else's.

use super::house::{House, Plan};

const SECOND: &str = "  - id: second
    oidc:
      issuer: {issuer}
      client_id: doorward
      client_secret: a-secret-of-some-length
      scopes: [profile, email, groups]
";

#[test]
fn ten_tabs_finish_in_any_order_each_where_it_wanted() {
    let house = House::usual();
    let person = house.person();
    let forms: Vec<_> = (0..10).map(|tab| person.walk(&house.url(&format!("/tab/{tab}?q={tab}")))).collect();
    for (tab, form) in forms.iter().enumerate().rev() {
        // The first login at the provider also serves the other tabs' forms.
        let walk = person.log_in(form, "ada");
        assert_eq!((walk.answer.status, walk.url), (200, house.url(&format!("/tab/{tab}?q={tab}"))));
    }
    assert!(person.cookies().iter().all(|(name, _)| !name.contains("attempt")), "used attempts leave: {:?}", person.cookies());
}

#[test]
fn the_same_callback_twice_leads_on_and_not_into_an_error() {
    let house = House::usual();
    let person = house.person();
    let callback = person.to_callback(&house.url("/deep?x=1"), "ada");
    let jar = std::fs::read(person.jar()).unwrap();
    assert_eq!(person.ask(&callback, &[]).status, 303);
    // The browser has forgotten the attempt, and is signed in.
    let again = person.walk(&callback);
    assert_eq!((again.answer.status, again.url), (200, house.url("/")));
    // The first answer got lost: the browser still has the attempt and no session.
    std::fs::write(person.jar(), jar).unwrap();
    let again = person.walk(&callback);
    assert_eq!((again.answer.status, again.url), (200, house.url("/deep?x=1")), "{:#?}", again.hops);
    assert!(again.hops.iter().any(|hop| hop.contains("/auth?")), "a new attempt began by itself: {:#?}", again.hops);
}

#[test]
fn a_callback_of_another_browser_signs_nobody_in() {
    let house = House::usual();
    let (attacker, victim) = (house.person(), house.person());
    let callback = attacker.to_callback(&house.url("/"), "ada");
    let answer = victim.ask(&callback, &[]);
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("another browser"), "{}", answer.text());
    assert_eq!(victim.session().status, 401);
    assert_eq!(attacker.walk(&callback).answer.status, 200, "and the attempt was not used up by it");
}

#[test]
fn a_callback_with_another_state_or_none_is_explained() {
    let house = House::usual();
    let person = house.person();
    let callback = person.to_callback(&house.url("/"), "ada");
    let mut forged = url::Url::parse(&callback).unwrap();
    let pairs: Vec<(String, String)> = forged.query_pairs().into_owned().collect();
    for state in [Some("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), Some(""), None] {
        let others = pairs.iter().filter(|(name, _)| name != "state");
        forged.query_pairs_mut().clear().extend_pairs(others).extend_pairs(state.map(|state| ("state", state)));
        let answer = person.ask(forged.as_str(), &[]);
        assert_eq!(answer.status, 400, "{forged}");
        assert_eq!(person.session().status, 401);
    }
    for path in ["/.doorward/callback/idp", "/.doorward/callback/idp?", "/.doorward/callback/idp?code=x&state=%00%ff"] {
        assert_eq!(person.ask(&house.url(path), &[]).status, 400, "{path}");
    }
    assert_eq!(person.ask(&house.url("/.doorward/callback/nothing?code=x&state=y"), &[]).status, 404);
}

#[test]
fn parameters_sent_twice_are_refused() {
    let house = House::usual();
    let person = house.person();
    let callback = person.to_callback(&house.url("/"), "ada");
    for extra in ["&code=another", "&state=another", "&iss=https%3A%2F%2Fevil.example", "&error=x&error=y"] {
        let answer = person.ask(&format!("{callback}{extra}"), &[]);
        assert_eq!(answer.status, 400, "{extra}: {}", answer.text());
    }
    assert_eq!(person.walk(&callback).answer.status, 200, "nothing was used up");
}

#[test]
fn an_answer_for_one_connection_is_none_for_another() {
    let house = House::with(Plan { connections: SECOND, ..Plan::default() });
    let person = house.person();
    let callback = person.to_callback(&house.url("/.doorward/sign-in/idp"), "ada");
    let moved = person.ask(&callback.replace("/callback/idp", "/callback/second"), &[]);
    assert_eq!(moved.status, 400);
    assert!(moved.text().contains("another sign-in"), "{}", moved.text());
    assert_eq!(person.session().status, 401);
}

#[test]
fn an_answer_that_names_another_issuer_or_none_is_refused() {
    let house = House::usual();
    let person = house.person();
    let callback = person.to_callback(&house.url("/"), "ada");
    let mut forged = url::Url::parse(&callback).unwrap();
    let pairs: Vec<(String, String)> = forged.query_pairs().into_owned().collect();
    assert!(pairs.iter().any(|(name, _)| name == "iss"), "the provider names itself: {callback}");
    for issuer in [Some("https://evil.example"), None] {
        let others = pairs.iter().filter(|(name, _)| name != "iss");
        forged.query_pairs_mut().clear().extend_pairs(others).extend_pairs(issuer.map(|issuer| ("iss", issuer)));
        let answer = person.ask(forged.as_str(), &[]);
        assert_eq!(answer.status, 400, "{forged}: {}", answer.text());
        assert_eq!(person.session().status, 401);
    }
}

#[test]
fn return_addresses_of_elsewhere_lead_home() {
    let house = House::usual();
    for elsewhere in ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "https:evil.example"] {
        let back = url::form_urlencoded::byte_serialize(elsewhere.as_bytes()).collect::<String>();
        let person = house.person();
        let walk = person.sign_in(&house.url(&format!("/.doorward/sign-in/idp?return_to={back}")), "ada");
        assert_eq!((walk.answer.status, walk.url), (200, house.url("/")), "{elsewhere}");
        // Somebody who is signed in already is sent on at once, and not elsewhere either.
        let walk = person.walk(&house.url(&format!("/.doorward/sign-in?return_to={back}")));
        assert_eq!(walk.url, house.url("/"), "{elsewhere}");
    }
}

#[test]
fn each_sign_in_has_a_new_id_and_ends_the_old_session() {
    let house = House::usual();
    let (person, _) = house.signed_in("ada", "/");
    let first = person.cookie("__Host-doorward").unwrap();
    let walk = person.walk(&house.url("/.doorward/sign-in/idp?prompt=login"));
    assert_eq!(person.log_in(&walk, "ada").answer.status, 200);
    let second = person.cookie("__Host-doorward").unwrap();
    assert_ne!(first, second);
    assert_eq!(first.len(), 43);
    let old = house.person();
    let answer = old.ask(&house.url("/.doorward/session"), &["-H", &format!("Cookie: __Host-doorward={first}")]);
    assert_eq!(answer.status, 401, "the old id opens nothing");
}

#[test]
fn a_cookie_planted_before_signing_in_is_worth_nothing() {
    let house = House::usual();
    let person = house.person();
    let planted = "A".repeat(43);
    let callback = person.to_callback(&house.url("/"), "ada");
    let answer = person.ask(&callback, &["--cookie", &format!("__Host-doorward={planted}")]);
    assert_eq!(answer.status, 303, "{}", answer.text());
    assert_ne!(person.cookie("__Host-doorward").as_deref(), Some(planted.as_str()));
}
