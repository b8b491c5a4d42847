//! Administrators with a browser: their session is taken for what they mean, and never for what another site's page sends.

use serde_json::json;

use super::house::{House, Plan};

#[test]
fn a_session_administers_by_its_role_and_no_page_of_another_site_does_it_in_its_name() {
    let settings = "admin_api: { roles: [editor] }\n";
    let house = House::with(Plan { settings, ..Plan::default() });
    let ((ada, _), (bob, _)) = (house.signed_in("ada", "/"), house.signed_in("bob", "/"));
    let url = |path: &str| house.url(&format!("/.doorward/api/v1{path}"));
    let json = ["-H", "Accept: application/json"];
    let refused = bob.ask(&url("/users"), &json);
    assert_eq!((refused.status, refused.json()["code"].as_str()), (403, Some("role")), "{}", refused.text());
    let listed = ada.ask(&url("/users"), &json).json();
    let id = listed["items"].as_array().unwrap().iter().find(|user| user["email"] == "bob@acme.example").unwrap()["id"].clone();
    let id = id.as_str().unwrap();
    let body = json!({ "user_name": "carol" }).to_string();
    let post = |fields: &[&str]| {
        let mut arguments = vec!["-H", "Accept: application/json", "--data-binary", &body];
        for field in fields {
            arguments.extend(["-H", field]);
        }
        ada.ask(&url("/users"), &arguments)
    };
    let own = format!("Origin: {}", house.url(""));
    for fields in [
        &["Content-Type: application/json", "Origin: https://evil.example", "Sec-Fetch-Site: cross-site"][..],
        &["Content-Type: application/json", "Origin: null"],
        &["Content-Type: application/json", "Sec-Fetch-Site: same-site"],
        &["Content-Type: text/plain"],
        &["Content-Type: application/x-www-form-urlencoded"],
    ] {
        let foreign = post(fields);
        assert_eq!((foreign.status, foreign.json()["code"].as_str()), (403, Some("foreign_request")), "{fields:?}");
    }
    let away = ada.ask(&url(&format!("/users/{id}/deactivate")), &["-X", "POST", "-H", "Origin: https://evil.example"]);
    assert_eq!(away.status, 403);
    assert_eq!(house.events("user_deactivated").len(), 0);
    let made = post(&["Content-Type: application/json", "Sec-Fetch-Site: same-origin", &own]);
    assert_eq!(made.status, 201, "{}", made.text());
    let event = house.events("user_created").into_iter().find(|event| event["credential"] == "session").unwrap();
    assert!(event["session"].is_string() && event["user_agent"].as_str().unwrap().contains("curl"), "{event}");

    let sessions = ada.ask(&url(&format!("/users/{id}/sessions")), &json).json();
    assert_eq!(sessions["items"].as_array().unwrap().len(), 1, "{sessions}");
    let handle = sessions["items"][0]["session"].as_str().unwrap();
    let own = ada.session().json()["subject"].as_str().unwrap().to_owned();
    let amiss = ada.ask(&url(&format!("/users/{own}/sessions/{handle}")), &["-X", "DELETE"]);
    assert_eq!((amiss.status, bob.session().status), (404, 200), "it is not hers: {}", amiss.text());
    let ended = ada.ask(&url(&format!("/users/{id}/sessions/{handle}")), &["-X", "DELETE"]);
    assert_eq!(ended.status, 204, "{}", ended.text());
    crate::support::eventually("the session to be over", || (bob.session().status == 401).then_some(()));
    assert_eq!(house.events("session_ended").len(), 1);
    let (bob, _) = house.signed_in("bob", "/");
    let locked = ada.ask(&url(&format!("/users/{id}/deactivate")), &["-X", "POST", "-H", "Content-Type: application/json"]);
    assert_eq!((locked.status, &locked.json()["active"]), (200, &false.into()));
    crate::support::eventually("the session to be over", || (bob.session().status == 401).then_some(()));
}

#[test]
fn a_role_that_needs_a_second_factor_needs_it_for_administration_too() {
    let settings = "admin_api: { roles: [editor] }\n";
    let house = House::with(Plan { settings, roles: "  mfa: [editor]\n", ..Plan::default() });
    let person = house.person();
    person.sign_in(&house.url("/.doorward/sessions"), "ada");
    let refused = person.ask(&house.url("/.doorward/api/v1/users"), &["-H", "Accept: application/json"]);
    assert_eq!((refused.status, refused.json()["code"].as_str()), (403, Some("second_factor")), "{}", refused.text());
}
