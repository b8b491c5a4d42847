//! LemonLDAP::NG: a third stack (lasso), told of us by our own metadata document.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::house::{Form, SamlHouse};
use crate::login::house::{Person, received};

const KEY: &str = "key: { file: own.key }\ncertificate: { file: own.crt }\nattributes: { email: mail, name: cn, groups: groups }";

/// From `url` to the form with the answer, having logged in as the Doctor if the provider asked.
#[track_caller]
fn answer(person: &Person, url: &str) -> Form {
    let walk = person.walk(url);
    let mut form = Form::of(&walk.url, &walk.answer.text());
    for _ in 0..4 {
        if form.fields.iter().any(|(name, _)| name == "SAMLResponse") {
            return form;
        }
        let sent = form.clone().with("user", "dwho").with("password", "dwho").post(person);
        let walk = person.follow(&form.action, sent);
        form = Form::of(&walk.url, &walk.answer.text());
    }
    panic!("no answer: {form:?}");
}

#[test]
fn lasso_reads_our_metadata_and_we_read_its_answers() {
    for (settings, format) in [
        (json!({ "name_id_format": "persistent" }), "persistent"),
        (json!({ "name_id_format": "email" }), "email"),
        (json!({ "name_id_format": "persistent", "encrypt": "assertion" }), "persistent"),
    ] {
        let house = SamlHouse::lemonldap(&settings, &format!("{KEY}\nname_id_format: {format}"));
        let person = house.person();
        let form = answer(&person, &house.url("/reports"));
        let text = String::from_utf8(STANDARD.decode(form.field("SAMLResponse")).unwrap()).unwrap();
        assert_eq!(text.contains("EncryptedAssertion"), settings["encrypt"] == "assertion", "{text}");
        let walk = person.follow(&form.action, form.post(&person));
        assert_eq!((walk.answer.status, walk.url), (200, house.url("/reports")), "{settings}: {}", walk.answer.text());
        let echo = walk.answer.json();
        assert_eq!(received(&echo, "x-doorward-email"), Some("dwho@badwolf.org"), "{settings}");
        assert_eq!(received(&echo, "x-doorward-groups"), Some("timelords,users"), "{settings}");
    }
}

#[test]
fn signing_out_here_signs_out_at_lasso() {
    let house = SamlHouse::lemonldap(&json!({}), KEY);
    let person = house.person();
    let form = answer(&person, &house.url("/"));
    person.follow(&form.action, form.post(&person));
    assert_eq!(person.session().status, 200);
    let page = person.ask(&house.url("/.doorward/sign-out"), &[]);
    let token = crate::login::house::field(&page.text(), "token");
    let sent = person.post(&house.url("/.doorward/sign-out"), &[("token", &token)], &[]);
    let walk = person.follow(&house.url("/.doorward/sign-out"), sent);
    assert!(walk.hops.iter().any(|hop| hop.contains("SAMLRequest=")), "{:#?}", walk.hops);
    assert!(walk.url.starts_with(&house.url("/.doorward/signed-out")), "{:#?} {}", walk.hops, walk.answer.text());
    let asked = person.walk(&house.url("/")).answer.text();
    assert!(asked.contains("name=\"password\""), "the provider asks for the password again: {asked}");
}
