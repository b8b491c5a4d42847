//! LemonLDAP::NG as an OpenID provider: it never names itself beside the code, always lists its audiences, says `azp`, never
//! `email_verified`, and tells e-mail and groups at userinfo only.

use base64::Engine as _;
use serde_json::{Value, json};

use super::super::house::{field, received};
use super::{House, SECRET, clients, frames};
use crate::support::{eventually, store};

const TRUSTING: &str = "      trust_unverified_email: true";

fn connection(oidc: &str) -> String {
    format!(
        "    oidc:\n      issuer: {{idp}}/\n      client_id: doorward\n      client_secret: {SECRET}\n      scopes: [profile, email, groups]\n{oidc}"
    )
}

fn house(client: &Value, oidc: &str) -> House {
    House::with(&["--clients", &clients(client)], &connection(oidc))
}

/// The claims of the ID token that the sign-out's address carries.
fn hinted(location: &str) -> Value {
    let address = url::Url::parse(location).unwrap();
    let token = address.query_pairs().find(|(name, _)| name == "id_token_hint").unwrap().1.into_owned();
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[test]
fn another_provider_signs_people_in_with_their_address_and_groups() {
    let house = house(&json!({}), TRUSTING);
    for (who, role, groups) in [("dwho", "admin", "timelords,users"), ("rtyler", "editor", "earthlings,users")] {
        let (person, walk) = house.signed_in(who, "/reports?from=1&to=%2F2");
        assert_eq!(walk.url, house.url("/reports?from=1&to=%2F2"));
        let echo = walk.answer.json();
        assert_eq!(received(&echo, "x-doorward-email"), Some(format!("{who}@badwolf.org").as_str()));
        assert_eq!(received(&echo, "x-doorward-groups"), Some(groups));
        assert_eq!(received(&echo, "x-doorward-role"), Some(role));
        assert_eq!(person.session().json()["connection"], "idp");
        let callback = walk.hops.iter().find(|hop| hop.contains("/callback/")).unwrap();
        assert!(callback.contains("session_state=") && !callback.contains("iss="), "{callback}");
    }
    assert_eq!(house.events("sign_in").len(), 2);
}

#[test]
fn who_is_signed_in_at_the_portal_passes_without_a_form() {
    let house = house(&json!({}), TRUSTING);
    let (person, _) = house.signed_in("dwho", "/");
    let token = field(&person.ask(&house.url("/.doorward/sign-out"), &[]).text(), "token");
    assert_eq!(person.post(&house.url("/.doorward/sign-out"), &[("token", &token)], &[]).status, 303);
    assert_eq!(person.session().status, 401);
    let walk = person.walk(&house.url("/again"));
    assert_eq!((walk.answer.status, walk.url), (200, house.url("/again")));
}

#[test]
fn an_address_it_does_not_call_verified_is_none() {
    let house = house(&json!({}), "");
    let (_, walk) = house.signed_in("dwho", "/");
    let echo = walk.answer.json();
    assert_eq!(received(&echo, "x-doorward-email"), None);
    assert_eq!(received(&echo, "x-doorward-groups"), Some("timelords,users"));
}

#[test]
fn it_may_ask_for_consent_and_be_told_no() {
    let house = house(&json!({ "consent": true }), TRUSTING);
    let person = house.person();
    let consent = person.log_in_at_portal(&person.walk(&house.url("/kept")), "dwho");
    assert!(consent.url.contains("/oauth2"), "{:#?}", consent.hops);
    let refused = person.submit(&consent, &[("confirm", "-1")]);
    assert_eq!(refused.answer.status, 403, "{}", refused.answer.text());
    assert!(refused.answer.text().contains("consent_required"), "{}", refused.answer.text());
    assert_eq!(person.session().status, 401);

    let consent = person.walk(&house.url("/kept"));
    let walk = person.submit(&consent, &[("confirm", "1")]);
    assert_eq!((walk.answer.status, walk.url), (200, house.url("/kept")), "{}", walk.answer.text());
}

#[test]
fn a_token_for_several_audiences_is_taken_where_it_was_made_for_the_door() {
    let house = house(&json!({ "additional_audiences": ["reports", "archive"], "claims_in_id_token": true }), TRUSTING);
    let (person, walk) = house.signed_in("dwho", "/");
    assert_eq!(received(&walk.answer.json(), "x-doorward-groups"), Some("timelords,users"));
    let token = field(&person.ask(&house.url("/.doorward/sign-out"), &[]).text(), "token");
    let answer = person.post(&house.url("/.doorward/sign-out"), &[("token", &token)], &[]);
    let claims = hinted(answer.header("location").unwrap());
    assert_eq!((&claims["aud"], &claims["azp"]), (&json!(["doorward", "reports", "archive"]), &json!("doorward")));
    assert_eq!(claims["groups"].as_array().unwrap().len(), 2, "{claims}");
}

#[test]
fn signing_out_here_signs_out_at_the_portal_and_comes_back() {
    let house = house(&json!({}), TRUSTING);
    let (person, _) = house.signed_in("dwho", "/");
    let token = field(&person.ask(&house.url("/.doorward/sign-out"), &[]).text(), "token");
    let answer = person.post(&house.url("/.doorward/sign-out"), &[("token", &token)], &[]);
    let location = answer.header("location").unwrap();
    assert!(location.starts_with(&format!("{}oauth2/logout?", house.idp.ready["issuer"].as_str().unwrap())), "{location}");
    assert_eq!(hinted(location)["aud"], json!(["doorward"]), "one audience, in a list all the same");
    let asked = person.walk(location);
    assert_eq!(asked.answer.status, 200, "{}", asked.answer.text());
    let back = person.submit(&asked, &[("confirm", "1")]);
    assert_eq!(back.url.split('?').next().unwrap(), house.url("/.doorward/signed-out"), "{:#?}", back.hops);
    assert!(back.answer.text().contains("You are signed out"));
    let again = person.walk(&house.url("/"));
    assert!(again.answer.text().contains("name=\"password\""), "the portal asks for the password again: {:#?}", again.hops);
}

#[test]
fn its_keys_may_change_between_two_sign_ins() {
    let house = house(&json!({}), TRUSTING);
    house.signed_in("dwho", "/");
    assert_eq!(house.idp.tell("/rotate-keys", &json!({})).status, 200);
    house.signed_in("rtyler", "/");
    eventually("both are recorded", || (house.events("sign_in").len() == 2).then_some(()));
}

/// It gives a refresh token once and takes it for as long as the person is signed in there.
#[test]
fn the_session_lives_as_long_as_the_portal_gives_new_tokens_for_it() {
    let house = house(&json!({ "access_token_ttl": 3 }), TRUSTING);
    let (person, _) = house.signed_in("dwho", "/");
    for times in 1..3 {
        eventually("new tokens are written down", || {
            assert_eq!(person.session().status, 200);
            (refreshed(&house) >= times).then_some(())
        });
    }
    let page = person.walk(&format!("{}?logout=1", house.idp.ready["issuer"].as_str().unwrap()));
    assert_eq!(page.answer.status, 200);
    eventually("the session ends with the portal's", || (person.session().status == 401).then_some(()));
    let event = eventually("it is recorded", || house.events("session_ended").into_iter().next());
    assert_eq!(event["reason"], "refresh_refused");
}

/// It says `invalid_request` of a refresh token that it has forgotten, and of much else.
#[test]
fn a_session_whose_refresh_token_the_portal_has_forgotten_ends() {
    let house = house(&json!({ "access_token_ttl": 3 }), TRUSTING);
    let (person, _) = house.signed_in("dwho", "/");
    eventually("the tokens are refreshed once", || {
        assert_eq!(person.session().status, 200);
        (refreshed(&house) > 0).then_some(())
    });
    assert_eq!(house.idp.tell("/forget-refresh-tokens", &json!({})).json()["forgotten"], 1);
    eventually("the session is dead", || (person.session().status == 401).then_some(()));
    let event = eventually("it is recorded", || house.events("session_ended").into_iter().next());
    assert_eq!(event["reason"], "refresh_refused");
}

/// How often the tokens of the only session were written anew.
fn refreshed(house: &House) -> i64 {
    store::look(house.door.folder(), "SELECT max(tokens_version) FROM sessions")
}

/// It calls the person's name a session id. Taking that would let every page on the web sign everybody out.
#[test]
fn a_session_id_that_anybody_could_guess_ends_no_session() {
    let own = json!({ "frontchannel_logout_uri": "{own}/.doorward/frontchannel-logout/idp" });
    let house = house(&own, TRUSTING);
    let (person, _) = house.signed_in("dwho", "/");
    let page = person.walk(&format!("{}?logout=1", house.idp.ready["issuer"].as_str().unwrap()));
    let frame = frames(&page.answer.text()).into_iter().find(|address| address.contains("/frontchannel-logout/"));
    let frame = frame.unwrap_or_else(|| panic!("nobody is told: {}", page.answer.text()));
    assert!(frame.contains("sid=dwho"), "{frame}");
    assert_eq!(house.person().ask(&frame, &[]).status, 400);
    assert_eq!(person.session().status, 200);
}
