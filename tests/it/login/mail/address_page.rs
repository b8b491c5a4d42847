//! The page that asks for the e-mail address: what it answers, and when, depends on the address's domain alone (threats M5).

use super::enumeration::{assert_alike, comparable, timed};
use super::house as mail;
use crate::login::house::{House, Person, Plan, field};

/// The domain that has to use single sign-on, and one that leads to a local account.
const SSO: &str = "acme.example";
const OTHER: &str = "elsewhere.example";

fn house() -> House {
    let house = House::with(Plan {
        connection: "    domains: [acme.example]",
        connections: "  - id: local\n    password: { lock_after: 1000 }",
        settings: "sign_in: { require_sso: [acme.example] }\nlimits: { failures_per_minute: 100000 }",
        ..Plan::default()
    });
    for domain in [SSO, OTHER] {
        let create = |name: &str, further: &[&str]| {
            let address = format!("{name}@{domain}");
            let mut all = vec!["user", "create", "--email", &address];
            all.extend(further);
            house.door.command(&all);
            address
        };
        create("known0", &["--no-password"]);
        create("local0", &[]);
        let offed = create("offed0", &["--no-password"]);
        house.door.command(&["user", "deactivate", &offed]);
    }
    // The provider's metadata are read at the first sign-in and kept.
    assert_eq!(house.person().ask(&house.url("/.doorward/sign-in/idp"), &[]).status, 303);
    house
}

/// A door whose own way is a mailed link.
fn mail_house() -> mail::House {
    let house = mail::House::with(mail::Plan {
        connection: "provision: scim",
        connections: "  - id: idp
    domains: [acme.example]
    oidc: { issuer: \"http://127.0.0.1:9\", client_id: doorward, client_secret: a-secret-of-some-length }",
        settings: "limits: { failures_per_minute: 100000 }",
        ..mail::Plan::default()
    });
    for number in 0..6 {
        house.account(&format!("known{number}@{OTHER}"));
    }
    house
}

/// The token of the page that asks for the address.
#[track_caller]
fn token(person: &Person, page: &str) -> String {
    let page = person.ask(page, &[]).text();
    assert!(page.contains("name=\"email\""), "{page}");
    field(&page, "token")
}

#[test]
fn the_address_page_answers_everybody_of_a_domain_alike() {
    let (house, mail) = (house(), mail_house());
    let cases = [
        (house.url("/.doorward/sign-in"), house.port, SSO, 200, vec!["known0", "local0", "offed0"]),
        (house.url("/.doorward/sign-in"), house.port, OTHER, 303, vec!["known0", "local0", "offed0"]),
        (mail.url("/.doorward/sign-in"), mail.port, OTHER, 303, vec!["known0", "known1"]),
    ];
    for (page, port, domain, status, known) in cases {
        let ask = |name: &str| {
            let (person, address) = (Person::at(port), format!("{name}@{domain}"));
            let token = token(&person, &page);
            let answer = person.post(&page, &[("token", &token), ("return_to", "/"), ("email", &address)], &[]);
            let mut seen = vec![comparable(&answer, &address)];
            if let Some(next) = answer.header("location") {
                seen.push(comparable(&person.ask(next, &[]), &address));
            }
            seen
        };
        let unknown = ask("nobod0");
        assert_eq!(unknown[0].0, status, "{domain}: {unknown:?}");
        for name in known {
            assert_eq!(ask(name), unknown, "{name}@{domain}");
        }
    }
}

#[test]
fn the_time_of_the_address_page_does_not_tell_who_is_known() {
    let (house, mail) = (house(), mail_house());
    mail.knobs(&serde_json::json!({ "slow_ms": 300 }));
    let cases = [
        ("single sign-on", house.url("/.doorward/sign-in"), house.port, SSO, 200, 1),
        ("password", house.url("/.doorward/sign-in"), house.port, OTHER, 303, 1),
        ("mail", mail.url("/.doorward/sign-in"), mail.port, OTHER, 303, 6),
    ];
    for (road, page, port, domain, status, accounts) in cases {
        assert_alike(road, |known, round| {
            // Somebody new each time: a browser's attempts would grow.
            let person = Person::at(port);
            let token = token(&person, &page);
            let address = format!("{}{}@{domain}", if known { "known" } else { "nobod" }, round % accounts);
            timed(&person, &page, &[("token", &token), ("return_to", "/"), ("email", &address)], status)
        });
    }
}
