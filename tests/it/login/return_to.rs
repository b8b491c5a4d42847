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
fn a_long_address_survives_the_sign_in_and_one_that_is_too_long_is_said_to_be() {
    let house = House::usual();
    let exactly = |length: usize| {
        let begin = house.url("/deep?q=");
        format!("{begin}{}", "a".repeat(length - begin.len()))
    };
    let longest = exactly(2400);
    let (_, walk) = house.signed_in("ada", longest.strip_prefix(&house.url("")).unwrap());
    assert_eq!(walk.url, longest);
    // A byte more is known at the sign-in page, much more at once.
    for length in [2401, 3000, 8000] {
        let walk = house.person().walk(&exactly(length));
        assert_eq!(walk.answer.status, 401, "{length}: {:#?}", walk.hops.last());
        let page = walk.answer.text();
        assert!(page.contains("too long to be kept while you sign in"), "{page}");
        assert!(page.contains("sign-in?return_to=%2F\""), "{page}");
    }
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
