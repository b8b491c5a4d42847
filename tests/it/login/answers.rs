//! What the provider answered at a failed sign-in, in the trail: what explains the failure, and no secret.

use serde_json::{Value, json};

use super::house::{House, Plan};
use crate::support::eventually;

/// The newest failed sign-in.
#[track_caller]
fn failure(house: &House) -> Value {
    let failed = || house.events("sign_in").into_iter().find(|event| event["outcome"] == "failure");
    eventually("the failure is recorded", failed)
}

#[test]
fn what_a_provider_answers_to_a_wrong_client_secret_is_recorded() {
    let house = House::with(Plan { secret: "not-the-one-it-was-given", ..Plan::default() });
    assert_eq!(house.person().sign_in(&house.url("/"), "ada").answer.status, 502);
    let event = failure(&house);
    let answer = &event["details"]["provider_answer"];
    assert_eq!((&answer["http_status"], &answer["error"]), (&json!(401), &json!("invalid_client")), "{event}");
    assert!(answer["error_description"].as_str().is_some_and(|words| words.contains("authentication")), "{event}");
    assert_eq!((&event["reason"], &event["details"]["protocol"]), (&json!("provider_setup"), &json!("oidc")));
}

#[test]
fn no_secret_that_a_failing_provider_puts_into_its_answer_is_recorded() {
    let house = House::usual();
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEiLCJub25jZSI6IngifQ.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg";
    let opaque = "gho_16C7e42F292c6912E7710c838347Ae178B4a";
    let hex = "9f86d081884c7d659a2feaa0c55ad015";
    let everywhere = json!({
        "error": "invalid_grant", "error_description": format!("The code {opaque} was used; id_token={jwt}&cookie: {hex}"),
        "error_uri": format!("https://login.acme.example/errors?code={opaque}"), "access_token": opaque, "id_token": jwt,
        "refresh_token": hex, "client_secret": "correct-h0rse-battery-staple-2026x", opaque: hex, "error_codes": [70000, opaque],
        "detail": { "message": jwt, "assertion": "PHNhbWxwOlJlc3BvbnNlIHhtbG5z", "code": { "code": opaque } }, "scope": [hex],
    });
    house.faults(&json!({ "/token": { "status": 400, "body": everywhere } }));
    assert_eq!(house.person().sign_in(&house.url("/"), "ada").answer.status, 403);
    let event = failure(&house);
    let expected = json!({
        "http_status": 400, "error": "invalid_grant",
        "error_description": "The code [left out] was used; id_token=[left out]&cookie: [left out]",
        "error_uri": "https://login.acme.example/errors?code=[left out]", "error_codes": [70000, "[left out]"],
        "detail": { "message": "[left out]", "code": "[left out]" }, "scope": ["[left out]"], "other_members": 5,
    });
    assert_eq!(event["details"]["provider_answer"], expected, "{event:#}");
    let everything = house.door.command(&["audit", "list"]).to_string();
    for secret in [jwt, &jwt[40..], opaque, &opaque[4..], hex, "battery-staple", "PHNhbWxwOlJlc3BvbnNl"] {
        assert!(!everything.contains(secret), "{secret} in {everything}");
    }
}

#[test]
fn an_error_that_a_person_brings_back_is_recorded_in_the_providers_words_without_secrets() {
    let house = House::usual();
    let person = house.person();
    let form = person.walk(&house.url("/"));
    assert_eq!(person.walk(&format!("{}/abort", form.url)).answer.status, 403);
    let event = failure(&house);
    let answer = &event["details"]["provider_answer"];
    assert_eq!(
        (&answer["error"], &answer["error_description"]),
        (&json!("access_denied"), &json!("the person cancelled")),
        "{event}"
    );
    assert_eq!(answer["http_status"], Value::Null, "no endpoint was asked");
}
