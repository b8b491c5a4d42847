//! More than a session: second factors that a provider proves, and sign-ins that must not be old.

use serde_json::json;

use super::house::{House, Person, Plan};

const JSON: &[&str] = &["-H", "Accept: application/json"];
const STRONGER: &str = "    mfa: { acr: [\"urn:doorward:mfa\"] }";
const VAULT: &str = "  - { path: /vault/**, mfa: true }\n  - { path: /bank/**, max_age: 30m }\n";

fn house() -> House {
    House::with(Plan { connection: STRONGER, settings: VAULT, ..Plan::default() })
}

fn methods(person: &Person) -> serde_json::Value {
    person.session().json()["amr"].clone()
}

#[test]
fn a_route_that_needs_a_second_factor_leads_to_the_provider_and_back_to_the_page() {
    let house = house();
    let (person, _) = house.signed_in("bob", "/");
    assert_eq!(methods(&person), json!(["pwd"]));
    let before = person.cookie("__Host-doorward").unwrap();
    let asked = person.walk(&house.url("/vault/x?y=1"));
    assert!(asked.hops.iter().any(|hop| hop.contains("acr_values=urn%3Adoorward%3Amfa")), "{:#?}", asked.hops);
    let arrived = person.log_in(&asked, "bob");
    assert_eq!((arrived.answer.status, arrived.url), (200, house.url("/vault/x?y=1")), "{}", arrived.answer.text());
    assert!(methods(&person).as_array().unwrap().contains(&json!("mfa")));
    let after = person.cookie("__Host-doorward").unwrap();
    assert_ne!(before, after, "a new session id");
    let stolen = format!("Cookie: __Host-doorward={before}");
    assert_eq!(house.person().ask(&house.url("/data"), &["-H", &stolen]).status, 303, "the old one is dead");
    assert_eq!(person.ask(&house.url("/vault/other"), &[]).status, 200, "it is asked for once");
}

#[test]
fn a_provider_that_proves_no_second_factor_is_asked_once_and_the_page_says_so() {
    let house = House::with(Plan { settings: VAULT, ..Plan::default() });
    let (person, _) = house.signed_in("bob", "/");
    let asked = person.walk(&house.url("/vault/x"));
    assert!(asked.hops.iter().any(|hop| hop.contains("prompt=login") && !hop.contains("acr_values")), "{:#?}", asked.hops);
    let arrived = person.log_in(&asked, "bob");
    assert_eq!(arrived.answer.status, 403, "{:#?}", arrived.hops);
    assert!(arrived.answer.text().contains("Idp SSO has signed you in without one"), "{}", arrived.answer.text());
    assert_eq!(person.ask(&house.url("/vault/x"), JSON).status, 403, "and the door stays shut");
    assert_eq!(house.upstream.control("GET", "/requests").as_array().unwrap().len(), 1, "only the first page was seen");
}

#[test]
fn only_the_words_that_the_connection_takes_prove_a_second_factor() {
    let house = House::with(Plan { connection: "    mfa: { amr: [hwk] }", settings: VAULT, ..Plan::default() });
    let said = |person: &Person, amr: serde_json::Value| {
        house.tamper(&json!({ "claims": { "amr": amr } }));
        // Elsewhere each time: so many sign-ins at once that lead to one place would be taken for a loop.
        let elsewhere = format!("/.doorward/sign-in/idp?step_up=fresh&return_to=/kept/{}", amr.to_string().len());
        person.sign_in(&house.url(&elsewhere), "bob");
        person.ask(&house.url("/vault/x"), JSON).status
    };
    let person = house.person();
    assert_eq!(said(&person, json!(["pwd", "mfa"])), 403, "not what the configuration names");
    assert!(!methods(&person).as_array().unwrap().contains(&json!("mfa")));
    for nothing in [json!(null), json!([]), json!("HWK"), json!([["hwk"]]), json!({ "hwk": true }), json!(true)] {
        assert_eq!(said(&person, nothing.clone()), 403, "{nothing}");
    }
    assert_eq!(said(&person, json!(["pwd", "hwk"])), 200);
}

#[test]
fn a_role_or_the_whole_door_can_need_a_second_factor() {
    let house = House::with(Plan { roles: "  mfa: [admin]", connection: STRONGER, ..Plan::default() });
    let (bob, _) = house.signed_in("bob", "/");
    assert_eq!(bob.ask(&house.url("/data"), &[]).status, 200, "no administrator");
    let ada = house.person();
    let step_up = ada.sign_in(&house.url("/data?x"), "ada");
    assert!(step_up.url.contains("/interaction/"), "an administrator is asked for more: {:#?}", step_up.hops);
    let problem = ada.ask(&house.url("/data"), JSON);
    assert_eq!((problem.status, &problem.json()["code"]), (403, &json!("second_factor")), "wherever they go");
    assert_eq!(ada.ask(&house.url("/public/x"), JSON).status, 200, "but where nobody is looked at");
    assert_eq!(ada.session().status, 200, "the door's own pages stay open, or nobody could mend it");
    let arrived = ada.log_in(&step_up, "ada");
    assert_eq!((arrived.answer.status, arrived.url), (200, house.url("/data?x")));

    let house = House::with(Plan { settings: "sign_in: { mfa: required }", connection: STRONGER, ..Plan::default() });
    let bob = house.person();
    let step_up = bob.sign_in(&house.url("/data"), "bob");
    assert!(step_up.url.contains("/interaction/"), "everybody is asked: {:#?}", step_up.hops);
    assert_eq!(bob.log_in(&step_up, "bob").answer.status, 200);
    let key = house.door.command(&["key", "create", "--name", "robot", "--role", "viewer"]);
    let key = format!("X-Api-Key: {}", key["secret"].as_str().or(key["key"].as_str()).unwrap_or_else(|| panic!("{key}")));
    assert_eq!(house.person().ask(&house.url("/data"), &["-H", &key]).status, 200, "a program has no second factor");
}

#[test]
fn a_sign_in_that_is_too_old_is_renewed_on_the_way() {
    let house = house();
    house.tamper(&json!({ "claims": { "auth_time": 1_600_000_000 } }));
    let (person, _) = house.signed_in("bob", "/");
    house.tamper(&json!({}));
    let problem = person.ask(&house.url("/bank/x"), JSON);
    let challenge = problem.header("www-authenticate").unwrap();
    assert!(
        challenge.contains("error=\"insufficient_user_authentication\"") && challenge.contains("max_age=\"1800\""),
        "{challenge}"
    );
    let asked = person.walk(&house.url("/bank/x"));
    assert!(asked.url.contains("/interaction/"), "asked anew although the provider knows them: {:#?}", asked.hops);
    let arrived = person.log_in(&asked, "bob");
    assert_eq!((arrived.answer.status, arrived.url), (200, house.url("/bank/x")));
}

#[test]
fn a_program_is_told_what_is_missing_and_never_sent_away() {
    let house = house();
    let (person, _) = house.signed_in("bob", "/");
    let problem = person.ask(&house.url("/vault/x"), JSON);
    assert_eq!((problem.status, problem.header("content-type")), (403, Some("application/problem+json")));
    let challenge = problem.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("Bearer ") && challenge.contains("error=\"insufficient_user_authentication\""), "{challenge}");
    assert!(challenge.contains("acr_values=\"http://schemas.openid.net/pape/policies/2007/06/multi-factor\""), "{challenge}");
    assert_eq!(problem.json()["step_up"], house.url("/.doorward/step-up?need=second_factor&return_to=%2Fvault%2Fx"));
    let sent = person.ask(&house.url("/vault/x"), &["-H", "Sec-Fetch-Mode: navigate", "-d", "a=b"]);
    assert_eq!(sent.status, 403, "a form is not turned into a GET");
    assert!(sent.text().contains("/.doorward/step-up?need=second_factor&amp;return_to="), "{}", sent.text());
    let key = house.door.command(&["key", "create", "--name", "robot", "--role", "viewer"]);
    let key = format!("X-Api-Key: {}", key["secret"].as_str().or(key["key"].as_str()).unwrap_or_else(|| panic!("{key}")));
    let robot = house.person().ask(&house.url("/vault/x"), &["-H", &key]);
    assert_eq!((robot.status, robot.header("www-authenticate")), (403, None), "a key can do nothing about it");
}

#[test]
fn the_step_up_page_leads_nowhere_else() {
    let house = house();
    let step_up = |query: &str| house.url(&format!("/.doorward/step-up?{query}"));
    let nobody = house.person().ask(&step_up("need=second_factor&return_to=%2Fvault%2Fx"), &[]);
    let start = house.url("/.doorward/sign-in?return_to=https%3A%2F%2Fdoor%2Etest%3A");
    assert!(nobody.header("location").unwrap().starts_with(&start), "{nobody:?}");
    let (person, _) = house.signed_in("bob", "/");
    let fresh = person.ask(&step_up("max_age=3600&return_to=https%3A%2F%2Fevil.example%2F"), &[]);
    assert_eq!((fresh.status, fresh.header("location")), (303, Some(house.url("/").as_str())), "met, and no other origin");
    assert_eq!(person.ask(&step_up("max_age=1&max_age=2"), &[]).status, 400);
    let asked = person.ask(&step_up("need=second_factor&answered=yes&return_to=%2Fvault%2Fx"), &[]);
    assert_eq!(asked.status, 403, "saying that it was answered opens nothing");
    assert_eq!(person.ask(&house.url("/vault/x"), JSON).status, 403);
}
