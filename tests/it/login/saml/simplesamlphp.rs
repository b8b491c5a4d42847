//! SimpleSAMLphp: a provider that asks for a password, keeps a session, and signs people out everywhere.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::DeflateDecoder;
use serde_json::json;

use super::house::{SamlHouse, answer_for};
use crate::login::doctor::Found;
use crate::login::form::Form;
use crate::login::house::received;
use crate::support::eventually;

const KEY: &str = "key: { file: own.key }\ncertificate: { file: own.crt }";

#[test]
fn a_person_signs_in_however_the_provider_signs_and_encrypts() {
    let house = SamlHouse::simplesamlphp(&[
        ("corp", json!({ "sign_response": true, "sign_assertion": false }), ""),
        ("assertion", json!({ "sign_response": false, "sign_assertion": true }), ""),
        (
            "both",
            json!({ "sign_response": true, "sign_assertion": true }),
            "want_assertions_signed: true\nwant_response_signed: true",
        ),
        ("sealed", json!({ "sign_response": true, "encrypt": true }), KEY),
        ("inside", json!({ "sign_response": false, "sign_assertion": true, "encrypt": true }), KEY),
        ("named", json!({ "encrypt_name": true }), KEY),
        ("lasting", json!({ "name_id": "persistent", "signed_requests": true }), &format!("{KEY}\nname_id_format: persistent")),
    ]);
    for id in ["corp", "assertion", "both", "sealed", "inside", "named", "lasting"] {
        let person = house.person();
        let path = if id == "corp" {
            "/reports?x=1".to_owned()
        } else {
            format!("/.doorward/sign-in/{id}?return_to=%2Freports%3Fx%3D1")
        };
        let form = answer_for(&person, &house.url(&path), "ada");
        assert_eq!(form.action, house.acs(id));
        let text = String::from_utf8(STANDARD.decode(form.field("SAMLResponse")).unwrap()).unwrap();
        assert_eq!(text.contains("EncryptedID"), id == "named", "{text}");
        let walk = person.follow(&form.action, form.post(&person));
        assert_eq!(
            (walk.answer.status, walk.url.as_str()),
            (200, house.url("/reports?x=1").as_str()),
            "{id}: {}",
            walk.answer.text()
        );
        let echo = walk.answer.json();
        assert_eq!(received(&echo, "x-doorward-email"), Some("ada@acme.example"), "{id}");
        assert_eq!(received(&echo, "x-doorward-name"), Some("Ada of Acme"), "{id}");
        assert_eq!(received(&echo, "x-doorward-role"), Some("admin"), "{id}");
        assert_eq!(person.session().json()["connection"], id);
    }
    let events = house.events("sign_in");
    assert!(events.iter().all(|event| event["outcome"] == "success"), "{events:#?}");
}

#[test]
fn s9_an_answer_is_good_once_and_in_the_browser_that_asked() {
    let house = SamlHouse::simplesamlphp(&[("corp", json!({}), ""), ("other", json!({}), "")]);
    let person = house.person();
    let form = answer_for(&person, &house.url("/kept"), "ada");

    let stranger = house.person();
    let refused = stranger.follow(&form.action, form.post(&stranger));
    assert_eq!(refused.answer.status, 400, "{}", refused.answer.text());
    assert!(refused.answer.text().contains("another browser") && stranger.session().status == 401);

    let elsewhere = Form { action: house.acs("other"), ..form.clone() };
    let refused = elsewhere.post(&person);
    assert_eq!(refused.status, 400, "an answer for one connection, posted to another: {}", refused.text());
    assert_eq!(person.session().status, 401);

    let walk = person.follow(&form.action, form.post(&person));
    assert_eq!((walk.answer.status, walk.url), (200, house.url("/kept")));

    // The same form again: there is no such attempt any more, and whoever is signed in goes on.
    let again = person.follow(&form.action, form.post(&person));
    assert_eq!((again.answer.status, again.url), (200, house.url("/")));
    let stolen = house.person();
    assert_eq!(stolen.follow(&form.action, form.post(&stolen)).answer.status, 400);
}

#[test]
fn s10_a_sign_in_that_the_provider_begins_is_taken_where_it_is_allowed_only_and_once() {
    let house = SamlHouse::simplesamlphp(&[("corp", json!({}), ""), ("open", json!({}), "idp_initiated: true")]);
    let begin = |id: &str, relay: &str| {
        let entity = super::house::entity(house.port, id);
        let idp = house.idp.ready["entity_id"].as_str().unwrap().replace("metadata.php", "SSOService.php");
        url::Url::parse_with_params(&idp, [("spentityid", entity.as_str()), ("RelayState", relay)]).unwrap().to_string()
    };
    let person = house.person();
    let refused = answer_for(&person, &begin("corp", ""), "ada").post(&person);
    assert_eq!(refused.status, 502, "{}", refused.text());
    assert!(refused.text().contains("Begin here"), "{}", refused.text());
    let event = eventually("the failure is recorded", || house.events("sign_in").into_iter().next());
    assert_eq!(event["reason"], "saml_unsolicited");

    for (relay, arrives) in [("/deep?x=1", "/deep?x=1"), ("https://evil.example/", "/"), ("//evil.example/", "/")] {
        let person = house.person();
        let form = answer_for(&person, &begin("open", relay), "bob");
        let walk = person.follow(&form.action, form.post(&person));
        assert_eq!((walk.answer.status, walk.url), (200, house.url(arrives)), "{relay}");
        let replayed = house.person();
        let refused = form.post(&replayed);
        assert_eq!(refused.status, 502, "the same assertion in another browser: {}", refused.text());
        assert_eq!(replayed.session().status, 401);
    }
    eventually("the replay is recorded", || house.events("sign_in").into_iter().find(|event| event["reason"] == "saml_replayed"));
}

#[test]
fn a_tampered_answer_and_one_with_another_name_are_refused() {
    let house = SamlHouse::simplesamlphp(&[("corp", json!({}), "")]);
    for (from, to, reason) in [
        ("ada@acme.example", "eve@acme.example", "saml_signature_invalid"),
        ("<samlp:Response", "<?xml version=\"1.0\"?><!DOCTYPE x><samlp:Response", "saml_document_type"),
        ("rsa-sha256", "hmac-sha256", "saml_algorithm"),
    ] {
        let person = house.person();
        let form = answer_for(&person, &house.url("/"), "ada");
        let text = String::from_utf8(STANDARD.decode(form.field("SAMLResponse")).unwrap()).unwrap();
        let changed = text.replace(from, to);
        assert_ne!(changed, text);
        let refused = form.with("SAMLResponse", &STANDARD.encode(changed)).post(&person);
        assert_eq!(refused.status, 502, "{reason}: {}", refused.text());
        assert!(refused.text().contains(reason), "{}", refused.text());
        assert_eq!(person.session().status, 401);
        eventually("the failure is recorded", || house.events("sign_in").into_iter().find(|event| event["reason"] == reason));
    }
}

#[test]
fn signing_out_here_signs_out_there() {
    let house = SamlHouse::simplesamlphp(&[("corp", json!({}), KEY)]);
    let person = house.person();
    let form = answer_for(&person, &house.url("/"), "ada");
    person.follow(&form.action, form.post(&person));
    let page = person.ask(&house.url("/.doorward/sign-out"), &[]);
    let policy = page.header("content-security-policy").unwrap();
    let idp = house.idp.ready["sign_out"].as_str().unwrap();
    let origin = url::Url::parse(idp).unwrap().origin().ascii_serialization();
    assert!(policy.contains(&origin), "{policy}");
    let token = crate::login::house::field(&page.text(), "token");
    let sent = person.post(&house.url("/.doorward/sign-out"), &[("token", &token)], &[]);
    let location = sent.header("location").unwrap().to_owned();
    assert!(location.starts_with(idp) && location.contains("SAMLRequest=") && location.contains("&Signature="), "{location}");
    assert_eq!(person.session().status, 401, "being signed out here does not wait for the provider");
    let walk = person.follow(&house.url("/.doorward/sign-out"), sent);
    assert_eq!(
        (walk.answer.status, walk.url.split('?').next()),
        (200, Some(house.url("/.doorward/signed-out").as_str())),
        "{:#?}",
        walk.hops
    );
    assert!(walk.hops.iter().any(|hop| hop.contains("SAMLResponse=")), "the provider answered: {:#?}", walk.hops);
    let form = person.walk(&house.url("/")).answer.text();
    assert!(form.contains("AuthState"), "the provider asks for the password again: {form}");
}

#[test]
fn a_name_that_came_encrypted_goes_back_encrypted_to_sign_out() {
    let house = SamlHouse::simplesamlphp(&[("corp", json!({ "encrypt_name": true }), KEY)]);
    let person = house.person();
    let form = answer_for(&person, &house.url("/"), "ada");
    person.follow(&form.action, form.post(&person));
    assert_eq!(person.session().status, 200);
    let page = person.ask(&house.url("/.doorward/sign-out"), &[]);
    let token = crate::login::house::field(&page.text(), "token");
    let sent = person.post(&house.url("/.doorward/sign-out"), &[("token", &token)], &[]);
    let location = url::Url::parse(sent.header("location").unwrap()).unwrap();
    let packed = location.query_pairs().find(|(name, _)| name == "SAMLRequest").unwrap().1.into_owned();
    let mut request = String::new();
    DeflateDecoder::new(&*STANDARD.decode(packed).unwrap()).read_to_string(&mut request).unwrap();
    assert!(
        request.contains("<saml:EncryptedID>") && !request.contains("NameID") && !request.contains("acme.example"),
        "{request}"
    );
    let read = house.idp.tell("/read-name", &json!({ "request": request }));
    assert_eq!(read.json(), json!({ "name": "ada@acme.example" }), "the provider can");
    let walk = person.follow(&house.url("/.doorward/sign-out"), sent);
    assert!(walk.url.starts_with(&house.url("/.doorward/signed-out")), "{:#?} {}", walk.hops, walk.answer.text());
    assert!(person.walk(&house.url("/")).answer.text().contains("AuthState"), "the provider asks for the password again");
}

#[test]
fn s7_signing_out_there_signs_out_here_at_once() {
    let house = SamlHouse::simplesamlphp(&[("corp", json!({}), KEY)]);
    let (person, elsewhere) = (house.person(), house.person());
    for person in [&person, &elsewhere] {
        let form = answer_for(person, &house.url("/"), "ada");
        person.follow(&form.action, form.post(person));
        assert_eq!(person.session().status, 200);
    }
    let idp = house.idp.ready["sign_out"].as_str().unwrap();
    let back = house.url("/.doorward/signed-out");
    let address = url::Url::parse_with_params(idp, [("ReturnTo", back.as_str())]).unwrap();
    // SimpleSAMLphp asks each service by an address of its own; what it sends the browser to is followed as a browser would.
    let walk = person.walk(address.as_str());
    let request = walk
        .hops
        .iter()
        .find(|hop| hop.contains("/saml/corp/slo"))
        .unwrap_or_else(|| panic!("{:#?} {}", walk.hops, walk.answer.text()));
    assert!(request.contains("SAMLRequest=") && request.contains("Signature="), "{request}");
    assert!(
        walk.hops.iter().any(|hop| hop.starts_with(idp.split('?').next().unwrap()) && hop.contains("SAMLResponse=")),
        "our answer: {:#?}",
        walk.hops
    );
    assert_eq!(person.session().status, 401, "at once");
    assert_eq!(elsewhere.session().status, 200, "another session of the same person at the provider goes on");
    let event = house.events("session_ended").remove(0);
    assert_eq!((&event["reason"], &event["actor"]), (&json!("saml_logout"), &json!("corp")));

    // The same request again, and one whose signature is of something else, end nothing.
    let replayed = elsewhere.ask(request, &[]);
    assert!(replayed.text().contains("saml_replayed"), "{}", replayed.text());
    let unsigned: String = request.split("&SigAlg").next().unwrap().to_owned();
    assert!(elsewhere.ask(&unsigned, &[]).text().contains("saml_message_unsigned"));
    let moved = request.replace("RelayState=", "RelayState=x");
    assert_ne!(&moved, request);
    assert!(elsewhere.ask(&moved, &[]).text().contains("saml_query_signature"), "the relay state is signed, too");
    assert_eq!(elsewhere.session().status, 200);
}

/// Nobody has to have signed one: it ends nothing, tells nothing, and leads to the one page.
#[test]
fn an_answer_to_a_sign_out_changes_nothing_whoever_wrote_it() {
    let house = SamlHouse::simplesamlphp(&[("corp", json!({}), KEY)]);
    let person = house.person();
    let form = answer_for(&person, &house.url("/"), "ada");
    person.follow(&form.action, form.post(&person));
    let slo = house.url("/.doorward/saml/corp/slo");
    let signed_out = house.url("/.doorward/signed-out");
    let answer = r#"<samlp:LogoutResponse xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_x" Version="2.0" InResponseTo="_y" Destination="https://evil.example/"/>"#;
    for text in [answer, "nothing of the kind"] {
        let packed = STANDARD.encode(text);
        let fields = [("SAMLResponse", packed.as_str()), ("RelayState", "https://evil.example/")];
        let sent = person.post(&slo, &fields, &["Sec-Fetch-Site: cross-site"]);
        assert_eq!((sent.status, sent.header("location")), (303, Some(signed_out.as_str())), "{text}");
        assert_eq!(sent.header("set-cookie"), None, "{text}");
        assert_eq!(person.session().status, 200, "{text}");
    }
    assert_eq!(house.events("session_ended").len() + house.events("sign_out").len(), 0);
}

#[test]
fn a_provider_that_is_down_is_said_to_be_and_its_metadata_is_kept() {
    let mut house = SamlHouse::simplesamlphp(&[("corp", json!({}), "")]);
    let person = house.person();
    let form = answer_for(&person, &house.url("/before"), "ada");
    house.idp.process.signal("TERM");
    house.idp.process.wait();
    let walk = person.follow(&form.action, form.post(&person));
    assert_eq!((walk.answer.status, walk.url), (200, house.url("/before")), "what was read of the provider is enough");
    let leaving = house.person().ask(&house.url("/"), &[]);
    assert!(leaving.header("location").is_some(), "{}", leaving.text());
}

#[test]
fn a_provider_changes_its_key_and_nobody_notices() {
    let house = SamlHouse::simplesamlphp(&[("corp", json!({}), KEY)]);
    for _ in 0..2 {
        let person = house.person();
        let form = answer_for(&person, &house.url("/kept"), "ada");
        let walk = person.follow(&form.action, form.post(&person));
        assert_eq!((walk.answer.status, walk.url), (200, house.url("/kept")), "{}", walk.answer.text());
        assert_eq!(house.idp.tell("/rotate-keys", &json!({})).status, 200);
    }
    assert!(house.events("sign_in").iter().all(|event| event["outcome"] == "success"));
}

#[test]
fn a_logout_request_may_be_posted_and_has_to_be_signed_within() {
    let house = SamlHouse::simplesamlphp(&[("corp", json!({ "slo_post": true }), KEY)]);
    let person = house.person();
    let form = answer_for(&person, &house.url("/"), "ada");
    person.follow(&form.action, form.post(&person));
    let slo = house.url("/.doorward/saml/corp/slo");
    let request = format!(
        r#"<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_x" Version="2.0" IssueInstant="2026-11-22T00:00:00Z" Destination="{slo}"><saml:Issuer>{}</saml:Issuer><saml:NameID>ada@acme.example</saml:NameID></samlp:LogoutRequest>"#,
        house.idp.ready["entity_id"].as_str().unwrap()
    );
    let packed = STANDARD.encode(request);
    let refused = person.post(&slo, &[("SAMLRequest", &packed)], &["Sec-Fetch-Site: cross-site"]);
    assert!(refused.text().contains("saml_message_unsigned"), "{}", refused.text());
    let answer = form.fields.iter().find(|(name, _)| name == "SAMLResponse").unwrap();
    let wrong = person.post(&slo, &[("SAMLRequest", &answer.1)], &["Sec-Fetch-Site: cross-site"]);
    assert!(wrong.text().contains("saml_unexpected_message"), "a signed message of another kind: {}", wrong.text());
    assert_eq!(person.session().status, 200);

    let idp = house.idp.ready["sign_out"].as_str().unwrap();
    let leaving = url::Url::parse_with_params(idp, [("ReturnTo", house.url("/.doorward/signed-out"))]).unwrap();
    let walk = person.walk(leaving.as_str());
    let form = Form::of(&walk.url, &walk.answer.text());
    assert_eq!(form.action, slo);
    let tampered = form.field("SAMLRequest");
    let text = String::from_utf8(STANDARD.decode(tampered).unwrap()).unwrap();
    let other = STANDARD.encode(text.replace("ada@acme.example", "bob@acme.example"));
    let refused = form.clone().with("SAMLRequest", &other).post(&person);
    assert!(refused.text().contains("saml_signature_invalid"), "{}", refused.text());
    assert_eq!(person.session().status, 200);
    let walk = person.follow(&slo, form.post(&person));
    assert!(walk.hops.iter().any(|hop| hop.contains("SAMLResponse=")), "our answer: {:#?}", walk.hops);
    assert_eq!(person.session().status, 401);
}

#[test]
fn a_provider_that_was_never_reached_is_a_503_and_nobody_is_signed_out() {
    let mut house = SamlHouse::simplesamlphp(&[("corp", json!({}), "")]);
    house.idp.process.signal("TERM");
    house.idp.process.wait();
    let answer = house.person().walk(&house.url("/")).answer;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.text().contains("cannot be reached") && answer.header("retry-after").is_some());
}

#[test]
fn a_provider_that_takes_signed_requests_only_is_not_sent_others() {
    let house = SamlHouse::simplesamlphp_with(&["--signed-requests"], &[("corp", json!({}), ""), ("keyed", json!({}), KEY)]);
    let answer = house.person().walk(&house.url("/")).answer;
    assert_eq!(answer.status, 502);
    assert!(answer.text().contains("signed requests only"), "{}", answer.text());
    let person = house.person();
    let form = answer_for(&person, &house.url("/.doorward/sign-in/keyed"), "ada");
    assert_eq!(person.follow(&form.action, form.post(&person)).answer.status, 200);
}

#[test]
fn our_metadata_says_what_a_provider_has_to_know() {
    let house = SamlHouse::simplesamlphp(&[("corp", json!({}), ""), ("keyed", json!({}), KEY)]);
    let of = |id: &str| house.person().ask(&super::house::entity(house.port, id), &[]);
    let (plain, keyed) = (of("corp"), of("keyed"));
    assert_eq!(plain.header("content-type"), Some("application/samlmetadata+xml"));
    for text in [plain.text(), keyed.text()] {
        assert!(text.contains("SPSSODescriptor") && text.contains("HTTP-POST"), "{text}");
    }
    assert!(plain.text().contains(&house.acs("corp")) && !plain.text().contains("KeyDescriptor"));
    let keyed = keyed.text();
    assert!(keyed.contains("use=\"signing\"") && keyed.contains("use=\"encryption\"") && keyed.contains("SingleLogoutService"));
    assert!(keyed.contains("AuthnRequestsSigned=\"true\"") && !keyed.contains("PRIVATE"));
    assert_eq!(of("nobody").status, 404);
}

#[test]
fn the_doctor_tells_a_provider_that_knows_the_door_from_one_that_does_not() {
    let elsewhere = json!({ "entity_id": "https://elsewhere.example/metadata" });
    let house = SamlHouse::simplesamlphp(&[
        ("corp", json!({}), ""),
        ("stranger", elsewhere, ""),
        ("signed", json!({ "signed_requests": true }), KEY),
    ]);
    let found = Found::at(&house.door);
    for known in ["corp", "signed"] {
        let ready = [("metadata", "pass"), ("certificates", "pass"), ("request", "pass"), ("clock", "pass")];
        assert_eq!(found.verdicts(known), ready, "{}", found.all);
        let register = found.of(known)["register"].to_string();
        for what in ["metadata", "acs", "slo"] {
            assert!(register.contains(&house.url(&format!("/.doorward/saml/{known}/{what}"))), "{register}");
        }
    }
    // It says so on a page like any other.
    assert_eq!((found.status, found.verdicts("stranger")[2]), (Some(0), ("request", "warn")), "{}", found.all);
    assert!(found.detail("stranger", "request").contains("“Metadata not found”"), "{}", found.all);
    assert!(house.events("sign_in").is_empty());
}
