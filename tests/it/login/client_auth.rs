//! How the door proves itself to the provider, and what it leaves with it before the browser goes there.

use std::process::Command;

use serde_json::json;

use super::house::{House, Plan};
use crate::support::doorward;

/// A private key in PKCS #8, made by OpenSSL.
fn key(arguments: &[&str]) -> String {
    let made = Command::new("openssl").arg("genpkey").args(arguments).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap()
}

const P256: [&str; 4] = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
const RSA: [&str; 4] = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];

#[test]
fn a_client_key_of_every_kind_proves_the_door_and_the_provider_fetches_its_public_part() {
    let kinds: [(&[&str], &str, &'static str, &'static str); 4] = [
        (
            &P256,
            "ES256",
            "",
            r#"{ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "{own}/.doorward/client-keys/idp" }"#,
        ),
        (
            &RSA,
            "RS256",
            "",
            r#"{ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "{own}/.doorward/client-keys/idp" }"#,
        ),
        (
            &RSA,
            "PS256",
            ", algorithm: PS256, id: mine",
            r#"{ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "{own}/.doorward/client-keys/idp" }"#,
        ),
        (
            &["-algorithm", "ED25519"],
            "EdDSA",
            "",
            r#"{ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "{own}/.doorward/client-keys/idp" }"#,
        ),
    ];
    for (arguments, algorithm, further, client) in kinds {
        let oidc =
            format!("      client_auth: private_key_jwt\n      client_key: {{ pem: {{ file: client.pem }}{further} }}").leak();
        let plan = Plan {
            oidc,
            client,
            secret: "",
            provider: &["--par", "on"],
            files: vec![("client.pem", key(arguments))],
            ..Plan::default()
        };
        let house = House::with(plan);
        house.signed_in("ada", "/kept?x=1");
        let published = house.person().ask(&house.url("/.doorward/client-keys/idp"), &["-H", "Accept: application/json"]);
        assert_eq!(published.status, 200);
        let published = published.json();
        let only = &published["keys"][0];
        assert_eq!((&only["alg"], &only["use"]), (&json!(algorithm), &json!("sig")), "{published}");
        assert_eq!(only["kid"] == "mine", !further.is_empty(), "{published}");
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(only.get(private).is_none(), "{private} is published");
        }
        assert_eq!((house.asked("/request"), house.asked("/token")), (1, 1));
    }
}

#[test]
fn without_a_client_key_none_is_published() {
    let house = House::usual();
    for id in ["idp", "nothing"] {
        assert_eq!(house.person().ask(&house.url(&format!("/.doorward/client-keys/{id}")), &[]).status, 404);
    }
}

#[test]
fn where_requests_can_be_pushed_the_browser_carries_a_ticket_only() {
    for par in [&["--par", "on"], &["--par", "required"]] {
        for auth in ["", "      client_auth: client_secret_post"] {
            let client = if auth.is_empty() { "{}" } else { r#"{ "token_endpoint_auth_method": "client_secret_post" }"# };
            let house = House::with(Plan { provider: par, oidc: auth, client, ..Plan::default() });
            let answer = house.person().ask(&house.url("/.doorward/sign-in/idp?login_hint=ada"), &[]);
            let address = url::Url::parse(answer.header("location").unwrap()).unwrap();
            let names: Vec<String> = address.query_pairs().map(|(name, _)| name.into_owned()).collect();
            assert_eq!(names, ["client_id", "request_uri"], "{address}");
            house.signed_in("ada", "/kept?x=1");
        }
    }
}

#[test]
fn a_provider_that_takes_no_pushed_request_is_down_or_does_not_know_the_door() {
    let house = House::with(Plan { provider: &["--par", "on"], ..Plan::default() });
    for fault in [json!(503), json!("hang")] {
        house.faults(&json!({ "/request": fault }));
        let answer = house.person().walk(&house.url("/kept"));
        assert_eq!(answer.answer.status, 503, "{}", answer.answer.text());
        assert!(answer.answer.text().contains("cannot be reached"));
        house.faults(&json!({ "/request": null }));
    }
    let house = House::with(Plan { provider: &["--par", "required"], secret: "not-the-one-it-was-given", ..Plan::default() });
    let walk = house.person().walk(&house.url("/kept"));
    assert_eq!(walk.answer.status, 502, "{}", walk.answer.text());
    assert!(walk.answer.text().contains("invalid_client"), "{}", walk.answer.text());
}

#[test]
fn a_recent_sign_in_that_was_asked_for_has_to_be_shown() {
    let house = House::usual();
    let url = house.url("/.doorward/sign-in/idp?step_up=fresh&return_to=%2Fkept");
    let now = doorward::clock::Clock::now(&doorward::clock::SystemClock).seconds();
    for (auth_time, reason) in [(json!(null), "auth_time_missing"), (json!(now - 3600), "not_asked_anew")] {
        house.tamper(&json!({ "claims": { "auth_time": auth_time } }));
        let person = house.person();
        let form = person.walk(&url);
        assert!(form.hops[1].contains("max_age=0") && form.hops[1].contains("prompt=login"), "{:#?}", form.hops);
        let walk = person.log_in(&form, "ada");
        assert_eq!(walk.answer.status, 502);
        assert!(walk.answer.text().contains(reason), "{}", walk.answer.text());
        assert_eq!(person.session().status, 401);
    }
    house.tamper(&json!({}));
    let walk = house.person().sign_in(&url, "ada");
    assert_eq!((walk.answer.status, walk.url), (200, house.url("/kept")));
}

#[test]
fn a_key_that_cannot_sign_is_found_when_the_configuration_is_read() {
    let folder = tempfile::TempDir::new().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("secret", "0123456789abcdef0123456789abcdef");
    write("p256.pem", &key(&P256));
    write("none.pem", "no key");
    for (lines, problem) in [
        ("client_auth: private_key_jwt", "`private_key_jwt` needs a key"),
        ("client_key: { pem: { file: p256.pem } }", "the key is not used"),
        ("client_auth: private_key_jwt, client_key: { pem: { file: none.pem } }", "no private key that can sign"),
        ("client_auth: private_key_jwt, client_key: { pem: { file: p256.pem }, algorithm: RS256 }", "cannot sign with RS256"),
        ("client_auth: private_key_jwt, client_key: { pem: { file: p256.pem }, certificate: none.pem }", "certificate"),
    ] {
        write(
            "doorward.yaml",
            &format!(
                "version: 1\npublic_url: https://door.test\nlisteners: [{{ address: 127.0.0.1:0 }}]\nupstream: {{ url: http://127.0.0.1:9 }}\n\
                 store: {{ url: sqlite:x.db }}\nsecret_key: {{ file: secret }}\nconnections:\n  - id: idp\n    oidc: {{ issuer: https://idp.example, \
                 client_id: doorward, {lines} }}\n"
            ),
        );
        let checked = doorward(&["check", "--config"]).arg(folder.path().join("doorward.yaml")).output().unwrap();
        let said = [checked.stdout, checked.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(!checked.status.success() && said.contains(problem), "{lines}: {said}");
    }
}
