//! samlp: a provider on another stack (xml-crypto), with authenticated encryption, requests by POST, and no password.

use serde_json::{Value, json};

use super::house::SamlHouse;
use crate::login::form::Form;
use crate::login::house::received;
use crate::support::eventually;

const KEY: &str = "key: { file: own.key }\ncertificate: { file: own.crt }";
const GCM: &str = "http://www.w3.org/2009/xmlenc11#aes256-gcm";

/// From the door to the provider and back to the form with its answer.
#[track_caller]
fn answer(house: &SamlHouse, person: &crate::login::house::Person, path: &str) -> Form {
    let walk = person.walk(&house.url(path));
    assert_eq!(walk.answer.status, 200, "{:#?} {}", walk.hops, walk.answer.text());
    let form = Form::of(&walk.url, &walk.answer.text());
    if form.fields.iter().any(|(name, _)| name == "SAMLResponse") {
        return form;
    }
    let sent = form.post(person);
    assert_eq!(sent.status, 200, "{}", sent.text());
    Form::of(&form.action, &sent.text())
}

#[test]
fn a_person_signs_in_with_authenticated_encryption_and_signed_requests() {
    for (service, lines) in [
        (json!({}), String::new()),
        (json!({ "sign_response": true, "sign_assertion": false }), "want_response_signed: true".to_owned()),
        (json!({ "certificate": true, "algorithm": GCM, "signing": true }), KEY.to_owned()),
        (
            json!({ "certificate": true, "algorithm": "http://www.w3.org/2001/04/xmlenc#aes128-cbc", "sign_response": true }),
            KEY.to_owned(),
        ),
        (json!({ "signing": true }), format!("{KEY}\nbinding: post")),
    ] {
        let house = SamlHouse::samlp(&service, &lines);
        let person = house.person();
        let form = answer(&house, &person, "/reports");
        let walk = person.follow(&form.action, form.post(&person));
        assert_eq!((walk.answer.status, walk.url), (200, house.url("/reports")), "{service}: {}", walk.answer.text());
        assert_eq!(received(&walk.answer.json(), "x-doorward-email"), Some("ada@acme.example"), "{service}");
        let asked = house.idp.control("GET", "/requests");
        assert_eq!(asked[0]["issuer"], super::house::entity(house.port, "corp"));
        assert_eq!(asked[0]["assertionConsumerServiceURL"], house.acs("corp"));
    }
}

#[test]
fn a_request_that_another_key_signed_is_refused_by_the_provider() {
    // Shows that the provider does check what the test above has it check.
    let stranger = super::house::Own::new();
    let house = SamlHouse::samlp(&json!({ "signing": stranger.certificate }), KEY);
    let walk = house.person().walk(&house.url("/"));
    assert_eq!(walk.answer.status, 500, "{}", walk.answer.text());
}

#[test]
fn what_the_assertion_is_for_is_asked_of_a_real_provider_too() {
    let house = SamlHouse::samlp(&json!({}), "");
    let cases: [(Value, &str); 4] = [
        (json!({ "entity_id": "https://other.example" }), "saml_audience"),
        (json!({ "sign_assertion": false }), "saml_unsigned"),
        (json!({ "certificate": super::house::Own::new().certificate, "algorithm": GCM }), "saml_no_decryption_key"),
        (json!({ "user": { "id": "ada", "emails": [{ "value": "ada@acme.example<!-- -->.evil.example" }] } }), "saml_"),
    ];
    let usual = json!({ "entity_id": super::house::entity(house.port, "corp"), "sign_assertion": true, "certificate": null, "user": null });
    for (change, reason) in &cases[..3] {
        house.idp.tell("/service", &usual);
        house.idp.tell("/service", change);
        let person = house.person();
        let refused = answer(&house, &person, "/").post(&person);
        assert_eq!(refused.status, 502, "{change}");
        assert!(refused.text().contains(reason), "{change}: {}", refused.text());
        eventually("the failure is recorded", || house.events("sign_in").into_iter().find(|event| event["reason"] == *reason));
    }
    house.idp.tell("/service", &usual);
    let person = house.person();
    let form = answer(&house, &person, "/");
    assert_eq!(person.follow(&form.action, form.post(&person)).answer.status, 200, "and the good twin is taken");
}

#[test]
fn ten_tabs_answered_in_any_order_all_arrive() {
    let house = SamlHouse::samlp(&json!({}), "");
    let person = house.person();
    let forms: Vec<(usize, Form)> = (0..10).map(|tab| (tab, answer(&house, &person, &format!("/tab-{tab}")))).collect();
    for (tab, form) in forms.into_iter().rev() {
        let walk = person.follow(&form.action, form.post(&person));
        assert_eq!((walk.answer.status, walk.url), (200, house.url(&format!("/tab-{tab}"))));
    }
}

#[test]
fn a_new_sign_in_ends_the_session_that_it_takes_the_place_of() {
    let house = SamlHouse::samlp(&json!({}), "");
    let person = house.person();
    let form = answer(&house, &person, "/");
    person.follow(&form.action, form.post(&person));
    let old = person.cookie("__Host-doorward").unwrap();
    let form = answer(&house, &person, "/.doorward/sign-in/corp");
    // A browser keeps the session back when another site posts: only the attempt comes along.
    let attempt = person.cookies().into_iter().find(|(name, _)| name.contains("attempt")).unwrap();
    let bare = house.person();
    let cookie = format!("Cookie: {}={}", attempt.0, attempt.1);
    let fields: Vec<(&str, &str)> = form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let done = bare.post(&form.action, &fields, &["Sec-Fetch-Site: cross-site", &cookie]);
    assert_eq!(done.status, 303, "{}", done.text());
    let stale = format!("Cookie: __Host-doorward={old}");
    let session = house.url("/.doorward/session");
    assert_eq!(house.person().ask(&session, &["-H", &stale, "-H", "Accept: application/json"]).status, 401);
}
