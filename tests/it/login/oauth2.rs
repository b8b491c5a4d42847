//! Servers without an ID token: a certified provider used as one, and GitHub's interface.

use serde_json::{Value, json};

use super::house::{House, Person, Plan, received};
use crate::support::process::Part;
use crate::support::{Door, eventually, free_port, part, store};

/// A door with one connection to GitHub's interface.
struct Forge {
    door: Door,
    github: Part,
    upstream: Part,
    origin: String,
}

fn email(address: &str, primary: bool, verified: bool) -> Value {
    json!({ "email": address, "primary": primary, "verified": verified, "visibility": null })
}

impl Forge {
    fn with(further: &str) -> Self {
        // GitHub's `email` is what the person shows to everybody, verified or not.
        let user = json!({ "login": "octocat", "id": 583_231, "node_id": "MDQ6VXNlcjU4MzIzMQ==", "name": "Mona", "email": "shown@elsewhere.example" });
        let emails = json!([email("old@acme.example", false, true), email("mona@acme.example", true, true)]);
        let github = part("github", &["--user", &user.to_string(), "--emails", &emails.to_string()]);
        let upstream = part("echo", &[]);
        let port = free_port();
        let origin = format!("http://127.0.0.1:{port}");
        let at = github.ready["url"].as_str().unwrap();
        let configuration = format!(
            "version: 1\npublic_url: {origin}\nlisteners: [{{ address: 127.0.0.1:{port} }}]\n\
             upstream: {{ url: http://127.0.0.1:{} }}\nstore: {{ url: sqlite:{{folder}}/doorward.db }}\nsecret_key: {{ file: secret }}\n\
             identity_headers: {{ presets: [doorward] }}\nconnections:\n  - id: github\n    domains: [acme.example]\n    oauth2:\n      provider: github\n      \
             authorization_endpoint: {at}/login/oauth/authorize\n      token_endpoint: {at}/login/oauth/access_token\n      \
             userinfo_endpoint: {at}/user\n      emails_endpoint: {at}/user/emails\n      client_id: doorward\n      \
             client_secret: a-secret-of-some-length\n{further}",
            upstream.port(),
        );
        let door = Door::serve(&configuration, |folder| {
            std::fs::write(folder.join("secret"), "0123456789abcdef0123456789abcdef").unwrap();
        });
        Self { door, github, upstream, origin }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}

#[test]
fn somebody_signs_in_with_github_by_the_primary_address_that_is_verified() {
    let forge = Forge::with("");
    let person = Person::new(&forge.origin);
    let walk = person.walk(&forge.url("/kept?x=1"));
    assert_eq!((walk.answer.status, walk.url.as_str()), (200, forge.url("/kept?x=1").as_str()), "{}", walk.answer.text());
    let echo = walk.answer.json();
    assert_eq!(received(&echo, "x-doorward-email"), Some("mona@acme.example"));
    assert_eq!(received(&echo, "x-doorward-name"), Some("Mona"));
    let asked = walk.hops.iter().find(|hop| hop.contains("/login/oauth/authorize")).unwrap();
    let asked = url::Url::parse(asked).unwrap();
    let asked: std::collections::HashMap<_, _> = asked.query_pairs().into_owned().collect();
    assert_eq!((asked["response_type"].as_str(), asked["code_challenge_method"].as_str()), ("code", "S256"));
    assert_eq!(asked["scope"], "read:user user:email");
    assert_eq!(person.session().json()["connection"], "github");

    // The number is the person: a new name and address are still the same one, and who takes the old name is another.
    forge.github.tell("/user", &json!({ "login": "mona", "id": 583_231, "name": "Mona" }));
    assert_eq!(Person::new(&forge.origin).walk(&forge.url("/")).answer.status, 200);
    assert_eq!(forge.door.command(&["user", "list"]).as_array().unwrap().len(), 1);
    forge.github.tell("/user", &json!({ "login": "octocat", "id": 999, "name": "Somebody" }));
    assert_eq!(Person::new(&forge.origin).walk(&forge.url("/")).answer.status, 200);
    assert_eq!(forge.door.command(&["user", "list"]).as_array().unwrap().len(), 2);
}

#[test]
fn an_address_that_github_does_not_call_verified_lets_nobody_in() {
    let forge = Forge::with("");
    for emails in [
        json!([email("mona@acme.example", true, false)]),
        json!([email("mona@acme.example", false, true)]),
        json!([email("mona@acme.example", false, true), email("mona@elsewhere.example", true, true)]),
        json!([]),
        json!({ "message": "Not Found" }),
    ] {
        forge.github.tell("/emails", &emails);
        let person = Person::new(&forge.origin);
        let walk = person.walk(&forge.url("/"));
        assert_eq!(walk.answer.status, 403, "{emails}: {}", walk.answer.text());
        assert_eq!(person.session().status, 401);
    }
    assert_eq!(forge.upstream.control("GET", "/requests").as_array().unwrap().len(), 0);
}

#[test]
fn a_server_that_fails_is_down_and_one_that_refuses_says_why() {
    let forge = Forge::with("");
    for path in ["/login/oauth/access_token", "/user", "/user/emails"] {
        for (fault, status) in [(json!(503), 503), (json!("hang"), 503), (json!(401), 502)] {
            forge.github.tell("/faults", &json!({ path: fault }));
            let walk = Person::new(&forge.origin).walk(&forge.url("/kept"));
            assert_eq!(walk.answer.status, status, "{path} {fault}: {}", walk.answer.text());
            assert!(walk.answer.text().contains("kept"), "trying again leads back: {}", walk.answer.text());
        }
        forge.github.tell("/faults", &json!({ path: null }));
    }
    forge.github.tell("/user", &json!({ "login": "octocat", "email": "mona@acme.example" }));
    let walk = Person::new(&forge.origin).walk(&forge.url("/"));
    assert_eq!(walk.answer.status, 502);
    assert!(walk.answer.text().contains("subject_missing"), "{}", walk.answer.text());
    let wrong = Forge::with("      client_auth: client_secret_basic\n");
    let walk = Person::new(&wrong.origin).walk(&wrong.url("/"));
    assert_eq!(walk.answer.status, 502);
    assert!(walk.answer.text().contains("incorrect_client_credentials"), "{}", walk.answer.text());
}

#[test]
fn an_answer_of_another_browser_or_another_server_signs_nobody_in() {
    let forge = Forge::with("      issuer: https://github.example\n");
    let (attacker, victim) = (Person::new(&forge.origin), Person::new(&forge.origin));
    let start = attacker.ask(&forge.url("/.doorward/sign-in/github"), &[]);
    let callback = attacker.ask(start.header("location").unwrap(), &[]).header("location").unwrap().to_owned();
    assert_eq!(victim.ask(&callback, &[]).status, 400);
    assert_eq!(attacker.ask(&format!("{callback}&iss=https%3A%2F%2Fevil.example"), &[]).status, 400);
    assert_eq!(attacker.ask(&format!("{callback}&iss=https%3A%2F%2Fgithub.example"), &[]).status, 303, "the good twin");
    assert_eq!((attacker.session().status, victim.session().status), (200, 401));
    // A code works once; the second time the person, who is signed in, goes on.
    assert_eq!(attacker.walk(&callback).answer.status, 200);
}

/// The certified provider, by its endpoints alone.
const PLAIN: &str = "  - id: second
    oauth2:
      authorization_endpoint: {issuer}/auth
      token_endpoint: {issuer}/token
      userinfo_endpoint: {issuer}/me
      issuer: {issuer}
      client_id: doorward
      client_secret: a-secret-of-some-length
      scopes: [openid, profile, email, groups]
";

#[test]
fn a_real_server_is_enough_with_its_endpoints() {
    let house = House::with(Plan { connections: PLAIN, provider: &["--userinfo-only"], ..Plan::default() });
    let person = house.person();
    let walk = person.sign_in(&house.url("/.doorward/sign-in/second?return_to=%2Fadmin%2Fx"), "ada");
    assert_eq!((walk.answer.status, walk.url), (200, house.url("/admin/x")), "{}", walk.answer.text());
    let echo = walk.answer.json();
    assert_eq!(received(&echo, "x-doorward-email"), Some("ada@acme.example"));
    assert_eq!(received(&echo, "x-doorward-groups"), Some("Chess,Engineering,Platform"));
    assert_eq!(house.asked("/me"), 1);
    // An address that is not verified is none here either.
    let walk = house.person().sign_in(&house.url("/.doorward/sign-in/second"), "eve");
    assert_eq!(received(&walk.answer.json(), "x-doorward-email"), None);
    // Where the answer has to say when somebody signed in, a server that cannot is told from one that did.
    let form = person.walk(&house.url("/.doorward/sign-in/second?step_up=fresh"));
    let walk = person.log_in(&form, "ada");
    assert_eq!(walk.answer.status, 502);
    assert!(walk.answer.text().contains("auth_time_missing"), "{}", walk.answer.text());
}

#[test]
fn what_a_real_server_says_anew_counts_and_its_no_ends_the_session() {
    let house = House::with(Plan { connections: PLAIN, provider: &["--userinfo-only", "--token-ttl", "4"], ..Plan::default() });
    let person = house.person();
    person.sign_in(&house.url("/.doorward/sign-in/second"), "bob");
    assert_eq!(person.session().json()["role"], "viewer");
    // It gives each refresh token once, and takes all back when one is used twice.
    for times in 1..3 {
        eventually("new tokens are written down", || {
            assert_eq!(person.session().status, 200);
            let version: i64 = store::look(house.door.folder(), "SELECT max(tokens_version) FROM sessions");
            (version >= times).then_some(())
        });
    }
    let bob =
        json!({ "sub": "bob", "password": "pw", "email": "bob@acme.example", "email_verified": true, "groups": ["Platform"] });
    house.idp.tell("/users", &json!([bob]));
    eventually("the new role is there", || (person.session().json()["role"] == "admin").then_some(()));
    house.faults(&json!({ "/token": { "status": 400, "body": { "error": "invalid_grant" } } }));
    eventually("the session is dead", || (person.session().status == 401).then_some(()));
    let event = eventually("it is recorded", || house.events("session_ended").into_iter().next());
    assert_eq!(event["reason"], "refresh_refused");
}
