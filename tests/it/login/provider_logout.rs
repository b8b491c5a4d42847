//! Signing out that begins at the provider: from server to server, and by a frame in the browser.

use doorward::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use super::house::{House, Plan, field};
use crate::support::{Answer, eventually, store};

const CLIENT: &str =
    r#"{ "backchannel_logout_uri": "{own}/.doorward/backchannel-logout/idp", "backchannel_logout_session_required": true }"#;

fn house() -> House {
    House::with(Plan { client: CLIENT, ..Plan::default() })
}

fn now() -> i64 {
    SystemClock.now().seconds()
}

/// The claims of a logout token that holds, with `change` laid over them; `null` takes one away.
fn claims(house: &House, change: &Value) -> Value {
    let mut claims = json!({
        "iss": house.idp.ready["issuer"], "aud": "doorward", "iat": now(), "exp": now() + 120, "jti": uuid::Uuid::new_v4(),
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
    });
    let claims_map = claims.as_object_mut().unwrap();
    for (name, value) in change.as_object().unwrap() {
        claims_map.insert(name.clone(), value.clone());
    }
    claims_map.retain(|_, value| !value.is_null());
    claims
}

fn send(house: &House, connection: &str, body: &str) -> Answer {
    house.person().ask(&house.url(&format!("/.doorward/backchannel-logout/{connection}")), &["--data-raw", body])
}

/// Sends a logout token with these claims.
fn log_out(house: &House, change: &Value) -> Answer {
    let token = house.signed(&json!({ "header": { "typ": "logout+jwt" }, "claims": claims(house, change) }));
    send(house, "idp", &format!("logout_token={token}"))
}

/// The provider's own names for the newest session and for its holder.
fn names(house: &House) -> (String, String) {
    let listed = house.door.command(&["session", "list"]);
    let text = |name: &str| listed[0][name].as_str().unwrap_or_else(|| panic!("no {name} in {listed}")).to_owned();
    (text("provider_session"), text("provider_subject"))
}

#[test]
fn signing_out_at_the_provider_ends_the_session_here_at_once() {
    let house = house();
    let (person, _) = house.signed_in("ada", "/");
    let (other, _) = house.signed_in("bob", "/");
    let issuer = house.idp.ready["issuer"].as_str().unwrap();
    let there = person.walk(&format!("{issuer}/session/end"));
    let xsrf = field(&there.answer.text(), "xsrf");
    person.ask(&format!("{issuer}/session/end/confirm"), &["-d", &format!("xsrf={xsrf}&logout=yes")]);
    eventually("the session is dead", || (person.session().status == 401).then_some(()));
    assert_eq!(other.session().status, 200, "somebody else's lives on");
    let event = eventually("it is recorded", || house.events("session_ended").into_iter().next());
    assert_eq!(
        (&event["reason"], &event["actor"], &event["outcome"]),
        (&json!("backchannel_logout"), &json!("idp"), &json!("success"))
    );
    assert!(person.walk(&house.url("/")).url.contains("/interaction/"), "and the provider asks for the password again");
}

#[test]
fn a_logout_token_ends_one_session_by_sid_or_all_of_a_person_by_sub() {
    let house = house();
    let sign_in = || house.signed_in("ada", "/").0;
    let first = sign_in();
    let (sid, sub) = names(&house);
    let (second, third) = (sign_in(), sign_in());
    let (bob, _) = house.signed_in("bob", "/");
    let are = |expected: [u16; 4]| assert_eq!([&first, &second, &third, &bob].map(|person| person.session().status), expected);

    let answer = log_out(&house, &json!({ "sid": sid }));
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{}", answer.text());
    are([401, 200, 200, 200]);
    assert_eq!(log_out(&house, &json!({ "sid": sid, "sub": "somebody-else" })).status, 200, "nothing to end is no failure");
    assert_eq!(log_out(&house, &json!({ "sub": sub, "exp": null })).status, 200);
    are([401, 401, 401, 200]);
    assert_eq!(house.events("session_ended").len(), 3);
}

#[test]
fn a_logout_token_that_does_not_hold_ends_nothing_and_its_reason_is_recorded() {
    let house = house();
    let (person, _) = house.signed_in("ada", "/");
    let (sid, sub) = names(&house);
    let typ = json!({ "typ": "logout+jwt" });
    let both = |change: Value| {
        let mut all = json!({ "sid": sid, "sub": sub });
        all.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        all
    };
    for (header, change, stranger, reason) in [
        (&typ, json!({ "iss": "https://evil.example" }), false, "logout_token_issuer"),
        (&typ, json!({ "aud": "another" }), false, "logout_token_audience"),
        (&typ, json!({ "aud": null }), false, "logout_token_claims"),
        (&typ, json!({ "iat": null }), false, "logout_token_claims"),
        (&typ, json!({ "jti": null }), false, "logout_token_claims"),
        (&typ, json!({ "jti": "" }), false, "logout_token_claims"),
        (&typ, json!({ "iat": now() + 600 }), false, "logout_token_times"),
        (&typ, json!({ "iat": now() - 3600, "exp": now() + 60 }), false, "logout_token_times"),
        (&typ, json!({ "exp": now() - 120 }), false, "logout_token_times"),
        (&typ, json!({ "events": null }), false, "logout_token_claims"),
        (&typ, json!({ "events": {} }), false, "logout_token_events"),
        (&typ, json!({ "events": { "http://schemas.openid.net/event/backchannel-logout": true } }), false, "logout_token_events"),
        (&typ, json!({ "nonce": "x" }), false, "logout_token_nonce"),
        (&typ, json!({ "sid": null, "sub": null }), false, "logout_token_nobody"),
        (&typ, json!({}), true, "logout_token_signature"),
        (&json!({ "alg": "none" }), json!({}), false, "logout_token_signature"),
        (&json!({ "typ": "JWT" }), json!({}), false, "logout_token_type"),
        (&json!({ "typ": "at+jwt" }), json!({}), false, "logout_token_type"),
    ] {
        let token =
            house.signed(&json!({ "header": header, "claims": claims(&house, &both(change.clone())), "stranger": stranger }));
        let answer = send(&house, "idp", &format!("logout_token={token}"));
        assert_eq!((answer.status, answer.header("cache-control")), (400, Some("no-store")), "{change}: {}", answer.text());
        assert!(answer.text().contains(reason), "{header} {change} should say {reason}: {}", answer.text());
        assert_eq!(person.session().status, 200, "{header} {change}");
    }
    eventually("the refusals are recorded", || (house.events("session_ended").len() == 18).then_some(()));
    assert!(house.events("session_ended").iter().all(|event| event["outcome"] == "failure"));
    // The good twin, without a type as older providers send it.
    let token = house.signed(&json!({ "claims": claims(&house, &both(json!({}))) }));
    assert_eq!(send(&house, "idp", &format!("logout_token={token}")).status, 200);
    assert_eq!(person.session().status, 401);
}

#[test]
fn a_logout_token_that_the_store_could_not_follow_is_taken_when_it_comes_again() {
    let house = house();
    let (person, _) = house.signed_in("ada", "/");
    let (sid, _) = names(&house);
    let token = house.signed(&json!({ "claims": claims(&house, &json!({ "sid": sid })) }));
    store::change(
        house.door.folder(),
        "CREATE TRIGGER broken BEFORE UPDATE OF revoked_at ON sessions BEGIN SELECT RAISE(ABORT, 'broken'); END",
    );
    let answer = send(&house, "idp", &format!("logout_token={token}"));
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(person.session().status, 200);
    store::change(house.door.folder(), "DROP TRIGGER broken");
    let answer = send(&house, "idp", &format!("logout_token={token}"));
    assert_eq!((answer.status, person.session().status), (200, 401), "{}", answer.text());
    assert_eq!(send(&house, "idp", &format!("logout_token={token}")).status, 400, "and then it is spent");
}

#[test]
fn a_session_that_no_logout_could_name_is_not_begun() {
    let house = house();
    for (sid, status) in [("s".repeat(1025), 502), (String::new(), 502), ("s".repeat(1024), 200)] {
        house.tamper(&json!({ "claims": { "sid": sid } }));
        let person = house.person();
        let walk = person.sign_in(&house.url("/"), "ada");
        assert_eq!(walk.answer.status, status, "{} bytes: {}", sid.len(), walk.answer.text());
        if status == 200 {
            assert_eq!(log_out(&house, &json!({ "sid": sid })).status, 200);
            assert_eq!(person.session().status, 401);
        } else {
            assert!(walk.answer.text().contains("id_token_sid"), "{}", walk.answer.text());
        }
    }
}

#[test]
fn a_logout_token_works_once() {
    let house = house();
    let (_, _) = house.signed_in("ada", "/");
    let (_, sub) = names(&house);
    let token = house.signed(&json!({ "claims": claims(&house, &json!({ "sub": sub })) }));
    assert_eq!(send(&house, "idp", &format!("logout_token={token}")).status, 200);
    let (person, _) = house.signed_in("ada", "/");
    let again = send(&house, "idp", &format!("logout_token={token}"));
    assert_eq!(again.status, 400);
    assert!(again.text().contains("logout_token_replayed"), "{}", again.text());
    assert_eq!(person.session().status, 200, "the sign-in after it is not ended by it");
}

#[test]
fn what_is_no_logout_request_is_answered_as_such() {
    let house = House::with(Plan { client: CLIENT, connections: "  - id: local\n    password: {}\n", ..Plan::default() });
    let good = house.signed(&json!({ "claims": claims(&house, &json!({ "sub": "x" })) }));
    for (connection, body, status) in [
        ("idp", String::new(), 400),
        ("idp", "logout_token=".to_owned(), 400),
        ("idp", "logout_token=a.b.c".to_owned(), 400),
        ("idp", format!("logout_token={good}&logout_token={good}"), 400),
        ("local", format!("logout_token={good}"), 501),
        ("nothing", format!("logout_token={good}"), 404),
    ] {
        let answer = send(&house, connection, &body);
        assert_eq!((answer.status, answer.header("cache-control")), (status, Some("no-store")), "{connection} {body}");
    }
    assert_eq!(house.person().ask(&house.url("/.doorward/backchannel-logout/idp"), &[]).status, 405);
    // The provider's new key is fetched; while that cannot be done, nothing was judged.
    house.idp.tell("/rotate-keys", &json!({}));
    house.faults(&json!({ "/jwks": 503 }));
    assert_eq!(log_out(&house, &json!({ "sub": "x" })).status, 503);
}

#[test]
fn a_logout_by_a_frame_ends_the_session_that_issuer_and_sid_name() {
    let house = house();
    let (person, _) = house.signed_in("ada", "/");
    let (sid, _) = names(&house);
    let issuer = house.idp.ready["issuer"].as_str().unwrap();
    let frame = |query: &str| house.person().ask(&house.url(&format!("/.doorward/frontchannel-logout/idp?{query}")), &[]);
    for (query, status) in [
        (String::new(), 400),
        (format!("sid={sid}"), 400),
        (format!("iss={issuer}"), 400),
        (format!("iss={issuer}&sid=short"), 400),
        (format!("iss=https://evil.example&sid={sid}"), 400),
        (format!("iss={issuer}&sid={sid}&sid={sid}"), 400),
        (format!("iss={issuer}&sid=AAAAAAAAAAAAAAAAAAAAAAAA"), 200),
    ] {
        assert_eq!(frame(&query).status, status, "{query}");
        assert_eq!(person.session().status, 200, "{query}");
    }
    let answer = frame(&format!("iss={issuer}&sid={sid}"));
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-cache, no-store")));
    assert_eq!(answer.header("content-security-policy"), Some(format!("default-src 'none'; frame-ancestors {issuer}").as_str()));
    assert_eq!(answer.header("x-frame-options"), None, "it knows no origins, and would forbid the provider too");
    assert_eq!(person.session().status, 401);
    assert_eq!(house.events("session_ended")[0]["reason"], "frontchannel_logout");
    assert_eq!(house.person().ask(&house.url("/.doorward/frontchannel-logout/nothing?iss=x&sid=y"), &[]).status, 404);
}
