//! Where people are sent after signing in, whichever way they came in: never off the origin.

use serde::Deserialize;

use super::house::{House, Plan, field};
use crate::support::Answer;

const WAYS: &str = "  - id: second
    domains: [other.example]
    oidc: { issuer: \"{issuer}\", client_id: doorward, client_secret: a-secret-of-some-length }
  - id: local
    password: { lock_after: 1000 }";

#[derive(Deserialize)]
struct Tricks {
    refused: Vec<String>,
    kept: Vec<String>,
}

fn tricks() -> Tricks {
    serde_json::from_str(include_str!("../../fixtures/return-addresses.json")).unwrap()
}

/// What the page would go back to.
#[track_caller]
fn kept(answer: &Answer, asked: &str) -> url::Url {
    assert!(answer.status == 200, "{} for {asked:?}: {}", answer.status, answer.text());
    assert_eq!(answer.header("location"), None, "{asked:?}");
    field(&answer.text(), "return_to").replace("&lt;", "<").replace("&quot;", "\"").parse().unwrap()
}

#[test]
fn no_trick_with_a_return_address_leaves_the_origin_by_any_entry() {
    let house = House::with(Plan { connections: WAYS, settings: "tenants: [{ id: partners }]", ..Plan::default() });
    let person = house.person();
    let token = field(&person.ask(&house.url("/.doorward/sign-in"), &[]).text(), "token");
    let Tricks { refused, kept: odd } = tricks();
    assert!(refused.len() >= 100, "{}", refused.len());
    let home = house.url("/");
    for (trick, stays) in refused.iter().map(|trick| (trick, false)).chain(odd.iter().map(|trick| (trick, true))) {
        let query: String = url::form_urlencoded::byte_serialize(trick.as_bytes()).collect();
        let link = |path: &str| kept(&person.ask(&house.url(&format!("{path}?return_to={query}")), &[]), trick);
        let sent = |path: &str, fields: &[(&str, &str)]| {
            let fields: Vec<(&str, &str)> =
                [("token", token.as_str()), ("return_to", trick)].iter().chain(fields).copied().collect();
            let answer = person.post(&house.url(path), &fields, &[]);
            let location = answer.header("location").unwrap_or_else(|| panic!("{} {trick:?}", answer.status));
            assert!(location.starts_with(&house.url("/.doorward/sign-in")), "{location}");
            kept(&person.ask(location, &[]), trick)
        };
        for (entry, back) in [
            ("the sign-in page", link("/.doorward/sign-in")),
            ("a connection's link", link("/.doorward/sign-in/local")),
            ("a tenant's link", link("/.doorward/t/nobody")),
            ("the address form", sent("/.doorward/sign-in", &[("email", "somebody@elsewhere.example")])),
            ("the address form after a mistake", sent("/.doorward/sign-in", &[("email", "@")])),
        ] {
            assert_eq!(back.origin().ascii_serialization() + "/", home, "{entry}: {trick:?}");
            assert!(stays || back.as_str() == home, "{entry}: {trick:?} became {back}");
        }
    }
}
