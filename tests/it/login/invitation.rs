//! Invitations that a provider's sign-in takes up.

use serde_json::json;

use super::house::{House, Person, Plan, Walk, field};

/// Invites `email` by the provider's connection and says the link.
#[track_caller]
fn invite(house: &House, email: &str) -> String {
    let made = house.door.command(&["user", "invite", email, "--role", "editor", "--no-mail"]);
    assert_eq!(made["connection"], "idp", "{made}");
    made["link"].as_str().unwrap().to_owned()
}

/// Opens the link, says yes, and goes on to the provider.
#[track_caller]
fn accept(house: &House, person: &Person, link: &str) -> Walk {
    let page = person.ask(link, &[]);
    assert_eq!(page.status, 200, "{}", page.text());
    let fields = [("token", &*field(&page.text(), "token")), ("invitation", &*field(&page.text(), "invitation"))];
    let url = house.url("/.doorward/invitation");
    let accepted = person.post(&url, &fields, &[]);
    person.follow(&url, accepted)
}

#[test]
fn an_invitation_is_taken_up_by_the_invited_address_at_the_provider_and_by_nobody_else() {
    let house = House::with(Plan { connection: "    provision: invited", ..Plan::default() });
    let refused = |walk: &Walk, person: &Person| {
        assert_eq!((walk.answer.status, person.session().status), (403, 401), "{:#?} {}", walk.hops, walk.answer.text());
    };
    let stranger = house.person();
    refused(&stranger.sign_in(&house.url("/"), "bob"), &stranger);
    let link = invite(&house, "bob@acme.example");
    let early = house.person();
    refused(&early.sign_in(&house.url("/"), "bob"), &early);

    let thief = house.person();
    let asked = accept(&house, &thief, &link);
    assert!(asked.hops.iter().any(|hop| hop.contains("login_hint=bob%40acme.example")), "{:#?}", asked.hops);
    refused(&thief.log_in(&asked, "ada"), &thief);
    assert_eq!(house.door.command(&["user", "invitations"])[0]["state"], "accepted", "still open for its address");

    let bob = house.person();
    let arrived = bob.log_in(&accept(&house, &bob, &link), "bob");
    assert_eq!(arrived.answer.status, 200, "{:#?} {}", arrived.hops, arrived.answer.text());
    let session = bob.session().json();
    assert_eq!((&session["role"], &session["email"]), (&json!("editor"), &json!("bob@acme.example")));
    assert_eq!(house.door.command(&["user", "invitations"])[0]["state"], "used");
    assert_eq!(house.events("user_created").len(), 1);
    assert_eq!(bob.ask(&link, &[]).status, 410, "once");
}

#[test]
fn an_address_that_the_provider_does_not_vouch_for_takes_up_no_invitation() {
    let house = House::with(Plan { connection: "    provision: invited", ..Plan::default() });
    let link = invite(&house, "eve@acme.example");
    let eve = house.person();
    let refused = eve.log_in(&accept(&house, &eve, &link), "eve");
    assert_eq!((refused.answer.status, eve.session().status), (403, 401), "{}", refused.answer.text());
    assert_eq!(house.door.command(&["user", "invitations"])[0]["state"], "accepted");
}
