//! idpyoidc, an OpenID provider in Python that shares no code with the others: sign-in, refresh, and signing out from both sides.
//!
//! It gives refresh tokens only to who asks for `offline_access` and for consent, says the client's id beside the code, asks for the
//! password at every sign-in, and tells `sub` and `sid` in the ID token and the rest at userinfo.

use std::sync::Arc;

use doorward::clock::SystemClock;
use doorward::crypto::Digest;
use doorward::db::Database;
use doorward::session::{ProviderTokens, SessionStore as _, SqlSessions};
use serde_json::{Value, json};

use super::house::{Person, Walk, field, received};
use crate::support::process::Part;
use crate::support::{Answer, Door, Site, eventually, part, python_part, store};

/// What the provider knows the door by, under both names.
const SECRET: &str = "a-secret-of-some-length";

/// A door with two connections, each another client of the same provider.
struct House {
    door: Door,
    idp: Part,
    site: Site,
    _upstream: Part,
    /// Holds the door's certificate, which the provider trusts.
    _tls: tempfile::TempDir,
}

impl House {
    /// `further` arguments of the provider.
    #[track_caller]
    fn with(further: &[&str]) -> Self {
        let (site, tls) = (Site::new(), tempfile::TempDir::new().unwrap());
        let authority = tls.path().join("tls.crt");
        std::fs::write(&authority, site.certificate()).unwrap();
        let (clients, people) = (clients(&site).to_string(), people().to_string());
        let mut arguments = vec!["--clients", &clients, "--users", &people, "--ca", authority.to_str().unwrap()];
        arguments.extend(further);
        let idp = python_part("idpy", &arguments);
        let upstream = part("echo", &[]);
        let connections = connections(idp.ready["issuer"].as_str().unwrap());
        let configuration = site.configuration(upstream.port(), &connections, "  groups: { Engineering: editor }");
        let door = Door::serve(&configuration, |folder| site.furnish(folder));
        Self { door, idp, site, _upstream: upstream, _tls: tls }
    }

    fn url(&self, path: &str) -> String {
        self.site.origin() + path
    }

    /// An address of the provider.
    fn there(&self, path: &str) -> String {
        format!("{}{path}", self.idp.ready["issuer"].as_str().unwrap())
    }

    /// Somebody who has signed in through this connection by the provider's form, and wanted `path`.
    #[track_caller]
    fn signed_in(&self, connection: &str, who: &str, path: &str) -> (Person, Walk) {
        let person = Person::at(self.site.port);
        let walk = self.sign_in(&person, connection, who, path);
        (person, walk)
    }

    #[track_caller]
    fn sign_in(&self, person: &Person, connection: &str, who: &str, path: &str) -> Walk {
        let form = person.walk(&self.url(&format!("/.doorward/sign-in/{connection}?return_to={path}")));
        let walk = self.send_form(person, &form.answer, "/verify/user", "token", &[("username", who), ("password", "pw")]);
        assert_eq!((walk.answer.status, &walk.url), (200, &self.url(path)), "{who}: {:#?} {}", walk.hops, walk.answer.text());
        walk
    }

    /// Sends a form of the provider with the one hidden field that it has, and follows where that leads.
    #[track_caller]
    fn send_form(&self, person: &Person, page: &Answer, action: &str, hidden: &str, filled: &[(&str, &str)]) -> Walk {
        let held = field(&page.text(), hidden);
        let body = url::form_urlencoded::Serializer::new(String::new()).append_pair(hidden, &held).extend_pairs(filled).finish();
        let address = self.there(action);
        let sent = person.ask(&address, &["--data-raw", &body]);
        person.follow(&address, sent)
    }

    /// Signs out at the provider, with its question answered; `everywhere`: at all its clients.
    #[track_caller]
    fn sign_out_there(&self, person: &Person, everywhere: bool) {
        let asked = person.walk(&self.there("/session"));
        let filled: &[_] = if everywhere { &[("logout", "yes")] } else { &[] };
        let walk = self.send_form(person, &asked.answer, "/rp_logout", "sjwt", filled);
        assert_eq!((walk.answer.status, walk.url), (200, self.there("/post_logout")), "{}", walk.answer.text());
    }

    /// The newest events of a kind.
    fn events(&self, kind: &str) -> Vec<Value> {
        self.door.events(kind)
    }

    /// What the door keeps for this person, opened with their cookie.
    fn refresh_token(&self, person: &Person) -> String {
        let value = person.cookie("__Host-doorward").unwrap();
        let store = format!("sqlite:{}", self.door.folder().join("doorward.db").display());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let sessions = SqlSessions::new(Database::open(&store, Arc::new(SystemClock)).await.unwrap());
            let session = sessions.find(&Digest::of(value.as_bytes())).await.unwrap().unwrap();
            ProviderTokens::open(&value, &session).unwrap().refresh_token.unwrap()
        })
    }

    /// How often the tokens of the only session were written anew.
    fn refreshed(&self) -> i64 {
        store::look(self.door.folder(), "SELECT max(tokens_version) FROM sessions")
    }
}

fn people() -> Value {
    let person = |sub: &str, group: &str| {
        json!({
            "sub": sub, "email": format!("{sub}@acme.example"), "email_verified": true, "name": format!("{sub} of Acme"),
            "preferred_username": sub, "groups": [group],
        })
    };
    json!([person("ada", "Engineering"), person("bob", "Chess")])
}

fn clients(site: &Site) -> Value {
    let own = format!("{}/.doorward", site.origin());
    let client = |id: &str, connection: &str| {
        json!({
            "client_id": id, "client_secret": SECRET, "redirect_uris": [format!("{own}/callback/{connection}")],
            "post_logout_redirect_uris": [format!("{own}/signed-out")],
            "backchannel_logout_uri": format!("{own}/backchannel-logout/{connection}"), "backchannel_logout_session_required": true,
        })
    };
    json!([client("doorward", "idp"), client("doorward-too", "second")])
}

fn connections(issuer: &str) -> String {
    let connection = |(id, client): (&str, &str)| {
        format!(
            "  - id: {id}\n    oidc:\n      issuer: {issuer}\n      client_id: {client}\n      client_secret: {SECRET}\n      \
             scopes: [profile, email, groups, offline_access]\n"
        )
    };
    [("idp", "doorward"), ("second", "doorward-too")].map(connection).concat()
}

fn status<const N: usize>(people: [&Person; N]) -> [u16; N] {
    people.map(|person| person.session().status)
}

#[test]
fn a_provider_in_python_signs_people_in_with_their_address_and_groups() {
    let house = House::with(&[]);
    for (who, role, group) in [("ada", "editor", "Engineering"), ("bob", "viewer", "Chess")] {
        let (person, walk) = house.signed_in("idp", who, "/reports");
        let echo = walk.answer.json();
        assert_eq!(received(&echo, "x-doorward-email"), Some(format!("{who}@acme.example").as_str()));
        assert_eq!(received(&echo, "x-doorward-groups"), Some(group));
        assert_eq!(received(&echo, "x-doorward-role"), Some(role));
        assert_eq!(person.session().json()["connection"], "idp");
        let callback = walk.hops.iter().find(|hop| hop.contains("/callback/")).unwrap();
        assert!(callback.contains("iss=") && callback.contains("client_id=doorward"), "{callback}");
    }
    let person = Person::at(house.site.port);
    let form = person.walk(&house.url("/.doorward/sign-in/idp?return_to=/"));
    let refused = house.send_form(&person, &form.answer, "/verify/user", "token", &[("username", "ada"), ("password", "no")]);
    assert_eq!((refused.answer.status, person.session().status), (403, 401));
}

/// It gives a new refresh token each time, and takes each once.
#[test]
fn its_tokens_are_renewed_while_the_session_is_used() {
    let house = House::with(&["--token-ttl", "3"]);
    let (person, _) = house.signed_in("idp", "ada", "/");
    for times in 1..4 {
        eventually("new tokens are written down", || {
            assert_eq!(person.session().status, 200);
            (house.refreshed() >= times).then_some(())
        });
    }
    // What it names the session by stays the same, so that its sign-out still finds it.
    house.sign_out_there(&person, false);
    assert_eq!(person.session().status, 401);
    assert_eq!(house.events("session_ended")[0]["reason"], "backchannel_logout");
}

/// It says `invalid_request` of a refresh token that was used or revoked.
#[test]
fn a_session_whose_refresh_token_it_has_revoked_ends() {
    let house = House::with(&["--token-ttl", "3"]);
    let (person, _) = house.signed_in("idp", "ada", "/");
    let (bob, _) = house.signed_in("idp", "bob", "/");
    let form = format!("grant_type=refresh_token&refresh_token={}", house.refresh_token(&person));
    let proof = format!("doorward:{SECRET}");
    let asked = || person.ask(&house.there("/token"), &["-u", &proof, "--data-raw", &form]);
    assert_eq!(asked().status, 200, "somebody else uses the token");
    let again = asked();
    assert_eq!((again.status, &again.json()["error"]), (400, &json!("invalid_request")), "{}", again.text());
    eventually("the session is dead", || (person.session().status == 401).then_some(()));
    assert_eq!(bob.session().status, 200);
    let event = eventually("it is recorded", || house.events("session_ended").into_iter().next());
    assert_eq!(event["reason"], "refresh_refused");
}

#[test]
fn signing_out_at_the_provider_in_python_ends_that_session_alone() {
    let house = House::with(&[]);
    let sign_in = |connection: &str, who: &str| house.signed_in(connection, who, "/").0;
    let (first, second, elsewhere) = (sign_in("idp", "ada"), sign_in("idp", "ada"), sign_in("second", "ada"));
    let bob = sign_in("idp", "bob");
    let all = || status([&first, &second, &elsewhere, &bob]);
    assert_eq!(all(), [200, 200, 200, 200]);

    // The provider answers once the door has been told: the very next request finds the session ended.
    house.sign_out_there(&second, false);
    assert_eq!(all(), [200, 401, 200, 200]);
    let page = second.walk(&house.url("/reports"));
    assert!(page.url.contains("/.doorward/"), "a page leads to signing in again: {:#?}", page.hops);

    house.sign_out_there(&bob, false);
    assert_eq!(all(), [200, 401, 200, 401]);
    let events = house.events("session_ended");
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| event["reason"] == "backchannel_logout" && event["actor"] == "idp"), "{events:#?}");
}

/// It gives a refresh token only to who asks for consent, at a stronger sign-in too.
#[test]
fn offline_access_comes_with_every_sign_in() {
    let house = House::with(&[]);
    let person = Person::at(house.site.port);
    for path in ["/.doorward/sign-in/idp?return_to=/", "/.doorward/sign-in/idp?prompt=login&return_to=/"] {
        let form = person.walk(&house.url(path));
        let walk = house.send_form(&person, &form.answer, "/verify/user", "token", &[("username", "ada"), ("password", "pw")]);
        assert_eq!((walk.answer.status, walk.url), (200, house.url("/")), "{path}: {:#?}", walk.hops);
        assert!(!house.refresh_token(&person).is_empty(), "{path}");
    }
}

#[test]
fn signing_out_of_everything_there_ends_the_sessions_of_both_connections() {
    let house = House::with(&[]);
    let sign_in = |connection: &str, who: &str| house.signed_in(connection, who, "/").0;
    let (here, elsewhere, bob) = (sign_in("idp", "ada"), sign_in("second", "ada"), sign_in("second", "bob"));
    house.sign_out_there(&here, true);
    assert_eq!(status([&here, &elsewhere, &bob]), [401, 401, 200]);
    let mut actors: Vec<_> = house.events("session_ended").iter().map(|event| event["actor"].to_string()).collect();
    actors.sort();
    assert_eq!(actors, ["\"idp\"", "\"second\""], "each was told by a token of its own");
}

#[test]
fn signing_out_here_signs_out_at_the_provider_in_python_and_comes_back() {
    let house = House::with(&[]);
    let (person, _) = house.signed_in("idp", "ada", "/");
    let (bob, _) = house.signed_in("idp", "bob", "/");
    let token = field(&person.ask(&house.url("/.doorward/sign-out"), &[]).text(), "token");
    let answer = person.post(&house.url("/.doorward/sign-out"), &[("token", &token)], &[]);
    let location = answer.header("location").unwrap();
    assert!(location.starts_with(&house.there("/session?")), "{location}");
    assert_eq!(status([&person, &bob]), [401, 200]);
    let asked = person.walk(location);
    let back = house.send_form(&person, &asked.answer, "/rp_logout", "sjwt", &[]);
    assert_eq!(
        back.url.split('?').next().unwrap(),
        house.url("/.doorward/signed-out"),
        "{:#?} {}",
        back.hops,
        back.answer.text()
    );
    assert!(back.answer.text().contains("You are signed out"));
    // It holds nobody's session any more: a second sign-out there has nothing to end.
    assert_eq!(person.walk(&house.there("/session")).answer.status, 400);
    assert_eq!(bob.session().status, 200);
}
