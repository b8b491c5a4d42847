//! Signing in through OpenID Connect: what reaches the application, and what is refused.

use serde_json::{Value, json};

use super::house::{House, Plan, received};
use crate::support::{eventually, shows_token, store};

#[test]
fn a_person_signs_in_and_the_application_hears_who_it_is() {
    let house = House::usual();
    let (person, walk) = house.signed_in("ada", "/reports?from=1&to=%2F2");
    assert_eq!(walk.url, house.url("/reports?from=1&to=%2F2"), "the address asked for, query and all");
    let echo = walk.answer.json();
    assert_eq!(echo["url"], "/reports?from=1&to=%2F2");
    assert_eq!(received(&echo, "x-doorward-email"), Some("ada@acme.example"));
    assert_eq!(received(&echo, "x-doorward-groups"), Some("Chess,Engineering,Platform"));
    assert_eq!(received(&echo, "x-doorward-role"), Some("admin"), "of several groups the highest role counts");
    assert_eq!(received(&echo, "x-doorward-roles"), Some("admin,editor"));
    assert_eq!(received(&echo, "cookie"), None, "our cookies stay at the door");

    let session = person.session();
    let who = session.json();
    assert_eq!((session.status, &who["email"], &who["credential"]), (200, &json!("ada@acme.example"), &json!("session")));
    assert_eq!(who["connection"], "idp");
    let secret = person.cookie("__Host-doorward").unwrap();
    assert!(!session.text().contains(&secret) && !shows_token(&session.text()), "no secret is shown: {}", session.text());

    let events = house.events("sign_in");
    assert_eq!((&events[0]["outcome"], &events[0]["target"]), (&json!("success"), &json!("idp")));
    assert_eq!(house.asked("/.well-known/openid-configuration"), 1);
}

#[test]
fn every_attempt_has_its_own_state_nonce_and_challenge() {
    let house = House::usual();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..3 {
        let answer = house.person().ask(&house.url("/.doorward/sign-in"), &[]);
        let address = url::Url::parse(answer.header("location").unwrap()).unwrap();
        let asked: std::collections::HashMap<_, _> = address.query_pairs().into_owned().collect();
        assert_eq!((asked["response_type"].as_str(), asked["code_challenge_method"].as_str()), ("code", "S256"));
        assert_eq!(asked["redirect_uri"], house.url("/.doorward/callback/idp"));
        assert_eq!(asked["scope"], "openid profile email groups");
        for name in ["state", "nonce", "code_challenge"] {
            assert!(asked[name].len() >= 43 && seen.insert(asked[name].clone()), "{name} is new: {address}");
        }
        let cookie = answer.header("set-cookie").unwrap();
        assert!(
            cookie.starts_with("__Host-doorward-attempt-") && cookie.contains("; Secure; HttpOnly; SameSite=Lax"),
            "{cookie}"
        );
        assert!(!cookie.contains(&asked["state"]) && !cookie.contains(&asked["nonce"]), "it is sealed: {cookie}");
    }
}

/// Connections to the same provider that ask it for offline access.
const OFFLINE: &str = "  - id: second
    oidc: { issuer: \"{issuer}\", client_id: doorward, client_secret: a-secret-of-some-length, scopes: [offline_access] }
  - id: chosen
    oidc: { issuer: \"{issuer}\", client_id: doorward, client_secret: a-secret-of-some-length, scopes: [offline_access], parameters: { prompt: select_account } }
  - id: silent
    oidc: { issuer: \"{issuer}\", client_id: doorward, client_secret: a-secret-of-some-length, scopes: [offline_access], parameters: { prompt: \"\" } }
";

#[test]
fn offline_access_asks_for_consent_unless_the_configuration_says_what_to_ask_for() {
    let house = House::with(Plan { connections: OFFLINE, provider: &["--refresh-by-consent"], ..Plan::default() });
    let prompt = |path: &str| {
        let answer = house.person().ask(&house.url(&format!("/.doorward/sign-in/{path}")), &[]);
        let address = url::Url::parse(answer.header("location").unwrap()).unwrap();
        address.query_pairs().find(|(name, _)| name == "prompt").map(|(_, value)| value.into_owned())
    };
    for (path, expected) in [
        ("idp", None),
        ("idp?prompt=login", Some("login")),
        ("second", Some("consent")),
        ("second?prompt=login", Some("login consent")),
        ("chosen", Some("select_account")),
        ("chosen?prompt=login", Some("login")),
        ("silent", None),
        ("silent?prompt=login", Some("login")),
    ] {
        assert_eq!(prompt(path).as_deref(), expected, "{path}");
    }
    // The provider gives refresh tokens to who asked for both; it leaves `offline_access` out without consent (§11).
    let refreshable = |path: &str| {
        house.person().sign_in(&house.url(&format!("/.doorward/sign-in/{path}")), "ada");
        store::look::<bool>(house.door.folder(), "SELECT refresh_at IS NOT NULL FROM sessions ORDER BY created_at DESC LIMIT 1")
    };
    assert_eq!(["idp", "second", "second?prompt=login"].map(refreshable), [false, true, true]);
}

#[test]
fn first_sign_ins_at_the_same_moment_make_one_person() {
    let house = House::usual();
    let visits: Vec<_> = std::iter::repeat_with(|| house.person())
        .take(6)
        .map(|person| (person.to_callback(&house.url("/"), "ada"), person))
        .collect();
    std::thread::scope(|scope| {
        for (callback, person) in &visits {
            scope.spawn(move || assert_eq!(person.ask(callback, &[]).status, 303));
        }
    });
    assert_eq!(house.door.command(&["user", "list"]).as_array().unwrap().len(), 1);
}

#[test]
fn groups_follow_the_provider_at_each_sign_in() {
    let house = House::usual();
    let (_, walk) = house.signed_in("bob", "/");
    assert_eq!(received(&walk.answer.json(), "x-doorward-role"), Some("viewer"), "a group without a role gives the default");
    house.idp.tell(
        "/users",
        &json!([{ "sub": "bob", "password": "pw", "email": "bob@acme.example", "email_verified": true, "groups": ["Platform"] }]),
    );
    let (_, walk) = house.signed_in("bob", "/admin/x");
    assert_eq!(received(&walk.answer.json(), "x-doorward-role"), Some("admin"));
    house.idp.tell("/users", &json!([{ "sub": "bob", "password": "pw", "email": "bob@acme.example", "email_verified": true }]));
    let (_, walk) = house.signed_in("bob", "/");
    assert_eq!(received(&walk.answer.json(), "x-doorward-roles"), Some("viewer"), "no groups claim means no groups");
    assert_eq!(house.door.command(&["user", "list"]).as_array().unwrap().len(), 1, "one person, however often");
}

#[test]
fn whoever_becomes_an_administrator_by_a_providers_groups_is_an_alarm() {
    let house = House::with(Plan { settings: "admin_api: { roles: [admin] }\n", ..Plan::default() });
    let told =
        |kind: &str| house.events(kind).iter().map(|event| event["details"]["administrator"] == json!(true)).collect::<Vec<_>>();
    let groups = |groups: &Value| {
        let bob =
            json!({ "sub": "bob", "password": "pw", "email": "bob@acme.example", "email_verified": true, "groups": groups });
        house.idp.tell("/users", &json!([bob]));
        house.signed_in("bob", "/");
    };
    groups(&json!(["Chess"]));
    assert_eq!(told("user_created"), [false]);
    for (now, expected) in
        [(json!(["Platform"]), true), (json!(["Platform", "Chess"]), false), (json!([]), false), (json!(["Platform"]), true)]
    {
        groups(&now);
        assert_eq!(told("user_changed").last(), Some(&expected), "{now}");
    }
    house.signed_in("ada", "/");
    assert_eq!(told("user_created").last(), Some(&true), "an administrator from the first day");
    let alarms = house.door.command(&["audit", "list", "--severity", "alarm"]);
    assert_eq!(alarms.as_array().map(Vec::len), Some(3), "{alarms:#}");
}

#[test]
fn an_unverified_address_is_no_address_unless_the_configuration_trusts_the_provider() {
    let house = House::usual();
    let (person, walk) = house.signed_in("eve", "/");
    assert_eq!(received(&walk.answer.json(), "x-doorward-email"), None);
    assert_eq!(person.session().json()["email"], json!(null));
    let trusting = House::with(Plan { oidc: "      trust_unverified_email: true", ..Plan::default() });
    let (_, walk) = trusting.signed_in("eve", "/");
    assert_eq!(received(&walk.answer.json(), "x-doorward-email"), Some("eve@acme.example"));
}

#[test]
fn claims_that_the_id_token_lacks_are_read_from_userinfo() {
    let house = House::with(Plan { provider: &["--userinfo-only"], ..Plan::default() });
    let (_, walk) = house.signed_in("ada", "/");
    assert_eq!(received(&walk.answer.json(), "x-doorward-email"), Some("ada@acme.example"));
    assert_eq!(received(&walk.answer.json(), "x-doorward-role"), Some("admin"));
    assert!(house.asked("/me") >= 1);
}

#[test]
fn groups_too_many_for_the_token_are_read_elsewhere_and_nobody_is_let_in_without_them() {
    let house = House::with(Plan { oidc: "      groups_overage: {issuer}/graph/me/getMemberObjects", ..Plan::default() });
    let person = json!({ "sub": "ada", "password": "pw", "email": "ada@acme.example", "email_verified": true,
        "groups": ["Chess"], "graph_groups": ["Platform", "Chess"] });
    house.idp.tell("/users", &json!([person]));
    house.tamper(&json!({ "claims": { "groups": null, "_claim_names": { "groups": "src1" },
        "_claim_sources": { "src1": { "endpoint": "https://elsewhere.example/getMemberObjects" } } } }));
    let (_, walk) = house.signed_in("ada", "/admin/x");
    assert_eq!(received(&walk.answer.json(), "x-doorward-groups"), Some("Chess,Platform"));
    for (fault, status) in [(json!(503), 503), (json!(429), 503), (json!("hang"), 503), (json!(403), 502), (json!(404), 502)] {
        house.faults(&json!({ "/graph/me/getMemberObjects": fault }));
        let person = house.person();
        assert_eq!(person.sign_in(&house.url("/"), "ada").answer.status, status, "{fault}");
        assert_eq!(person.session().status, 401, "{fault}");
    }
    house.faults(&json!({ "/graph/me/getMemberObjects": null }));
    house.signed_in("ada", "/admin/x");
}

#[test]
fn a_connection_speaks_for_its_domains_only() {
    let house = House::with(Plan { connection: "    domains: [other.example]", ..Plan::default() });
    let walk = house.person().sign_in(&house.url("/"), "ada");
    assert_eq!(walk.answer.status, 403);
    assert!(walk.answer.text().contains("does not belong here"), "{}", walk.answer.text());
    let event = eventually("the failure is recorded", || house.events("sign_in").into_iter().next());
    assert_eq!(event["reason"], "foreign_address");
}

#[test]
fn where_accounts_are_made_by_hand_a_stranger_is_told_so_and_a_known_address_is_linked_once() {
    let house = House::with(Plan { connection: "    provision: scim\n    domains: [acme.example]", ..Plan::default() });
    let walk = house.person().sign_in(&house.url("/"), "ada");
    assert_eq!(walk.answer.status, 403);
    assert!(walk.answer.text().contains("We couldn't find your account"), "{}", walk.answer.text());

    // A local account with a password is nobody's to take over.
    house.door.command(&["user", "create", "--email", "ada@acme.example"]);
    let walk = house.person().sign_in(&house.url("/"), "ada");
    assert_eq!(walk.answer.status, 403);

    house.invite("bob@acme.example");
    house.signed_in("bob", "/");
    // Somebody else who gets the address later gets nothing of bob's.
    house.idp.tell("/users", &json!([{ "sub": "rob", "password": "pw", "email": "bob@acme.example", "email_verified": true }]));
    assert_eq!(house.person().sign_in(&house.url("/"), "rob").answer.status, 403);
    // And bob stays bob under another address.
    house
        .idp
        .tell("/users", &json!([{ "sub": "bob", "password": "pw", "email": "robert@acme.example", "email_verified": true }]));
    let (person, _) = house.signed_in("bob", "/");
    assert_eq!(person.session().json()["user"], "bob@acme.example");
}

#[test]
fn a_deactivated_person_cannot_sign_in() {
    let house = House::usual();
    let (person, _) = house.signed_in("ada", "/");
    let users = house.door.command(&["user", "list"]);
    house.door.command(&["user", "deactivate", users[0]["id"].as_str().unwrap()]);
    eventually("the session is dead", || (person.session().status == 401).then_some(()));
    let walk = house.person().sign_in(&house.url("/"), "ada");
    assert_eq!(walk.answer.status, 403);
    assert!(walk.answer.text().contains("switched off"), "{}", walk.answer.text());
}

#[test]
fn id_tokens_that_do_not_hold_are_refused_with_their_reason() {
    let house = House::usual();
    for (change, reason) in [
        (json!({ "claims": { "nonce": "another" } }), "id_token_nonce"),
        (json!({ "claims": { "nonce": null } }), "id_token_nonce"),
        (json!({ "claims": { "aud": "another" } }), "id_token_audience"),
        (json!({ "claims": { "aud": ["doorward", "another"] } }), "id_token_azp"),
        (json!({ "claims": { "aud": ["doorward", "another"], "azp": "another" } }), "id_token_azp"),
        (json!({ "claims": { "azp": "another" } }), "id_token_azp"),
        (json!({ "claims": { "aud": ["another"], "azp": "doorward" } }), "id_token_audience"),
        (json!({ "claims": { "iss": "https://evil.example" } }), "id_token_issuer"),
        (json!({ "claims": { "sub": "s".repeat(256) } }), "id_token_sub"),
        (json!({ "claims": { "sub": "" } }), "id_token_sub"),
        (json!({ "claims": { "exp": 1 } }), "id_token_times"),
        (json!({ "claims": { "iat": 4_000_000_000_u64, "exp": 4_000_000_600_u64 } }), "id_token_times"),
        (json!({ "claims": { "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" } }), "id_token_at_hash"),
        (json!({ "header": { "alg": "none" } }), "id_token_signature"),
        (json!({ "stranger": true }), "id_token_signature"),
    ] {
        house.tamper(&change);
        let person = house.person();
        let walk = person.sign_in(&house.url("/"), "ada");
        assert_eq!(walk.answer.status, 502, "{change}: {}", walk.answer.text());
        assert!(walk.answer.text().contains(reason), "{change} should say {reason}: {}", walk.answer.text());
        assert_eq!(person.cookie("__Host-doorward"), None, "{change}");
        assert_eq!(person.session().status, 401, "{change}");
    }
    for good in [
        json!({ "claims": { "sub": "s".repeat(255) } }),
        json!({ "claims": { "aud": ["doorward"] } }),
        json!({ "claims": { "aud": ["another", "doorward"], "azp": "doorward" } }),
    ] {
        house.tamper(&good);
        house.signed_in("ada", "/");
    }
    house.tamper(&json!({}));
    house.signed_in("ada", "/");
}

#[test]
fn small_differences_between_the_clocks_are_borne_and_large_ones_named() {
    let house = House::usual();
    for near in [-45, 45] {
        house.idp.tell("/clock", &json!({ "skew_seconds": near }));
        house.signed_in("ada", "/");
    }
    house.idp.tell("/clock", &json!({ "skew_seconds": 600 }));
    let walk = house.person().sign_in(&house.url("/"), "ada");
    assert_eq!(walk.answer.status, 502);
    assert!(walk.answer.text().contains("seconds ahead"), "{}", walk.answer.text());
}

#[test]
fn the_provider_may_change_its_keys_without_anybody_noticing() {
    let house = House::usual();
    house.signed_in("ada", "/");
    house.idp.tell("/rotate-keys", &json!({}));
    house.signed_in("ada", "/");
    house.signed_in("bob", "/");
    assert_eq!(house.asked("/jwks"), 2, "read again once, not at every sign-in");
}

#[test]
fn the_door_opens_while_the_provider_is_down_and_says_so_to_who_signs_in() {
    let house = House::usual();
    house.faults(&json!({ "/.well-known/openid-configuration": 503 }));
    let walk = house.person().walk(&house.url("/"));
    assert_eq!(walk.answer.status, 503);
    assert!(walk.answer.text().contains("cannot be reached"), "{}", walk.answer.text());
    assert!(walk.answer.header("retry-after").is_some());
    house.faults(&json!({ "/.well-known/openid-configuration": null }));
    eventually("the provider is back", || {
        let person = house.person();
        let form = person.walk(&house.url("/"));
        (form.answer.status == 200).then(|| assert_eq!(person.log_in(&form, "ada").answer.status, 200))
    });
}

#[test]
fn a_provider_that_fails_at_any_step_is_down_and_not_wrong() {
    let house = House::with(Plan { provider: &["--userinfo-only"], ..Plan::default() });
    for (path, fault) in [("/token", json!(503)), ("/token", json!("hang")), ("/me", json!(503)), ("/jwks", json!(503))] {
        house.faults(&json!({ path: fault }));
        if path == "/jwks" {
            house.idp.tell("/rotate-keys", &json!({}));
        }
        let person = house.person();
        let walk = person.sign_in(&house.url("/kept?x"), "ada");
        assert_eq!(walk.answer.status, 503, "{path}: {}", walk.answer.text());
        assert!(walk.answer.text().contains("cannot be reached"), "{path}");
        assert!(walk.answer.text().contains("kept%3Fx"), "trying again leads back: {}", walk.answer.text());
        house.faults(&json!({ path: null }));
    }
}

#[test]
fn the_providers_no_is_shown_and_recorded() {
    let house = House::usual();
    let person = house.person();
    let form = person.walk(&house.url("/"));
    let walk = person.walk(&format!("{}/abort", form.url));
    assert_eq!(walk.answer.status, 403);
    assert!(walk.answer.text().contains("access_denied: the person cancelled"), "{}", walk.answer.text());
    let event = eventually("the failure is recorded", || house.events("sign_in").into_iter().next());
    assert_eq!((&event["reason"], &event["details"]["provider_error"]), (&json!("provider_refused"), &json!("access_denied")));
}

#[test]
fn a_wrong_client_secret_is_the_configurations_fault_and_said_to_be() {
    let house = House::with(Plan { secret: "not-the-one-it-was-given", ..Plan::default() });
    let walk = house.person().sign_in(&house.url("/"), "ada");
    assert_eq!(walk.answer.status, 502, "{}", walk.answer.text());
    assert!(walk.answer.text().contains("invalid_client"), "{}", walk.answer.text());
}
