//! Signing out, here and at the provider.

use super::house::{House, field};

#[test]
fn signing_out_ends_the_session_here_and_at_the_provider() {
    let house = House::usual();
    let (person, _) = house.signed_in("ada", "/");
    let secret = person.cookie("__Host-doorward").unwrap();
    let page = person.ask(&house.url("/.doorward/sign-out"), &[]);
    assert_eq!(page.status, 200);
    assert!(page.text().contains("ada@acme.example"), "{}", page.text());
    assert_eq!(person.session().status, 200, "asking is not doing");
    let issuer = house.idp.ready["issuer"].as_str().unwrap();
    assert!(page.header("content-security-policy").unwrap().contains(&format!("form-action 'self' {issuer}")), "{page:?}");

    let token = field(&page.text(), "token");
    let answer = person.post(&house.url("/.doorward/sign-out"), &[("token", &token)], &[]);
    let location = answer.header("location").unwrap().to_owned();
    assert_eq!(answer.status, 303);
    assert!(location.starts_with(&format!("{issuer}/session/end?")), "{location}");
    assert!(location.contains("id_token_hint=eyJ") && location.contains("post_logout_redirect_uri="), "{location}");
    let removed =
        answer.headers.iter().find(|(name, value)| name == "set-cookie" && value.starts_with("__Host-doorward=;")).unwrap();
    assert_eq!(removed.1, "__Host-doorward=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
    let stolen = house.person().ask(&house.url("/.doorward/session"), &["-H", &format!("Cookie: __Host-doorward={secret}")]);
    assert_eq!(stolen.status, 401, "the store knows that it ended, whoever kept the cookie");
    assert_eq!(house.events("sign_out").len(), 1);

    // The provider asks whether to sign out there too, and sends the person back.
    let there = person.walk(&location);
    assert_eq!(there.answer.status, 200, "{}", there.answer.text());
    let xsrf = field(&there.answer.text(), "xsrf");
    let confirm = format!("{issuer}/session/end/confirm");
    let confirmed = person.ask(&confirm, &["-d", &format!("xsrf={xsrf}&logout=yes")]);
    let back = person.follow(&confirm, confirmed);
    assert_eq!((back.answer.status, back.url.split('?').next().unwrap()), (200, house.url("/.doorward/signed-out").as_str()));
    assert!(back.answer.text().contains("You are signed out"));
    let again = person.walk(&house.url("/"));
    assert!(again.url.contains("/interaction/"), "the provider asks for the password again: {:#?}", again.hops);
}

/// A request with the old session's cookie may be answered after another tab has signed in again.
#[test]
fn an_answer_to_an_ended_session_takes_no_newer_cookie_away() {
    let house = House::usual();
    let (person, _) = house.signed_in("ada", "/");
    let token = field(&person.ask(&house.url("/.doorward/sign-out"), &[]).text(), "token");
    let old = format!("Cookie: __Host-doorward={}", person.cookie("__Host-doorward").unwrap());
    assert_eq!(person.post(&house.url("/.doorward/sign-out"), &[("token", &token)], &[]).status, 303);
    let kinds: [(u16, &[&str]); 3] = [(303, &[]), (401, &["-H", "X-Requested-With: XMLHttpRequest"]), (401, &["-X", "POST"])];
    for (status, kind) in kinds {
        let answer = house.person().ask(&house.url("/"), &[kind, &["-H", &old]].concat());
        assert_eq!(answer.status, status, "{kind:?}");
        let touched = answer.headers.iter().any(|(name, value)| name == "set-cookie" && value.starts_with("__Host-doorward="));
        assert!(!touched, "{kind:?}: {:?}", answer.headers);
    }
}

#[test]
fn a_link_or_a_strangers_form_signs_nobody_out() {
    let house = House::usual();
    let (person, _) = house.signed_in("ada", "/");
    let page = person.ask(&house.url("/.doorward/sign-out"), &[]).text();
    let (token, url) = (field(&page, "token"), house.url("/.doorward/sign-out"));
    for (token, headers) in
        [("", vec![]), (token.as_str(), vec!["Origin: https://evil.example"]), (&token, vec!["Sec-Fetch-Site: cross-site"])]
    {
        let answer = person.post(&url, &[("token", token)], &headers);
        assert_eq!(answer.status, 403, "{token} {headers:?}");
        assert_eq!(person.session().status, 200);
    }
}

#[test]
fn signing_out_works_while_the_provider_is_down_and_without_a_session() {
    let house = House::usual();
    let (person, _) = house.signed_in("ada", "/");
    let token = field(&person.ask(&house.url("/.doorward/sign-out"), &[]).text(), "token");
    house.faults(&serde_json::json!({ "/session/end": 503 }));
    assert_eq!(person.post(&house.url("/.doorward/sign-out"), &[("token", &token)], &[]).status, 303);
    assert_eq!(person.session().status, 401);
    let walk = person.walk(&house.url("/.doorward/sign-out"));
    assert_eq!(walk.url, house.url("/.doorward/signed-out"), "nobody is asked who is not signed in");
}
