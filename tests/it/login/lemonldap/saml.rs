//! LemonLDAP::NG as a SAML identity provider, by lasso: it takes signed requests only, and knows its service providers by their metadata.

use base64::Engine as _;
use serde_json::{Value, json};

use super::super::form::Form;
use super::super::house::{Person, Walk, field, received};
use super::{House, frames};

const KEY: &str = "      key: { file: saml.key }\n      certificate: { file: saml.crt }\n";

/// A door with these further settings, which the provider knows with these options.
fn house(saml: &str, provider: &Value) -> House {
    let house = House::with(&[], &format!("    saml:\n      metadata: {{ url: \"{{idp}}/saml/metadata\" }}\n{saml}"));
    let metadata = house.person().ask(&house.url("/.doorward/saml/idp/metadata"), &[]);
    assert_eq!(metadata.status, 200, "{}", metadata.text());
    let mut known = json!({ "metadata": metadata.text() });
    known.as_object_mut().unwrap().extend(provider.as_object().unwrap().clone());
    let told = house.idp.tell("/service-providers", &json!([known]));
    assert_eq!(told.status, 200, "{}", told.text());
    house
}

impl House {
    /// The provider's page that posts its answer to the door, for somebody who wanted `path`.
    #[track_caller]
    fn answered(&self, person: &Person, path: &str, who: &str) -> Walk {
        person.log_in_at_portal(&person.walk(&self.url(path)), who)
    }

    #[track_caller]
    fn by_saml(&self, who: &str, path: &str) -> (Person, Walk) {
        let person = self.person();
        let walk = person.submit(&self.answered(&person, path, who), &[]);
        assert_eq!(walk.answer.status, 200, "{who} at {}: {}", walk.url, walk.answer.text());
        assert_eq!(walk.url, self.url(path));
        (person, walk)
    }

    /// Where somebody begins at the provider.
    fn unsolicited(&self, relay_state: &str) -> String {
        let entity = self.url("/.doorward/saml/idp/metadata");
        let query = url::form_urlencoded::Serializer::new("IDPInitiated=1".to_owned())
            .extend_pairs([("sp", entity.as_str()), ("RelayState", relay_state)])
            .finish();
        format!("http://127.0.0.1:{}/saml/singleSignOn?{query}", self.idp.port())
    }
}

/// The answer that the provider's page holds, as XML.
#[track_caller]
fn response(page: &Walk) -> String {
    let packed = Form::of(&page.url, &page.answer.text()).field("SAMLResponse").to_owned();
    String::from_utf8(base64::engine::general_purpose::STANDARD.decode(packed).unwrap()).unwrap()
}

#[test]
fn a_person_signs_in_by_saml_with_their_address_and_groups() {
    let house = house(KEY, &json!({}));
    for (who, role, groups) in [("dwho", "admin", "timelords,users"), ("rtyler", "editor", "earthlings,users")] {
        let (person, walk) = house.by_saml(who, "/reports?from=1&to=%2F2");
        let echo = walk.answer.json();
        assert_eq!(received(&echo, "x-doorward-email"), Some(format!("{who}@badwolf.org").as_str()));
        assert_eq!(received(&echo, "x-doorward-groups"), Some(groups));
        assert_eq!(received(&echo, "x-doorward-role"), Some(role));
        assert_eq!(person.session().json()["connection"], "idp");
    }
    let users = house.door.command(&["user", "list"]);
    house.by_saml("dwho", "/");
    assert_eq!(house.door.command(&["user", "list"]), users, "one person, however often");
}

#[test]
fn a_person_may_be_named_by_their_address() {
    let house = house(&format!("{KEY}      name_id_format: email"), &json!({ "name_id_format": "email" }));
    let (_, walk) = house.by_saml("dwho", "/reports");
    assert_eq!(received(&walk.answer.json(), "x-doorward-email"), Some("dwho@badwolf.org"));
    let users = house.door.command(&["user", "list"]);
    house.by_saml("dwho", "/");
    assert_eq!(house.door.command(&["user", "list"]), users, "one person, however often");
}

#[test]
fn an_assertion_may_be_signed_alone_unless_the_response_has_to_be() {
    let alone = json!({ "sign": false });
    let lenient = house(KEY, &alone);
    let person = lenient.person();
    let page = lenient.answered(&person, "/", "dwho");
    assert_eq!(response(&page).matches("<SignatureValue>").count(), 1);
    assert_eq!(person.submit(&page, &[]).answer.status, 200);

    let strict = house(&format!("{KEY}      want_response_signed: true"), &alone);
    let person = strict.person();
    let refused = person.submit(&strict.answered(&person, "/", "dwho"), &[]);
    assert_eq!(refused.answer.status, 502, "{}", refused.answer.text());
    assert!(refused.answer.text().contains("saml_response_unsigned"), "{}", refused.answer.text());
    assert_eq!(person.session().status, 401);
}

#[test]
fn an_encrypted_assertion_is_opened_and_its_attributes_are_read() {
    let house = house(KEY, &json!({ "encrypt": true }));
    let person = house.person();
    let page = house.answered(&person, "/", "dwho");
    let sealed = response(&page);
    assert!(sealed.contains("EncryptedAssertion") && !sealed.contains("badwolf"), "{sealed}");
    let echo = person.submit(&page, &[]).answer.json();
    assert_eq!(received(&echo, "x-doorward-email"), Some("dwho@badwolf.org"));
    assert_eq!(received(&echo, "x-doorward-groups"), Some("timelords,users"));
}

#[test]
fn an_answer_is_taken_once_and_by_the_browser_that_asked() {
    let house = house(KEY, &json!({}));
    let person = house.person();
    let page = house.answered(&person, "/", "dwho");
    let thief = house.person();
    assert_eq!(thief.submit(&page, &[]).answer.status, 400);
    assert_eq!(thief.session().status, 401, "somebody else's answer");
    assert_eq!(person.submit(&page, &[]).answer.status, 200);
    let (other, _) = house.by_saml("rtyler", "/");
    other.submit(&page, &[]);
    assert_eq!(other.session().json()["email"], "rtyler@badwolf.org", "nobody is signed in as somebody else by an old form");
}

#[test]
fn a_sign_in_that_the_provider_begins_is_taken_where_the_configuration_says_so() {
    let options = json!({ "idp_initiated": true });
    let closed = house(KEY, &options);
    let person = closed.person();
    let page = person.log_in_at_portal(&person.walk(&closed.unsolicited("/reports")), "dwho");
    let refused = person.submit(&page, &[]);
    assert!(refused.answer.text().contains("saml_unsolicited"), "{}", refused.answer.text());
    assert_eq!(person.session().status, 401);

    let open = house(&format!("{KEY}      idp_initiated: true"), &options);
    let person = open.person();
    let page = person.log_in_at_portal(&person.walk(&open.unsolicited("/reports")), "dwho");
    let walk = person.submit(&page, &[]);
    assert_eq!((walk.answer.status, walk.url), (200, open.url("/reports")), "{}", walk.answer.text());
    let replayed = open.person();
    let refused = replayed.submit(&page, &[]);
    assert!(refused.answer.text().contains("saml_replayed"), "{}", refused.answer.text());
    assert_eq!(replayed.session().status, 401);
    let elsewhere = person.submit(&person.walk(&open.unsolicited("https://evil.example/")), &[]);
    assert_eq!(elsewhere.url, open.url("/"), "the relay state leads nowhere else");
}

#[test]
fn a_name_for_one_session_names_nobody_unless_an_attribute_does() {
    let transient = json!({ "name_id_format": "transient" });
    let bare = house(KEY, &transient);
    let person = bare.person();
    let refused = person.submit(&bare.answered(&person, "/", "dwho"), &[]);
    assert!(refused.answer.text().contains("saml_transient_name"), "{}", refused.answer.text());

    let named = house(&format!("{KEY}      attributes: {{ subject: uid }}"), &transient);
    let subjects: Vec<_> = (0..2).map(|_| named.by_saml("dwho", "/").0.session().json()["subject"].clone()).collect();
    assert_eq!(subjects[0], subjects[1], "the same person at both sign-ins");
}

#[test]
fn signing_out_here_signs_out_at_the_identity_provider() {
    let house = house(KEY, &json!({}));
    let (person, _) = house.by_saml("dwho", "/");
    let token = field(&person.ask(&house.url("/.doorward/sign-out"), &[]).text(), "token");
    let answer = person.post(&house.url("/.doorward/sign-out"), &[("token", &token)], &[]);
    let location = answer.header("location").unwrap().to_owned();
    assert!(location.contains("/saml/singleLogout?SAMLRequest=") && location.contains("&Signature="), "{location}");
    assert_eq!(person.session().status, 401, "here it is done before the provider is asked");
    let back = person.walk(&location);
    assert!(back.hops.iter().any(|hop| hop.contains("/.doorward/saml/idp/slo?SAMLResponse=")), "{:#?}", back.hops);
    assert_eq!(back.url, house.url("/.doorward/signed-out"));
    let again = person.walk(&house.url("/"));
    assert!(again.answer.text().contains("name=\"password\""), "the portal asks for the password again: {:#?}", again.hops);
}

#[test]
fn signing_out_at_the_identity_provider_ends_the_session_it_names_and_no_other() {
    let house = house(KEY, &json!({}));
    let (person, _) = house.by_saml("dwho", "/");
    let (elsewhere, _) = house.by_saml("dwho", "/");
    let (other, _) = house.by_saml("rtyler", "/");
    let page = person.walk(&format!("http://127.0.0.1:{}/?logout=1", house.idp.port()));
    let frame = frames(&page.answer.text()).into_iter().find(|address| address.contains("/saml/idp/slo?SAMLRequest="));
    let frame = frame.unwrap_or_else(|| panic!("nobody is told: {}", page.answer.text()));
    let unsigned = frame.split("&SigAlg=").next().unwrap();
    let refused = house.person().walk(unsigned);
    assert!(refused.answer.text().contains("saml_message_unsigned"), "{}", refused.answer.text());
    assert_eq!(person.session().status, 200);

    // A browser brings no cookies into a stranger's frame.
    let told = house.person().walk(&frame);
    assert!(told.hops[1].contains("/saml/singleLogoutReturn?SAMLResponse="), "{:#?}", told.hops);
    assert!(told.url.ends_with("/ok.png"), "the provider takes the answer: {}", told.url);
    assert_eq!(person.session().status, 401);
    assert_eq!((elsewhere.session().status, other.session().status), (200, 200));
    assert_eq!(house.events("session_ended")[0]["reason"], "saml_logout");
    let again = house.person().walk(&frame);
    assert!(again.answer.text().contains("saml_replayed"), "{}", again.answer.text());
}

#[test]
fn its_signing_key_may_change_between_two_sign_ins() {
    let house = house(KEY, &json!({}));
    house.by_saml("dwho", "/");
    assert_eq!(house.idp.tell("/rotate-keys", &json!({})).status, 200);
    house.by_saml("rtyler", "/");
}

#[test]
fn a_provider_that_wants_signed_requests_is_not_asked_without_a_key() {
    let house = house("", &json!({}));
    let walk = house.person().walk(&house.url("/"));
    assert_eq!(walk.answer.status, 502);
    assert!(walk.answer.text().contains("it takes signed requests only"), "{}", walk.answer.text());
}
