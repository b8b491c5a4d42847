//! Tokens for clients, each given and taken at its client's own host and nowhere else; and what each host says of who gives them.

use serde_json::{Value, json};

use super::street::{ACME, GLOBEX, SHARED, Street};
use crate::login::house::received;
use crate::support::{Answer, eventually};

const GRANT: &str = "grant_type=client_credentials";
const TOKEN: &str = "/.doorward/token";

/// A client's id and secret, as curl's argument.
fn client(street: &Street, tenant: &str) -> (String, String) {
    let made = street.door.command(&["client", "create", "--name", "robot", "--tenant", tenant]);
    let text = |name: &str| made[name].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    (text("id"), format!("{}:{}", text("id"), text("secret")))
}

fn ask(street: &Street, host: &str, client: &str, form: &str) -> Answer {
    street.send(host, TOKEN, &["-u", client, "-d", form])
}

fn with(street: &Street, host: &str, path: &str, token: &str) -> Answer {
    street.send(host, path, &["-H", &format!("Authorization: Bearer {token}")])
}

#[test]
fn a_token_is_given_and_taken_at_its_tenants_host_only() {
    let street = Street::with("token_endpoint: {}");
    let homes = [("acme", ACME), ("globex", GLOBEX), ("initech", SHARED), ("default", SHARED)];
    let clients = homes.map(|(tenant, home)| (tenant, home, client(&street, tenant)));
    let unknown = ask(&street, GLOBEX, "0123456789abcdef:dws_wrong", GRANT).text();
    for (tenant, home, (id, credentials)) in &clients {
        let given = ask(&street, home, credentials, GRANT);
        assert_eq!(given.status, 200, "{tenant} at {home}: {}", given.text());
        let token = given.json()["access_token"].as_str().unwrap().to_owned();
        let seen = with(&street, home, "/", &token);
        assert_eq!((seen.status, received(&seen.json(), "x-doorward-tenant")), (200, Some(*tenant)), "{}", seen.text());
        let before = street.passed();
        for other in [ACME, GLOBEX, SHARED, "unheard.test"].into_iter().filter(|other| other != home) {
            // An unheard host is the shared one by another name.
            let shared = *home == SHARED && other == "unheard.test";
            if !shared {
                for path in ["/", "/optional/x", "/report/x", "/.doorward/session"] {
                    let refused = with(&street, other, path, &token);
                    assert_eq!(
                        (refused.status, &refused.json()["code"]),
                        (403, &json!("foreign_host")),
                        "{tenant} at {other}{path}"
                    );
                }
                let refused = ask(&street, other, credentials, GRANT);
                assert_eq!(
                    (refused.status, refused.text()),
                    (401, unknown.clone()),
                    "{tenant} at {other}: as if it were unknown"
                );
            }
        }
        assert_eq!(street.passed(), before, "the application saw none of it");
        let elsewhere = ask(&street, home, credentials, &format!("{GRANT}&resource={}", street.url("another.test", "/")));
        assert_eq!((elsewhere.status, &elsewhere.json()["error"]), (400, &json!("invalid_target")));
        let refused = |event: &&Value| event["actor"] == json!(id) && event["reason"] == "foreign_host";
        let events = street.door.command(&["audit", "list", "--kind", "token_issued", "--limit", "1000"]);
        let event = events.as_array().unwrap().iter().find(refused).unwrap_or_else(|| panic!("{events:#}"));
        assert_eq!(event["tenant"], json!(tenant), "the trail of whose client it is: {event}");
    }
    // Who has no name yet is the matter of whoever's door it was tried at.
    let guessed = eventually("the guess in the trail", || {
        let events = street.door.command(&["audit", "list", "--kind", "token_issued", "--tenant", "globex", "--limit", "1000"]);
        events.as_array().unwrap().iter().find(|event| event["reason"] == "unknown").cloned()
    });
    assert_eq!(guessed["target"], "0123456789abcdef", "{guessed}");
}

#[test]
fn each_host_says_who_gives_tokens_that_are_taken_there() {
    let street = Street::with("token_endpoint: {}");
    let provider = street.idp.ready["issuer"].as_str().unwrap();
    for (host, issuers) in [(ACME, vec![provider]), (GLOBEX, vec![]), (SHARED, vec![])] {
        let own = street.url(host, "");
        let server = street.send(host, "/.well-known/oauth-authorization-server", &[]).json();
        for (name, value) in [("issuer", ""), ("token_endpoint", TOKEN), ("jwks_uri", "/.doorward/token/jwks.json")] {
            assert_eq!(server[name], json!(format!("{own}{value}")), "{server}");
        }
        assert_eq!(street.send(host, "/.doorward/token/jwks.json", &[]).json()["keys"].as_array().map(Vec::len), Some(3));
        let challenge = street.send(host, "/", &[]).all("www-authenticate").concat();
        assert!(challenge.contains(&format!("resource_metadata=\"{own}/.well-known/oauth-protected-resource\"")), "{challenge}");
        let servers: Vec<&str> = std::iter::once(&*own).chain(issuers).collect();
        for path in ["", "/deep/x"] {
            let resource = street.send(host, &format!("/.well-known/oauth-protected-resource{path}"), &[]).json();
            assert_eq!(resource["resource"], json!(format!("{own}{path}")));
            assert_eq!(resource["authorization_servers"], json!(servers), "{resource}");
        }
    }
    // Without an endpoint of its own only acme has an issuer, and nobody is led to a document that is not there.
    let street = Street::new();
    for (host, led) in [(ACME, true), (GLOBEX, false), (SHARED, false)] {
        let challenge = street.send(host, "/", &[]).all("www-authenticate").concat();
        let document = street.send(host, "/.well-known/oauth-protected-resource", &[]);
        assert_eq!((challenge.contains("resource_metadata"), document.status == 200), (led, led), "{host}: {challenge}");
    }
}
