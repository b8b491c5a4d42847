//! The life of a token.

use serde_json::{Value, json};

use super::house::House;
use crate::support::door::doorward;
use crate::support::eventually;

#[test]
fn a_rotation_has_two_phases_and_either_end() {
    for house in House::on_each_engine() {
        let old = house.client("okta");
        let works = |token: &str| old.with_token(token).get("/Users").status;
        let start = || {
            let made = house.door.command(&["scim-token", "rotate", "start", &old.id]);
            made["secret"].as_str().unwrap().to_owned()
        };
        let first = start();
        assert_eq!((works(&old.token), works(&first)), (200, 200));
        house.door.command(&["scim-token", "rotate", "cancel", &old.id]);
        assert_eq!((works(&old.token), works(&first)), (200, 401));
        let second = start();
        house.door.command(&["scim-token", "rotate", "complete", &old.id]);
        assert_eq!((works(&old.token), works(&first), works(&second)), (401, 401, 200));
        let again =
            doorward(&["scim-token", "rotate", "complete", &old.id]).arg("--config").arg(house.door.config()).output().unwrap();
        assert!(!again.status.success(), "there is nothing to complete");
        let phases: Vec<Value> =
            house.events("scim_token_rotated").iter().map(|event| event["details"]["phase"].clone()).collect();
        assert_eq!(phases, ["start", "cancel", "start", "complete"]);
        let refused =
            eventually("the refusals are recorded", || Some(house.events("credential_refused")).filter(|all| all.len() == 3));
        for event in refused {
            let told = ["tenant", "reason", "actor"].map(|name| event[name].as_str().unwrap().to_owned());
            assert_eq!(told, ["acme".to_owned(), "wrong_secret".to_owned(), format!("scim:{}", old.id)], "its tenant's");
        }
        let listed = house.door.command(&["scim-token", "list", "--tenant", "acme"]).to_string();
        assert!(
            listed.contains(&old.id) && ![&old.token, &first, &second].iter().any(|token| listed.contains(&token[30..])),
            "{listed}"
        );
    }
}

#[test]
fn a_token_ends_by_expiry_revocation_and_disabling_and_people_stay() {
    for house in House::on_each_engine() {
        let client = house.client("okta");
        client.person("ada");
        let made = house.door.command(&["scim-token", "create", "--connection", "okta", "--expires", "1s"]);
        let brief = client.with_token(made["secret"].as_str().unwrap());
        eventually("it expires", || (brief.get("/Users").status == 401).then_some(()));
        let (revoked, disabled) = (house.client("okta"), house.client("okta"));
        house.door.command(&["scim-token", "revoke", &revoked.id]);
        assert_eq!((revoked.get("/Users").status, disabled.get("/Users").status), (401, 200));
        let ended = house.door.command(&["scim-token", "disable", "--connection", "okta", "--tenant", "acme"]);
        assert_eq!(ended.as_array().unwrap().len(), 3, "{ended}");
        assert_eq!((disabled.get("/Users").status, client.get("/Users").status), (401, 401));
        let ada = house.door.command(&["user", "show", "ada", "--tenant", "acme"]);
        assert_eq!(ada["active"], json!(true));
        assert_eq!(house.client("okta").found("/Users", "userName pr", ""), ["ada"]);
    }
}

#[test]
fn wrong_tokens_are_told_nothing_and_have_to_wait_while_right_ones_need_not() {
    let house = House::with("limits: { failures_per_minute: 5 }");
    let client = house.client("okta");
    assert_eq!(client.get("/Users").status, 200);
    let mut guess = client.token.clone();
    let place = guess.len() - 20;
    guess.replace_range(place..=place, if &guess[place..=place] == "x" { "y" } else { "x" });
    // A checksum that does not fit is seen before anything is looked up.
    let answer = client.with_token(&guess).get("/Users");
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer realm=\"scim\"")));
    let body = answer.json();
    assert_eq!((&body["status"], &body["schemas"][0]), (&json!("401"), &json!("urn:ietf:params:scim:api:messages:2.0:Error")));
    assert_eq!(answer.header("content-type"), Some("application/scim+json"));
    assert!(!answer.text().contains("checksum") && !answer.text().contains(&client.id));

    let stranger = house.client("entra");
    let unknown = client.with_token(&stranger.token.replace(&stranger.id, &"A".repeat(16)));
    let statuses: Vec<u16> = (0..8).map(|_| unknown.get("/Users").status).collect();
    assert_eq!(statuses[0], 401);
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    assert!(unknown.get("/Users").header("retry-after").is_some());
    assert_eq!(client.get("/Users").status, 200, "who was right before is not kept waiting");
    eventually("the refusals are recorded", || {
        let reasons: Vec<Value> = house.events("credential_refused").iter().map(|event| event["reason"].clone()).collect();
        reasons.contains(&json!("malformed")).then_some(())
    });
}

#[test]
fn the_last_calls_can_be_looked_at_without_their_secrets() {
    for house in House::on_each_engine() {
        let client = house.client("okta");
        client.done("POST", "/Users", &json!({ "userName": "ada", "password": "correct horse" }));
        assert_eq!(client.ask("POST", "/Users", &json!({ "userName": "ada" })).status, 409);
        client.get("/Users?filter=userName+eq+%22ada%22");
        let calls = || house.door.command(&["scim-token", "calls", &client.id, "--limit", "500"]).as_array().unwrap().clone();
        let three = eventually("the calls are kept", || Some(calls()).filter(|calls| calls.len() == 3));
        let told: Vec<(&Value, &Value)> = three.iter().map(|call| (&call["method"], &call["status"])).collect();
        assert_eq!(told, [(&json!("GET"), &json!(200)), (&json!("POST"), &json!(409)), (&json!("POST"), &json!(201))]);
        let text = Value::Array(three.clone()).to_string();
        assert!(text.contains("uniqueness") && text.contains("filter=userName+eq"), "{text}");
        assert!(!text.contains("correct horse") && !text.contains(&client.token), "{text}");
        // Who searches by a secret is refused, and has said it all the same.
        for mistake in ["filter=password+eq+%22hunter2%22", "filter=pass%77ord+sw+%22hunter2%22", "token=hunter2"] {
            client.get(&format!("/Users?{mistake}&count=1"));
        }
        client.ask("POST", "/.search", &json!({ "filter": "clientSecret eq \"hunter2\"" }));
        client.patch("/Users/nobody", &json!([{ "op": "remove", "path": "password[value eq \"hunter2\"]" }]));
        let all = eventually("those are kept", || Some(calls()).filter(|calls| calls.len() == 8));
        let text = Value::Array(all).to_string();
        assert!(!text.contains("hunter2") && text.contains("[redacted]&count=1"), "{text}");
        for _ in 0..110 {
            client.get("/Users?count=0");
        }
        // The oldest leave; the newest are there soon.
        eventually("only the last calls are kept", || {
            let calls = calls();
            (calls.len() == 100 && calls.iter().all(|call| call["method"] == "GET")).then_some(())
        });
        let listed = house.door.command(&["scim-token", "list", "--tenant", "acme"]);
        assert!(listed[0]["last_used_at"].is_i64(), "{listed}");
    }
}
