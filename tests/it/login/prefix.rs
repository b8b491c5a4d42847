//! Another reserved prefix than the usual one: everything of the door's own is below it, and the usual one is the application's.

use serde_json::json;

use super::house::{House, Plan, field, received};

/// A provider that is never asked.
const SAML: &str = "  - { id: corp, hidden: true, saml: { entity_id: 'https://idp.example', sso_url: 'https://idp.example/sso', certificates: [{ file: tls.crt }] } }";

#[test]
fn a_person_signs_in_and_out_below_another_prefix_and_the_usual_one_is_the_applications() {
    let client = r#"{
        "redirect_uris": ["{own}/our/gate/callback/idp"],
        "post_logout_redirect_uris": ["{own}/our/gate/signed-out"]
    }"#;
    let settings = "prefix: /our/gate\ntoken_endpoint: {}\nidentity_headers: { presets: [doorward], assertion: true }";
    let house = House::with(Plan {
        client,
        settings,
        connections: SAML,
        without: &["identity_headers: { presets: [doorward] }"],
        ..Plan::default()
    });
    let own = |path: &str| house.url(&format!("/our/gate{path}"));
    let json_wanted = ["-H", "Accept: application/json"];

    // Signing in: every hop of the door's own is below the prefix.
    let (person, walk) = house.signed_in("ada", "/reports?from=1");
    assert_eq!(walk.url, house.url("/reports?from=1"));
    assert!(walk.hops.iter().any(|hop| hop.starts_with(&own("/callback/idp?"))), "{:#?}", walk.hops);
    assert!(walk.hops.iter().all(|hop| !hop.contains("/.doorward/")), "{:#?}", walk.hops);
    let stranger = house.person().ask(&house.url("/reports"), &["-H", "Accept: application/json"]);
    let told = stranger.json()["sign_in"].as_str().unwrap().to_owned();
    assert!(stranger.status == 401 && told.starts_with(&own("/sign-in")), "{told}");

    // What programs and providers read.
    let who = person.ask(&own("/session"), &json_wanted);
    assert_eq!((who.status, &who.json()["email"]), (200, &json!("ada@acme.example")));
    let keys = house.person().ask(&own("/jwks.json"), &json_wanted);
    assert!(keys.status == 200 && keys.json()["keys"].as_array().is_some_and(|keys| !keys.is_empty()), "{}", keys.text());
    let metadata = house.person().ask(&own("/saml/corp/metadata"), &[]);
    assert_eq!(metadata.status, 200, "{}", metadata.text());
    assert!(metadata.text().contains(&format!("Location=\"{}\"", own("/saml/corp/acs"))), "{}", metadata.text());
    assert!(metadata.text().contains(&format!("entityID=\"{}\"", own("/saml/corp/metadata"))), "{}", metadata.text());
    let server = house.person().ask(&house.url("/.well-known/oauth-authorization-server"), &json_wanted);
    assert_eq!(server.json()["token_endpoint"], own("/token"), "{}", server.text());
    let page = person.ask(&own("/sign-out"), &[]);
    assert!(page.text().contains("ada@acme.example") && !page.text().contains("/.doorward"), "{}", page.text());
    let text = page.text();
    let mut links = text.split("href=\"").filter_map(|rest| rest.split('"').next());
    let style = links.find(|href| href.contains(".css")).unwrap_or_else(|| panic!("no style: {text}"));
    assert_eq!((style.starts_with("/our/gate/"), person.ask(&house.url(style), &[]).status), (true, 200), "{style}");

    // The usual prefix is a path like any other.
    let usual = person.ask(&house.url("/.doorward/session"), &json_wanted);
    assert_eq!((usual.status, &usual.json()["url"]), (200, &json!("/.doorward/session")), "{}", usual.text());
    assert_eq!(received(&usual.json(), "x-doorward-email"), Some("ada@acme.example"));

    // Signing out, there and here.
    let answer = person.post(&own("/sign-out"), &[("token", &field(&text, "token"))], &[]);
    let location = answer.header("location").unwrap().to_owned();
    assert!(answer.status == 303 && location.contains("%2Four%2Fgate%2Fsigned-out"), "{location}");
    let there = person.walk(&location);
    let confirm = format!("{}/session/end/confirm", house.idp.ready["issuer"].as_str().unwrap());
    let xsrf = field(&there.answer.text(), "xsrf");
    let back = person.follow(&confirm, person.ask(&confirm, &["-d", &format!("xsrf={xsrf}&logout=yes")]));
    assert_eq!((back.answer.status, back.url.split('?').next().unwrap()), (200, own("/signed-out").as_str()));
    assert_eq!(person.ask(&own("/session"), &json_wanted).status, 401);
}
